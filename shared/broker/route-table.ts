import type { Random } from '../runtime/index.ts'
import { allocate, arenaBytes, arenaView } from '../transport/index.ts'
import { holdsBlank } from './blank.ts'
import type { Interest } from './interest.ts'
import {
  CACHE_PROBES_MAX,
  CACHED_SUBJECT_BYTES,
  CACHED_SUBJECT_BYTES_MAX,
  CACHED_SUBJECTS_MAX,
  FIRST_SIGHT_BITS,
  FIRST_SIGHTS_MAX,
  OUTDATED_ROUTES_SWEPT,
} from './limits.ts'
import { ackNumbersEnd, isAckAt, prefixEnd, tokensBehind } from './one-shot-subject.ts'
import { Route } from './route.ts'

/**
 * From the bytes of a subject to its receivers, without making a string.
 *
 * Subjects are hashed four bytes a step as they lie in the arena, and the same step finds the space
 * that ends them. `#slots` is open addressing into `#routes`; `words` holds the bytes of every
 * known subject with the space behind it, padded to whole words, and is only ever appended to. When
 * it grows or the table is emptied, `words` becomes another array: who remembers a route must check
 * `isCurrent` by that.
 *
 * A subject is admitted at its second sight, so that one-shot subjects do not fill the table. Those are
 * served by their prefix, which is a route of its own: an inbox by all but its last token, an acknowledgement,
 * which never comes again, by what precedes its numbers. What a route leads to is computed at its first use and again after interest changed: a literal subject's
 * change clears its own route only, a wildcard's raises `generation`, which outdates all.
 */
export class RouteTable {
  /** Where the space behind the last located subject is, -1 when there is none in reach. */
  spaceAt = -1
  /** The known route of the last located subject: what a publisher remembers. */
  located: Route | undefined = undefined
  words = new Int32Array(INITIAL_WORDS)
  readonly #match: (subject: string) => Interest
  readonly #matchAnyEnd: (prefix: string, tokensBehind: number) => Interest | undefined
  readonly #seed: number
  #generation = 1
  #slots = new Int32Array(INITIAL_SLOTS).fill(VACANT)
  #routes: Route[] = []
  #wordsTop = 0
  /** Which route is looked at next by who sweeps. */
  #swept = 0
  #seen: Int32Array | undefined
  #firstSights = 0
  /** The prefix of the last acknowledgement, as long as the words are these. */
  #lastAck: Route | undefined
  #lastAckWords: Int32Array | undefined

  /**
   * @param match computes who is interested in a literal subject
   * @param matchAnyEnd the same for a prefix with so many tokens behind it; undefined when it depends on them
   */
  constructor(
    random: Random,
    match: (subject: string) => Interest,
    matchAnyEnd: (prefix: string, tokensBehind: number) => Interest | undefined,
  ) {
    this.#seed = random.below(2 ** 32) | 0
    this.#match = match
    this.#matchAnyEnd = matchAnyEnd
  }

  get size(): number {
    return this.#routes.length
  }

  /** What is remembered, as far as it holds. */
  *known(): Generator<Interest> {
    for (const { generation, interest } of this.#routes) {
      if (generation === this.#generation) yield interest
    }
  }

  /**
   * The interest in the subject that begins at arena offset `start` and ends at the next space
   * before `end`. undefined (and `spaceAt` -1) when there is no such space, or a byte in it that needs a
   * closer look. `located` is the route to remember, if there is one.
   */
  locate(start: number, end: number): Interest | undefined {
    this.located = undefined
    const isAck = isAckAt(start)
    if (isAck) {
      const interest = this.#interestOfNextAck(start, end)
      if (interest !== undefined) return interest
    }
    const hash = this.#hash(start, end)
    if (this.spaceAt <= start) return undefined
    const size = this.spaceAt - start + 1
    const known = isAck ? undefined : this.#find(start, hash, size)
    if (known !== undefined) {
      this.located = known
      return this.interestOf(known)
    }
    if (holdsBlank(arenaBytes, start, this.spaceAt)) {
      this.spaceAt = -1
      return undefined
    }
    if (isAck || !this.#isSecondSight(hash)) {
      const end = this.spaceAt
      return this.#interestOfPrefix(start, end) ?? this.#match(textAt(start, end))
    }
    const subject = textAt(start, this.spaceAt)
    const route = this.#admit(start, hash, size, subject)
    if (route === undefined) return this.#match(subject)
    this.located = route
    return this.interestOf(route)
  }

  /**
   * The interest in a subject that is not known itself, by what is known of the tokens that it has in common
   * with others of its kind. undefined when it depends on the tokens behind those.
   */
  #interestOfPrefix(start: number, end: number): Interest | undefined {
    const dot = prefixEnd(start, end)
    if (dot < 0) return undefined
    const route = this.#prefixAt(start, dot)
    if (route === undefined) return undefined
    if (isAckAt(start)) {
      this.#lastAck = route
      this.#lastAckWords = this.words
    }
    return this.#genericOf(route, start)
  }

  /** Of an acknowledgement to the consumer that the last one was for, as nearly all are: its bytes are read once. */
  #interestOfNextAck(start: number, end: number): Interest | undefined {
    const route = this.#lastAck
    if (route === undefined || this.#lastAckWords !== this.words) return undefined
    if (!this.isAt(route, start)) return undefined
    this.spaceAt = ackNumbersEnd(start + route.size, end)
    return this.spaceAt < 0 ? undefined : this.#genericOf(route, start)
  }

  #genericOf(route: Route, start: number): Interest | undefined {
    if (route.generation !== this.#generation) {
      route.generic = this.#matchAnyEnd(route.subject, tokensBehind(start))
      route.generation = this.#generation
    }
    return route.generic
  }

  /** A prefix is known with its dot, so that it is never taken for a subject, which ends with a space. */
  #prefixAt(start: number, dot: number): Route | undefined {
    const size = dot - start + 1
    const hash = this.#hashOf(start, dot + 1)
    const known = this.#find(start, hash, size)
    if (known !== undefined || !this.#isSecondSight(hash)) return known
    return this.#admit(start, hash, size, textAt(start, dot))
  }

  /** Of bytes whose end is known. */
  #hashOf(start: number, end: number): number {
    let hash = ~this.#seed
    for (let at = start; at < end; at += 4) {
      const rest = end - at
      const word = arenaView.getInt32(at, true)
      hash = Math.imul(hash ^ (rest < 4 ? word & (MASKS[rest] ?? 0) : word), 16777619)
      hash ^= hash >>> 13
    }
    return hash
  }

  /** The same for the bytes of a whole subject that lie elsewhere. */
  locateBytes(subject: Uint8Array): Interest {
    const end = SCRATCH + subject.length
    if (subject.length >= CACHED_SUBJECT_BYTES) return this.#match(Buffer.from(subject).toString())
    arenaBytes.set(subject, SCRATCH)
    arenaBytes[end] = SPACE
    const interest = this.locate(SCRATCH, end + 1)
    if (interest !== undefined && this.spaceAt === end) return interest
    return this.#match(arenaBytes.toString('utf8', SCRATCH, end))
  }

  /** Whether the bytes at `start` are the route's subject and the space behind it. */
  isAt(route: Route, start: number): boolean {
    return isEqual(start, this.words, route.wordsAt, route.size)
  }

  interestOf(route: Route): Interest {
    if (route.generation === this.#generation) return route.interest
    route.interest = this.#match(route.subject)
    route.generation = this.#generation
    return route.interest
  }

  /** Interest in `subject` has changed. */
  invalidate(subject: string, isLiteral: boolean): void {
    this.#outdate(subject, isLiteral)
    this.#sweep()
  }

  #outdate(subject: string, isLiteral: boolean): void {
    if (!isLiteral) {
      this.#generation++
      return
    }
    if (subject.length * UTF8_BYTES_MAX > CACHED_SUBJECT_BYTES) {
      this.#generation++
      return
    }
    const size = arenaBytes.write(subject, SCRATCH, CACHED_SUBJECT_BYTES, 'utf8')
    arenaBytes[SCRATCH + size] = SPACE
    const hash = this.#hash(SCRATCH, SCRATCH + size + 1)
    const route = this.#find(SCRATCH, hash, size + 1)
    route?.forget()
    const dot = prefixEnd(SCRATCH, SCRATCH + size)
    if (dot < 0) return
    const prefix = this.#find(SCRATCH, this.#hashOf(SCRATCH, dot + 1), dot - SCRATCH + 1)
    prefix?.forget()
  }

  /**
   * Clears some of the outdated routes: through what they lead to, those that nobody publishes to any more
   * would hold on to connections that are gone, with all their buffers.
   */
  #sweep(): void {
    for (let i = 0; i < OUTDATED_ROUTES_SWEPT; i++) {
      const route = this.#routes[this.#swept++]
      if (route === undefined) {
        this.#swept = 0
        return
      }
      if (route.generation !== this.#generation) route.forget()
    }
  }

  /** Hashes up to the next space and notes where that is. Reads up to three bytes past `end`. */
  #hash(start: number, end: number): number {
    let hash = this.#seed
    for (let at = start; at < end; at += 4) {
      const word = arenaView.getInt32(at, true)
      const spaces = word ^ 0x20202020
      const marks = (spaces - 0x01010101) & ~spaces & 0x80808080
      if (marks !== 0) {
        const before = (31 - Math.clz32(marks & -marks)) >> 3
        this.spaceAt = at + before < end ? at + before : -1
        hash = Math.imul(hash ^ (word & (MASKS[before] ?? 0)) ^ before, 16777619)
        return hash ^ (hash >>> 15)
      }
      hash = Math.imul(hash ^ word, 16777619)
      hash ^= hash >>> 13
    }
    this.spaceAt = -1
    return 0
  }

  #find(start: number, hash: number, size: number): Route | undefined {
    const mask = this.#slots.length - 1
    for (let probe = 0; probe < CACHE_PROBES_MAX; probe++) {
      const index = this.#slots[(hash + probe) & mask] ?? VACANT
      if (index === VACANT) return undefined
      const route = this.#routes[index]
      if (route === undefined || route.hash !== hash || route.size !== size) continue
      if (isEqual(start, this.words, route.wordsAt, size)) return route
    }
    return undefined
  }

  /** Two bits for each that was seen: few that were not are taken for it. */
  #isSecondSight(hash: number): boolean {
    this.#seen ??= new Int32Array(FIRST_SIGHT_BITS / 32)
    const isNew = this.#see(hash)
    if (!this.#see(Math.imul(hash, 0x9e3779b1) >>> 7) && !isNew) return true
    if (++this.#firstSights > FIRST_SIGHTS_MAX) {
      this.#firstSights = 0
      this.#seen.fill(0)
    }
    return false
  }

  /** Sets one bit; false when it was set already. */
  #see(hash: number): boolean {
    const seen = this.#seen
    if (seen === undefined) return true
    const bit = hash & (FIRST_SIGHT_BITS - 1)
    const word = seen[bit >> 5] ?? 0
    seen[bit >> 5] = word | (1 << (bit & 31))
    return (word & (1 << (bit & 31))) === 0
  }

  #admit(start: number, hash: number, size: number, subject: string): Route | undefined {
    if (size > CACHED_SUBJECT_BYTES) return undefined
    const wordCount = (size + 3) >> 2
    this.#makeRoom(wordCount)
    const wordsAt = this.#wordsTop
    for (let i = 0; i < wordCount; i++) {
      this.words[wordsAt + i] = arenaView.getInt32(start + i * 4, true)
    }
    const route = new Route(subject, wordsAt, size, hash)
    if (!this.#place(hash, this.#routes.length)) return undefined
    this.#wordsTop += wordCount
    this.#routes.push(route)
    return route
  }

  #place(hash: number, index: number): boolean {
    const mask = this.#slots.length - 1
    for (let probe = 0; probe < CACHE_PROBES_MAX; probe++) {
      const slot = (hash + probe) & mask
      if (this.#slots[slot] !== VACANT) continue
      this.#slots[slot] = index
      return true
    }
    return false
  }

  /** Doubles what is full, and begins anew at the limits. */
  #makeRoom(wordCount: number): void {
    if (
      this.#routes.length >= CACHED_SUBJECTS_MAX ||
      (this.#wordsTop + wordCount) * 4 > CACHED_SUBJECT_BYTES_MAX
    ) {
      this.#routes = []
      this.#wordsTop = 0
      this.#slots.fill(VACANT)
      this.words = new Int32Array(this.words.length)
    }
    if (this.#wordsTop + wordCount > this.words.length) {
      const grown = new Int32Array(this.words.length * 2)
      grown.set(this.words)
      this.words = grown
    }
    if (this.#routes.length * 2 >= this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 2).fill(VACANT)
      const routes: Route[] = []
      for (const route of this.#routes) {
        if (this.#place(route.hash, routes.length)) routes.push(route)
      }
      this.#routes = routes
    }
  }
}

const VACANT = -1
const SPACE = 32
/** Of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3
const INITIAL_SLOTS = 256
const INITIAL_WORDS = 1024
/** Keeps the first 0, 1, 2 or 3 bytes of a little-endian word. */
const MASKS = Int32Array.of(0, 0xff, 0xffff, 0xffffff)
/** Strings become bytes here to be looked up. */
const SCRATCH = allocate(CACHED_SUBJECT_BYTES + 64)

function textAt(start: number, end: number): string {
  return arenaBytes.toString('utf8', start, end)
}

function isEqual(start: number, words: Int32Array, wordsAt: number, size: number): boolean {
  const whole = size >> 2
  for (let i = 0; i < whole; i++) {
    if (arenaView.getInt32(start + i * 4, true) !== words[wordsAt + i]) return false
  }
  const rest = size & 3
  if (rest === 0) return true
  const differing = arenaView.getInt32(start + whole * 4, true) ^ (words[wordsAt + whole] ?? 0)
  return (differing & (MASKS[rest] ?? 0)) === 0
}
