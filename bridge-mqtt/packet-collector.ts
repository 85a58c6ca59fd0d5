import { CARRY_BYTES_MAX } from '../shared/transport/index.ts'

/**
 * Collects a packet that is too long to wait in the arena for its end: chunks as they arrive, joined
 * once. It holds no more than what has really been sent.
 */
export class PacketCollector {
  #chunks: Uint8Array[] = []
  #missing = 0

  get isActive(): boolean {
    return this.#missing > 0
  }

  /** Whether a packet of `size` bytes, of which a part has arrived, has to be collected. */
  static isNeededFor(size: number): boolean {
    return size > CARRY_BYTES_MAX
  }

  begin(size: number): void {
    this.#missing = size
  }

  /** Takes what belongs to the packet from bytes [at, end); returns the offset behind it. */
  take(bytes: Uint8Array, at: number, end: number): number {
    const next = Math.min(end, at + this.#missing)
    this.#chunks.push(new Uint8Array(bytes.subarray(at, next)))
    this.#missing -= next - at
    return next
  }

  /** The whole packet, once nothing is missing. */
  join(): Uint8Array {
    const packet = Buffer.concat(this.#chunks)
    this.#chunks = []
    return packet
  }
}
