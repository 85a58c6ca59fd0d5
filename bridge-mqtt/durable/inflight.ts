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
}

/** So many that are done may lie among the others before they are taken out. */
const DONE_MIN = 64

/**
 * What one session has in flight: publishes in the order in which they were first sent, releases in the
 * order of their PUBREC, as both are sent again [MQTT-4.6.0-1, 4.6.0-3].
 */
export class Inflight {
  readonly #published = new Map<number, InflightMessage>()
  readonly #released = new Map<number, InflightMessage>()
  /** Whose messages are needed, by rising sequence, as they are taken from the log; and some that are done. */
  #held: InflightMessage[] = []
  #done = 0

  get size(): number {
    return this.#published.size + this.#released.size
  }

  get published(): Iterable<InflightMessage> {
    return this.#published.values()
  }

  get released(): Iterable<InflightMessage> {
    return this.#released.values()
  }

  /** Whether the message itself is needed still. */
  holds(seq: number): boolean {
    const entry = this.#held[this.#placeOf(seq)]
    return entry?.seq === seq && entry.isHeld
  }

  get(packetId: number): InflightMessage | undefined {
    return this.#published.get(packetId) ?? this.#released.get(packetId)
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
    }
    this.#published.set(packetId, entry)
    const last = this.#held[this.#held.length - 1]
    if (last === undefined || last.seq < seq) this.#held.push(entry)
    else this.#held.splice(this.#placeOf(seq), 0, entry)
    return entry
  }

  /** @param isReceived its client has it, or it is gone: PUBREL is what comes next */
  release(entry: InflightMessage): void {
    this.#published.delete(entry.packetId)
    entry.phase = 'released'
    this.#released.set(entry.packetId, entry)
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
    this.#published.delete(entry.packetId)
    this.#released.delete(entry.packetId)
    this.letGo(entry)
  }

  /** Of the first that has this sequence or a higher one. */
  #placeOf(seq: number): number {
    let [low, high] = [0, this.#held.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#held[middle] as InflightMessage).seq < seq) low = middle + 1
      else high = middle
    }
    return low
  }
}
