import type { ImportConfig } from '../config/index.ts'
import type { Random } from '../runtime/index.ts'
import {
  BytesCache,
  hasWildcard,
  intersection,
  numberWildcards,
  SubjectTransform,
} from '../subject/index.ts'
import { REMEMBERED_NAME_BYTES_MAX, REMEMBERED_NAMES_MAX } from './limits.ts'

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
  /** What subjects of the exporting account are called here, as bytes. */
  #names: BytesCache<Uint8Array> | undefined

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

  /** What a literal subject of the exporting account is called here: always the same. */
  subjectHere(subject: Uint8Array, random: Random): Uint8Array {
    this.#names ??= new BytesCache(REMEMBERED_NAMES_MAX, REMEMBERED_NAME_BYTES_MAX)
    const known = this.#names.get(subject, 0, subject.length)
    if (known !== undefined) return known
    const there = Buffer.from(subject).toString()
    const here = this.#there?.apply(there, random) ?? (this.#isSame ? there : this.to)
    const bytes = Buffer.from(here)
    this.#names.add(subject, 0, subject.length, bytes)
    return bytes
  }
}
