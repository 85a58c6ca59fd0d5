/** What a stream has given to the commit that gathers, and takes back when that does not come about. */
import type { SeqRun } from './delete-runs.ts'
import { LEAVING_MAX } from './limits.ts'
import { StagedMessages } from './staged-messages.ts'
import type { StreamIndex } from './stream-index.ts'
import type { StagedBytes } from './stream-store.ts'
import type { Staging, Writer } from './writer.ts'

export class StreamStage implements Staging, StagedBytes {
  /** The last sequence given out or skipped. */
  assignedSeq = 0
  /** Where the last skip went; a message with this sequence is the one behind the gap. */
  skippedTo = 0
  readonly messages: StagedMessages
  readonly deletes = new Set<number>()
  /** All up to here is to leave. */
  #floor = 0
  readonly #index: StreamIndex
  readonly #writer: Writer
  readonly #listeners = new Set<() => void>()
  #committedSkip = 0
  #isStaged = false
  /** The transaction that knows how to undo what it stages here. */
  #undoneBy = 0

  constructor(index: StreamIndex, writer: Writer) {
    this.#index = index
    this.#writer = writer
    this.messages = new StagedMessages(index.subjects.hashSeed)
  }

  get bytes(): number {
    return this.messages.bytes
  }

  get heldBytes(): number {
    return this.#index.bytes + this.messages.bytes
  }

  isAwaited(subject: Uint8Array): boolean {
    return this.messages.countOn(subject) > 0
  }

  onTakenBack(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Before anything is appended. */
  begin(): void {
    const writer = this.#writer
    if (writer.isInTransaction && this.#undoneBy !== writer.transactions) {
      this.#undoneBy = writer.transactions
      const { assignedSeq, skippedTo } = this
      const restore = this.messages.snapshot()
      writer.onUndo(() => {
        this.assignedSeq = assignedSeq
        this.skippedTo = skippedTo
        restore()
        this.#tellTakenBack()
      })
    }
    if (this.#isStaged) return
    this.#isStaged = true
    writer.stage(this)
  }

  get isEmpty(): boolean {
    return !this.#isStaged
  }

  isLeaving(seq: number): boolean {
    return seq <= this.#floor || this.deletes.has(seq)
  }

  get leavingThrough(): number {
    return this.#floor
  }

  get isClearing(): boolean {
    return this.#floor > this.#index.floor || this.deletes.size > LEAVING_MAX
  }

  purge(floor: number): void {
    const before = this.#floor
    this.#floor = Math.max(before, floor)
    this.#writer.onUndo(() => {
      this.#floor = before
    })
  }

  delete(runs: readonly SeqRun[]): void {
    const seqs: number[] = []
    for (const [first, last] of runs) for (let seq = first; seq <= last; seq++) seqs.push(seq)
    for (const seq of seqs) this.deletes.add(seq)
    this.#writer.onUndo(() => {
      for (const seq of seqs) this.deletes.delete(seq)
    })
  }

  /** A skip is committed; what is given out next may still be the message behind it. */
  skipped(to: number): void {
    this.#committedSkip = to
    this.skippedTo = Math.max(this.skippedTo, to)
  }

  /** The stream has come so far. */
  reached(seq: number): void {
    if (this.assignedSeq < seq) this.assignedSeq = seq
  }

  unstage(): void {
    this.assignedSeq = this.#index.lastSeq
    this.skippedTo = this.#committedSkip
    this.deletes.clear()
    this.#floor = 0
    this.settled()
    this.#tellTakenBack()
  }

  settled(): void {
    this.messages.clear()
    this.#isStaged = false
  }

  #tellTakenBack(): void {
    for (const listener of this.#listeners) listener()
  }
}
