import { SubjectFilter } from '../subject/index.ts'
import { SUBJECT_CACHE_MAX } from './limits.ts'
import type { Stream } from './stream.ts'

/** Which stream binds a subject: looked up once, and remembered until any stream's subjects change. */
export class BoundSubjects {
  readonly #streams: () => readonly Stream[]
  readonly #bySubject = new Map<string, Stream | undefined>()
  #filters: (readonly [SubjectFilter, Stream])[] | undefined

  /** @param streams in the order in which they are asked */
  constructor(streams: () => readonly Stream[]) {
    this.#streams = streams
  }

  /** @param subject a literal one */
  streamOf(subject: string): Stream | undefined {
    const known = this.#bySubject.get(subject)
    if (known !== undefined || this.#bySubject.has(subject)) return known
    this.#filters ??= this.#streams().flatMap((stream) =>
      stream.config.subjects.map((own) => [new SubjectFilter(own), stream] as const),
    )
    const bytes = Buffer.from(subject)
    const found = this.#filters.find(([filter]) => filter.matches(bytes))?.[1]
    if (this.#bySubject.size >= SUBJECT_CACHE_MAX) this.#bySubject.clear()
    this.#bySubject.set(subject, found)
    return found
  }

  changed(): void {
    this.#bySubject.clear()
    this.#filters = undefined
  }
}
