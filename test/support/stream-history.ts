/**
 * What clients asked of one stream and what they heard, with times, and whether one stream that does
 * one thing after the other could have answered so: every answer, reads among them, and what is stored in
 * the end fit one order, in which each operation has its place between its begin and its end
 * [linear-search.ts]. The sequences of the stream say in which order it took what it stored, which
 * leaves little to search. An operation that nobody heard the end of may have been done or not, but not any
 * more when its server was gone.
 */
import { type Operation, searchOrder } from './linear-search.ts'

export interface Stored {
  readonly subject: string
  readonly value: string
}

interface Timed {
  readonly startMs: number
  /** Infinity: nobody heard of its end. */
  endMs: number
  /** The server that was asked was gone by then. */
  goneMs?: number
}

/** One publish, or one atomic batch. */
export interface Write extends Timed {
  readonly messages: readonly Stored[]
  readonly isRollup: boolean
  /** What the first message's subject, or the stream, was said to be at. */
  readonly expectedOnSubject?: number
  readonly expectedLast?: number
  /** The sequence of the last message; 0: refused, undefined: unknown. */
  seq?: number
  /** The sequence that a refusal named. */
  actual?: number
}

export interface Removal extends Timed {
  readonly seq: number
  outcome?: 'done' | 'missing'
}

/** The newest message on a subject, or the one with a sequence. */
export interface Read extends Timed {
  readonly subject?: string
  readonly askedSeq?: number
  found?: { readonly seq: number; readonly value: string; readonly subject: string } | 'nothing'
}

export class StreamHistory {
  readonly writes: Write[] = []
  readonly removals: Removal[] = []
  readonly reads: Read[] = []

  get size(): number {
    return this.writes.length + this.removals.length + this.reads.length
  }

  /** The server is gone: what it did not answer it has done by now, or never will. */
  serverGone(nowMs: number): void {
    for (const one of [...this.writes, ...this.removals, ...this.reads]) {
      if (one.endMs === Infinity) one.goneMs ??= nowMs
    }
  }

  /** What is wrong with it, given what is stored in the end; empty: nothing. */
  check(final: ReadonlyMap<number, Stored>): string[] {
    const wrong: string[] = []
    const placed = this.#places(final, wrong)
    if (wrong.length > 0) return wrong
    const line = new SequenceLine(placed, this.#newestNamed())
    const operations = [
      ...this.writes.map((write) => writing(write, placed.get(write), line)),
      ...this.removals.map((removal) => removing(removal, line)),
      ...this.reads.map((read) => reading(read, line)),
    ].filter((operation) => operation !== undefined)
    const end = ending(final, line)
    const { stuck, states } = searchOrder(NOTHING_YET, [...operations, end], keyOf)
    if (stuck === undefined) return []
    if (stuck === end) return [`no order ends so: ${line.difference(final, states)}`]
    const lasts = [...new Set(states.map(({ lastSeq }) => lastSeq))].slice(0, 8)
    return [`no order has a place for ${stuck.describe()} (at ${lasts.join(' or ')})`]
  }

  /** Where each write lies that is known to have been done: its last sequence. */
  #places(final: ReadonlyMap<number, Stored>, wrong: string[]): Map<Write, number> {
    const seqOf = new Map([...final].map(([seq, { value }]) => [value, seq]))
    for (const { found } of this.reads) {
      if (typeof found === 'object') seqOf.set(found.value, found.seq)
    }
    const placed = new Map<Write, number>()
    const taken = new Set<number>()
    for (const write of this.writes) {
      const { messages, seq: told } = write
      if (told === 0) continue
      const seen = messages.flatMap(({ value }, i) => {
        const seq = seqOf.get(value)
        return seq === undefined ? [] : [seq - i + messages.length - 1]
      })
      const [last = told, ...others] = [...(told === undefined ? [] : [told]), ...seen]
      if (last === undefined) continue
      if (others.some((other) => other !== last)) {
        wrong.push(`${messages[0]?.value} of ${messages.length} lies at ${last} and ${others}`)
      }
      placed.set(write, last)
      for (let seq = last - messages.length + 1; seq <= last; seq++) {
        if (taken.has(seq)) wrong.push(`sequence ${seq} was given twice`)
        taken.add(seq)
      }
    }
    return placed
  }

  /** No sequence above is known to anybody. */
  #newestNamed(): number {
    let newest = 0
    for (const { seq = 0, actual = 0, expectedLast = 0, expectedOnSubject = 0 } of this.writes) {
      newest = Math.max(newest, seq, actual || 0, expectedLast, expectedOnSubject)
    }
    for (const { seq } of this.removals) newest = Math.max(newest, seq)
    return newest
  }
}

/** One message at its sequence. */
interface Placed extends Stored {
  readonly seq: number
  readonly isRollup: boolean
  /** The next roll-up on its subject; Infinity: none is known. */
  rolledUpAt: number
}

interface State {
  readonly lastSeq: number
  readonly removed: ReadonlySet<number>
  readonly removedKey: string
  /** Messages that nobody ever saw, and that explain a gap. */
  readonly unseen: readonly Placed[]
}

const NOTHING_YET: State = { lastSeq: 0, removed: new Set(), removedKey: '', unseen: [] }

function keyOf({ lastSeq, removedKey, unseen }: State): string {
  return `${lastSeq}/${removedKey}/${unseen.map(({ seq, value }) => `${seq}${value}`).join()}`
}

/** All that is known to have been stored, by sequence; a state is a point on it, without what was removed. */
class SequenceLine {
  readonly newestNamed: number
  readonly #messages = new Map<number, Placed>()
  readonly #bySubject = new Map<string, Placed[]>()
  /** The first sequences of all writes that have a place. */
  readonly #firsts: number[]

  constructor(placed: ReadonlyMap<Write, number>, newestNamed: number) {
    for (const [{ messages, isRollup }, last] of placed) {
      for (const [i, message] of messages.entries()) {
        const seq = last - messages.length + 1 + i
        const one = { ...message, seq, isRollup, rolledUpAt: Infinity }
        this.#messages.set(seq, one)
        const own = this.#bySubject.get(message.subject)
        if (own === undefined) this.#bySubject.set(message.subject, [one])
        else own.push(one)
      }
    }
    for (const own of this.#bySubject.values()) {
      own.sort((a, b) => b.seq - a.seq)
      let next = Infinity
      for (const one of own) {
        one.rolledUpAt = next
        if (one.isRollup) next = one.seq
      }
    }
    const firsts = [...placed].map(([{ messages }, last]) => last - messages.length + 1)
    this.#firsts = firsts.sort((a, b) => a - b)
    this.newestNamed = Math.max(newestNamed, ...this.#messages.keys())
  }

  /** The first sequence of the next write that has a place. */
  nextFirst(lastSeq: number): number {
    return this.#firsts[firstWhere(this.#firsts, (first) => first > lastSeq)] ?? Infinity
  }

  messageAt(state: State, seq: number): Placed | undefined {
    const one = this.#messages.get(seq) ?? state.unseen.find((unseen) => unseen.seq === seq)
    if (one === undefined || seq > state.lastSeq || state.removed.has(seq)) return undefined
    if (one.rolledUpAt <= state.lastSeq) return undefined
    const isRolledUp = state.unseen.some(
      (other) => other.isRollup && other.seq > seq && other.subject === one.subject,
    )
    return isRolledUp ? undefined : one
  }

  /** The newest message's sequence; 0: there is none. */
  newestOn(state: State, subject: string): number {
    const isThere = ({ seq }: Placed): boolean => this.messageAt(state, seq) !== undefined
    const known = this.#newestKnown(state, this.#bySubject.get(subject) ?? [])
    const unseen = state.unseen.findLast((one) => one.subject === subject && isThere(one))
    return Math.max(known?.seq ?? 0, unseen?.seq ?? 0)
  }

  /** @param own of one subject, the newest first */
  #newestKnown(state: State, own: readonly Placed[]): Placed | undefined {
    for (let i = firstWhere(own, ({ seq }) => seq <= state.lastSeq); i < own.length; i++) {
      const one = own[i] as Placed
      if (this.messageAt(state, one.seq) !== undefined) return one
      // So is all that is older.
      if (one.rolledUpAt <= state.lastSeq) return undefined
    }
    return undefined
  }

  /** Where what nobody saw is rolled up. */
  rollUpAfter(seq: number, subject: string): number {
    const own = this.#bySubject.get(subject) ?? []
    return own.findLast((one) => one.isRollup && one.seq > seq)?.seq ?? Infinity
  }

  /** How many there are. */
  count(state: State): number {
    let count = 0
    for (const seq of this.#messages.keys()) if (this.messageAt(state, seq)) count++
    for (const { seq } of state.unseen) if (this.messageAt(state, seq)) count++
    return count
  }

  isEnd(state: State, final: ReadonlyMap<number, Stored>): boolean {
    for (const [seq, { subject, value }] of final) {
      const one = this.messageAt(state, seq)
      if (one?.value !== value || one.subject !== subject) return false
    }
    return this.count(state) === final.size
  }

  /** Between what is stored and the likeliest state. */
  difference(final: ReadonlyMap<number, Stored>, states: readonly State[]): string {
    const words = states.map((state) => {
      const wrong: string[] = []
      for (const [seq, { value }] of final) {
        const one = this.messageAt(state, seq)
        if (one?.value === value) continue
        wrong.push(this.#messages.has(seq) ? `${seq} came back` : `nobody wrote ${seq}`)
      }
      for (const seq of this.#messages.keys()) {
        if (this.messageAt(state, seq) && !final.has(seq)) wrong.push(`${seq} is lost`)
      }
      return wrong
    })
    const [best = []] = words.sort((a, b) => a.length - b.length)
    return best.slice(0, 20).join(', ')
  }
}

/** The index of the first for which it holds, as for all behind it; the length when there is none. */
function firstWhere<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let [from, to] = [0, items.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (holds(items[middle] as Item)) to = middle
    else from = middle + 1
  }
  return from
}

type Step = Operation<State>

function writing(write: Write, place: number | undefined, line: SequenceLine): Step | undefined {
  const { messages, startMs, endMs, goneMs = Infinity, seq, isRollup } = write
  const describe = (): string => `${messages[0]?.subject}=${messages[0]?.value}, ${seq}`
  const until = Math.min(endMs, goneMs)
  if (seq === 0) {
    const { actual } = write
    if (actual === undefined) return undefined
    const apply = (state: State): State | undefined =>
      !isExpected(write, state, line) && isAt(write, actual, state, line) ? state : undefined
    const told = (): string => `the refusal of ${describe()} for being at ${actual}`
    return { startMs, endMs, isOptional: false, changesNothing: true, apply, describe: told }
  }
  const count = messages.length
  const apply = (state: State): State | undefined => {
    if (!isExpected(write, state, line)) return undefined
    const lastSeq = state.lastSeq + count
    if (place !== undefined) return lastSeq === place ? { ...state, lastSeq } : undefined
    if (lastSeq >= line.nextFirst(state.lastSeq) || lastSeq > line.newestNamed) return undefined
    const own = messages.map((message, i) => {
      const at = state.lastSeq + 1 + i
      return { ...message, seq: at, isRollup, rolledUpAt: line.rollUpAfter(at, message.subject) }
    })
    return { ...state, lastSeq, unseen: [...state.unseen, ...own] }
  }
  const isOptional = place === undefined
  return { startMs, endMs: until, isOptional, changesNothing: false, apply, describe }
}

function isExpected(write: Write, state: State, line: SequenceLine): boolean {
  const { expectedLast, expectedOnSubject, messages } = write
  if (expectedLast !== undefined && expectedLast !== state.lastSeq) return false
  if (expectedOnSubject === undefined) return true
  return line.newestOn(state, messages[0]?.subject ?? '') === expectedOnSubject
}

/** Whether a refusal says where the subject, or the stream, is. */
function isAt(write: Write, actual: number, state: State, line: SequenceLine): boolean {
  if (write.expectedOnSubject === undefined) return state.lastSeq === actual
  return line.newestOn(state, write.messages[0]?.subject ?? '') === actual
}

function removing(removal: Removal, line: SequenceLine): Step {
  const { seq, startMs, endMs, goneMs = Infinity, outcome } = removal
  const isMissing = outcome === 'missing'
  const apply = (state: State): State | undefined => {
    const isThere = line.messageAt(state, seq) !== undefined
    if (isMissing) return isThere ? undefined : state
    if (!isThere) return undefined
    const removed = new Set([...state.removed, seq])
    return { ...state, removed, removedKey: [...removed].sort((a, b) => a - b).join() }
  }
  return {
    startMs,
    endMs: Math.min(endMs, goneMs),
    isOptional: outcome === undefined,
    changesNothing: isMissing,
    apply,
    describe: () => `the removal of ${seq}, ${outcome}`,
  }
}

function reading(read: Read, line: SequenceLine): Step | undefined {
  const { subject, askedSeq, found, startMs, endMs } = read
  if (found === undefined) return undefined
  const seq = found === 'nothing' ? 0 : found.seq
  const apply = (state: State): State | undefined => {
    if (subject !== undefined && line.newestOn(state, subject) !== seq) return undefined
    const at = found === 'nothing' ? (askedSeq ?? 0) : seq
    const one = line.messageAt(state, at)
    if (found === 'nothing') return one === undefined ? state : undefined
    return one?.value === found.value && one.subject === found.subject ? state : undefined
  }
  const what = subject ?? askedSeq
  const describe = (): string => `the read of ${what}: ${JSON.stringify(found)}`
  return { startMs, endMs, isOptional: false, changesNothing: true, apply, describe }
}

/** After all: what is stored. */
function ending(final: ReadonlyMap<number, Stored>, line: SequenceLine): Step {
  const apply = (state: State): State | undefined => (line.isEnd(state, final) ? state : undefined)
  const describe = (): string => 'the end'
  const when = { startMs: Infinity, endMs: Infinity }
  return { ...when, isOptional: false, changesNothing: true, apply, describe }
}
