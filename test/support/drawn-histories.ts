/**
 * Histories of a stream that does one thing after the other, for clients whose questions and answers
 * take any time, through crashes that take away what is under way; and what can be falsified in them.
 */
import type { SeededRandom } from '../../shared/runtime/index.ts'
import {
  type Read,
  type Removal,
  type Stored,
  StreamHistory,
  type Write,
} from './stream-history.ts'

export interface Drawn {
  readonly history: StreamHistory
  readonly final: Map<number, Stored>
}

const CLIENTS = 6
const SUBJECTS = 3
const STEPS = 600

type Answered = Write | Removal | Read

/** Under way at one client: not done yet, or done and not told yet. */
interface Asked {
  readonly one: Answered
  /** Does it, and returns what is told. */
  readonly act: () => object
  told?: object
}

class Stream {
  readonly messages = new Map<number, Stored>()
  lastSeq = 0

  newestOn(subject: string): number {
    let newest = 0
    for (const [seq, message] of this.messages) {
      if (message.subject === subject) newest = Math.max(newest, seq)
    }
    return newest
  }

  write({ messages, isRollup, expectedLast, expectedOnSubject }: Write): object {
    const subject = messages[0]?.subject ?? ''
    const newest = this.newestOn(subject)
    if (expectedLast !== undefined && expectedLast !== this.lastSeq) {
      return { seq: 0, actual: this.lastSeq }
    }
    if (expectedOnSubject !== undefined && expectedOnSubject !== newest) {
      return { seq: 0, actual: newest }
    }
    for (const [seq, message] of this.messages) {
      if (isRollup && message.subject === subject) this.messages.delete(seq)
    }
    for (const message of messages) this.messages.set(++this.lastSeq, message)
    return { seq: this.lastSeq }
  }

  read({ subject, askedSeq = 0 }: Read): object {
    const seq = subject === undefined ? askedSeq : this.newestOn(subject)
    const message = this.messages.get(seq)
    return { found: message === undefined ? 'nothing' : { seq, ...message } }
  }
}

export function drawHistory(random: SeededRandom): Drawn {
  const history = new StreamHistory()
  const stream = new Stream()
  const clients: (Asked | undefined)[] = Array.from({ length: CLIENTS }, () => undefined)
  let now = 0
  for (let step = 0; step < STEPS; step++) {
    now++
    if (random.below(STEPS / 4) === 0) {
      history.serverGone(now)
      clients.fill(undefined)
      continue
    }
    const at = random.below(CLIENTS)
    const asked = clients[at]
    if (asked === undefined) clients[at] = ask(history, stream, random, now)
    else if (asked.told === undefined) asked.told = asked.act()
    else {
      Object.assign(asked.one, asked.told, { endMs: now })
      clients[at] = undefined
    }
  }
  return { history, final: new Map(stream.messages) }
}

function ask(history: StreamHistory, stream: Stream, random: SeededRandom, startMs: number): Asked {
  const when = { startMs, endMs: Infinity }
  const subject = `h.${random.below(SUBJECTS)}`
  const seq = 1 + Math.max(0, stream.lastSeq - random.below(12))
  const draw = random.below(10)
  if (draw < 4) {
    const read: Read = { ...when, ...(draw < 2 ? { subject } : { askedSeq: seq }) }
    history.reads.push(read)
    return { one: read, act: () => stream.read(read) }
  }
  if (draw < 6) {
    const removal: Removal = { ...when, seq }
    history.removals.push(removal)
    const act = (): object => ({ outcome: stream.messages.delete(seq) ? 'done' : 'missing' })
    return { one: removal, act }
  }
  const kind = random.below(5)
  const write: Write = {
    ...when,
    messages: Array.from({ length: kind === 0 ? 3 : 1 }, (_, i) => {
      return { subject: i === 0 ? subject : `h.${i}`, value: `v${history.writes.length}.${i}` }
    }),
    isRollup: kind === 1,
    ...(kind === 2 ? { expectedLast: stream.lastSeq } : {}),
    ...(kind === 3 ? { expectedOnSubject: stream.newestOn(subject) } : {}),
  }
  history.writes.push(write)
  return { one: write, act: () => stream.write(write) }
}

/** Each with how many of those that were made with it must be found out: some can have been so. */
export const FALSEHOODS = {
  'two reads swapped': 0.25,
  'an older value read': 0.25,
  'a write lost': 0.6,
  'a removed message back': 0.6,
  'a write seen and then lost': 0.6,
  'a removed message read again': 0.25,
  'a refusal for another sequence': 0.6,
  'an expectation ignored': 0.6,
} as const
export type Falsehood = keyof typeof FALSEHOODS

/** Returns whether there was something to falsify. */
export function falsify(how: Falsehood, drawn: Drawn, random: SeededRandom): boolean {
  const lie = LIES[how](drawn, (all) => all[random.below(all.length || 1)])
  lie?.()
  return lie !== undefined
}

type Pick = <T>(all: readonly T[]) => T | undefined
type Lie = (drawn: Drawn, pick: Pick) => (() => void) | undefined

const LIES: Record<Falsehood, Lie> = {
  'two reads swapped': ({ history: { reads } }, pick) => {
    const one = pick(reads.filter(({ found }) => typeof found === 'object'))
    const other = pick(reads.filter((read) => isOtherOf(read, one)))
    if (one === undefined || other === undefined) return undefined
    return () => {
      const { found } = one
      Object.assign(one, { found: other.found })
      Object.assign(other, { found })
    }
  },
  'an older value read': ({ history: { reads, writes } }, pick) => {
    const read = pick(reads.filter((one) => one.subject !== undefined && newestFound(one) > 0))
    const older = writes.filter(
      ({ seq = 0, messages }) =>
        seq > 0 && seq < newestFound(read) && messages.at(-1)?.subject === read?.subject,
    )
    const { seq, messages } = pick(older) ?? {}
    const [message] = messages?.slice(-1) ?? []
    if (read === undefined || message === undefined) return undefined
    return () => Object.assign(read, { found: { seq, ...message } })
  },
  'a write lost': ({ history: { writes }, final }, pick) => {
    const lost = pick(writes.filter(({ seq = 0 }) => final.has(seq)))
    return lost && (() => final.delete(lost.seq ?? 0))
  },
  'a removed message back': ({ history: { writes }, final }, pick) => {
    const gone = pick(writes.filter(({ seq = 0 }) => seq > 0 && !final.has(seq)))
    const [message] = gone?.messages.slice(-1) ?? []
    return message && (() => final.set(gone?.seq ?? 0, message))
  },
  'a write seen and then lost': ({ history: { reads }, final }, pick) => {
    const read = pick(reads.filter((one) => final.has(newestFound(one))))
    return read && (() => final.delete(newestFound(read)))
  },
  'a removed message read again': ({ history: { reads, removals, writes } }, pick) => {
    const isKnown = new Map(writes.map(({ seq = 0, messages }) => [seq, messages.at(-1)]))
    const gone = removals.filter(({ seq, outcome }) => outcome === 'done' && isKnown.get(seq))
    const again = reads.flatMap((read) => {
      const after = gone.filter(({ endMs }) => endMs < read.startMs && read.found !== undefined)
      return after.map(({ seq }) => ({ read, seq }))
    })
    const { read, seq = 0 } = pick(again) ?? {}
    const message = isKnown.get(seq)
    if (read === undefined || message === undefined) return undefined
    return () => Object.assign(read, { found: { seq, ...message } })
  },
  'a refusal for another sequence': ({ history: { writes } }, pick) => {
    const refused = pick(writes.filter(({ actual }) => actual !== undefined))
    return refused && (() => Object.assign(refused, { actual: (refused.actual ?? 0) + 5 }))
  },
  'an expectation ignored': ({ history: { writes } }, pick) => {
    const write = pick(writes.filter(({ seq = 0, expectedLast }) => seq > 0 && expectedLast))
    return write && (() => Object.assign(write, { expectedLast: (write.expectedLast ?? 0) - 1 }))
  },
}

function newestFound(read: Read | undefined): number {
  return typeof read?.found === 'object' ? read.found.seq : 0
}

/** A later read of the same that found something else. */
function isOtherOf(read: Read, one: Read | undefined): boolean {
  if (one === undefined || read.found === undefined || read.startMs <= one.endMs) return false
  const isSame = read.subject === one.subject && read.askedSeq === one.askedSeq
  return isSame && newestFound(read) !== newestFound(one)
}
