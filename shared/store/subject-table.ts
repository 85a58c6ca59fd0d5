/**
 * The subjects of one stream: bytes in one arena, found by open addressing, with the count of live
 * messages and the last sequence of each. An id stays the same as long as its subject has live
 * messages, then it is used again: columns refer to subjects by id.
 *
 *     slots[hash & mask] → id   (-1 empty, -2 was used: go on looking)
 *     per id: hash, offset and length in the arena, count, last seq, a lower bound of the first seq
 *
 * A last seq that was deleted is kept negated as an upper bound, until somebody asks for it.
 */
const EMPTY = -1
const GONE = -2
const IDS_MIN = 8
const ARENA_MIN = 256

export class SubjectTable {
  /** Subjects with live messages. */
  size = 0
  #slots = new Int32Array(IDS_MIN * 2).fill(EMPTY)
  #slotsUsed = 0
  #ids = 0
  readonly #free: number[] = []
  #hashes = new Uint32Array(IDS_MIN)
  #offsets = new Uint32Array(IDS_MIN)
  #lengths = new Uint16Array(IDS_MIN)
  #counts = new Uint32Array(IDS_MIN)
  #lasts = new Float64Array(IDS_MIN)
  #firsts = new Float64Array(IDS_MIN)
  #arena = new Uint8Array(ARENA_MIN)
  #arenaEnd = 0
  #arenaWaste = 0

  /** Ids run from 0 to below this one; some may be free. */
  get idEnd(): number {
    return this.#ids
  }

  *ids(): IterableIterator<number> {
    for (let id = 0; id < this.#ids; id++) if ((this.#counts[id] as number) > 0) yield id
  }

  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#lookUp(bytes, start, end, hashOf(bytes, start, end))
  }

  /** The subject's id, made when it is new. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOf(bytes, start, end)
    const found = this.#lookUp(bytes, start, end, hash)
    if (found >= 0) return found
    if ((this.#slotsUsed + 1) * 2 > this.#slots.length) this.#rehash()
    const id = this.#newId()
    this.#hashes[id] = hash
    this.#lengths[id] = end - start
    this.#offsets[id] = this.#keep(bytes, start, end)
    this.#insert(id, hash)
    return id
  }

  /** One more live message with a seq above all others. */
  add(id: number, seq: number): void {
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

  clear(): void {
    this.size = 0
    this.#slots = new Int32Array(IDS_MIN * 2).fill(EMPTY)
    this.#slotsUsed = 0
    this.#ids = 0
    this.#free.length = 0
    this.#arenaEnd = 0
    this.#arenaWaste = 0
  }

  #lookUp(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let p = hash & mask; ; p = (p + 1) & mask) {
      const id = slots[p] as number
      if (id === EMPTY) return -1
      if (id !== GONE && this.#hashes[id] === hash && this.#equals(id, bytes, start, end)) return id
    }
  }

  #equals(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#lengths[id] !== end - start) return false
    const offset = (this.#offsets[id] as number) - start
    for (let i = start; i < end; i++) if (this.#arena[offset + i] !== bytes[i]) return false
    return true
  }

  #insert(id: number, hash: number): void {
    const mask = this.#slots.length - 1
    let p = hash & mask
    while ((this.#slots[p] as number) >= 0) p = (p + 1) & mask
    if (this.#slots[p] === EMPTY) this.#slotsUsed++
    this.#slots[p] = id
  }

  #drop(id: number): void {
    const mask = this.#slots.length - 1
    let p = (this.#hashes[id] as number) & mask
    while (this.#slots[p] !== id) p = (p + 1) & mask
    this.#slots[p] = GONE
    this.size--
    this.#arenaWaste += this.#lengths[id] as number
    this.#lengths[id] = 0
    this.#free.push(id)
  }

  /** Grows when ids fill a quarter of it, else only sweeps out what is gone. */
  #rehash(): void {
    const ids = this.#ids - this.#free.length
    const capacity = ids * 4 >= this.#slots.length ? this.#slots.length * 2 : this.#slots.length
    const old = this.#slots
    this.#slots = new Int32Array(capacity).fill(EMPTY)
    this.#slotsUsed = 0
    for (const id of old) if (id >= 0) this.#insert(id, this.#hashes[id] as number)
  }

  #newId(): number {
    const id = this.#free.pop() ?? this.#ids++
    if (id >= this.#hashes.length) this.#growIds()
    this.#counts[id] = 0
    this.#lasts[id] = 0
    this.#firsts[id] = 0
    return id
  }

  #growIds(): void {
    const capacity = this.#hashes.length * 2
    this.#hashes = grown(this.#hashes, new Uint32Array(capacity))
    this.#offsets = grown(this.#offsets, new Uint32Array(capacity))
    this.#lengths = grown(this.#lengths, new Uint16Array(capacity))
    this.#counts = grown(this.#counts, new Uint32Array(capacity))
    this.#lasts = grown(this.#lasts, new Float64Array(capacity))
    this.#firsts = grown(this.#firsts, new Float64Array(capacity))
  }

  #keep(bytes: Uint8Array, start: number, end: number): number {
    const size = end - start
    if (this.#arenaEnd + size > this.#arena.length) this.#makeRoom(size)
    const offset = this.#arenaEnd
    for (let i = 0; i < size; i++) this.#arena[offset + i] = bytes[start + i] as number
    this.#arenaEnd += size
    return offset
  }

  /** Moves the living subjects together; grows the arena when that does not free half of it. */
  #makeRoom(size: number): void {
    const live = this.#arenaEnd - this.#arenaWaste
    let capacity = this.#arena.length
    while (capacity < (live + size) * 1.5) capacity *= 2
    const arena = new Uint8Array(capacity)
    let end = 0
    for (const id of this.#slots) {
      if (id < 0) continue
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

function grown<T extends Uint32Array | Uint16Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}

/** Word-wise FNV with a final mix: 4 bytes a step. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5 ^ (end - start)
  let i = start
  for (; i + 4 <= end; i += 4) {
    const word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24)
    h = Math.imul(h ^ word, 0x01000193)
    h ^= h >>> 15
  }
  for (; i < end; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193)
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  h ^= h >>> 12
  return h >>> 0
}
