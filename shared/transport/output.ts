import { arenaBytes } from './arena.ts'
import type { FlushQueue } from './flush-queue.ts'
import {
  EARLY_SEND_BYTES,
  OUTPUT_HIGH_WATER_BYTES,
  OUTPUT_LOW_WATER_BYTES,
  OUTPUT_PENDING_BYTES_MAX,
  OUTPUT_SLOT_BYTES,
  SEGMENT_BYTES,
  SMALL_SLOT_BYTES,
} from './limits.ts'
import {
  areSlotsPlentiful,
  giveSlot,
  isSmallSlot,
  NO_SLOT,
  SMALL_SLOT_ROOM,
  slotEnd,
  slotStart,
  takeLargeSlot,
  takeSmallSlot,
} from './output-slots.ts'

/** Where an output's bytes go. Called by one `Output`, and never calls a handler from within. */
export interface OutputSink {
  /** Hands bytes [start, end) of the arena over as far as that works at once; returns how many. */
  sendNow(start: number, end: number): number
  /**
   * Takes all of `bytes`. True when their memory is free again already; else `output.sent()` is
   * owed, and no other call comes before it.
   */
  send(bytes: Uint8Array): boolean
  /** `pendingBytes` came down from the high-water to the low-water mark, or `isBehind` may be asked again. */
  drained(): void
  /** Nothing is pending any more, after the sink had fallen behind. */
  emptied(): void
  /** OUTPUT_PENDING_BYTES_MAX is passed: the channel must be destroyed. */
  overflowed(): void
}

/** What waits behind a send: a view on `slot`, or a heap copy when that is NO_SLOT. */
interface Piece {
  readonly bytes: Uint8Array
  readonly slot: number
}

/**
 * The output of one channel, whatever its kind: one class, so that the router's call sites stay
 * monomorphic.
 *
 * Bytes gather in a slot of the arena, [#start, #position) of [#start, #limit). An output takes a
 * slot when its first byte comes and gives it back at the flush; a small slot that fills up is
 * exchanged for a large one. When the sink cannot take all, the output is blocked: the slot stays
 * with the send until it is done, further full slots wait in `#waiting` and leave one by one. When
 * large slots get scarce, blocked outputs move theirs to the heap, so that frozen receivers cannot
 * starve the others.
 *
 * Without a slot `#start`, `#position` and `#limit` are 0, so that the fast path of `reserve` needs
 * no other check.
 */
export class Output {
  readonly #sink: OutputSink
  readonly #queue: FlushQueue
  #start = 0
  #position = 0
  #limit = 0
  #slot = NO_SLOT
  #isQueued = false
  #isEnded = false
  #isClosed = false
  #wasHigh = false
  /** The last slot went out large: begin with a large one. */
  #isBusy = false
  #sending: Piece | undefined
  /** While there are any. */
  #waiting: Piece[] | undefined
  #waitingNext = 0
  /** Bytes in `#sending` and `#waiting`. */
  #detachedBytes = 0
  #sentPieces = 0

  constructor(sink: OutputSink, queue: FlushQueue) {
    this.#sink = sink
    this.#queue = queue
  }

  /** Bytes taken from the writer and not yet by the sink. */
  get pendingBytes(): number {
    return this.#detachedBytes + this.#position - this.#start
  }

  /** Grows whenever the sink is done with a send: who watches a blocked output sees whether it moves. */
  get sentPieces(): number {
    return this.#sentPieces
  }

  get isBlocked(): boolean {
    return this.#sending !== undefined
  }

  /**
   * Whether the sink is busy and `bytes` or more wait for it. Whoever is told so is told by `drained` when
   * some of it has left, however low that mark is: to ask again.
   */
  isBehind(bytes: number): boolean {
    if (this.#sending === undefined || this.pendingBytes < bytes) return false
    this.#wasHigh = true
    return true
  }

  /**
   * Reserves `size` contiguous bytes and returns their arena offset. -1 when the output is closed,
   * `size` is above OUTPUT_SLOT_BYTES or no slot is left: then use `write`. Up to WORD_SLACK_BYTES
   * behind the reservation may be overwritten too. A reservation ends with `commit`, or with the
   * next call; it is valid in the same turn only.
   */
  reserve(size: number): number {
    const position = this.#position
    return position + size <= this.#limit ? position : this.#makeRoom(size)
  }

  /** Ends a reservation: output now ends at arena offset `end`. */
  commit(end: number): void {
    this.#position = end
  }

  /** Copies `bytes`, however many. Nothing happens when the output is closed. */
  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const at = this.reserve(bytes.length)
    if (at < 0) {
      this.#writeInPieces(bytes)
      return
    }
    arenaBytes.set(bytes, at)
    this.#position = at + bytes.length
  }

  /** Sends what is gathered, unless the sink is busy: then it follows when the sink is done. */
  flush(): void {
    if (this.#slot === NO_SLOT || this.#sending !== undefined) return
    const slot = this.#slot
    const start = this.#start
    const end = this.#position
    this.#dropSlot()
    this.#isBusy = end - start > SMALL_SLOT_BYTES / 2
    this.#settle(slot, start + (end > start ? this.#sink.sendNow(start, end) : 0), end)
  }

  /**
   * For when more is about to be written: sends whole segments and keeps the rest for the next flush, which
   * is owed then (true). What is less than a segment is sent: whoever gets little must not wait for others.
   */
  flushSegments(): boolean {
    const isRestKept = this.#sendSegments()
    if (!isRestKept) this.flushQueued()
    return isRestKept
  }

  /**
   * For who writes much in one turn: when much has gathered its whole segments leave, so that the receiver has
   * work meanwhile. The rest leaves with the flush that is owed anyway.
   */
  sendSegments(): void {
    if (this.#position - this.#start > EARLY_SEND_BYTES) this.#sendSegments()
  }

  /** Called by the queue as it forgets this output. */
  flushQueued(): void {
    this.#isQueued = false
    this.flush()
  }

  /** The sink is done with the bytes of its last `send`. */
  sent(): void {
    const piece = this.#sending
    if (piece === undefined) return
    if (this.pendingBytes >= OUTPUT_HIGH_WATER_BYTES) this.#wasHigh = true
    this.#finish(piece)
    if (this.#isClosed) return
    while (this.#sending === undefined && this.#waiting !== undefined) this.#sendNext(this.#waiting)
    if (this.#sending === undefined) this.flush()
    if (this.#wasHigh && this.pendingBytes <= OUTPUT_LOW_WATER_BYTES) {
      this.#wasHigh = false
      this.#sink.drained()
    }
    if (this.pendingBytes === 0 && !this.#isClosed) this.#sink.emptied()
  }

  /** Sends what is there and takes no more. */
  end(): void {
    this.#isEnded = true
    this.flush()
    if (this.#slot !== NO_SLOT) this.#setAside()
  }

  /**
   * Drops what has not been sent and takes no more. The piece that the sink holds stays untouched
   * until `sent`, which a closed channel must still call.
   */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#isEnded = true
    if (this.#slot !== NO_SLOT) {
      giveSlot(this.#slot)
      this.#dropSlot()
    }
    for (const { slot } of this.#waiting?.slice(this.#waitingNext) ?? []) {
      if (slot !== NO_SLOT) giveSlot(slot)
    }
    this.#waiting = undefined
    this.#waitingNext = 0
    this.#detachedBytes = this.#sending?.bytes.length ?? 0
  }

  /** Returns where `size` bytes fit now, or -1. Not the hot path: once per slot and flush. */
  #makeRoom(size: number): number {
    if (this.#isEnded || size > OUTPUT_SLOT_BYTES) return -1
    if (this.#slot !== NO_SLOT) {
      if (this.#grow(size)) return this.#position
      if (this.#sending !== undefined) this.#setAside()
      else if (!this.#sendSegments() || this.#position + size > this.#limit) this.flush()
      else return this.#position
      if (this.#isEnded) return -1
    }
    const slot = this.#takeSlot(size)
    if (slot === NO_SLOT) return -1
    this.#adopt(slot)
    if (!this.#isQueued && this.#sending === undefined) {
      this.#isQueued = true
      this.#queue.add(this)
    }
    return this.#position
  }

  /** False when there is no whole segment, no rest, or the sink has not taken all of them. */
  #sendSegments(): boolean {
    const slot = this.#slot
    const start = this.#start
    const end = this.#position
    const rest = (end - start) % SEGMENT_BYTES
    if (rest === 0 || rest === end - start || this.#sending !== undefined) return false
    this.#dropSlot()
    const segmentsEnd = end - rest
    const sentEnd = start + this.#sink.sendNow(start, segmentsEnd)
    if (sentEnd < segmentsEnd || this.#isClosed) {
      this.#settle(slot, sentEnd, end)
      return false
    }
    this.#adopt(slot)
    arenaBytes.copyWithin(start, segmentsEnd, end)
    this.#position = start + rest
    return true
  }

  /** The sink has taken all up to `sentEnd` at once; what is left of the slot follows as it can. */
  #settle(slot: number, sentEnd: number, end: number): void {
    if (sentEnd >= end || this.#isClosed) {
      giveSlot(slot)
      return
    }
    const piece = detach(slot, sentEnd, end)
    this.#detachedBytes += piece.bytes.length
    this.#send(piece)
  }

  /** Moves what is gathered from a small to a large slot, if `size` more fit there. */
  #grow(size: number): boolean {
    const gathered = this.#position - this.#start
    if (!isSmallSlot(this.#slot) || gathered + size > OUTPUT_SLOT_BYTES) return false
    const slot = this.#takeLarge()
    if (slot === NO_SLOT) return false
    arenaBytes.copyWithin(slotStart(slot), this.#start, this.#position)
    giveSlot(this.#slot)
    this.#adopt(slot)
    this.#position += gathered
    return true
  }

  #takeSlot(size: number): number {
    const slot = this.#takeAnySlot(size)
    if (slot !== NO_SLOT || this.#sending !== undefined) return slot
    this.#queue.relieve()
    return this.#takeAnySlot(size)
  }

  #takeAnySlot(size: number): number {
    if (size > SMALL_SLOT_ROOM) return this.#takeLarge()
    const slot = this.#isBusy ? this.#takeLarge() : this.#takeSmall()
    if (slot !== NO_SLOT) return slot
    return this.#isBusy ? this.#takeSmall() : this.#takeLarge()
  }

  #takeSmall(): number {
    return this.#sending === undefined || areSlotsPlentiful('small') ? takeSmallSlot() : NO_SLOT
  }

  #takeLarge(): number {
    return this.#sending === undefined || areSlotsPlentiful('large') ? takeLargeSlot() : NO_SLOT
  }

  #adopt(slot: number): void {
    this.#slot = slot
    this.#start = slotStart(slot)
    this.#position = this.#start
    this.#limit = slotEnd(slot)
  }

  #dropSlot(): void {
    this.#slot = NO_SLOT
    this.#start = 0
    this.#position = 0
    this.#limit = 0
  }

  /** Queues what is gathered behind the send that is under way. */
  #setAside(): void {
    const slot = this.#slot
    const start = this.#start
    const end = this.#position
    this.#dropSlot()
    if (end > start) this.#enqueue(detach(slot, start, end))
    else giveSlot(slot)
  }

  /** Larger than a slot, or no slot left: slot by slot, and the heap when that fails. */
  #writeInPieces(bytes: Uint8Array): void {
    let rest = bytes
    while (rest.length > 0 && !this.#isEnded) {
      const part = rest.subarray(0, OUTPUT_SLOT_BYTES)
      const at = this.reserve(part.length)
      if (at >= 0) {
        arenaBytes.set(part, at)
        this.#position = at + part.length
      } else if (!this.#isEnded) {
        if (this.#slot !== NO_SLOT) this.#setAside()
        this.#enqueue({ bytes: Buffer.from(part), slot: NO_SLOT })
      }
      rest = rest.subarray(part.length)
    }
  }

  /** Behind all that waits, or to the sink when nothing does. */
  #enqueue(piece: Piece): void {
    this.#detachedBytes += piece.bytes.length
    if (this.#sending === undefined) {
      this.#send(piece)
      return
    }
    this.#waiting ??= []
    this.#waiting.push(piece)
    if (this.#detachedBytes > OUTPUT_PENDING_BYTES_MAX) this.#sink.overflowed()
  }

  #send(piece: Piece): void {
    this.#sending = piece
    if (this.#sink.send(piece.bytes)) this.#finish(piece)
  }

  #sendNext(waiting: readonly Piece[]): void {
    const piece = waiting[this.#waitingNext++]
    if (this.#waitingNext >= waiting.length) {
      this.#waiting = undefined
      this.#waitingNext = 0
    }
    if (piece !== undefined) this.#send(piece)
  }

  #finish(piece: Piece): void {
    this.#sentPieces++
    this.#sending = undefined
    this.#detachedBytes -= piece.bytes.length
    if (piece.slot !== NO_SLOT) giveSlot(piece.slot)
  }
}

/** Makes a piece of a slot's bytes [start, end): a view while slots are plentiful, else a copy. */
function detach(slot: number, start: number, end: number): Piece {
  const bytes = arenaBytes.subarray(start, end)
  if (areSlotsPlentiful(isSmallSlot(slot) ? 'small' : 'large')) return { bytes, slot }
  const copy = Buffer.from(bytes)
  giveSlot(slot)
  return { bytes: copy, slot: NO_SLOT }
}
