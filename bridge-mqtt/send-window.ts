const PACKET_ID_MAX = 65_535

/**
 * The packet identifiers of what one session has sent at QoS 1 and 2 and not seen to its end
 * [MQTT-2.2.1-4], no more at a time than its client takes (Receive Maximum, [MQTT-3.3.4-9]). One window
 * serves all that a session sends, from wherever it comes.
 */
export class SendWindow {
  /** A client that comes back may take less than is in flight: then nothing is sent until there is room. */
  max: number
  /**
   * Taken by messages of QoS 2 that a connection has sent and that nobody remembers after it: they are
   * free when the client has answered a PUBREL.
   */
  readonly orphans = new Set<number>()
  readonly #taken = new Set<number>()
  #last = 0

  constructor(max: number) {
    this.max = max
  }

  get inflight(): number {
    return this.#taken.size
  }

  get hasRoom(): boolean {
    return this.#taken.size < this.max
  }

  has(packetId: number): boolean {
    return this.#taken.has(packetId)
  }

  /** An identifier that is not in use, in turn; 0 when the window is full. */
  take(): number {
    if (!this.hasRoom || this.#taken.size >= PACKET_ID_MAX) return 0
    do {
      this.#last = this.#last === PACKET_ID_MAX ? 1 : this.#last + 1
    } while (this.#taken.has(this.#last))
    this.#taken.add(this.#last)
    return this.#last
  }

  /** Of a message that was in flight before, whatever room there is. */
  reserve(packetId: number): void {
    this.#taken.add(packetId)
    if (packetId > this.#last) this.#last = packetId
  }

  /** False when it was not in use. */
  release(packetId: number): boolean {
    return this.#taken.delete(packetId)
  }
}
