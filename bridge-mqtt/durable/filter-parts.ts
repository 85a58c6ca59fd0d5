import { isValidSubject } from '../../shared/subject/index.ts'
import { isShared, parseShared } from '../codec/index.ts'
import { filterToSubjects, shareNameToQueue } from '../topic-map.ts'

/** What a topic filter stands for. */
export interface FilterParts {
  /** `g` of `$share/g/…`, else ''. */
  readonly group: string
  readonly subjects: readonly string[]
  readonly skipsDollar: boolean
}

/** undefined: its wildcards are misplaced. */
export function partsOf(filter: string): FilterParts | undefined {
  const shared = isShared(filter) ? parseShared(filter) : { group: '', filter }
  const mapped = shared && filterToSubjects(shared.filter)
  if (shared === undefined || mapped === undefined) return undefined
  if (!mapped.subjects.every(isValidSubject)) return undefined
  return { group: shareNameToQueue(shared.group), ...mapped }
}
