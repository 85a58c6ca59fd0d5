const PACKET_ID_MAX = 65_535
const ID_COUNT = PACKET_ID_MAX + 1
const SLOTS_MIN = 16
const SLOTS_KEPT = 2048
const NOTHING16 = new Uint16Array(0)
const NOTHING32 = new Uint32Array(0)

/**
 * Packet identifiers that are in use, each with a number of bytes. Every delivery takes one and every
 * acknowledgement gives one back, and they are given in turn: so an identifier has its slot by its low bits, and
 * whoever takes one passes over those whose slot somebody else still has. At most half of the slots are in
 * use. Those that were in use before, which nobody chose here, wait aside when their slot is taken.
 */
export class PacketIds {
  /** 0: the slot is free. */
  #ids = NOTHING16
  #bytes = NOTHING32
  #mask = -1
  #aside: Map<number, number> | undefined
  #last = 0
  size = 0
  /** Of all together. */
  bytes = 0

  has(packetId: number): boolean {
    if (packetId === 0) return false
    return this.#ids[packetId & this.#mask] === packetId || this.#aside?.has(packetId) === true
  }

  /** The next one that is free, in turn; 0 when all are in use. */
  take(bytes: number): number {
    if (this.size >= PACKET_ID_MAX) return 0
    if (this.size * 2 >= this.#ids.length) this.#grow()
    let slot: number
    do {
      this.#last = this.#last === PACKET_ID_MAX ? 1 : this.#last + 1
      slot = this.#last & this.#mask
    } while (this.#ids[slot] !== 0 || this.#aside?.has(this.#last) === true)
    this.#ids[slot] = this.#last
    this.#bytes[slot] = bytes
    this.size++
    this.bytes += bytes
    return this.#last
  }

  /** One that was in use before. */
  reserve(packetId: number): void {
    if (this.has(packetId)) return
    if (this.size * 2 >= this.#ids.length) this.#grow()
    const slot = packetId & this.#mask
    if (this.#ids[slot] === 0) {
      this.#ids[slot] = packetId
      this.#bytes[slot] = 0
    } else {
      this.#aside ??= new Map()
      this.#aside.set(packetId, 0)
    }
    this.size++
    if (packetId > this.#last) this.#last = packetId
  }

  /** Of one that is in use. */
  setBytes(packetId: number, bytes: number): void {
    if (!this.has(packetId)) return
    const slot = packetId & this.#mask
    if (this.#ids[slot] === packetId) {
      this.bytes += bytes - (this.#bytes[slot] ?? 0)
      this.#bytes[slot] = bytes
    } else {
      this.bytes += bytes - (this.#aside?.get(packetId) ?? 0)
      this.#aside?.set(packetId, bytes)
    }
  }

  /** -1 when it was not in use, else its bytes. */
  release(packetId: number): number {
    const slot = packetId & this.#mask
    let bytes: number
    if (packetId !== 0 && this.#ids[slot] === packetId) {
      bytes = this.#bytes[slot] ?? 0
      this.#ids[slot] = 0
    } else {
      bytes = this.#aside?.get(packetId) ?? -1
      if (bytes < 0) return -1
      this.#aside?.delete(packetId)
    }
    this.bytes -= bytes
    if (--this.size === 0 && this.#ids.length > SLOTS_KEPT) this.#shrink()
    return bytes
  }

  forgetBytes(): void {
    this.bytes = 0
    this.#bytes.fill(0)
    if (this.#aside !== undefined) for (const id of this.#aside.keys()) this.#aside.set(id, 0)
  }

  /** After a burst: thousands of clients may be quiet from now on. */
  #shrink(): void {
    this.#ids = NOTHING16
    this.#bytes = NOTHING32
    this.#mask = -1
  }

  /** Identifiers that have slots of their own keep them when there are twice as many. */
  #grow(): void {
    const length = Math.max(SLOTS_MIN, Math.min(ID_COUNT, this.#ids.length * 2))
    if (length === this.#ids.length) return
    const [ids, bytes] = [this.#ids, this.#bytes]
    this.#ids = new Uint16Array(length)
    this.#bytes = new Uint32Array(length)
    this.#mask = length - 1
    for (const [i, id] of ids.entries()) {
      if (id === 0) continue
      this.#ids[id & this.#mask] = id
      this.#bytes[id & this.#mask] = bytes[i] ?? 0
    }
  }
}
