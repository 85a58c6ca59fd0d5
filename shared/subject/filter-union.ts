import { FilterTrie } from './filter-trie.ts'
import { SubjectFilter } from './subject-filter.ts'

/** Of all that were made, for their names. */
let made = 0

/** Very many filters as one: it matches what any of them matches, for the price of a look into a tree. */
export class FilterUnion extends SubjectFilter {
  readonly #filters: readonly SubjectFilter[]
  readonly #literals: readonly string[] | undefined
  /** Made for the first that is held against it: not in the step that makes a consumer, too. */
  #trie: FilterTrie | undefined

  constructor(filters: readonly SubjectFilter[]) {
    // What goes by a filter's subject finds no beginning in this one, and no other union has it.
    super(`*. any of ${filters.length}, union ${++made}`)
    this.#filters = filters
    if (filters.every(({ isLiteral }) => isLiteral)) {
      this.#literals = [...new Set(filters.map(({ subject }) => subject))]
    }
  }

  override get literals(): readonly string[] | undefined {
    return this.#literals
  }

  override matches(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    this.#trie ??= this.#newTrie()
    return this.#trie.matches(bytes, start, end)
  }

  override overlaps(subject: string): boolean {
    return this.#filters.some((filter) => filter.overlaps(subject))
  }

  #newTrie(): FilterTrie {
    const trie = new FilterTrie()
    for (const { subject } of this.#filters) trie.add(subject)
    return trie
  }
}
