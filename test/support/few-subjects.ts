/** Subjects of which only some are held in memory: the others are in few pages, the rest of them in a scratch file. */
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ScratchPages } from '../../shared/store/scratch-pages.ts'
import type { SubjectSpace } from '../../shared/store/stream-subjects.ts'
import { SubjectBudget } from '../../shared/store/subject-budget.ts'
import { SimDisk } from '../sim/index.ts'

export interface FewSubjects extends SubjectSpace {
  readonly disk: SimDisk
  readonly used: ScratchPages
  /** What was told of the scratch file. */
  readonly told: string[]
  fileBytes: number
}

export function fewSubjects(
  subjectsMax: number,
  { hashSeed = 0, cacheBytes = 0, bytesMax = Number.POSITIVE_INFINITY } = {},
): FewSubjects {
  const disk = new SimDisk({ random: new SeededRandom(1) })
  const told: string[] = []
  const used = new ScratchPages({
    open: (blockBytes) => disk.scratch('/data/subjects.tmp', blockBytes),
    cacheBytes,
    grew: (bytes) => {
      space.fileBytes += bytes
    },
    stuck: () => told.push('stuck'),
    failed: (cause) => {
      told.push('failed')
      return cause as never
    },
  })
  const space = {
    hashSeed,
    budget: new SubjectBudget(subjectsMax, bytesMax),
    pages: () => used,
    disk,
    used,
    told,
    fileBytes: 0,
  }
  return space
}
