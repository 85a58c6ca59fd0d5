/** Where the subjects of a store's streams are: a budget of memory, and pages on disk for the rest. */
import * as path from 'node:path'
import type { Log } from '../log/index.ts'
import { type Clock, type Disk, messageOf } from '../runtime/index.ts'
import { FAILURE_WARN_MS } from './limits.ts'
import { fullError, type Room } from './room.ts'
import { ScratchPages } from './scratch-pages.ts'
import type { StreamSubjects, SubjectSpace } from './stream-subjects.ts'
import { SubjectBudget } from './subject-budget.ts'

const SCRATCH_FILE = 'subjects.tmp'

export interface SpillParts {
  readonly directory: string
  readonly disk: Disk
  readonly log: Log
  readonly clock: Clock
  readonly subjectsMax: number
  readonly subjectBytesMax: number
  readonly subjectCacheBytes: number
}

export class SubjectSpill implements SubjectSpace {
  readonly hashSeed: number
  readonly budget: SubjectBudget
  readonly #parts: SpillParts
  readonly #room: Room
  #pages: ScratchPages | undefined
  #warnedMs = Number.NEGATIVE_INFINITY

  constructor(parts: SpillParts, room: Room, hashSeed: number) {
    this.#parts = parts
    this.#room = room
    this.hashSeed = hashSeed
    this.budget = new SubjectBudget(parts.subjectsMax, parts.subjectBytesMax)
  }

  pages(): ScratchPages {
    this.#pages ??= this.#makePages()
    return this.#pages
  }

  /** Throws when there is no room for a subject, neither in memory nor on disk, and it is new. */
  check(subjects: StreamSubjects, subject: Uint8Array): void {
    if (this.#pages?.isFull !== true || this.budget.hasRoom) return
    if (subjects.find(subject, 0, subject.length) >= 0) return
    throw fullError(
      `${this.#parts.directory} holds ${this.budget.subjects} subjects in memory and takes no more on disk: free some space, purge streams, or use fewer subjects`,
    )
  }

  close(): void {
    this.#pages?.close()
  }

  #makePages(): ScratchPages {
    const { directory, disk, log, subjectCacheBytes } = this.#parts
    const { subjects, bytes } = this.budget
    log.info({ subjects, bytes }, 'more subjects than are kept in memory, the rest goes to disk')
    return new ScratchPages({
      open: (blockBytes) => disk.scratch(path.join(directory, SCRATCH_FILE), blockBytes),
      cacheBytes: subjectCacheBytes,
      grew: (fileBytes) => {
        this.#room.usedBytes += fileBytes
        this.#room.freeBytes -= fileBytes
      },
      stuck: (error) => this.#warn(messageOf(error)),
      failed: (error) => this.#room.fail(error, 'subjects on disk cannot be read'),
    })
  }

  #warn(err: string): void {
    const { clock, log } = this.#parts
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#warnedMs < FAILURE_WARN_MS) return
    this.#warnedMs = nowMs
    log.warn({ err }, 'no room on disk for subjects, they stay in memory')
  }
}
