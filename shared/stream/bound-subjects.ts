import { SubjectTree } from '../subject/index.ts'
import { SUBJECT_CACHE_MAX } from './limits.ts'
import type { Stream } from './stream.ts'

interface Bound {
  readonly stream: Stream
  /** Of the streams that bind a subject, buffers too, the first is it. */
  readonly order: number
}

/** Which stream binds a subject: looked up once, and remembered until any stream's subjects change. */
export class BoundSubjects {
  readonly #streams: () => readonly Stream[]
  readonly #bySubject = new Map<string, Stream | undefined>()
  #tree: SubjectTree<Bound> | undefined

  /** @param streams in the order in which they are asked */
  constructor(streams: () => readonly Stream[]) {
    this.#streams = streams
  }

  /** @param subject a literal one */
  streamOf(subject: string): Stream | undefined {
    const known = this.#bySubject.get(subject)
    if (known !== undefined || this.#bySubject.has(subject)) return known
    this.#tree ??= this.#planted()
    let first: Bound | undefined
    for (const bound of this.#tree.match(subject)) {
      if (first === undefined || bound.order < first.order) first = bound
    }
    if (this.#bySubject.size >= SUBJECT_CACHE_MAX) this.#bySubject.clear()
    this.#bySubject.set(subject, first?.stream)
    return first?.stream
  }

  changed(): void {
    this.#bySubject.clear()
    this.#tree = undefined
  }

  #planted(): SubjectTree<Bound> {
    const tree = new SubjectTree<Bound>()
    for (const [order, stream] of this.#streams().entries()) {
      const bound = { stream, order }
      for (const own of stream.config.subjects) tree.add(own, bound)
    }
    return tree
  }
}
