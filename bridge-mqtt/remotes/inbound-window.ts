import type { PublishCommitted, PublishOptions } from '../../shared/broker/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import { StreamFullError } from '../../shared/store/index.ts'
import { JetStreamError } from '../../shared/stream/index.ts'

/** Whoever waits for what one connection to a broker has brought. */
export interface InboundOwner {
  /** PUBACK for `packetId` may leave now. Called in the order of the PUBLISH packets [MQTT-4.6.0-2]. */
  stored(packetId: number): void
  /** A message could not be stored: it must not be acknowledged, so that the broker sends it again. */
  unstored(error: PetioleError): void
  /** It could never be stored: it is acknowledged, and gone. */
  refused(error: PetioleError): void
}

/** Errors that are the message's own: sent again it would fail again, and hold up all behind it. */
const HOPELESS: ReadonlySet<string> = new Set([
  'PETIOLE_HEADERS_INVALID',
  'PETIOLE_MESSAGE_TOO_LARGE',
  'PETIOLE_PUBLICATION_TOO_DEEP',
  'PETIOLE_SUBJECT_INVALID',
])

/** Of a stream's refusals those that are told as the publisher's own fault; too many at once is not one. */
const FAULTS_END = 500
const TOO_MANY_REQUESTS = 429

/** Whether a message could be sent again for ever and would never be stored. */
function isHopeless(error: PetioleError): boolean {
  if (!(error instanceof JetStreamError)) return HOPELESS.has(error.code)
  const { cause, status } = error
  // Its subject has what it may have: there will be room when somebody removes that, if ever.
  if (cause instanceof StreamFullError) return cause.limit === 'subject'
  return status < FAULTS_END && status !== TOO_MANY_REQUESTS
}

/**
 * QoS 1 messages of one connection that wait for whoever stores them, in the order in which they came.
 * Entries are made once and used again: `free` holds those that are done.
 */
export class InboundWindow {
  readonly #owner: InboundOwner
  readonly #waiting: InboundEntry[] = []
  readonly #free: InboundEntry[] = []
  #head = 0
  #isEnded = false
  #idle: (() => void) | undefined

  constructor(owner: InboundOwner) {
    this.#owner = owner
  }

  get pending(): number {
    return this.#waiting.length - this.#head
  }

  /** Options for the publication of `packetId`: its acknowledgement waits for their callback. */
  open(packetId: number): InboundEntry {
    const entry = this.#free.pop() ?? new InboundEntry(this)
    entry.packetId = packetId
    entry.waits = 1
    entry.isRefused = false
    this.#waiting.push(entry)
    return entry
  }

  /** Nothing is acknowledged any more: the connection has ended, or something was not stored. */
  end(): void {
    this.#isEnded = true
    this.#becameIdle()
  }

  whenIdle(idle: () => void): void {
    if (this.pending === 0 || this.#isEnded) idle()
    else this.#idle = idle
  }

  settled(entry: InboundEntry, error: PetioleError | undefined): void {
    if (error !== undefined && !isHopeless(error)) {
      entry.isRefused = true
      if (this.#isEnded) return
      this.end()
      this.#owner.unstored(error)
      return
    }
    if (error !== undefined) this.#owner.refused(error)
    entry.waits--
    if (!this.#isEnded) this.#release()
  }

  #release(): void {
    for (;;) {
      const entry = this.#waiting[this.#head]
      if (entry === undefined || entry.waits > 0) break
      this.#head++
      const { packetId } = entry
      this.#free.push(entry)
      this.#owner.stored(packetId)
    }
    if (this.#head * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
    if (this.pending === 0) this.#becameIdle()
  }

  #becameIdle(): void {
    const idle = this.#idle
    this.#idle = undefined
    idle?.()
  }
}

export class InboundEntry implements PublishOptions {
  packetId = 0
  /** Calls that are still to come. */
  waits = 0
  /** It comes again: nobody gets it twice who can be spared it. What never could be stored still goes to all others. */
  isRefused = false
  readonly committed: PublishCommitted

  constructor(window: InboundWindow) {
    this.committed = (error) => window.settled(this, error)
  }

  /** One more stores the message, beside those that the router tells. */
  hold(): PublishCommitted {
    this.waits++
    return this.committed
  }
}
