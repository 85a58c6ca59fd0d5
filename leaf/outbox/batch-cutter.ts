import type { StoredMessage } from '../../shared/store/index.ts'
import {
  BATCH_BYTES_MAX,
  BATCH_GAPS_MAX,
  BATCH_RECORDS_MAX,
  GAP_BYTES,
  type Gap,
  recordBytes,
} from '../../shared/sync/index.ts'
import type { LeafBuffer } from '../buffers/index.ts'
import { READ_AHEAD_BYTES, READ_AHEAD_RECORDS } from './limits.ts'

/** A span of a buffer's sequences, ready to be encoded: every one of them is a record or in a gap. */
export interface Cut {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly gaps: readonly Gap[]
  readonly records: readonly StoredMessage[]
  readonly bytes: number
}

/** Reads a buffer ahead and cuts it into batches, from wherever it was told to go on. */
export class BatchCutter {
  readonly #buffer: LeafBuffer
  #nextSeq: number
  #ahead: readonly StoredMessage[] = []
  #aheadIndex = 0
  /** All before it that is not in `#ahead` has no record. */
  #aheadNextSeq: number

  constructor(buffer: LeafBuffer, nextSeq: number) {
    this.#buffer = buffer
    this.#nextSeq = nextSeq
    this.#aheadNextSeq = nextSeq
  }

  get nextSeq(): number {
    return this.#nextSeq
  }

  get hasMore(): boolean {
    return this.#nextSeq <= this.#buffer.store.state.lastSeq
  }

  /** Goes on from `seq`, which may be before what was cut last. */
  rewind(seq: number): void {
    this.#nextSeq = seq
    this.#ahead = []
    this.#aheadIndex = 0
    this.#aheadNextSeq = seq
  }

  /**
   * The next span of at most `bytesMax`; a single record that is larger travels alone, and not even
   * with the gaps before it: the link may have just room enough for it. undefined when there is
   * nothing, or it was rewound meanwhile.
   */
  async cut(bytesMax: number): Promise<Cut | undefined> {
    if (!this.hasMore) return undefined
    if (this.#aheadIndex === this.#ahead.length && !(await this.#read(bytesMax))) return undefined
    const firstSeq = this.#nextSeq
    const gaps: Gap[] = []
    const from = this.#aheadIndex
    const roomBytes = Math.min(bytesMax, BATCH_BYTES_MAX)
    let bytes = 0
    let seq = firstSeq
    let index = from
    for (; index < this.#ahead.length && index - from < BATCH_RECORDS_MAX; index++) {
      const message = this.#ahead[index]
      if (message === undefined) break
      const size = recordBytes(message)
      if (index > from && bytes + size > roomBytes) break
      seq = this.#passHole(gaps, seq, message.seq, gapsThatFit(roomBytes - bytes))
      if (seq < message.seq) break
      if (gaps.length > 0 && bytes + size + gaps.length * GAP_BYTES > roomBytes) break
      bytes += size
      seq = message.seq + 1
    }
    const records = this.#ahead.slice(from, index)
    this.#aheadIndex = index
    if (index === this.#ahead.length) {
      seq = this.#passHole(gaps, seq, this.#aheadNextSeq, gapsThatFit(roomBytes - bytes))
    }
    this.#nextSeq = seq
    return seq === firstSeq ? undefined : { firstSeq, lastSeq: seq - 1, gaps, records, bytes }
  }

  /** Explains the sequences from `seq` to before `nextSeq`, as far as one batch can; returns how far. */
  #passHole(gaps: Gap[], seq: number, nextSeq: number, gapsMax: number): number {
    if (seq >= nextSeq) return seq
    for (const gap of this.#buffer.explain({ firstSeq: seq, lastSeq: nextSeq - 1 })) {
      if (gaps.length >= gapsMax) return gap.firstSeq
      gaps.push(gap)
    }
    return nextSeq
  }

  /** False when it was rewound while reading. */
  async #read(bytesMax: number): Promise<boolean> {
    const fromSeq = this.#nextSeq
    const { lastSeq } = this.#buffer.store.state
    const { messages, nextSeq } = await this.#buffer.store.read({
      fromSeq,
      messagesMax: READ_AHEAD_RECORDS,
      bytesMax: Math.min(READ_AHEAD_BYTES, 4 * bytesMax),
    })
    if (this.#nextSeq !== fromSeq || this.#aheadIndex !== this.#ahead.length) return false
    this.#ahead = messages
    this.#aheadIndex = 0
    // What was appended while reading is not a hole.
    const end = messages.at(-1)?.seq ?? 0
    this.#aheadNextSeq = Math.max(end + 1, Math.min(nextSeq, lastSeq + 1))
    return true
  }
}

/** One at least, so that a batch never ends up empty: the room for a batch's head has as much to spare. */
function gapsThatFit(roomBytes: number): number {
  return Math.min(BATCH_GAPS_MAX, Math.max(1, Math.floor(roomBytes / GAP_BYTES)))
}
