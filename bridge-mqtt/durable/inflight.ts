import { InflightOrder } from './inflight-order.ts'
import { InflightTable } from './inflight-table.ts'

/** A message that a session has given a packet identifier and not seen to its end. */
export interface InflightMessage {
  readonly packetId: number
  /** In the log. */
  readonly seq: number
  readonly qos: 1 | 2
  /** `released`: the client has it and said so, PUBREL is owed or on its way [MQTT-4.3.3-1]. */
  phase: 'published' | 'released'
  /** The version of the session's state that must be on disk before the next packet of it leaves. */
  version: number
  /** The message itself is needed still. */
  isHeld: boolean
  /** A PUBLISH of it has left, on this connection or an earlier one. */
  wasSent: boolean
  /** The connection that it was last sent on. */
  sentOn: object | undefined
  /** Its neighbours in the order of its phase. */
  before: InflightMessage | undefined
  after: InflightMessage | undefined
}

/** So many that are done may lie among the others before they are taken out. */
const DONE_MIN = 64

/**
 * What one session has in flight: publishes in the order in which they were first sent, releases in the
 * order of their PUBREC, as both are sent again [MQTT-4.6.0-1, 4.6.0-3].
 */
export class Inflight {
  readonly #byId = new InflightTable()
  readonly #published = new InflightOrder()
  readonly #released = new InflightOrder()
  /** Whose messages are needed, by rising sequence, as they are taken from the log; and some that are done. */
  #held: InflightMessage[] = []
  #done = 0

  get size(): number {
    return this.#byId.size
  }

  get published(): Iterable<InflightMessage> {
    return this.#published
  }

  get released(): Iterable<InflightMessage> {
    return this.#released
  }

  /** Whether the message itself is needed still. */
  holds(seq: number): boolean {
    const entry = this.#held[this.#placeOf(seq)]
    return entry?.seq === seq && entry.isHeld
  }

  get(packetId: number): InflightMessage | undefined {
    return this.#byId.get(packetId)
  }

  add(packetId: number, seq: number, qos: 1 | 2): InflightMessage {
    const entry: InflightMessage = {
      packetId,
      seq,
      qos,
      phase: 'published',
      version: 0,
      isHeld: true,
      wasSent: false,
      sentOn: undefined,
      before: undefined,
      after: undefined,
    }
    // Two records of one identifier: the later holds.
    const elder = this.#byId.get(packetId)
    if (elder !== undefined) this.delete(elder)
    this.#byId.add(entry)
    this.#published.push(entry)
    const last = this.#held[this.#held.length - 1]
    if (last === undefined || last.seq < seq) this.#held.push(entry)
    else this.#held.splice(this.#placeOf(seq), 0, entry)
    return entry
  }

  /** Its client has it, or it is gone: PUBREL is what comes next. */
  release(entry: InflightMessage): void {
    if (entry.phase === 'released' || !this.#isHere(entry)) return
    this.#published.remove(entry)
    entry.phase = 'released'
    this.#released.push(entry)
  }

  /** The message is not needed any more. */
  letGo(entry: InflightMessage): void {
    if (!entry.isHeld) return
    entry.isHeld = false
    this.#done++
    if (this.#done <= DONE_MIN || this.#done * 2 < this.#held.length) return
    this.#held = this.#held.filter(({ isHeld }) => isHeld)
    this.#done = 0
  }

  delete(entry: InflightMessage): void {
    if (!this.#isHere(entry)) return
    this.#byId.delete(entry)
    if (entry.phase === 'released') this.#released.remove(entry)
    else this.#published.remove(entry)
    this.letGo(entry)
  }

  #isHere(entry: InflightMessage): boolean {
    return this.#byId.get(entry.packetId) === entry
  }

  /** Of the first that has this sequence or a higher one. */
  #placeOf(seq: number): number {
    let low = 0
    let high = this.#held.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#held[middle] as InflightMessage).seq < seq) low = middle + 1
      else high = middle
    }
    return low
  }
}
