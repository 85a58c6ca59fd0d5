import type { ClientOutlet } from './client-outlet.ts'
import type { Subscription } from './message.ts'

/** A NATS client's subscription, with its sid prepared to be written into each MSG line. */
export class ClientSubscription implements Subscription {
  readonly peer: ClientOutlet
  readonly subject: string
  readonly queue: string
  readonly sid: string
  readonly weight = 1
  readonly isCapture = false
  /** Messages delivered since SUB. */
  delivered = 0
  /** Ends when this many were delivered; 0 for no end. */
  deliveredMax = 0
  isClosed = false
  /** Some of the subjects it matches must not be delivered. */
  isFiltered = false
  /** The sid and a space as one little-endian double word, when they fit into it. */
  readonly sidLow: number
  readonly sidHigh: number
  /** Bytes of the sid and its space. */
  readonly sidSize: number
  #sidBytes: Uint8Array | undefined

  constructor(peer: ClientOutlet, subject: string, queue: string, sid: string) {
    this.peer = peer
    this.subject = subject
    this.queue = queue
    this.sid = sid
    SCRATCH.fill(0)
    this.sidSize = Buffer.byteLength(sid) + 1
    SCRATCH.write(`${sid} `)
    this.sidLow = SCRATCH.readInt32LE(0)
    this.sidHigh = SCRATCH.readInt32LE(4)
  }

  /** The sid and its space: made for those whose messages are not written in one go. */
  get sidBytes(): Uint8Array {
    this.#sidBytes ??= Buffer.from(`${this.sid} `)
    return this.#sidBytes
  }
}

/** A client may have a million subscriptions: none of them keeps a buffer that it does not need. */
const SCRATCH = Buffer.alloc(8)
