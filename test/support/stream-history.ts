/**
 * What clients asked of one stream and what they heard, with times, and whether one stream that does
 * one thing after the other could have answered so. The stream's sequences say in which order it took
 * what it stored; what is checked is that this order agrees with the clients' time, and that every
 * answer agrees with it. An operation that nobody heard the end of may have been done or not.
 */
export interface Stored {
  readonly subject: string
  readonly value: string
}

interface Timed {
  readonly startMs: number
  /** Infinity: nobody heard of its end. */
  endMs: number
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

/** A message, and when it can have come and gone. */
interface Life {
  readonly subject: string
  readonly value: string
  readonly seq: number
  readonly write: Write
  /** Removed not before, and surely by then. */
  removedFromMs: number
  removedByMs: number
}

export class StreamHistory {
  readonly writes: Write[] = []
  readonly removals: Removal[] = []
  readonly reads: Read[] = []

  get size(): number {
    return this.writes.length + this.removals.length + this.reads.length
  }

  /** What is wrong with it, given what is stored in the end; empty: nothing. */
  check(final: ReadonlyMap<number, Stored>): string[] {
    const wrong: string[] = []
    this.#placeUnheard(final, wrong)
    const lives = this.#lives(wrong)
    checkOrder(this.writes, wrong)
    this.#applyRemovals(lives, wrong)
    checkFinal(lives, final, wrong)
    const bySubject = new Map<string, Life[]>()
    for (const life of lives.values()) {
      const own = bySubject.get(life.subject)
      if (own === undefined) bySubject.set(life.subject, [life])
      else own.push(life)
    }
    const world: World = {
      lives,
      bySubject,
      unseen: this.writes.filter(({ seq }) => seq === undefined),
    }
    for (const write of this.writes) checkExpected(write, world, wrong)
    for (const read of this.reads) checkRead(read, world, wrong)
    return wrong
  }

  /** A write without an answer has the place where it is found, whole, or was not done. */
  #placeUnheard(final: ReadonlyMap<number, Stored>, wrong: string[]): void {
    const byValue = new Map([...final].map(([seq, { value }]) => [value, seq]))
    for (const { found } of this.reads) {
      if (typeof found === 'object') byValue.set(found.value, found.seq)
    }
    for (const write of this.writes) {
      if (write.seq !== undefined) continue
      const { messages } = write
      const places = messages.flatMap(({ value }, i) => {
        const seq = byValue.get(value)
        return seq === undefined ? [] : [seq - i]
      })
      if (places.length === 0) continue
      if (new Set(places).size > 1) wrong.push(`a batch in pieces: ${messages[0]?.value}`)
      write.seq = (places[0] ?? 0) + messages.length - 1
    }
  }

  #lives(wrong: string[]): Map<number, Life> {
    const lives = new Map<number, Life>()
    for (const write of this.writes) {
      const { seq: last = 0, messages } = write
      if (last === 0) continue
      for (const [i, message] of messages.entries()) {
        const seq = last - messages.length + 1 + i
        if (lives.has(seq)) wrong.push(`sequence ${seq} was given twice`)
        const never = { removedFromMs: Infinity, removedByMs: Infinity }
        lives.set(seq, { ...message, seq, write, ...never })
      }
    }
    return lives
  }

  #applyRemovals(lives: ReadonlyMap<number, Life>, wrong: string[]): void {
    for (const { seq, startMs, endMs, outcome } of this.removals) {
      const life = lives.get(seq)
      if (outcome === 'missing' || life === undefined) continue
      removed(life, startMs, outcome === 'done' ? endMs : Infinity)
    }
    for (const { isRollup, messages, seq, startMs, endMs } of this.writes) {
      if (!isRollup || seq === undefined || seq === 0) continue
      for (const life of lives.values()) {
        if (life.subject !== messages[0]?.subject || life.seq >= seq) continue
        removed(life, startMs, endMs)
      }
    }
    // A roll-up that nobody heard of or saw may have been done, and rolled up itself.
    for (const { isRollup, messages, seq, startMs } of this.writes) {
      if (!isRollup || seq !== undefined) continue
      for (const life of lives.values()) {
        if (life.subject === messages[0]?.subject) removed(life, startMs, Infinity)
      }
    }
    for (const { seq, startMs, endMs, outcome } of this.removals) {
      const life = lives.get(seq)
      if (outcome !== 'missing' || life === undefined) continue
      const isThere = life.write.endMs < startMs && life.removedFromMs > endMs
      if (isThere) wrong.push(`message ${seq} could not be removed, and was there`)
    }
  }
}

function removed(life: Life, fromMs: number, byMs: number): void {
  life.removedFromMs = Math.min(life.removedFromMs, fromMs)
  life.removedByMs = Math.min(life.removedByMs, byMs)
}

/** What ended before another began has the lower sequence. */
function checkOrder(writes: readonly Write[], wrong: string[]): void {
  const placed = writes.filter(({ seq = 0 }) => seq > 0)
  placed.sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0))
  let latestStartMs = Number.NEGATIVE_INFINITY
  for (const { seq, startMs, endMs } of placed) {
    if (endMs < latestStartMs) wrong.push(`${seq} was acknowledged before a lower one was sent`)
    latestStartMs = Math.max(latestStartMs, startMs)
  }
}

function checkFinal(
  lives: ReadonlyMap<number, Life>,
  final: ReadonlyMap<number, Stored>,
  wrong: string[],
): void {
  for (const [seq, { subject, value }] of final) {
    const life = lives.get(seq)
    if (life === undefined) wrong.push(`${seq} holds ${value}, which nobody wrote there`)
    else if (life.value !== value || life.subject !== subject) {
      wrong.push(`${seq} holds ${value} instead of ${life.value}`)
    } else if (life.removedByMs !== Infinity) wrong.push(`${seq} came back`)
  }
  for (const { seq, write, removedFromMs } of lives.values()) {
    const isPromised = write.endMs !== Infinity || write.messages.length > 1
    if (isPromised && removedFromMs === Infinity && !final.has(seq)) wrong.push(`${seq} is lost`)
  }
}

interface World {
  readonly lives: ReadonlyMap<number, Life>
  readonly bySubject: ReadonlyMap<string, readonly Life[]>
  /** Nobody heard the end of them, and nobody saw what they wrote. */
  readonly unseen: readonly Write[]
}

/** Whether a sequence that no message has may have been one's that was removed unseen. */
function mayHaveBeen(seq: number, subject: string, { lives, unseen }: World): boolean {
  if (seq === 0 || lives.has(seq)) return false
  return unseen.some(({ messages }) => messages.some((message) => message.subject === subject))
}

function checkExpected(write: Write, world: World, wrong: string[]): void {
  const { lives, bySubject } = world
  const { expectedLast, expectedOnSubject, messages, seq, actual, startMs, endMs } = write
  const first = (seq ?? 0) - messages.length + 1
  const subject = messages[0]?.subject ?? ''
  if (seq !== undefined && seq > 0) {
    if (expectedLast !== undefined && first !== expectedLast + 1) {
      wrong.push(`${seq} was to follow ${expectedLast}`)
    }
    if (expectedOnSubject === undefined) return
    const window = { startMs, endMs }
    const others = (bySubject.get(subject) ?? []).filter((life) => life.seq < first)
    if (!mayHaveBeen(expectedOnSubject, subject, world)) {
      checkNewest(expectedOnSubject, others, window, `${seq} was to follow`, wrong)
    }
    if (others.some((life) => life.seq > expectedOnSubject && life.removedFromMs > endMs)) {
      wrong.push(`${seq} follows on ${subject} what is newer than ${expectedOnSubject}`)
    }
    return
  }
  if (seq === undefined || actual === undefined) return
  if (expectedOnSubject !== undefined) {
    if (actual === expectedOnSubject) wrong.push(`refused for being at ${actual}, as expected`)
    const all = bySubject.get(subject) ?? []
    if (mayHaveBeen(actual, subject, world)) return
    checkNewest(actual, all, { startMs, endMs }, `refused on ${subject} for`, wrong)
  } else if (expectedLast !== undefined) {
    if (actual === expectedLast) wrong.push(`refused for being at ${actual}, as expected`)
    for (const life of lives.values()) {
      if (life.seq > actual && life.write.endMs < startMs) {
        wrong.push(`refused for being at ${actual}, when ${life.seq} was stored`)
      }
    }
  }
}

/** Whether `seq` can have been the newest of these at a time within the window. */
function checkNewest(
  seq: number,
  lives: readonly Life[],
  { startMs, endMs }: Timed,
  what: string,
  wrong: string[],
): void {
  const own = lives.find((life) => life.seq === seq)
  if (seq !== 0 && own === undefined) wrong.push(`${what} ${seq}, which is not there`)
  if (own !== undefined && own.write.startMs > endMs) wrong.push(`${what} ${seq}, of the future`)
  if (own !== undefined && own.removedByMs < startMs) wrong.push(`${what} ${seq}, which was gone`)
  const newer = lives.find(
    (life) => life.seq > seq && life.write.endMs < startMs && life.removedFromMs > endMs,
  )
  if (newer !== undefined) wrong.push(`${what} ${seq}, when ${newer.seq} was newer`)
}

function checkRead(
  { subject, askedSeq, found, startMs, endMs }: Read,
  { lives, bySubject }: World,
  wrong: string[],
): void {
  if (found === undefined) return
  if (typeof found === 'object') {
    const life = lives.get(found.seq)
    if (life?.value !== found.value) wrong.push(`${found.seq} was read as ${found.value}`)
    else if (life.removedByMs < startMs) wrong.push(`${found.seq} was read after its removal`)
    else if (life.write.startMs > endMs) wrong.push(`${found.seq} was read before it was sent`)
  } else if (askedSeq !== undefined) {
    const life = lives.get(askedSeq)
    const isThere = life !== undefined && life.write.endMs < startMs && life.removedFromMs > endMs
    if (isThere) wrong.push(`${askedSeq} was not found, and was there`)
  }
  if (subject === undefined) return
  const seq = found === 'nothing' ? 0 : found.seq
  checkNewest(
    seq,
    bySubject.get(subject) ?? [],
    { startMs, endMs },
    `${subject} was read as`,
    wrong,
  )
}
