/** Numbers of unsigned 8, 16 or 32 bits, one per record: as narrow as its largest value allows. */
type Cells = Uint8Array | Uint16Array | Uint32Array

const CAPACITY_MIN = 8

export class Column {
  length = 0
  #cells: Cells
  #valueMax: number

  constructor(cells: Cells = new Uint8Array(0), length = cells.length) {
    this.#cells = cells
    this.#valueMax = 2 ** (cells.BYTES_PER_ELEMENT * 8) - 1
    this.length = length
  }

  get bytesPerCell(): number {
    return this.#cells.BYTES_PER_ELEMENT
  }

  get(index: number): number {
    return this.#cells[index] as number
  }

  set(index: number, value: number): void {
    if (value > this.#valueMax) this.#resize(this.#cells.length, value)
    this.#cells[index] = value
  }

  /** Makes room at once for so many cells of values up to `valueMax`. */
  reserve(capacity: number, valueMax: number): void {
    this.#resize(Math.max(capacity, this.length), valueMax)
  }

  push(value: number): void {
    if (this.length === this.#cells.length || value > this.#valueMax) {
      const capacity = this.length === this.#cells.length ? this.length * 1.5 : this.#cells.length
      this.#resize(Math.max(CAPACITY_MIN, Math.ceil(capacity)), value)
    }
    this.#cells[this.length++] = value
  }

  /** The first index from `from` on with this value, -1 when there is none. */
  indexOf(value: number, from: number): number {
    const found = this.#cells.indexOf(value, from)
    return found < this.length ? found : -1
  }

  /** The last index up to and with `from` with this value, -1 when there is none. */
  lastIndexOf(value: number, from: number): number {
    return from < 0 ? -1 : this.#cells.lastIndexOf(value, Math.min(from, this.length - 1))
  }

  sum(from: number, to: number): number {
    let total = 0
    for (let i = from; i < to; i++) total += this.#cells[i] as number
    return total
  }

  /** Gives back what growth has set aside. */
  trim(): void {
    if (this.#cells.length > this.length) this.#cells = this.#cells.slice(0, this.length)
  }

  /** The cells as bytes, for the index file. */
  toBytes(): Uint8Array {
    const { buffer, byteOffset, BYTES_PER_ELEMENT } = this.#cells
    return new Uint8Array(buffer, byteOffset, this.length * BYTES_PER_ELEMENT)
  }

  static fromBytes(bytes: Uint8Array, bytesPerCell: number): Column {
    const buffer = new Uint8Array(bytes).buffer
    if (bytesPerCell === 1) return new Column(new Uint8Array(buffer))
    return new Column(bytesPerCell === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer))
  }

  #resize(capacity: number, value: number): void {
    const valueMax = Math.max(this.#valueMax, value)
    const cells =
      valueMax <= 0xff
        ? new Uint8Array(capacity)
        : valueMax <= 0xffff
          ? new Uint16Array(capacity)
          : new Uint32Array(capacity)
    cells.set(this.#cells.subarray(0, this.length))
    this.#cells = cells
    this.#valueMax = 2 ** (cells.BYTES_PER_ELEMENT * 8) - 1
  }
}
