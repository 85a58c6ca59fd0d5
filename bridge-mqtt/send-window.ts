import { FLIGHT_BYTES_MAX, FLIGHT_BYTES_MIN, FLIGHT_PATIENCE_MS } from './limits.ts'
import { PacketIds } from './packet-ids.ts'

/**
 * The packet identifiers of what one session has sent at QoS 1 and 2 and not seen to its end
 * [MQTT-2.2.1-4], no more at a time than its client takes (Receive Maximum, [MQTT-3.3.4-9]). One window
 * serves all that a session sends, from wherever it comes.
 *
 * Its bytes are bounded too, by what the client has acknowledged: as in TCP's slow start, what may be in
 * flight doubles with each round trip. A client that never acknowledges is written to a few times and no
 * more, where the kernel would take megabytes for it, each a write that the publisher waits for. One that
 * acknowledges when it has gathered more than that gets it by and by, after ever longer waits (`widen`).
 */
export class SendWindow {
  /** A client that comes back may take less than is in flight: then nothing is sent until there is room. */
  max: number
  /** Made with the first: most idle devices have nothing in flight. */
  #orphans: Set<number> | undefined
  /** How long to wait for an acknowledgement before there is room for more bytes without one. */
  patienceMs = FLIGHT_PATIENCE_MS
  /** With the bytes that are on their way on this connection. */
  readonly #taken = new PacketIds()
  #bytesMax = FLIGHT_BYTES_MIN

  constructor(max: number) {
    this.max = max
  }

  get inflight(): number {
    return this.#taken.size
  }

  get hasRoom(): boolean {
    return this.#taken.size < this.max && this.#taken.bytes < this.#bytesMax
  }

  /** There is room for more messages, but not for their bytes: `widen` makes some when nothing else does. */
  get isHeavy(): boolean {
    return this.#taken.bytes >= this.#bytesMax
  }

  /**
   * The client has been quiet for `patienceMs`: there is room for one more, however long the last ones were.
   * False when it has got as much as anybody gets.
   */
  widen(): boolean {
    if (this.#bytesMax >= FLIGHT_BYTES_MAX) return false
    this.#bytesMax = Math.max(this.#bytesMax, this.#taken.bytes) + FLIGHT_BYTES_MIN
    this.patienceMs *= 2
    return true
  }

  has(packetId: number): boolean {
    return this.#taken.has(packetId)
  }

  /** Its message is of QoS 2, was sent by a connection, and is remembered by nobody after it. */
  orphan(packetId: number): void {
    this.#orphans ??= new Set()
    this.#orphans.add(packetId)
  }

  /** Those that are free when the client has answered a PUBREL. They are orphans no longer. */
  adopt(): Iterable<number> {
    const orphans = this.#orphans ?? []
    this.#orphans = undefined
    return orphans
  }

  /** An identifier that is not in use, in turn; 0 when the window is full. */
  take(bytes = 0): number {
    return this.hasRoom ? this.#taken.take(bytes) : 0
  }

  /** What has an identifier that was taken before is on its way. */
  sent(packetId: number, bytes: number): void {
    this.#taken.setBytes(packetId, bytes)
  }

  /** Nothing is on its way any more, and what the next connection can take is not known. */
  disconnected(): void {
    this.#taken.forgetBytes()
    this.#bytesMax = FLIGHT_BYTES_MIN
    this.patienceMs = FLIGHT_PATIENCE_MS
  }

  /** Of a message that was in flight before, whatever room there is. */
  reserve(packetId: number): void {
    this.#taken.reserve(packetId)
  }

  /** False when it was not in use. */
  release(packetId: number): boolean {
    const bytes = this.#taken.release(packetId)
    if (bytes < 0) return false
    this.patienceMs = FLIGHT_PATIENCE_MS
    if (this.#bytesMax < FLIGHT_BYTES_MAX) this.#bytesMax += bytes
    return true
  }
}
