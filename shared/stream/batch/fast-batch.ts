/**
 * How far one fast batch has come, and when its publisher is to hear of it. Sequences are those within
 * the batch unless they say otherwise.
 */
import { FLOW_MESSAGES_MAX } from './limits.ts'

export class FastBatch {
  /** What came last. */
  lastSeq = 0
  /** What is on disk, with all before it; what was skipped counts. */
  storedSeq = 0
  /** The stream's sequence of that. */
  streamSeq = 0
  /** What was acknowledged last. */
  #toldSeq = 0
  /** Messages on their way to the disk, and what waits for others' to be told. */
  pending = 0
  /** The reply subject of what ended it: it is over when what is pending is stored. */
  #endReply: string | undefined
  readonly isGapOk: boolean
  /** An acknowledgement comes after so many messages. */
  #everyMessages: number
  readonly #everyMost: number

  constructor(isGapOk: boolean, flow: number, isAlone: boolean) {
    this.isGapOk = isGapOk
    this.#everyMost = flow
    // Others are at work already: a newcomer begins slowly.
    this.#everyMessages = isAlone ? Math.min(FLOW_MESSAGES_MAX, flow) : 1
  }

  /** Nothing more is taken. */
  get isCommitted(): boolean {
    return this.#endReply !== undefined
  }

  /**
   * @param reply where whoever ended it waits for its acknowledgement
   * @returns where the first one does, who may have sent no message of it
   */
  commit(reply: string): string {
    this.#endReply ??= reply
    return this.#endReply
  }

  /** All that came is stored, or was left out. */
  get isSettled(): boolean {
    return this.pending === 0 && this.storedSeq === this.lastSeq
  }

  /** When nothing is pending, what was left out behind the last stored one counts as seen to. */
  settleSkipped(): void {
    if (this.pending === 0) this.storedSeq = this.lastSeq
  }

  stored(seq: number, streamSeq: number): void {
    if (this.pending > 0) this.pending--
    this.streamSeq = streamSeq
    this.storedSeq = this.pending === 0 ? this.lastSeq : seq
  }

  /**
   * Whether an acknowledgement is due; the pace changes with how many share the stream.
   * @param batches fast batches that this stream has now
   */
  advance(batches: number): boolean {
    const every = this.#everyMessages
    if (this.storedSeq < this.#toldSeq + every) return false
    this.#toldSeq += Math.floor((this.storedSeq - this.#toldSeq) / every) * every
    const share = Math.max(1, Math.floor(FLOW_MESSAGES_MAX / batches))
    const most = Math.min(share, this.#everyMost)
    if (every < most) this.#everyMessages = Math.min(every * 2, most)
    else if (every > most) this.#everyMessages = Math.max(Math.floor(every / 2), most)
    return true
  }

  /** What it is told as acknowledged, as JSON. */
  get acknowledgement(): string {
    return `{"type":"ack","seq":${this.#toldSeq},"msgs":${this.#everyMessages}}`
  }
}
