/**
 * All that is in memory of one stream's committed messages: spans in rising order of seq, the
 * subjects, the floor (everything up to and with it is gone) and the sums. Synchronous and pure; it
 * is built by the same calls when a commit is done, when a segment is scanned and when an index is
 * loaded.
 *
 * Invariants: spans do not overlap; no live record has a seq <= floor; `firstSeq` is the first live
 * seq, or lastSeq + 1; sums equal those of the spans.
 */
import { invariant } from '../runtime/index.ts'
import type { Boots } from './boots.ts'
import { ENTRY_TIME_MS } from './limits.ts'
import { MessageBytes } from './message-bytes.ts'
import { Span, type SpanRecord } from './span.ts'
import type { StreamState } from './stream-store.ts'
import { inMemory, StreamSubjects, type SubjectSpace } from './stream-subjects.ts'

export interface Place {
  readonly span: Span
  readonly ordinal: number
}

/** Told of every change of a span's live bytes, so that segments know what they are worth. */
export type LiveBytesListener = (segmentId: number, delta: number) => void

export class StreamIndex {
  messages = 0
  readonly counted = new MessageBytes()
  floor = 0
  lastSeq = 0
  lastTimeMs = 0
  readonly subjects: StreamSubjects
  spans: Span[] = []
  #firstSeq = 0
  readonly #boots: Boots
  readonly #onLiveBytes: LiveBytesListener

  constructor(boots: Boots, onLiveBytes: LiveBytesListener, space: SubjectSpace = inMemory()) {
    this.subjects = new StreamSubjects(space)
    this.#boots = boots
    this.#onLiveBytes = onLiveBytes
  }

  get bytes(): number {
    return this.counted.total
  }

  /** What one of them counts. */
  bytesAt({ span, ordinal }: Place): number {
    return this.counted.of(span.lengths.get(ordinal), span.hasHeaders(ordinal))
  }

  get firstSeq(): number {
    if (this.lastSeq === 0) return 0
    this.#settleFirst()
    return this.#firstSeq
  }

  get firstTimeMs(): number {
    const place = this.place(this.firstSeq)
    return place === undefined ? 0 : this.timeAt(place)
  }

  /** Appends a message; false when its seq does not rise, or lies under the floor. */
  add(
    segmentId: number,
    record: Omit<SpanRecord, 'subjectId'>,
    subject: Uint8Array,
    subjectStart: number,
    subjectEnd: number,
  ): boolean {
    const { seq } = record
    let span = this.spans[this.spans.length - 1]
    if (seq <= (span?.lastSeq ?? 0)) return false
    if (span === undefined || span.segmentId !== segmentId) {
      span = new Span(segmentId, seq)
      this.spans.push(span)
    }
    const subjectId = this.subjects.intern(subject, subjectStart, subjectEnd)
    this.subjects.add(subjectId, seq)
    // Spelled out, because a spread costs more than all the rest of this function.
    span.push({
      seq,
      offset: record.offset,
      length: record.length,
      hasHeaders: record.hasHeaders,
      subjectId,
      wallMs: record.wallMs,
      wrongBoot: record.wrongBoot,
    })
    this.messages++
    this.counted.add(1, record.hasHeaders ? 1 : 0, record.length)
    this.#onLiveBytes(segmentId, record.length)
    this.#noteLast(seq, Math.floor(record.wallMs) + this.#boots.shiftMs(record.wrongBoot))
    if (seq <= this.floor) this.killAt({ span, ordinal: span.count - 1 })
    return true
  }

  /** The message added last has an id. */
  noteId(): void {
    const span = this.spans[this.spans.length - 1]
    if (span !== undefined) span.hasIds = true
  }

  /** The message added last is one to be found again. */
  noteMark(): void {
    this.spans[this.spans.length - 1]?.markNewest()
  }

  /** Sequences in front of the message added last were skipped. */
  noteSkip(): void {
    const span = this.spans[this.spans.length - 1]
    if (span?.count === 1) span.isAfterSkip = true
  }

  /** At most `max` live marked messages from `fromSeq` on. */
  markedFrom(fromSeq: number, max: number): number[] {
    const seqs: number[] = []
    for (let s = this.#spanFrom(fromSeq); s < this.spans.length; s++) {
      const span = this.spans[s] as Span
      let at = span.nextMarked(span.ordinalFrom(Math.max(fromSeq, this.floor + 1)))
      for (; at >= 0; at = span.nextMarked(at + 1)) {
        if (seqs.length === max) return seqs
        seqs.push(span.seqAt(at))
      }
    }
    return seqs
  }

  /** Takes a whole span from an index file; its subject ids must be this table's already. */
  addSpan(span: Span): void {
    const last = this.spans[this.spans.length - 1]
    invariant(last === undefined || last.lastSeq < span.firstSeq, 'spans rise')
    this.spans.push(span)
    for (let i = 0; i < span.count; i++) {
      if (span.isLive(i)) this.subjects.add(span.subjectIds.get(i), span.seqAt(i))
    }
    this.messages += span.liveCount
    this.counted.add(span.liveCount, span.liveHeaded, span.liveBytes)
    this.#onLiveBytes(span.segmentId, span.liveBytes)
    this.#noteLast(span.lastSeq, this.timeAt({ span, ordinal: span.count - 1 }))
    const end = span.ordinalFrom(this.floor + 1)
    for (let i = span.nextLive(0); i < end; i = span.nextLive(i + 1)) {
      this.killAt({ span, ordinal: i })
    }
  }

  spanIn(segmentId: number): Span | undefined {
    return this.spans.find((span) => span.segmentId === segmentId)
  }

  /** Puts a rewritten segment's span where the old one was. What died meanwhile is dead in it too. */
  replaceSpan(before: Span, now: Span): void {
    for (let i = 0; i < now.count; i++) {
      const ordinal = before.ordinalOf(now.seqAt(i))
      if (ordinal < 0 || !before.isLive(ordinal)) now.kill(i)
    }
    invariant(now.liveBytes === before.liveBytes, 'a rewrite keeps what is live')
    now.hasIds = before.hasIds
    now.isAfterSkip = before.isAfterSkip
    const at = this.spans.indexOf(before)
    if (now.count === 0) this.spans.splice(at, 1)
    else this.spans[at] = now
  }

  place(seq: number): Place | undefined {
    if (seq <= this.floor) return undefined
    const span = this.spans[this.#spanFrom(seq)]
    if (span === undefined) return undefined
    const ordinal = span.ordinalOf(seq)
    return ordinal >= 0 && span.isLive(ordinal) ? { span, ordinal } : undefined
  }

  /** The span whose range covers a seq, whether the record is live or not. */
  spanOf(seq: number): Span | undefined {
    const span = this.spans[this.#spanFrom(seq)]
    return span !== undefined && span.ordinalOf(seq) >= 0 ? span : undefined
  }

  /** The stream went on to `seq` once, whatever is left of it. */
  restoreLast(seq: number, timeMs: number): void {
    this.#noteLast(seq, Math.max(timeMs, this.lastTimeMs))
  }

  shiftMs(bootRef: number): number {
    return this.#boots.shiftMs(bootRef)
  }

  has(seq: number): boolean {
    return this.place(seq) !== undefined
  }

  kill(seq: number): boolean {
    const place = this.place(seq)
    if (place !== undefined) this.killAt(place)
    return place !== undefined
  }

  killAt({ span, ordinal }: Place): void {
    const length = span.lengths.get(ordinal)
    // First, because it throws when what it needs of the disk cannot be read: then nothing has changed.
    this.subjects.remove(span.subjectIds.get(ordinal), span.seqAt(ordinal))
    span.kill(ordinal)
    this.messages--
    this.counted.add(-1, span.hasHeaders(ordinal) ? -1 : 0, -length)
    this.#onLiveBytes(span.segmentId, -length)
  }

  /** Removes everything up to and with `floor`; returns how many messages went. */
  raiseFloor(floor: number): number {
    if (floor <= this.floor) return 0
    const before = this.messages
    for (const span of this.spans) {
      if (span.firstSeq > floor) break
      if (span.lastSeq <= this.floor) continue
      const end = span.ordinalFrom(floor + 1)
      for (
        let i = span.nextLive(span.ordinalFrom(this.floor + 1));
        i < end;
        i = span.nextLive(i + 1)
      ) {
        this.killAt({ span, ordinal: i })
      }
    }
    this.floor = floor
    return before - this.messages
  }

  /** Live messages from `fromSeq` on, in order. The callback returns false to stop. */
  walk(fromSeq: number, visit: (span: Span, ordinal: number) => boolean): void {
    const from = Math.max(fromSeq, this.firstSeq)
    for (let s = this.#spanFrom(from); s < this.spans.length; s++) {
      const span = this.spans[s] as Span
      if (span.liveCount === 0) continue
      for (
        let i = span.nextLive(span.ordinalFrom(from));
        i < span.count;
        i = span.nextLive(i + 1)
      ) {
        if (!visit(span, i)) return
      }
    }
  }

  /** The same up to and with `throughSeq`, the newest first. */
  walkBack(throughSeq: number, visit: (span: Span, ordinal: number) => boolean): void {
    const lowest = this.firstSeq
    for (let s = Math.min(this.#spanFrom(throughSeq), this.spans.length - 1); s >= 0; s--) {
      const span = this.spans[s] as Span
      if (span.lastSeq < lowest) return
      if (span.liveCount === 0) continue
      for (let i = span.ordinalFrom(throughSeq + 1) - 1; i >= 0; i--) {
        if (span.isLive(i) && !visit(span, i)) return
      }
    }
  }

  timeAt({ span, ordinal }: Place): number {
    const entry = span.entryOf(ordinal)
    const timeMs = span.entryTimes.get(entry) + span.timeDeltas.get(ordinal)
    return timeMs + this.#boots.shiftMs(span.entryBoots.get(entry))
  }

  lastSeqOf(subjectId: number): number {
    const last = this.subjects.last(subjectId)
    if (last > 0) return last
    for (let s = this.#spanFrom(-last); s >= 0; s--) {
      const span = this.spans[Math.min(s, this.spans.length - 1)] as Span
      let i = span.subjectIds.lastIndexOf(subjectId, span.ordinalFrom(-last + 1) - 1)
      while (i >= 0 && !span.isLive(i)) i = span.subjectIds.lastIndexOf(subjectId, i - 1)
      if (i >= 0) {
        const seq = span.seqAt(i)
        this.subjects.setLast(subjectId, seq)
        return seq
      }
    }
    invariant(false, 'a subject with a count has a last message')
  }

  /** The oldest live message of a subject. */
  firstOf(subjectId: number): Place {
    const bound = Math.max(this.subjects.firstBound(subjectId), this.firstSeq)
    for (let s = this.#spanFrom(bound); s < this.spans.length; s++) {
      const span = this.spans[s] as Span
      let i = span.subjectIds.indexOf(subjectId, span.ordinalFrom(bound))
      while (i >= 0 && !span.isLive(i)) i = span.subjectIds.indexOf(subjectId, i + 1)
      if (i >= 0) {
        this.subjects.setFirstBound(subjectId, span.seqAt(i))
        return { span, ordinal: i }
      }
    }
    invariant(false, 'a subject with a count has a first message')
  }

  /** Live messages from `fromSeq` on, of the subjects that match only. */
  countLive(fromSeq: number, matches: ((subjectId: number) => boolean) | undefined): number {
    let total = 0
    for (let s = this.#spanFrom(fromSeq); s < this.spans.length; s++) {
      const span = this.spans[s] as Span
      if (matches === undefined && span.firstSeq >= fromSeq) total += span.liveCount
      else {
        const from = span.ordinalFrom(fromSeq)
        for (let i = span.nextLive(from); i < span.count; i = span.nextLive(i + 1)) {
          if (matches === undefined || matches(span.subjectIds.get(i))) total++
        }
      }
    }
    return total
  }

  /** Times need not rise (mirrors keep the original's), so each span that may have it is looked through. */
  seqAtTime(timeMs: number): number {
    let found = this.lastSeq + 1
    const first = this.spans.find((span) => this.#newestBoundMs(span) >= timeMs)
    this.walk(first?.firstSeq ?? found, (span, ordinal) => {
      if (this.timeAt({ span, ordinal }) < timeMs) return true
      found = span.seqAt(ordinal)
      return false
    })
    return found
  }

  get state(): StreamState {
    const { firstSeq, lastSeq, messages } = this
    return {
      messages,
      bytes: this.bytes,
      firstSeq,
      lastSeq,
      firstTimeMs: this.firstTimeMs,
      lastTimeMs: this.lastTimeMs,
      subjects: this.subjects.size,
      deleted: lastSeq === 0 ? 0 : lastSeq - firstSeq + 1 - messages,
    }
  }

  /** Forgets what a removed segment held. */
  dropSpans(segmentId: number): void {
    this.spans = this.spans.filter((span) => span.segmentId !== segmentId)
  }

  /** Index of the first span that reaches `seq`; spans.length when none does. */
  #spanFrom(seq: number): number {
    let low = 0
    let high = this.spans.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.spans[middle] as Span).lastSeq < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  /** No message of the span is newer. */
  #newestBoundMs(span: Span): number {
    let newestMs = 0
    for (let entry = 0; entry < span.entryTimes.length; entry++) {
      const shiftMs = this.#boots.shiftMs(span.entryBoots.get(entry))
      newestMs = Math.max(newestMs, span.entryTimes.get(entry) + shiftMs)
    }
    return newestMs + ENTRY_TIME_MS
  }

  #noteLast(seq: number, timeMs: number): void {
    if (seq <= this.lastSeq) return
    this.lastSeq = seq
    this.lastTimeMs = timeMs
  }

  /** Firsts only rise, so that looking for the next one costs each record once. */
  #settleFirst(): void {
    const from = Math.max(this.#firstSeq, this.floor + 1)
    for (let s = this.#spanFrom(from); s < this.spans.length; s++) {
      const span = this.spans[s] as Span
      if (span.liveCount === 0) continue
      const ordinal = span.nextLive(span.ordinalFrom(from))
      if (ordinal < span.count) {
        this.#firstSeq = span.seqAt(ordinal)
        return
      }
    }
    this.#firstSeq = this.lastSeq + 1
  }
}
