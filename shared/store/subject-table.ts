/**
 * The subjects of one stream: bytes in one arena, found by open addressing, with the count of live
 * messages and the last sequence of each. An id stays the same as long as its subject has live
 * messages, then it is used again: columns refer to subjects by id.
 *
 *     slots[hash & mask] → id + 1 (0 empty, -1 was used: go on looking) and, beside it, the hash
 *     per id: offset and length in the arena, count, last seq, a lower bound of the first seq
 *
 * A last seq that was deleted is kept negated as an upper bound, until somebody asks for it. Sequences
 * take 32 bits until one does not fit. Some 55 bytes per subject and its own: a million take 80 MB.
 */
import type { SubjectFilter } from '../subject/index.ts'
import { Beginning } from './subject-beginning.ts'
import { SubjectBudget } from './subject-budget.ts'
import { hashOf } from './subject-hash.ts'
import { SubjectTree } from './subject-tree.ts'

const EMPTY = 0
const GONE = -1
const IDS_MIN = 8
const ARENA_MIN = 256
const INT32_MAX = 0x7fff_ffff

type Seqs = Int32Array | Float64Array

export class SubjectTable {
  /** Subjects with live messages. */
  size = 0
  #slots = new Int32Array(IDS_MIN * 4)
  #slotsUsed = 0
  #ids = 0
  readonly #free: number[] = []
  #offsets = new Uint32Array(IDS_MIN)
  #lengths = new Uint16Array(IDS_MIN)
  #counts = new Uint32Array(IDS_MIN)
  #lasts: Seqs = new Int32Array(IDS_MIN)
  #firsts: Seqs = new Int32Array(IDS_MIN)
  #arena = new Uint8Array(ARENA_MIN)
  #arenaEnd = 0
  #arenaWaste = 0
  readonly #tree: SubjectTree
  readonly #seed: number
  readonly #budget: SubjectBudget
  readonly #beginning = new Beginning()

  constructor(seed = 0, budget = new SubjectBudget()) {
    this.#seed = seed
    this.#budget = budget
    this.#tree = new SubjectTree(this, seed)
  }

  /** Ids run from 0 to below this one; some may be free. */
  get idEnd(): number {
    return this.#ids
  }

  /** Of the live subjects themselves. */
  get byteLength(): number {
    return this.#arenaEnd - this.#arenaWaste
  }

  *ids(): IterableIterator<number> {
    for (let id = 0; id < this.#ids; id++) if ((this.#counts[id] as number) > 0) yield id
  }

  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#lookUp(bytes, start, end, hashOf(bytes, start, end, this.#seed))
  }

  /** Whether the id is that of the subject. */
  has(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    return id < this.#ids && end > start && this.#equals(id, bytes, start, end)
  }

  /** The subject's id, made when it is new. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOf(bytes, start, end, this.#seed)
    const found = this.#lookUp(bytes, start, end, hash)
    if (found >= 0) return found
    // Three in four slots are used at most: they are pairs.
    if ((this.#slotsUsed + 1) * 8 > this.#slots.length * 3) this.#rehash()
    const id = this.#newId()
    this.#offsets[id] = this.#keep(bytes, start, end)
    this.#lengths[id] = end - start
    this.#insert(id, hash)
    this.#tree.insert(id)
    this.#beginning.note(bytes, start, end, this.#ids - this.#free.length)
    this.#budget.take(end - start)
    return id
  }

  /** Makes room at once for so many subjects, those that are there among them. */
  reserve(subjects: number): void {
    let capacity = this.#counts.length
    while (capacity < subjects) capacity *= 2
    if (capacity > this.#counts.length) this.#growIds(capacity)
    let slots = this.#slots.length
    while (subjects * 8 > slots * 3) slots *= 2
    if (slots > this.#slots.length) this.#moveSlots(slots)
  }

  /** One more live message with a seq above all others. */
  add(id: number, seq: number): void {
    if (seq > INT32_MAX) this.#widen()
    const count = this.#counts[id] as number
    if (count === 0) {
      this.size++
      this.#firsts[id] = seq
    }
    this.#counts[id] = count + 1
    this.#lasts[id] = seq
  }

  /** One live message less. The id is free when it was the last. */
  remove(id: number, seq: number): void {
    const count = (this.#counts[id] as number) - 1
    this.#counts[id] = count
    if (count === 0) {
      this.#drop(id)
      return
    }
    if (this.#lasts[id] === seq) this.#lasts[id] = -seq
  }

  count(id: number): number {
    return this.#counts[id] as number
  }

  /** The last live seq, or the negated upper bound of it. */
  last(id: number): number {
    return this.#lasts[id] as number
  }

  setLast(id: number, seq: number): void {
    this.#lasts[id] = seq
  }

  /** No live message of the subject has a seq below this. */
  firstBound(id: number): number {
    return this.#firsts[id] as number
  }

  setFirstBound(id: number, seq: number): void {
    this.#firsts[id] = seq
  }

  /** A view, valid until the table changes. */
  bytes(id: number): Uint8Array {
    const start = this.#offsets[id] as number
    return this.#arena.subarray(start, start + (this.#lengths[id] as number))
  }

  /** Where the subject's bytes lie in the arena; without a length the id is free. */
  get arena(): Uint8Array {
    return this.#arena
  }
  offset(id: number): number {
    return this.#offsets[id] as number
  }
  length(id: number): number {
    return this.#lengths[id] as number
  }

  matches(id: number, filter: SubjectFilter): boolean {
    const start = this.#offsets[id] as number
    return filter.matches(this.#arena, start, start + (this.#lengths[id] as number))
  }

  /** Whether all subjects match. May say no when they do. */
  isWhole(filter: SubjectFilter): boolean {
    return this.#beginning.isUnder(filter)
  }

  /** Ids with live messages whose subjects match, rising; until the callback says false, then false. */
  visit(filter: SubjectFilter, visit: (id: number) => boolean): boolean {
    const isWhole = this.isWhole(filter)
    const found = isWhole ? undefined : this.#tree.under(filter)
    if (found !== undefined) {
      for (const id of found) if (this.count(id) > 0 && !visit(id)) return false
      return true
    }
    for (let id = 0; id < this.#ids; id++) {
      if ((this.#counts[id] as number) === 0 || !(isWhole || this.matches(id, filter))) continue
      if (!visit(id)) return false
    }
    return true
  }

  /**
   * Ids among which all are that match; who goes on with them later looks again whether they do: some may be
   * gone by then, and be another's.
   */
  *candidates(filter: SubjectFilter): IterableIterator<number> {
    const found = this.isWhole(filter) ? undefined : this.#tree.under(filter)
    yield* found ?? this.ids()
  }

  /** The last call. */
  release(): void {
    this.#budget.giveBack(this.#ids - this.#free.length, this.byteLength)
  }

  #lookUp(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 2
    for (let p = (hash << 1) & mask; ; p = (p + 2) & mask) {
      const slot = slots[p] as number
      if (slot === EMPTY) return -1
      if (slot !== GONE && slots[p + 1] === hash && this.#equals(slot - 1, bytes, start, end)) {
        return slot - 1
      }
    }
  }

  #equals(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#lengths[id] !== end - start) return false
    const arena = this.#arena
    const offset = (this.#offsets[id] as number) - start
    // Subjects differ at their ends.
    for (let i = end - 1; i >= start; i--) if (arena[offset + i] !== bytes[i]) return false
    return true
  }

  #insert(id: number, hash: number): void {
    const slots = this.#slots
    const mask = slots.length - 2
    let p = (hash << 1) & mask
    while ((slots[p] as number) > 0) p = (p + 2) & mask
    if (slots[p] === EMPTY) this.#slotsUsed++
    slots[p] = id + 1
    slots[p + 1] = hash
  }

  #drop(id: number): void {
    this.#tree.remove(id)
    const slots = this.#slots
    const mask = slots.length - 2
    const start = this.#offsets[id] as number
    const length = this.#lengths[id] as number
    let p = (hashOf(this.#arena, start, start + length, this.#seed) << 1) & mask
    while (slots[p] !== id + 1) p = (p + 2) & mask
    slots[p] = GONE
    this.size--
    this.#budget.giveBack(1, length)
    this.#arenaWaste += length
    this.#lengths[id] = 0
    this.#free.push(id)
  }

  /** Grows when ids fill three in eight slots, else only sweeps out what is gone. */
  #rehash(): void {
    const ids = this.#ids - this.#free.length
    const { length } = this.#slots
    this.#moveSlots(ids * 16 >= length * 3 ? length * 2 : length)
  }

  #moveSlots(length: number): void {
    const old = this.#slots
    this.#slots = new Int32Array(length)
    this.#slotsUsed = 0
    for (let p = 0; p < old.length; p += 2) {
      if ((old[p] as number) > 0) this.#insert((old[p] as number) - 1, old[p + 1] as number)
    }
  }

  #newId(): number {
    const id = this.#free.pop() ?? this.#ids++
    if (id >= this.#counts.length) this.#growIds(this.#counts.length * 2)
    this.#counts[id] = 0
    this.#lasts[id] = 0
    this.#firsts[id] = 0
    return id
  }

  #growIds(capacity: number): void {
    this.#offsets = grown(this.#offsets, new Uint32Array(capacity))
    this.#lengths = grown(this.#lengths, new Uint16Array(capacity))
    this.#counts = grown(this.#counts, new Uint32Array(capacity))
    const isWide = this.#lasts instanceof Float64Array
    const seqs = (): Seqs => (isWide ? new Float64Array(capacity) : new Int32Array(capacity))
    this.#lasts = grown(this.#lasts, seqs())
    this.#firsts = grown(this.#firsts, seqs())
  }

  #widen(): void {
    if (this.#lasts instanceof Float64Array) return
    this.#lasts = Float64Array.from(this.#lasts)
    this.#firsts = Float64Array.from(this.#firsts)
  }

  #keep(bytes: Uint8Array, start: number, end: number): number {
    const size = end - start
    if (this.#arenaEnd + size > this.#arena.length) this.#makeRoom(size)
    const offset = this.#arenaEnd
    for (let i = 0; i < size; i++) this.#arena[offset + i] = bytes[start + i] as number
    this.#arenaEnd += size
    return offset
  }

  /** Moves the living subjects together; grows the arena when that does not free a third of it. */
  #makeRoom(size: number): void {
    const live = this.#arenaEnd - this.#arenaWaste
    let capacity = this.#arena.length
    while (capacity < (live + size) * 1.5) capacity *= 2
    const arena = new Uint8Array(capacity)
    if (this.#arenaWaste === 0) {
      arena.set(this.#arena.subarray(0, this.#arenaEnd))
      this.#arena = arena
      return
    }
    let end = 0
    for (let id = 0; id < this.#ids; id++) {
      if (this.#lengths[id] === 0) continue
      const bytes = this.bytes(id)
      arena.set(bytes, end)
      this.#offsets[id] = end
      end += bytes.length
    }
    this.#arena = arena
    this.#arenaEnd = end
    this.#arenaWaste = 0
  }
}

function grown<T extends Uint32Array | Uint16Array | Seqs>(from: T, to: T): T {
  to.set(from)
  return to
}
