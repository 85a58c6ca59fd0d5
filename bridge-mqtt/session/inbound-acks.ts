import type { PublishCommitted, PublishOptions } from '../../shared/broker/index.ts'
import { invariant, type PetioleError } from '../../shared/runtime/index.ts'
import { UNACKED_RING_MAX } from '../limits.ts'

/** Whoever owns the acknowledgements. */
export interface AckOwner {
  /** PUBACK for `packetId` may leave now. Called in the order of the PUBLISH packets. */
  acknowledge(packetId: number): void
  /** A publish could not be stored. No acknowledgement leaves after this. */
  uncommitted(error: PetioleError): void
}

const RING_MIN = 8

/**
 * QoS 1 publishes of one client that wait for their commit, in the order of their packets: a ring
 * whose oldest entry is at `#head`. Commits may come in any order, because a message that nobody
 * stores is committed at once; PUBACKs leave in the order of the PUBLISH packets [MQTT-4.6.0-2].
 *
 * Entries are made once and used again, each with its own callback, so that a publish allocates
 * nothing and a callback always finds the message it speaks of.
 */
export class InboundAcks {
  readonly #owner: AckOwner
  #ring: (AckEntry | undefined)[] = new Array(RING_MIN)
  #head = 0
  #count = 0
  #hasFailed = false

  constructor(owner: AckOwner) {
    this.#owner = owner
  }

  get pending(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === UNACKED_RING_MAX
  }

  /** Options for the publish of `packetId`: its commit is waited for. */
  open(packetId: number): PublishOptions {
    invariant(
      !this.isFull,
      'more publishes wait for their commit than there are packet identifiers',
    )
    if (this.#count === this.#ring.length) this.#grow()
    const index = (this.#head + this.#count) & (this.#ring.length - 1)
    let entry = this.#ring[index]
    if (entry === undefined) {
      entry = new AckEntry(this)
      this.#ring[index] = entry
    }
    entry.packetId = packetId
    entry.isCommitted = false
    this.#count++
    return entry
  }

  settled(entry: AckEntry, error: PetioleError | undefined): void {
    if (error !== undefined) {
      if (this.#hasFailed) return
      this.#hasFailed = true
      this.#owner.uncommitted(error)
      return
    }
    entry.isCommitted = true
    if (!this.#hasFailed) this.#release()
  }

  #release(): void {
    while (this.#count > 0) {
      const entry = this.#ring[this.#head]
      if (entry === undefined || !entry.isCommitted) return
      this.#head = (this.#head + 1) & (this.#ring.length - 1)
      this.#count--
      this.#owner.acknowledge(entry.packetId)
    }
  }

  #grow(): void {
    const oldest = this.#ring.slice(this.#head)
    this.#ring = oldest.concat(this.#ring.slice(0, this.#head))
    this.#ring.length *= 2
    this.#head = 0
  }
}

class AckEntry implements PublishOptions {
  packetId = 0
  isCommitted = false
  readonly committed: PublishCommitted

  constructor(acks: InboundAcks) {
    this.committed = (error) => acks.settled(this, error)
  }
}
