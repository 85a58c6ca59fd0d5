import type { SubjectMapping, SubjectMappings } from '../subject/index.ts'
import { Interest } from './interest.ts'

/** One known subject and who was interested in it at `generation`. */
export class Route {
  readonly subject: string
  /** Where its bytes lie in `RouteTable.words`. */
  readonly wordsAt: number
  /** Bytes of the subject and the space behind it. */
  readonly size: number
  readonly hash: number
  generation = 0
  interest = Interest.none
  /** Of a prefix: the interest in whatever follows it. */
  generic: Interest | undefined
  /** What `#mapping` was found in. */
  #mappings: SubjectMappings | undefined
  #mapping: SubjectMapping | undefined

  constructor(subject: string, wordsAt: number, size: number, hash: number) {
    this.subject = subject
    this.wordsAt = wordsAt
    this.size = size
    this.hash = hash
  }

  /** As it was at first: what it leads to must be computed anew. */
  forget(): void {
    this.generation = 0
    this.interest = Interest.none
    this.generic = undefined
  }

  /** The rule that the account's mappings have for this subject, looked up once. */
  mappingIn(mappings: SubjectMappings): SubjectMapping | undefined {
    if (this.#mappings !== mappings) {
      this.#mappings = mappings
      this.#mapping = mappings.find(this.subject)
    }
    return this.#mapping
  }
}
