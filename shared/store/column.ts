/** Whole numbers, one per record: in 8, 16, 32 or 64 bits, as narrow as the largest of them allows. */
type Cells = Uint8Array | Uint16Array | Uint32Array | Float64Array

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
    if (bytesPerCell === 2) return new Column(new Uint16Array(buffer))
    return new Column(bytesPerCell === 4 ? new Uint32Array(buffer) : new Float64Array(buffer))
  }

  /** Packed cells that stand for values of a table, as those values; no copy of the cells is made. */
  static through(packed: Uint8Array, bytesPerCell: number, table: Uint32Array): Column {
    let valueMax = 0
    for (const value of table) if (value > valueMax) valueMax = value
    const cells = emptyCells(packed.length / bytesPerCell, valueMax)
    let at = 0
    for (let i = 0; i < cells.length; i++, at += bytesPerCell) {
      let index = packed[at] as number
      if (bytesPerCell > 1) index |= (packed[at + 1] as number) << 8
      if (bytesPerCell > 2) {
        index |= ((packed[at + 2] as number) << 16) | ((packed[at + 3] as number) << 24)
      }
      cells[i] = table[index] as number
    }
    return new Column(cells)
  }

  #resize(capacity: number, value: number): void {
    const valueMax = Math.max(this.#valueMax, value)
    const cells = emptyCells(capacity, valueMax)
    cells.set(this.#cells.subarray(0, this.length))
    this.#cells = cells
    this.#valueMax = 2 ** (cells.BYTES_PER_ELEMENT * 8) - 1
  }
}

function emptyCells(capacity: number, valueMax: number): Cells {
  if (valueMax <= 0xff) return new Uint8Array(capacity)
  if (valueMax <= 0xffff) return new Uint16Array(capacity)
  return valueMax <= 0xffff_ffff ? new Uint32Array(capacity) : new Float64Array(capacity)
}
