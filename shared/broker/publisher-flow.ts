import { invariant } from '../runtime/index.ts'
import type { Channel } from '../transport/index.ts'

/** What a client publishes, held while any of its receivers is behind: each lets go of its own hold. */
export class PublisherFlow {
  readonly #channel: Channel
  #holds = 0
  #hasWaited = false

  constructor(channel: Channel) {
    this.#channel = channel
  }

  /** @param isLong a wait in which it must be noticed when the client gives up */
  pause(isLong = false): void {
    this.#holds++
    if (this.#holds > 1) return
    this.#hasWaited = true
    if (isLong) this.#channel.hold()
    else this.#channel.pause()
  }

  /** Whether nothing was read for a while since this was asked last. */
  hasWaited(): boolean {
    const had = this.#hasWaited
    this.#hasWaited = this.#holds > 0
    return had
  }

  resume(): void {
    invariant(this.#holds > 0, 'a publisher is resumed as often as it was paused')
    this.#holds--
    if (this.#holds === 0) this.#channel.resume()
  }
}
