/**
 * One S2 block: Snappy's format, in which a copy with offset 0 repeats the offset before it. Facts from the
 * format's description and decoder in klauspost/compress.
 *
 *   uvarint length of what it decodes to | elements
 *   element   low two bits of the first byte: 0 literal, 1 copy with 11 bits of offset, 2 with 16, 3 with 32
 */
import { PetioleError } from '../../runtime/index.ts'

/** Throws PETIOLE_BACKUP_INVALID, also when it would decode to more than `bytesMax`. */
export function decodeS2Block(source: Uint8Array, bytesMax: number): Uint8Array {
  return new BlockDecoder(source).decode(bytesMax)
}

class BlockDecoder {
  readonly #source: Uint8Array
  #at = 0
  #out: Uint8Array = new Uint8Array(0)
  #end = 0
  #offset = 0

  constructor(source: Uint8Array) {
    this.#source = source
  }

  decode(bytesMax: number): Uint8Array {
    const length = this.#uvarint()
    if (length > bytesMax) corrupt('a block that is too large')
    this.#out = new Uint8Array(length)
    while (this.#at < this.#source.length) this.#element()
    if (this.#end !== length) corrupt('a block of another length than it says')
    return this.#out
  }

  #element(): void {
    const tag = this.#byte()
    const high = tag >>> 2
    switch (tag & 3) {
      case 0:
        this.#literal(high < 60 ? high + 1 : this.#little(high - 59) + 1)
        return
      case 1: {
        const offset = ((tag & 0xe0) << 3) | this.#byte()
        const length = high & 7
        if (offset === 0) this.#copy(this.#repeated(length))
        else {
          this.#offset = offset
          this.#copy(length + 4)
        }
        return
      }
      default:
        this.#offset = this.#little((tag & 3) === 2 ? 2 : 4)
        this.#copy(high + 1)
    }
  }

  #repeated(length: number): number {
    if (length === 5) return this.#little(1) + 8
    if (length === 6) return this.#little(2) + 260
    if (length === 7) return this.#little(3) + 65_540
    return length + 4
  }

  #literal(length: number): void {
    const end = this.#at + length
    if (end > this.#source.length || this.#end + length > this.#out.length) {
      corrupt('a literal beyond the end')
    }
    this.#out.set(this.#source.subarray(this.#at, end), this.#end)
    this.#at = end
    this.#end += length
  }

  #copy(length: number): void {
    const out = this.#out
    const from = this.#end - this.#offset
    if (this.#offset === 0 || from < 0 || this.#end + length > out.length) {
      corrupt('a copy from nowhere')
    }
    if (this.#offset >= length) out.copyWithin(this.#end, from, from + length)
    else for (let i = 0; i < length; i++) out[this.#end + i] = out[from + i] as number
    this.#end += length
  }

  #byte(): number {
    const byte = this.#source[this.#at++]
    return byte === undefined ? corrupt('a block that ends in the middle') : byte
  }

  #little(bytes: number): number {
    let value = 0
    for (let i = 0; i < bytes; i++) value += this.#byte() * 2 ** (8 * i)
    return value
  }

  #uvarint(): number {
    let value = 0
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = this.#byte()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    return corrupt('a block that is too large')
  }
}

export function corrupt(what: string): never {
  throw new PetioleError('PETIOLE_BACKUP_INVALID', `corrupt input: ${what}`)
}
