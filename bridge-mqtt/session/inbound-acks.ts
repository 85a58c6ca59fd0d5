import { invariant, PetioleError } from '../../shared/runtime/index.ts'
import { REASON } from '../codec/index.ts'
import { UNACKED_RING_MAX } from '../limits.ts'
import { PublishWaits } from './inbound-waits.ts'

/** Whoever owns the acknowledgements. */
export interface AckOwner {
  /** PUBACK or PUBREC may leave now. Called in the order of the PUBLISH packets. */
  acknowledge(entry: AckEntry): void
  /** Called at once, whatever waits in front of it. */
  refused(entry: AckEntry): void
  /** Stores all that `write` stores, or nothing when it throws. */
  transact(write: () => void): void
  /** What a client of MQTT 5 is told of the error; 0: its version has no word for it. */
  reasonOf(error: PetioleError): number
  /** A publish could not be stored, and the client cannot be told. No acknowledgement leaves after this. */
  uncommitted(error: PetioleError): void
}

const RING_MIN = 8

/**
 * Publishes of one client at QoS 1 and 2 that wait for their commit, in the order of their packets: a
 * ring whose oldest entry is at `#head`. Commits may come in any order, because a message that nobody
 * stores is committed at once; PUBACKs and PUBRECs leave in the order of the PUBLISH packets
 * [MQTT-4.6.0-2, 4.6.0-3].
 *
 * Entries are made once and used again, each with its own callback, so that a publish allocates
 * nothing and a callback always finds the message it speaks of.
 */
export class InboundAcks {
  readonly #owner: AckOwner
  #ring: (AckEntry | undefined)[] = []
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

  /** The publish of `packetId`: its commit is waited for. */
  open(packetId: number, qos: number): AckEntry {
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
    entry.open(packetId, qos)
    this.#count++
    return entry
  }

  /**
   * The entry's publish was undone: who promised to call back may do so yet, or never. The entry is
   * theirs from now on, and another one stands in the ring for the packet, with the error.
   */
  abandon(entry: AckEntry, error: PetioleError): void {
    const index = this.#ring.indexOf(entry)
    if (index < 0) return
    const heir = new AckEntry(this)
    heir.open(entry.packetId, entry.qos)
    this.#ring[index] = heir
    entry.disown()
    heir.committed(error)
  }

  /** Several store the message of `entry`. @returns why nothing was stored of it */
  together(store: () => void, entry: AckEntry): PetioleError | undefined {
    try {
      this.#owner.transact(() => {
        store()
        if (entry.error !== undefined) throw entry.error
      })
    } catch (error) {
      if (!(error instanceof PetioleError)) throw error
      return error
    }
    return undefined
  }

  settled(entry: AckEntry): void {
    const { error } = entry
    if (this.#hasFailed) return
    if (error !== undefined) {
      this.#owner.refused(entry)
      entry.reason = this.#owner.reasonOf(error)
      if (entry.reason === REASON.success) {
        this.#hasFailed = true
        this.#owner.uncommitted(error)
        return
      }
    }
    this.#release()
  }

  #release(): void {
    while (this.#count > 0) {
      const entry = this.#ring[this.#head]
      if (entry?.isSettled !== true) return
      this.#head = (this.#head + 1) & (this.#ring.length - 1)
      this.#count--
      this.#owner.acknowledge(entry)
    }
  }

  #grow(): void {
    const oldest = this.#ring.slice(this.#head)
    this.#ring = oldest.concat(this.#ring.slice(0, this.#head))
    this.#ring.length = Math.max(RING_MIN, this.#ring.length * 2)
    this.#head = 0
  }
}

export class AckEntry extends PublishWaits {
  packetId = 0
  qos = 1
  /** Of the acknowledgement, from the routing or from an error. */
  reason: number = REASON.success
  #isTakenBack = false
  #acks: InboundAcks | undefined

  constructor(acks: InboundAcks) {
    super()
    this.#acks = acks
  }

  open(packetId: number, qos: number): void {
    this.packetId = packetId
    this.qos = qos
    this.reason = REASON.success
    this.#isTakenBack = false
    this.begin()
  }

  /** The acknowledgement would say that all who store the message have it. */
  override get isRefused(): boolean {
    return this.error !== undefined
  }

  together(store: () => void): void {
    const error = this.#acks?.together(store, this)
    if (error !== undefined) this.takenBack(error)
  }

  /** Nothing is stored of it, though some had done so: their calls may never come. */
  takenBack(error: PetioleError): void {
    this.error ??= error
    this.#isTakenBack = true
  }

  get isTakenBack(): boolean {
    return this.#isTakenBack
  }

  disown(): void {
    this.#acks = undefined
  }

  protected override settled(): void {
    this.#acks?.settled(this)
  }
}
