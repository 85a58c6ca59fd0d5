/**
 * The subjects of a stream's messages that wait for their commit: a queue, since commits come in the order of
 * the appends, whose entries of one hash are chained from the newest to the oldest. What has left the queue ends a
 * chain and is never taken out of it, so that an entry costs a hash and a copy of its bytes, and no object.
 *
 *     #heads[hash & mask]  → number + 1 of the newest entry there (0 none), which is in slot number & mask:
 *     #before[slot]        → number + 1 of the next older one;  #hashes, #starts, #lengths: what it is
 */
import { hashOf } from './subject-hash.ts'

const ENTRIES_MIN = 16
/** More room than this is given back when nothing waits. */
const ENTRIES_KEPT = 4_096
const BYTES_PER_ENTRY = 32

export class StagedSubjects {
  readonly #seed: number
  /** Numbers of the oldest entry and of the next one. */
  #first = 0
  #end = 0
  #capacity = 0
  #heads = new Float64Array(0)
  #before = new Float64Array(0)
  #hashes = new Int32Array(0)
  #starts = new Uint32Array(0)
  /** 0: an entry that is nobody's subject. */
  #lengths = new Uint16Array(0)
  #bytes = new Uint8Array(0)
  #bytesEnd = 0

  constructor(seed: number) {
    this.#seed = seed
  }

  /** All entries until now, of those that are there still. */
  get end(): number {
    return this.#end
  }

  /** @param subject undefined where nobody asks for it */
  push(subject: Uint8Array | undefined): void {
    if (this.#capacity > 0 || subject !== undefined) {
      if (this.#end - this.#first >= this.#capacity) this.#grow()
      this.#enter(subject)
    }
    this.#end++
  }

  /** The oldest is committed. */
  shift(): void {
    this.#first++
    if (this.#first === this.#end) this.#bytesEnd = 0
  }

  /** Those behind `end` are taken back. */
  truncate(end: number): void {
    while (this.#end > end) {
      const slot = --this.#end & (this.#capacity - 1)
      if (this.#capacity === 0 || this.#lengths[slot] === 0) continue
      this.#heads[(this.#hashes[slot] as number) & (this.#capacity - 1)] = this.#before[
        slot
      ] as number
      this.#bytesEnd = this.#starts[slot] as number
    }
  }

  clear(): void {
    this.#first = this.#end
    this.#bytesEnd = 0
    if (this.#capacity > ENTRIES_KEPT) this.#resize(0)
  }

  /** How many of them are this subject. */
  count(subject: Uint8Array): number {
    if (this.#first === this.#end || this.#capacity === 0) return 0
    const mask = this.#capacity - 1
    const hash = hashOf(subject, 0, subject.length, this.#seed)
    let count = 0
    let number = (this.#heads[hash & mask] as number) - 1
    while (number >= this.#first) {
      const slot = number & mask
      if (this.#hashes[slot] === hash && this.#equals(slot, subject)) count++
      number = (this.#before[slot] as number) - 1
    }
    return count
  }

  #enter(subject: Uint8Array | undefined): void {
    const mask = this.#capacity - 1
    const slot = this.#end & mask
    const length = subject?.length ?? 0
    this.#lengths[slot] = length
    this.#starts[slot] = this.#bytesEnd
    if (subject === undefined || length === 0) return
    if (this.#bytesEnd + length > this.#bytes.length) {
      this.#makeRoom(length)
      this.#starts[slot] = this.#bytesEnd
    }
    const at = this.#bytesEnd
    for (let i = 0; i < length; i++) this.#bytes[at + i] = subject[i] as number
    this.#bytesEnd = at + length
    const hash = hashOf(subject, 0, length, this.#seed)
    this.#hashes[slot] = hash
    this.#before[slot] = this.#heads[hash & mask] as number
    this.#heads[hash & mask] = this.#end + 1
  }

  #equals(slot: number, subject: Uint8Array): boolean {
    if (this.#lengths[slot] !== subject.length) return false
    const at = this.#starts[slot] as number
    for (let i = subject.length - 1; i >= 0; i--) {
      if (this.#bytes[at + i] !== subject[i]) return false
    }
    return true
  }

  /** What has left makes room first. */
  #makeRoom(size: number): void {
    const mask = this.#capacity - 1
    const from =
      this.#first === this.#end ? this.#bytesEnd : (this.#starts[this.#first & mask] ?? 0)
    const live = this.#bytes.subarray(from, this.#bytesEnd)
    let length = Math.max(this.#bytes.length, ENTRIES_MIN * BYTES_PER_ENTRY)
    while (length < (live.length + size) * 2) length *= 2
    const bytes = length === this.#bytes.length ? this.#bytes : new Uint8Array(length)
    bytes.set(live)
    for (let number = this.#first; number < this.#end; number++) {
      this.#starts[number & mask] = (this.#starts[number & mask] as number) - from
    }
    this.#bytes = bytes
    this.#bytesEnd = live.length
  }

  #grow(): void {
    let capacity = Math.max(ENTRIES_MIN, this.#capacity)
    while (capacity <= this.#end - this.#first) capacity *= 2
    this.#resize(capacity)
  }

  #resize(capacity: number): void {
    const { length } = this.#heads
    const [hashes, starts, lengths] = [this.#hashes, this.#starts, this.#lengths]
    this.#capacity = capacity
    this.#heads = new Float64Array(capacity)
    this.#before = new Float64Array(capacity)
    this.#hashes = new Int32Array(capacity)
    this.#starts = new Uint32Array(capacity)
    this.#lengths = new Uint16Array(capacity)
    if (capacity === 0) this.#bytes = new Uint8Array(0)
    if (capacity === 0 || length === 0) return
    for (let number = this.#first; number < this.#end; number++) {
      const from = number & (length - 1)
      const slot = number & (capacity - 1)
      const hash = hashes[from] as number
      this.#hashes[slot] = hash
      this.#starts[slot] = starts[from] as number
      this.#lengths[slot] = lengths[from] as number
      if (lengths[from] === 0) continue
      this.#before[slot] = this.#heads[hash & (capacity - 1)] as number
      this.#heads[hash & (capacity - 1)] = number + 1
    }
  }
}
