import type { BufferConfig } from '../../shared/config/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { isPublishable } from '../../shared/sync/index.ts'
import { SUBJECT_CACHE_MAX } from './limits.ts'

const DOLLAR = 36
const UNDERSCORE = 95

interface Rule {
  readonly name: string
  readonly filters: readonly SubjectFilter[]
}

/**
 * Which buffer a subject belongs to: the first rule that matches, in the order of the configuration.
 *
 * Subjects that begin with `$` or `_` carry the machinery itself (`$FLEET`, `$JS`, `_INBOX`): as
 * with topics, a filter that begins with a wildcard does not match them.
 */
export class BufferRules {
  readonly #rules: readonly Rule[]
  readonly #names = new Map<string, string | undefined>()

  constructor(configs: readonly BufferConfig[]) {
    this.#rules = configs.map(({ name, subjects }) => ({
      name,
      filters: subjects.map((subject) => new SubjectFilter(subject)),
    }))
  }

  /** The buffer that takes this subject; undefined when none does. */
  bufferOf(subject: string): string | undefined {
    const known = this.#names.get(subject)
    if (known !== undefined || this.#names.has(subject)) return known
    if (this.#names.size >= SUBJECT_CACHE_MAX) this.#names.clear()
    const name = this.#match(Buffer.from(subject))
    this.#names.set(subject, name)
    return name
  }

  #match(subject: Uint8Array): string | undefined {
    // Clients may publish to `plant.*`, as a name. No hub stores it, so no buffer may hold it.
    if (!isPublishable(subject)) return undefined
    const isReserved = subject[0] === DOLLAR || subject[0] === UNDERSCORE
    for (const { name, filters } of this.#rules) {
      const isTaken = filters.some(
        (filter) => filter.matches(subject) && !(isReserved && beginsWithWildcard(filter.subject)),
      )
      if (isTaken) return name
    }
    return undefined
  }
}

export function beginsWithWildcard(subject: string): boolean {
  return subject === '>' || subject === '*' || subject.startsWith('*.')
}
