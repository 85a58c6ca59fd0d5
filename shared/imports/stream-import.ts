import type { ImportConfig } from '../config/index.ts'
import type { Random } from '../runtime/index.ts'
import { hasWildcard, intersection, numberWildcards, SubjectTransform } from '../subject/index.ts'

/** How the subjects of one stream import read on both sides. */
export class StreamImport {
  readonly config: ImportConfig
  /** The exporting account. */
  readonly account: string
  /** What is subscribed to there. */
  readonly from: string
  /** What it is called here, with `*` for place holders. */
  readonly to: string
  /** undefined: the subject is the same on both sides, or one literal each. */
  readonly #there: SubjectTransform | undefined
  readonly #back: SubjectTransform | undefined
  readonly #isSame: boolean
  /** The last subject of the other account, and what it is called here: messages come in runs. */
  #last = ''
  #lastBytes: Uint8Array = EMPTY

  /** Throws PETIOLE_MAPPING_INVALID. */
  constructor(config: ImportConfig) {
    this.config = config
    this.account = config.account
    this.from = config.subject
    this.#isSame = config.to === config.subject
    if (this.#isSame || !hasWildcard(config.subject)) {
      this.to = config.to
      return
    }
    this.#there = new SubjectTransform(config.subject, numberWildcards(config.to), true)
    this.#back = this.#there.reverse()
    this.to = this.#back.source
  }

  /** What to subscribe to in the exporting account for `subject` here; undefined when nothing overlaps. */
  subjectThere(subject: string, random: Random): string | undefined {
    const overlap = intersection(subject, this.to)
    if (overlap === undefined) return undefined
    if (this.#back !== undefined) return this.#back.apply(overlap, random)
    return this.#isSame ? overlap : this.from
  }

  /** Whether subjects are called the same on both sides. */
  get keepsSubjects(): boolean {
    return this.#isSame
  }

  /** What a literal subject of the exporting account is called here. */
  subjectHere(subject: string, random: Random): Uint8Array {
    if (subject === this.#last) return this.#lastBytes
    this.#last = subject
    const here = this.#there?.apply(subject, random) ?? (this.#isSame ? subject : this.to)
    this.#lastBytes = Buffer.from(here)
    return this.#lastBytes
  }
}

const EMPTY = new Uint8Array(0)
