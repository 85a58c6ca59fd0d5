/**
 * The retained messages of one account as a stream of the journal that keeps one message for each subject.
 * An empty message that removes another is stored like any other, so that the order of the journal is the
 * order of what was published, and taken away again, lazily, when it is on disk: after a crash it may be
 * there once more, in front of nothing, and is taken away at the start. It is marked for that, as messages
 * that expire are.
 */
import type { PublishCommitted } from '../../shared/broker/index.ts'
import { type Clock, codeOf } from '../../shared/runtime/index.ts'
import type {
  Committed,
  RetentionClock,
  Store,
  StoredMessage,
  StreamLimits,
  StreamStore,
} from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { beginsWithDollar } from '../topic-map.ts'
import { JournalReplay } from './journal-replay.ts'
import { MESSAGE_OVERHEAD_BYTES, type RetainedLimits } from './limits.ts'
import { expiryOf, NEVER, secondsLeft } from './message-expiry.ts'
import type { PageLine } from './page-line.ts'
import { RetainedExpiry } from './retained-expiry.ts'
import { retainedFull } from './retained-full.ts'
import {
  firstOf,
  type ReplayPosition,
  type RetainedMessage,
  type RetainedReplay,
  type RetainedStore,
} from './retained-store.ts'

export interface JournalParts {
  readonly store: Store
  readonly clock: Clock
  readonly retentionClock: RetentionClock
  readonly limits: RetainedLimits
  readonly pages: PageLine
}

/** A removal, or a message that expires, until it is on disk. */
interface Marked {
  readonly stream: StreamStore
  readonly isRemoval: boolean
  readonly expirySeconds: number
  readonly committed: PublishCommitted | undefined
}

const NOTHING = new Uint8Array(0)
const NOTHING_RETAINED: RetainedReplay = {
  next: () => Promise.resolve([]),
  isNewest: () => false,
  position: { throughSeq: 0, scan: -1, scannedSeq: 0, seenSeq: 0 },
}

export class JournalRetained implements RetainedStore {
  readonly #name: string
  readonly #parts: JournalParts
  readonly #expiry: RetainedExpiry
  #attached: StreamStore | undefined

  /** @param name of the stream, which is made with the first message */
  constructor(name: string, parts: JournalParts) {
    this.#name = name
    this.#parts = parts
    this.#expiry = new RetainedExpiry(
      {
        has: (seq) => this.#stream?.has(seq) === true,
        // After a crash they may be there again, and due.
        expire: (seqs) => {
          for (const seq of seqs) this.#stream?.removeLazily(seq)
        },
      },
      parts.clock,
    )
  }

  get count(): number {
    return this.#stream?.state.messages ?? 0
  }

  get bytes(): number {
    return this.#stream?.state.bytes ?? 0
  }

  /** Goes on with what is on disk. */
  async recover(): Promise<void> {
    const { store } = this.#parts
    const stream = this.#stream
    if (stream === undefined) return
    this.#attach(stream)
    const limits = this.#streamLimits
    // A store that takes nothing has its old limits until there is room again at a start.
    if (store.condition.name === 'open' && !isSameLimits(stream.limits, limits)) {
      stream.configure(stream.config, limits)
    }
    const nowMs = this.#parts.retentionClock.nowMs()
    for await (const { seq, timeMs, headers, payload } of stream.marked()) {
      if (payload.length === 0) stream.removeLazily(seq)
      else this.#expiry.add(seq, secondsLeft(expiryOf(headers), timeMs, nowMs))
    }
  }

  set(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: PublishCommitted,
  ): void {
    const expirySeconds = expiryOf(headers)
    if (payload.length === 0 || expirySeconds === 0) this.remove(subject, committed)
    else this.#append(subject, headers, payload, expirySeconds, committed)
  }

  remove(subject: Uint8Array, committed?: PublishCommitted): boolean {
    const mayBeThere = this.#mayHave(subject)
    if (mayBeThere) this.#append(subject, NOTHING, NOTHING, NEVER, committed)
    else committed?.(undefined)
    return mayBeThere
  }

  replay(
    filters: readonly SubjectFilter[],
    skipsDollar: boolean,
    from?: ReplayPosition,
  ): RetainedReplay {
    const stream = this.#stream
    if (stream === undefined) return NOTHING_RETAINED
    const { pages, store } = this.#parts
    const parts = {
      stream,
      pages,
      onDisk: () => new Promise<void>((resolve) => store.barrier(() => resolve())),
      shown: (message: StoredMessage) => this.#shown(message, skipsDollar),
      isNewest: (seq: number, subject: Uint8Array) => this.#isNewest(seq, subject),
    }
    return new JournalReplay(filters, parts, from)
  }

  list(filter: SubjectFilter, max: number): Promise<readonly RetainedMessage[]> {
    return firstOf(this.replay([filter], false), max)
  }

  close(): void {
    this.#expiry.close()
  }

  /** Asked for each time: a commit that fails takes a new one back, and a purge of the account an old one. */
  get #stream(): StreamStore | undefined {
    return this.#parts.store.streams.get(this.#name)
  }

  get #streamLimits(): StreamLimits {
    const { messagesMax, bytesMax } = this.#parts.limits
    return {
      messagesMax,
      bytesMax,
      ageMaxMs: 0,
      messagesPerSubjectMax: 1,
      messageBytesMax: 0,
      // A subject's own message still makes room for its next one.
      discard: 'new',
      overhead: { always: MESSAGE_OVERHEAD_BYTES, withHeaders: 0 },
    }
  }

  #append(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    expirySeconds: number,
    committed: PublishCommitted | undefined,
  ): void {
    const { limits } = this.#parts
    const isRemoval = payload.length === 0
    // To the store 0 is no limit at all.
    if (!isRemoval && limits.messagesMax * limits.bytesMax === 0) throw retainedFull(limits)
    const stream = this.#stream ?? this.#create()
    if (stream !== this.#attached) this.#attach(stream)
    const isMarked = isRemoval || expirySeconds !== NEVER
    const whom = isMarked ? { stream, isRemoval, expirySeconds, committed } : committed
    const settled = isMarked ? this.#markedSettled : plainSettled
    try {
      stream.append(subject, headers, payload, settled, undefined, isMarked, false, whom)
    } catch (error) {
      if (codeOf(error) === 'PETIOLE_STREAM_FULL') throw retainedFull(limits, error)
      throw error
    }
  }

  readonly #markedSettled: Committed = (error, seq, whom) => {
    const { stream, isRemoval, expirySeconds, committed } = whom as Marked
    // Another stream may stand in its place, with sequences that were its own.
    if (error === undefined && stream === this.#attached) {
      if (isRemoval) stream.removeLazily(seq)
      else this.#expiry.add(seq, expirySeconds)
    }
    committed?.(error)
  }

  #create(): StreamStore {
    return this.#parts.store.createStream(this.#name, NOTHING, this.#streamLimits)
  }

  /** Sequences are those of this stream from now on. */
  #attach(stream: StreamStore): void {
    this.#expiry.clear()
    this.#attached = stream
  }

  #mayHave(subject: Uint8Array): boolean {
    const stream = this.#stream
    if (stream === undefined) return false
    return stream.stage.isAwaited(subject) || stream.lastSeqOf(textOf(subject)) > 0
  }

  /** What is on its way to the disk is newer. */
  #isNewest(seq: number, subject: Uint8Array): boolean {
    const stream = this.#stream
    return stream?.has(seq) === true && !stream.stage.isAwaited(subject)
  }

  /** What a client gets of a stored message; undefined when that is nothing, or a newer one. */
  #shown(message: StoredMessage, skipsDollar: boolean): RetainedMessage | undefined {
    const { seq, subjectBytes, payload } = message
    if (payload.length === 0 || !this.#isNewest(seq, subjectBytes)) return undefined
    if (skipsDollar && beginsWithDollar(subjectBytes)) return undefined
    const { headers, timeMs } = message
    let expirySeconds = expiryOf(headers)
    if (expirySeconds !== NEVER) {
      expirySeconds = secondsLeft(expirySeconds, timeMs, this.#parts.retentionClock.nowMs())
      if (expirySeconds === 0) return undefined
    }
    return new Shown(seq, subjectBytes, headers, payload, timeMs, expirySeconds)
  }
}

class Shown implements RetainedMessage {
  readonly seq: number
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  readonly storedMs: number
  readonly expirySeconds: number

  constructor(
    seq: number,
    subjectBytes: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    storedMs: number,
    expirySeconds: number,
  ) {
    this.seq = seq
    this.subjectBytes = subjectBytes
    this.headers = headers
    this.payload = payload
    this.storedMs = storedMs
    this.expirySeconds = expirySeconds
  }

  /** Those who only send it need none. */
  get subject(): string {
    return textOf(this.subjectBytes)
  }
}

/** One for all messages that nothing is to be done about. */
const plainSettled: Committed = (error, _seq, whom) =>
  (whom as PublishCommitted | undefined)?.(error)

function textOf(subject: Uint8Array): string {
  return Buffer.from(subject.buffer, subject.byteOffset, subject.length).toString()
}

function isSameLimits(a: StreamLimits, b: StreamLimits): boolean {
  return a.messagesMax === b.messagesMax && a.bytesMax === b.bytesMax
}
