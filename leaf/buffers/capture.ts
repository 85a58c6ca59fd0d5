import { overlaps, SubjectFilter } from '../../shared/subject/index.ts'
import type { BufferStream } from './buffers.ts'

/** One of a buffer's subjects, subscribed to. */
export class Capture {
  readonly buffer: string
  readonly stream: BufferStream
  readonly #earlier: readonly SubjectFilter[]

  /** @param earlier the buffer's subjects before this one */
  constructor(buffer: string, stream: BufferStream, subject: string, earlier: readonly string[]) {
    this.buffer = buffer
    this.stream = stream
    this.#earlier = earlier
      .filter((other) => overlaps(other, subject))
      .map((other) => new SubjectFilter(other))
  }

  /** Whether an earlier subject of the same buffer takes the message: it must be stored once. */
  isShadowed(subject: Uint8Array): boolean {
    return this.#earlier.some((filter) => filter.matches(subject))
  }
}
