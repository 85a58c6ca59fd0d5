import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import { PINGREQ_BYTES } from '../codec/index.ts'
import { PING_SHARE } from './limits.ts'

/**
 * Keeps a connection alive, and finds out when it is not: a PINGREQ within each keep-alive interval
 * [MQTT-3.1.2-23], and the end when nothing at all was heard between two of them.
 */
export class Pinger {
  readonly #clock: Clock
  readonly #channel: Channel
  readonly #onSilence: () => void
  #hasHeard = true
  #cancel: Cancel | undefined

  constructor(clock: Clock, channel: Channel, onSilence: () => void) {
    this.#clock = clock
    this.#channel = channel
    this.#onSilence = onSilence
  }

  /** @param keepAliveMs 0: the broker wants none */
  start(keepAliveMs: number): void {
    if (keepAliveMs <= 0) return
    this.#cancel = this.#clock.after(keepAliveMs * PING_SHARE, () => {
      if (!this.#hasHeard) {
        this.#onSilence()
        return
      }
      this.#hasHeard = false
      this.#channel.write(PINGREQ_BYTES)
      this.start(keepAliveMs)
    })
  }

  /** Anything that comes shows that the broker is there. */
  heard(): void {
    this.#hasHeard = true
  }

  stop(): void {
    this.#cancel?.()
  }
}
