/**
 * Message ids seen within the duplicate window, each with the sequence it was stored under. An id is entered before its
 * message is on disk and taken back when that fails.
 *
 * An id is known by 96 bits of a hash with a key of its own for each window: two of ten million are taken for one once in
 * some 10^15 windows, and nobody can tell which. Ids lie in columns, oldest first, with an open hash table beside them:
 * 36 bytes each, and as much again at most where columns have just grown. Many are spread over shards by their hash, so that
 * no growth takes long.
 */
import type { Random } from '../../runtime/index.ts'
import { DEDUP_SHARDS, DEDUP_SPREAD_IDS } from '../limits.ts'

const FIRST_CAPACITY = 8

export class DedupWindow {
  #windowMs: number
  readonly #idsMax: number
  readonly #key: Uint32Array
  /** One while there are few ids. */
  #shards: Shard[] = [new Shard()]
  #size = 0
  /** Hash of the id that was asked for last. */
  #a = 0
  #b = 0
  #c = 0

  /** @param windowMs 0: nothing is remembered */
  constructor(windowMs: number, idsMax: number, random: Random) {
    this.#windowMs = windowMs
    this.#idsMax = idsMax
    this.#key = new Uint32Array(new Uint8Array(random.bytes(12)).buffer)
  }

  get size(): number {
    return this.#size
  }

  set windowMs(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** No other id can be remembered until some are old enough to be forgotten. */
  isFull(nowMs: number): boolean {
    if (this.#size < this.#idsMax) return false
    for (const shard of this.#shards) this.#expire(shard, nowMs)
    return this.#size >= this.#idsMax
  }

  /** The sequence under which this id is stored or being stored. */
  find(id: string, nowMs: number): number | undefined {
    const shard = this.#shardOf(id)
    this.#expire(shard, nowMs)
    const at = shard.find(this.#a, this.#b, this.#c)
    return at < 0 ? undefined : shard.seqs[at]
  }

  /** @param atMs monotonic; must not go back from one call to the next */
  remember(id: string, seq: number, atMs: number): void {
    if (this.#windowMs === 0) return
    const shard = this.#shardOf(id)
    const { count } = shard
    shard.add(this.#a, this.#b, this.#c, seq, atMs)
    this.#size += shard.count - count
    if (this.#shards.length === 1 && this.#size > DEDUP_SPREAD_IDS) this.#spread()
  }

  /** The message of this id was not stored after all. */
  forget(id: string, seq: number): void {
    const shard = this.#shardOf(id)
    const at = shard.find(this.#a, this.#b, this.#c)
    if (at < 0 || shard.seqs[at] !== seq) return
    shard.remove(at)
    this.#size--
  }

  #expire(shard: Shard, nowMs: number): void {
    const { count } = shard
    shard.expire(nowMs - this.#windowMs)
    this.#size -= count - shard.count
  }

  #spread(): void {
    const [all] = this.#shards
    this.#shards = Array.from({ length: DEDUP_SHARDS }, () => new Shard())
    all?.each((a, b, c, seq, atMs) => this.#shards[a % DEDUP_SHARDS]?.add(a, b, c, seq, atMs))
  }

  #shardOf(id: string): Shard {
    let [a = 0, b = 0, c = 0] = this.#key
    for (let i = 0; i < id.length; i++) {
      const code = id.charCodeAt(i)
      a = Math.imul(a ^ code, 0x9e3779b1)
      a = (a << 13) | (a >>> 19)
      b = Math.imul(b ^ code, 0x85ebca77)
      b = (b << 17) | (b >>> 15)
      c = Math.imul(c ^ code ^ a, 0xc2b2ae3d)
      c = (c << 7) | (c >>> 25)
    }
    this.#a = mixed(a ^ id.length)
    this.#b = mixed(b ^ this.#a)
    this.#c = mixed(c ^ this.#b)
    return this.#shards[this.#a % this.#shards.length] as Shard
  }
}

function mixed(value: number): number {
  let x = value
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/** Columns in a ring, oldest first; what was removed from the middle stays there with the sequence 0 until it is the oldest. */
class Shard {
  seqs = new Float64Array(0)
  /** Ids that are known. */
  count = 0
  #as = new Uint32Array(0)
  #bs = new Uint32Array(0)
  #cs = new Uint32Array(0)
  #times = new Float64Array(0)
  /** Place in the columns, and one; 0 for none. Twice as many as places. */
  #slots = new Uint32Array(0)
  #head = 0
  #used = 0

  /** The place of the id; -1 for none. */
  find(a: number, b: number, c: number): number {
    const mask = this.#slots.length - 1
    if (mask < 0) return -1
    for (let slot = b & mask; ; slot = (slot + 1) & mask) {
      const at = (this.#slots[slot] as number) - 1
      if (at < 0 || (this.#bs[at] === b && this.#as[at] === a && this.#cs[at] === c)) return at
    }
  }

  add(a: number, b: number, c: number, seq: number, atMs: number): void {
    const known = this.find(a, b, c)
    if (known >= 0) this.remove(known)
    if (this.#used === this.seqs.length) this.#grow()
    const at = (this.#head + this.#used++) & (this.seqs.length - 1)
    this.#as[at] = a
    this.#bs[at] = b
    this.#cs[at] = c
    this.seqs[at] = seq
    this.#times[at] = atMs
    this.count++
    const mask = this.#slots.length - 1
    let slot = b & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = at + 1
  }

  remove(at: number): void {
    const mask = this.#slots.length - 1
    let hole = (this.#bs[at] as number) & mask
    while (this.#slots[hole] !== at + 1) hole = (hole + 1) & mask
    // Whatever lies behind it and would not be found any more moves up.
    for (let slot = (hole + 1) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (this.#bs[(this.#slots[slot] as number) - 1] as number) & mask
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      this.#slots[hole] = this.#slots[slot] as number
      hole = slot
    }
    this.#slots[hole] = 0
    this.seqs[at] = 0
    this.count--
  }

  /** Forgets what was remembered then or before. */
  expire(untilMs: number): void {
    while (this.#used > 0) {
      const at = this.#head
      if (this.seqs[at] !== 0) {
        if ((this.#times[at] as number) > untilMs) return
        this.remove(at)
      }
      this.#head = (at + 1) & (this.seqs.length - 1)
      this.#used--
    }
    if (this.seqs.length > FIRST_CAPACITY) this.#resize(0)
  }

  each(visit: (a: number, b: number, c: number, seq: number, atMs: number) => void): void {
    for (let i = 0; i < this.#used; i++) {
      const at = (this.#head + i) & (this.seqs.length - 1)
      const seq = this.seqs[at] as number
      if (seq === 0) continue
      const [a, b, c] = [this.#as[at], this.#bs[at], this.#cs[at]] as [number, number, number]
      visit(a, b, c, seq, this.#times[at] as number)
    }
  }

  /** Places of removed ids are used again before there are more. */
  #grow(): void {
    this.#resize(
      Math.max(FIRST_CAPACITY, this.count * 2 > this.#used ? this.#used * 2 : this.#used),
    )
  }

  #resize(capacity: number): void {
    const next = new Shard()
    next.seqs = new Float64Array(capacity)
    next.#times = new Float64Array(capacity)
    next.#as = new Uint32Array(capacity)
    next.#bs = new Uint32Array(capacity)
    next.#cs = new Uint32Array(capacity)
    next.#slots = new Uint32Array(capacity * 2)
    this.each((a, b, c, seq, atMs) => next.add(a, b, c, seq, atMs))
    this.seqs = next.seqs
    this.#times = next.#times
    this.#as = next.#as
    this.#bs = next.#bs
    this.#cs = next.#cs
    this.#slots = next.#slots
    this.#head = 0
    this.#used = next.count
  }
}
