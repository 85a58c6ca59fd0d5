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
  /** A PUBLISH of it has left, on this connection or an earlier one. */
  wasSent: boolean
  /** The connection that it was last sent on. */
  sentOn: object | undefined
}

/**
 * What one session has in flight: publishes in the order in which they were first sent, releases in the
 * order of their PUBREC, as both are sent again [MQTT-4.6.0-1, 4.6.0-3].
 */
export class Inflight {
  readonly #published = new Map<number, InflightMessage>()
  readonly #released = new Map<number, InflightMessage>()
  readonly #bySeq = new Set<number>()

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
    return this.#bySeq.has(seq)
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
      wasSent: false,
      sentOn: undefined,
    }
    this.#published.set(packetId, entry)
    this.#bySeq.add(seq)
    return entry
  }

  /** @param isReceived its client has it, or it is gone: PUBREL is what comes next */
  release(entry: InflightMessage): void {
    this.#published.delete(entry.packetId)
    entry.phase = 'released'
    this.#released.set(entry.packetId, entry)
  }

  /** The message is not needed any more. */
  letGo({ seq }: InflightMessage): void {
    this.#bySeq.delete(seq)
  }

  delete(entry: InflightMessage): void {
    this.#published.delete(entry.packetId)
    this.#released.delete(entry.packetId)
    this.#bySeq.delete(entry.seq)
  }
}
