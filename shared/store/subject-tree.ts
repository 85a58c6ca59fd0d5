/**
 * The subjects of one stream by their beginnings, so that a filter that begins with words need not look
 * at all subjects. A node is a beginning of whole tokens; a subject hangs at the node of all its tokens
 * but the last, in a list; nodes are found by the hash of their bytes, which are those of any subject below.
 *
 *     plant ── plant.1 ── plant.1.press → plant.1.press.temp, plant.1.press.rpm
 *
 * It is made when somebody asks for the first time, and only for many subjects: a part of it with each
 * question, which is answered the long way meanwhile. Some 20 bytes per subject, and 36 per node.
 */
import type { SubjectFilter } from '../subject/index.ts'
import { PREFIX_TOKENS_MAX, TREE_STEP_SUBJECTS, TREE_SUBJECTS_MIN } from './limits.ts'
import { hashOf } from './subject-hash.ts'

export interface SubjectBytes {
  readonly idEnd: number
  readonly arena: Uint8Array
  offset(id: number): number
  length(id: number): number
  matches(id: number, filter: SubjectFilter): boolean
}

const DOT = 46
const ROOT = 0
const NONE = -1
const EMPTY = 0
const GONE = -1
const NODES_MIN = 16

export class SubjectTree {
  readonly #subjects: SubjectBytes
  readonly #seed: number
  /** Ids below are in the tree, those that are free excepted; -1: nobody has asked yet. */
  #built = -1
  #next = new Int32Array(0)
  #before = new Int32Array(0)
  #nodeOf = new Int32Array(0)
  #nodes = 1
  readonly #free: number[] = []
  #parents = new Int32Array(NODES_MIN)
  #firstSubjects = new Int32Array(NODES_MIN).fill(NONE)
  #firstChildren = new Int32Array(NODES_MIN).fill(NONE)
  #nextSiblings = new Int32Array(NODES_MIN).fill(NONE)
  #beforeSiblings = new Int32Array(NODES_MIN).fill(NONE)
  #lengths = new Uint16Array(NODES_MIN)
  #hashes = new Int32Array(NODES_MIN)
  /** Subjects below, at any depth. */
  #sizes = new Uint32Array(NODES_MIN)
  #slots = new Int32Array(NODES_MIN * 2)
  #slotsUsed = 0

  constructor(subjects: SubjectBytes, seed: number) {
    this.#subjects = subjects
    this.#seed = seed
  }

  insert(id: number): void {
    if (id > this.#built) return
    if (id === this.#built) this.#built++
    if (this.#subjects.length(id) > 0) this.#link(id)
  }

  /** Before its bytes go. */
  remove(id: number): void {
    if (id < this.#built && this.#subjects.length(id) > 0) this.#unlink(id)
  }

  /** The ids that match, rising; undefined when looking at all of them is as good. */
  under(filter: SubjectFilter): Uint32Array | undefined {
    const { idEnd } = this.#subjects
    if (idEnd < TREE_SUBJECTS_MIN) return undefined
    const prefix = literalPrefix(filter.subject)
    if (prefix === undefined) return undefined
    if (this.#built < idEnd) {
      this.#build()
      return undefined
    }
    const bytes = Buffer.from(prefix)
    const node = this.#find(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length, this.#seed))
    if (node === NONE) return new Uint32Array(0)
    const size = this.#sizes[node] as number
    // A list must be put in order.
    if (size * 4 > idEnd) return undefined
    return this.#collect(node, size, filter).sort()
  }

  #build(): void {
    const { idEnd } = this.#subjects
    const from = Math.max(0, this.#built)
    this.#built = Math.min(idEnd, from + TREE_STEP_SUBJECTS)
    for (let id = from; id < this.#built; id++) if (this.#subjects.length(id) > 0) this.#link(id)
  }

  #collect(top: number, size: number, filter: SubjectFilter): Uint32Array {
    const ids = new Uint32Array(size)
    let count = 0
    const open = [top]
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (
        let id = this.#firstSubjects[node] as number;
        id !== NONE;
        id = this.#next[id] as number
      ) {
        if (this.#subjects.matches(id, filter)) ids[count++] = id
      }
      let child = this.#firstChildren[node] as number
      for (; child !== NONE; child = this.#nextSiblings[child] as number) open.push(child)
    }
    return ids.subarray(0, count)
  }

  #link(id: number): void {
    if (id >= this.#next.length) this.#growIds(id)
    const node = this.#nodeFor(id)
    const first = this.#firstSubjects[node] as number
    this.#nodeOf[id] = node
    this.#before[id] = NONE
    this.#next[id] = first
    if (first !== NONE) this.#before[first] = id
    this.#firstSubjects[node] = id
    this.#resize(node, 1)
  }

  #unlink(id: number): void {
    const node = this.#nodeOf[id] as number
    const before = this.#before[id] as number
    const next = this.#next[id] as number
    if (next !== NONE) this.#before[next] = before
    // Nodes that end with it are found by its bytes, so they go first.
    this.#resize(node, -1)
    if (before !== NONE) this.#next[before] = next
    else this.#firstSubjects[node] = next
  }

  #resize(from: number, delta: number): void {
    for (let node = from; node !== ROOT; ) {
      const parent = this.#parents[node] as number
      const size = (this.#sizes[node] as number) + delta
      this.#sizes[node] = size
      if (size === 0) this.#dropNode(node, parent)
      node = parent
    }
  }

  #nodeFor(id: number): number {
    const { arena } = this.#subjects
    const start = this.#subjects.offset(id)
    const ends = prefixEnds(arena, start, start + this.#subjects.length(id))
    // Mostly the longest is there.
    let known = ends.length
    let node = ROOT
    for (; known > 0; known--) {
      const end = ends[known - 1] as number
      node = this.#find(arena, start, end, hashOf(arena, start, end, this.#seed))
      if (node !== NONE) break
    }
    if (known === 0) node = ROOT
    for (; known < ends.length; known++) {
      node = this.#makeNode(node, arena, start, ends[known] as number)
    }
    return node
  }

  #makeNode(parent: number, bytes: Uint8Array, start: number, end: number): number {
    if ((this.#slotsUsed + 1) * 2 > this.#slots.length) this.#rehash()
    const node = this.#free.pop() ?? this.#nodes++
    if (node >= this.#sizes.length) this.#growNodes()
    const first = this.#firstChildren[parent] as number
    this.#parents[node] = parent
    this.#firstSubjects[node] = NONE
    this.#firstChildren[node] = NONE
    this.#beforeSiblings[node] = NONE
    this.#nextSiblings[node] = first
    if (first !== NONE) this.#beforeSiblings[first] = node
    this.#firstChildren[parent] = node
    this.#lengths[node] = end - start
    this.#hashes[node] = hashOf(bytes, start, end, this.#seed)
    this.#sizes[node] = 0
    this.#insertSlot(node)
    return node
  }

  #dropNode(node: number, parent: number): void {
    const before = this.#beforeSiblings[node] as number
    const next = this.#nextSiblings[node] as number
    if (next !== NONE) this.#beforeSiblings[next] = before
    if (before !== NONE) this.#nextSiblings[before] = next
    else this.#firstChildren[parent] = next
    const mask = this.#slots.length - 1
    let p = (this.#hashes[node] as number) & mask
    while (this.#slots[p] !== node) p = (p + 1) & mask
    this.#slots[p] = GONE
    this.#free.push(node)
  }

  #find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1
    for (let p = hash & mask; ; p = (p + 1) & mask) {
      const node = this.#slots[p] as number
      if (node === EMPTY) return NONE
      if (node !== GONE && this.#hashes[node] === hash && this.#equals(node, bytes, start, end)) {
        return node
      }
    }
  }

  #equals(node: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#lengths[node] !== end - start) return false
    let below = node
    while (this.#firstSubjects[below] === NONE) {
      // Just made, with its subject still to come: nobody else can mean it.
      if (this.#firstChildren[below] === NONE) return false
      below = this.#firstChildren[below] as number
    }
    const { arena } = this.#subjects
    const offset = this.#subjects.offset(this.#firstSubjects[below] as number) - start
    for (let i = end - 1; i >= start; i--) if (arena[offset + i] !== bytes[i]) return false
    return true
  }

  #insertSlot(node: number): void {
    const mask = this.#slots.length - 1
    let p = (this.#hashes[node] as number) & mask
    while ((this.#slots[p] as number) > 0) p = (p + 1) & mask
    if (this.#slots[p] === EMPTY) this.#slotsUsed++
    this.#slots[p] = node
  }

  #rehash(): void {
    const nodes = this.#nodes - this.#free.length
    const old = this.#slots
    this.#slots = new Int32Array(nodes * 4 >= old.length ? old.length * 2 : old.length)
    this.#slotsUsed = 0
    for (const node of old) if (node > 0) this.#insertSlot(node)
  }

  #growIds(id: number): void {
    const capacity = Math.max(this.#subjects.idEnd, id + 1, Math.ceil(this.#next.length * 1.5))
    this.#next = grown(this.#next, new Int32Array(capacity))
    this.#before = grown(this.#before, new Int32Array(capacity))
    this.#nodeOf = grown(this.#nodeOf, new Int32Array(capacity))
  }

  #growNodes(): void {
    const capacity = this.#sizes.length * 2
    this.#parents = grown(this.#parents, new Int32Array(capacity))
    this.#firstSubjects = grown(this.#firstSubjects, new Int32Array(capacity))
    this.#firstChildren = grown(this.#firstChildren, new Int32Array(capacity))
    this.#nextSiblings = grown(this.#nextSiblings, new Int32Array(capacity))
    this.#beforeSiblings = grown(this.#beforeSiblings, new Int32Array(capacity))
    this.#lengths = grown(this.#lengths, new Uint16Array(capacity))
    this.#hashes = grown(this.#hashes, new Int32Array(capacity))
    this.#sizes = grown(this.#sizes, new Uint32Array(capacity))
  }
}

/** Where the beginnings of a subject end, all its tokens but the last, and not too many. */
function prefixEnds(bytes: Uint8Array, start: number, end: number): number[] {
  const ends: number[] = []
  for (let i = start; i < end && ends.length < PREFIX_TOKENS_MAX; i++) {
    if (bytes[i] === DOT) ends.push(i)
  }
  return ends
}

/** The tokens before the first wildcard, as many as a node can have; undefined when there are none. */
function literalPrefix(filter: string): string | undefined {
  const tokens = filter.split('.')
  const wild = tokens.findIndex((token) => token === '*' || token === '>')
  const count = Math.min(wild, PREFIX_TOKENS_MAX)
  return count <= 0 ? undefined : tokens.slice(0, count).join('.')
}

function grown<T extends Int32Array | Uint32Array | Uint16Array>(from: T, to: T): T {
  to.set(from)
  return to
}
