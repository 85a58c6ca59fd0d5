/**
 * What one segment holds of one stream, without the messages: some six bytes per record, in columns
 * by ordinal (the how-manieth record of the stream in this segment).
 *
 *     lengths, subject ids      one cell per record
 *     seq deltas                only when the segment was rewritten or damaged; else seqs are gapless
 *     time deltas               ms since the entry that covers the record
 *     entries                   sparse: ordinal, offset in the file, wall time, boot of a wrong clock;
 *                               one per 16 records, 64 KiB of journal or 65 s, whichever is first
 *     dead                      records that were deleted but still lie in the file, a bit each
 *     marks                     records that their owner wants to find again, a bit each
 *     headed                    records of messages with headers, a bit each: some owners count those for more
 */
import { Bits } from './bits.ts'
import { Column } from './column.ts'
import { ENTRY_JOURNAL_BYTES, ENTRY_RECORDS, ENTRY_TIME_MS } from './limits.ts'

export interface SpanRecord {
  readonly seq: number
  readonly offset: number
  readonly length: number
  readonly hasHeaders: boolean
  readonly subjectId: number
  readonly wallMs: number
  /** The boot whose clock was wrong, 0 when the time is right. */
  readonly wrongBoot: number
}

export class Span {
  readonly segmentId: number
  readonly firstSeq: number
  lastSeq = 0
  /** Whether any of its messages has, or had, a Nats-Msg-Id. */
  hasIds = false
  /** Sequences in front of its first record were skipped, not lost. */
  isAfterSkip = false
  liveCount = 0
  liveBytes = 0
  /** How many of them have headers. */
  liveHeaded = 0
  readonly lengths: Column
  readonly subjectIds: Column
  readonly timeDeltas: Column
  readonly entryOrdinals: Column
  readonly entryOffsets: Column
  readonly entryBoots: Column
  readonly entryTimes: Column
  #seqDeltas: Column | undefined
  marks: Bits | undefined
  #headed: Bits | undefined
  #dead: Bits | undefined

  constructor(segmentId: number, firstSeq: number, columns: SpanColumns = emptyColumns()) {
    this.segmentId = segmentId
    this.firstSeq = firstSeq
    this.lengths = columns.lengths
    this.subjectIds = columns.subjectIds
    this.timeDeltas = columns.timeDeltas
    this.entryOrdinals = columns.entryOrdinals
    this.entryOffsets = columns.entryOffsets
    this.entryBoots = columns.entryBoots
    this.entryTimes = columns.entryTimes
    this.#seqDeltas = columns.seqDeltas
    this.liveCount = this.count
    this.liveBytes = this.lengths.sum(0, this.count)
    if (this.count > 0) this.lastSeq = this.seqAt(this.count - 1)
  }

  /** Records that lie in the file, deleted ones too. */
  get count(): number {
    return this.lengths.length
  }

  get seqDeltas(): Column | undefined {
    return this.#seqDeltas
  }

  push(record: SpanRecord): void {
    const ordinal = this.count
    const delta = record.seq - this.firstSeq
    if (this.#seqDeltas !== undefined) this.#seqDeltas.push(delta)
    else if (delta !== ordinal) this.#startDeltas(delta)
    this.#pushTime(ordinal, record)
    this.lengths.push(record.length)
    this.subjectIds.push(record.subjectId)
    this.lastSeq = record.seq
    this.liveCount++
    this.liveBytes += record.length
    if (!record.hasHeaders) return
    this.#headed ??= new Bits()
    this.#headed.set(ordinal)
    this.liveHeaded++
  }

  seqAt(ordinal: number): number {
    return this.firstSeq + (this.#seqDeltas === undefined ? ordinal : this.#seqDeltas.get(ordinal))
  }

  /** The ordinal of the first record that is not before `seq`; `count` when there is none. */
  ordinalFrom(seq: number): number {
    const delta = seq - this.firstSeq
    if (delta <= 0) return 0
    if (this.#seqDeltas === undefined) return Math.min(delta, this.count)
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#seqDeltas.get(middle) < delta) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The ordinal of a seq that lies in the file, else -1. */
  ordinalOf(seq: number): number {
    const ordinal = this.ordinalFrom(seq)
    return ordinal < this.count && this.seqAt(ordinal) === seq ? ordinal : -1
  }

  isLive(ordinal: number): boolean {
    return this.#dead === undefined || !this.#dead.has(ordinal)
  }

  /** The record must be live. */
  kill(ordinal: number): void {
    this.#dead ??= new Bits()
    this.#dead.set(ordinal)
    this.liveCount--
    this.liveBytes -= this.lengths.get(ordinal)
    if (this.hasHeaders(ordinal)) this.liveHeaded--
  }

  hasHeaders(ordinal: number): boolean {
    return this.#headed?.has(ordinal) === true
  }

  get headed(): Bits | undefined {
    return this.#headed
  }

  /** Of a span that an index tells of, as long as all of it is live. */
  restoreHeaded(headed: Bits): void {
    this.#headed = headed
    this.liveHeaded = headed.count
  }

  /** The newest record is one to be found again. */
  markNewest(): void {
    this.marks ??= new Bits()
    this.marks.set(this.count - 1)
  }

  /** The first live marked ordinal from `ordinal` on, -1 when there is none. */
  nextMarked(ordinal: number): number {
    let at = this.marks?.next(ordinal) ?? -1
    while (at >= 0 && !this.isLive(at)) at = this.marks?.next(at + 1) ?? -1
    return at
  }

  /** The first live ordinal from `ordinal` on, `count` when there is none. */
  nextLive(ordinal: number): number {
    let i = ordinal
    while (i < this.count && !this.isLive(i)) i++
    return i
  }

  /** The sparse entry that covers an ordinal. */
  entryOf(ordinal: number): number {
    let low = 0
    let high = this.entryOrdinals.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.entryOrdinals.get(middle) <= ordinal) low = middle
      else high = middle - 1
    }
    return low
  }

  /** The entry that covers an ordinal, when it is `entry` or one soon after it. */
  entryAfter(entry: number, ordinal: number): number {
    let at = entry
    while (at + 1 < this.entryOrdinals.length && this.entryOrdinals.get(at + 1) <= ordinal) at++
    return at
  }

  /** Runs of deleted sequences that still lie in the file and are above `floor`. */
  deadRuns(floor: number): [first: number, last: number][] {
    const runs: [number, number][] = []
    if (this.#dead === undefined) return runs
    let run: [number, number] | undefined
    for (let i = this.ordinalFrom(floor + 1); i < this.count; i++) {
      if (this.isLive(i)) continue
      const seq = this.seqAt(i)
      if (run !== undefined && run[1] === seq - 1) run[1] = seq
      else {
        run = [seq, seq]
        runs.push(run)
      }
    }
    return runs
  }

  trim(): void {
    for (const column of [this.lengths, this.subjectIds, this.timeDeltas, this.#seqDeltas]) {
      column?.trim()
    }
    for (const column of [
      this.entryOrdinals,
      this.entryOffsets,
      this.entryBoots,
      this.entryTimes,
    ]) {
      column.trim()
    }
  }

  #startDeltas(delta: number): void {
    this.#seqDeltas = new Column()
    for (let i = 0; i < this.count; i++) this.#seqDeltas.push(i)
    this.#seqDeltas.push(delta)
  }

  #pushTime(ordinal: number, record: SpanRecord): void {
    const entry = this.entryTimes.length - 1
    const timeMs = Math.floor(record.wallMs)
    const sinceEntryMs = timeMs - (entry < 0 ? 0 : this.entryTimes.get(entry))
    const isCovered =
      entry >= 0 &&
      ordinal - this.entryOrdinals.get(entry) < ENTRY_RECORDS &&
      record.offset - this.entryOffsets.get(entry) < ENTRY_JOURNAL_BYTES &&
      sinceEntryMs >= 0 &&
      sinceEntryMs <= ENTRY_TIME_MS &&
      this.entryBoots.get(entry) === record.wrongBoot
    if (!isCovered) {
      this.entryOrdinals.push(ordinal)
      this.entryOffsets.push(record.offset)
      this.entryBoots.push(record.wrongBoot)
      this.entryTimes.push(timeMs)
    }
    this.timeDeltas.push(isCovered ? sinceEntryMs : 0)
  }
}

export interface SpanColumns {
  readonly lengths: Column
  readonly subjectIds: Column
  readonly timeDeltas: Column
  readonly seqDeltas: Column | undefined
  readonly entryOrdinals: Column
  readonly entryOffsets: Column
  readonly entryBoots: Column
  readonly entryTimes: Column
}

function emptyColumns(): SpanColumns {
  return {
    lengths: new Column(),
    subjectIds: new Column(),
    timeDeltas: new Column(),
    seqDeltas: undefined,
    entryOrdinals: new Column(),
    entryOffsets: new Column(),
    entryBoots: new Column(),
    entryTimes: new Column(new Float64Array(0)),
  }
}
