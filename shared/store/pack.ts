/** Numbers and byte strings one after the other, little-endian, for the index file. */
const CAPACITY_MIN = 4096

export class PackWriter {
  #bytes: Buffer
  #end = 0

  /** @param capacity what it will take, more or less */
  constructor(capacity = CAPACITY_MIN) {
    this.#bytes = Buffer.allocUnsafe(Math.max(capacity, CAPACITY_MIN))
  }

  u32(value: number): void {
    this.#end = this.#room(4).writeUInt32LE(value, this.#end)
  }

  f64(value: number): void {
    this.#end = this.#room(8).writeDoubleLE(value, this.#end)
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length)
    this.#room(value.length).set(value, this.#end)
    this.#end += value.length
  }

  list<T>(values: readonly T[], write: (value: T) => void): void {
    this.u32(values.length)
    for (const value of values) write(value)
  }

  /** A view of what was written so far. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#end)
  }

  #room(size: number): Buffer {
    if (this.#end + size > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + size))
      grown.set(this.finish())
      this.#bytes = grown
    }
    return this.#bytes
  }
}

export class PackReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  u32(): number {
    this.#at += 4
    return this.#bytes.readUInt32LE(this.#at - 4)
  }

  /** Where the next value lies. */
  get at(): number {
    return this.#at
  }

  u32At(at: number): number {
    return this.#bytes.readUInt32LE(at)
  }

  f64(): number {
    this.#at += 8
    return this.#bytes.readDoubleLE(this.#at - 8)
  }

  /** A view. */
  bytes(): Uint8Array {
    const size = this.u32()
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  /** A list of byte strings for who reads them himself: from where on, and he says up to where. */
  byteStrings(read: (whole: Uint8Array, at: number, count: number) => number): void {
    const count = this.u32()
    this.#at = read(this.#bytes, this.#at, count)
  }

  /** A view of a list whose values have the same size. */
  run(valueBytes: number): Uint8Array {
    const size = this.u32() * valueBytes
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  each(read: () => void): void {
    for (let left = this.u32(); left > 0; left--) read()
  }
}
