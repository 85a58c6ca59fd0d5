import type { Random } from '../../shared/runtime/index.ts'

/** How much of what was not synced survives a power cut; sectors and sizes each for themselves. */
export type CutMode = 'none' | 'all' | 'prefix' | 'subset'

/** What a disk writes whole or not at all. */
export const SECTOR_BYTES = 512

interface Change {
  /** How many changes there were with it. */
  readonly no: number
  readonly start: number
  /** undefined for a truncation to `start`. */
  readonly bytes: Uint8Array | undefined
  readonly sizeAfter: number
  /** An fsync that failed leaves its pages clean: no later fsync writes them [fsync(2), since Linux 4.13]. */
  isForsaken: boolean
}

/** A file's bytes as programs see them, as they are on the platter, and the changes between. */
export class FileContent {
  #bytes: Uint8Array
  #size: number
  #durable: Uint8Array
  #durableSize: number
  #pending: Change[] = []
  #changes = 0

  constructor(durable: Uint8Array = new Uint8Array(0)) {
    this.#bytes = durable.slice()
    this.#durable = durable
    this.#size = durable.length
    this.#durableSize = durable.length
  }

  get size(): number {
    return this.#size
  }

  /** Bytes that the disk cannot read any more, in every cut and start from now on. */
  readonly unreadable: { readonly from: number; readonly to: number }[] = []

  /** Changes ever made: a sync covers those made before it began. */
  get changes(): number {
    return this.#changes
  }

  /** A view; a copy is the caller's to make. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }

  write(at: number, bytes: Uint8Array): void {
    this.#size = Math.max(this.#size, at + bytes.length)
    this.#bytes = grown(this.#bytes, this.#size)
    this.#bytes.set(bytes, at)
    const no = ++this.#changes
    this.#pending.push({ no, start: at, bytes, sizeAfter: this.#size, isForsaken: false })
  }

  truncate(size: number): void {
    if (size < this.#size) this.#bytes.fill(0, size, this.#size)
    this.#size = size
    this.#bytes = grown(this.#bytes, size)
    const no = ++this.#changes
    const bytes = undefined
    this.#pending.push({ no, start: size, bytes, sizeAfter: size, isForsaken: false })
  }

  sync(throughChange: number): void {
    let forsaken: Change[] = []
    const later: Change[] = []
    for (const change of this.#pending) {
      if (change.no > throughChange) later.push(change)
      else if (change.isForsaken) forsaken.push(change)
      else {
        this.#makeDurable(change)
        forsaken = forsaken.flatMap((lost) => this.#leftOf(lost, change))
      }
    }
    this.#pending = [...forsaken, ...later]
  }

  /**
   * One write is on disk, and its size; what else was written since the last sync is as uncertain as before. Whoever
   * cuts a file syncs that first: what a write behind it would mean is not known here.
   */
  syncRange(at: number, bytes: Uint8Array): void {
    const sizeAfter = Math.max(this.#durableSize, at + bytes.length)
    const written: Change = { no: 0, start: at, bytes, sizeAfter, isForsaken: false }
    this.#pending = this.#pending
      .flatMap((change) => {
        if (change.bytes === undefined) throw new Error('a synced write behind an unsynced cut')
        return this.#leftOf(change, written)
      })
      .map((change) => ({ ...change, sizeAfter: Math.max(change.sizeAfter, sizeAfter) }))
    this.#makeDurable(written)
  }

  failSync(): void {
    for (const change of this.#pending) change.isForsaken = true
  }

  /** Bytes that changed behind everybody's back: bit rot, for tests. */
  corrupt(at: number, mask: number): void {
    this.#bytes[at]! ^= mask
    if (at < this.#durableSize) this.#durable[at]! ^= mask
  }

  afterPowerCut(mode: CutMode, random: Random): FileContent {
    const content = this.#afterPowerCut(mode, random)
    content.unreadable.push(...this.unreadable)
    return content
  }

  #afterPowerCut(mode: CutMode, random: Random): FileContent {
    if (mode === 'none' || this.#pending.length === 0) {
      return new FileContent(this.#durable.slice(0, this.#durableSize))
    }
    if (mode === 'all') return new FileContent(this.#bytes.slice(0, this.#size))
    return new FileContent(mode === 'prefix' ? this.#cutPrefix(random) : this.#cutSubset(random))
  }

  /**
   * What is still uncertain of a change after a later one was synced: the bytes that were not written again. Of one
   * whose sync failed the size is not: it goes to disk with any later sync of the file.
   */
  #leftOf(lost: Change, synced: Change): Change[] {
    if (lost.bytes === undefined || synced.bytes === undefined) return []
    const { no, start, bytes, isForsaken } = lost
    const end = start + bytes.length
    const head = bytes.subarray(0, Math.max(0, Math.min(synced.start, end) - start))
    const tailAt = Math.max(start, Math.min(synced.start + synced.bytes.length, end))
    const tail = bytes.subarray(tailAt - start)
    const sizeAfter = isForsaken ? this.#durableSize : lost.sizeAfter
    return [
      { no, start, bytes: head, sizeAfter, isForsaken },
      { no, start: tailAt, bytes: tail, sizeAfter, isForsaken },
    ].filter((piece) => piece.bytes.length > 0)
  }

  #makeDurable(change: Change): void {
    this.#durableSize = change.sizeAfter
    if (change.bytes === undefined) {
      this.#durable = grown(this.#durable, change.sizeAfter)
      this.#durable.fill(0, change.sizeAfter)
      return
    }
    this.#durable = grown(
      this.#durable,
      Math.max(change.sizeAfter, change.start + change.bytes.length),
    )
    this.#durable.set(change.bytes, change.start)
  }

  /** Changes reached the disk in order, the last one in part. */
  #cutPrefix(random: Random): Uint8Array {
    const whole = random.below(this.#pending.length + 1)
    const image = new Image(this.#durable, this.#durableSize, this.#reach)
    for (const change of this.#pending.slice(0, whole)) image.apply(change, 0, this.#reach)
    const torn = this.#pending[whole]
    if (torn?.bytes !== undefined) {
      const sectors = Math.ceil((torn.start + torn.bytes.length) / SECTOR_BYTES)
      const firstSector = Math.floor(torn.start / SECTOR_BYTES)
      const end = (firstSector + random.below(sectors - firstSector + 1)) * SECTOR_BYTES
      image.apply(torn, 0, end)
      image.size = Math.max(Math.min(torn.sizeAfter, end), image.size)
    }
    return image.bytes
  }

  /** Each sector shows any of the versions it ever had since the last sync, and so does the size. */
  #cutSubset(random: Random): Uint8Array {
    const image = new Image(this.#durable, this.#durableSize, this.#reach)
    const touched = new Map<number, Change[]>()
    for (const change of this.#pending) {
      const end = change.bytes === undefined ? this.#reach : change.start + change.bytes.length
      for (
        let sector = Math.floor(change.start / SECTOR_BYTES);
        sector * SECTOR_BYTES < end;
        sector++
      ) {
        const changes = touched.get(sector)
        if (changes === undefined) touched.set(sector, [change])
        else changes.push(change)
      }
    }
    for (const [sector, changes] of touched) {
      const version = random.below(changes.length + 1)
      for (const change of changes.slice(0, version)) {
        image.apply(change, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
      }
    }
    const sizes = [this.#durableSize, ...this.#pending.map((change) => change.sizeAfter)]
    image.size = sizes[random.below(sizes.length)]!
    return image.bytes
  }

  get #reach(): number {
    return this.#pending.reduce(
      (reach, { sizeAfter }) => Math.max(reach, sizeAfter),
      this.#durableSize,
    )
  }
}

/** The platter while the power fails. */
class Image {
  size: number
  readonly #bytes: Uint8Array

  constructor(durable: Uint8Array, size: number, reach: number) {
    this.#bytes = new Uint8Array(reach)
    this.#bytes.set(durable.subarray(0, size))
    this.size = size
  }

  get bytes(): Uint8Array {
    return this.#bytes.slice(0, this.size)
  }

  /** Applies what of `change` lies in [start, end). */
  apply(change: Change, start: number, end: number): void {
    const from = Math.max(start, change.start)
    if (change.bytes === undefined) {
      this.#bytes.fill(0, from, Math.max(from, end))
    } else {
      const to = Math.min(end, change.start + change.bytes.length)
      if (to > from)
        this.#bytes.set(change.bytes.subarray(from - change.start, to - change.start), from)
    }
    if (start === 0 && end >= change.sizeAfter) this.size = change.sizeAfter
  }
}

function grown(bytes: Uint8Array, size: number): Uint8Array {
  if (size <= bytes.length) return bytes
  const larger = new Uint8Array(Math.max(size, bytes.length * 2, 4096))
  larger.set(bytes)
  return larger
}
