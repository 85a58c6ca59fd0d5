import { SubjectFilter } from './subject-filter.ts'
import { SubjectTree } from './subject-tree.ts'

/** Of all that were made, for their names. */
let made = 0

/** Very many filters as one: it matches what any of them matches, for the price of a look into a tree. */
export class FilterUnion extends SubjectFilter {
  readonly #filters: readonly SubjectFilter[]
  readonly #tree = new SubjectTree<true>()
  readonly #literals: readonly string[] | undefined

  constructor(filters: readonly SubjectFilter[]) {
    // What goes by a filter's subject finds no beginning in this one, and no other union has it.
    super(`*. any of ${filters.length}, union ${++made}`)
    this.#filters = filters
    for (const { subject } of filters) this.#tree.add(subject, true)
    if (filters.every(({ isLiteral }) => isLiteral)) {
      this.#literals = [...new Set(filters.map(({ subject }) => subject))]
    }
  }

  override get literals(): readonly string[] | undefined {
    return this.#literals
  }

  override matches(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    const { buffer, byteOffset } = bytes
    const subject = Buffer.from(buffer, byteOffset + start, end - start).toString()
    return this.#tree.match(subject).length > 0
  }

  override overlaps(subject: string): boolean {
    return this.#filters.some((filter) => filter.overlaps(subject))
  }
}
