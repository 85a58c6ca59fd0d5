import { SendWindow } from '../send-window.ts'
import { Inflight, type InflightMessage } from './inflight.ts'
import { WINDOW_DEFAULT } from './limits.ts'
import { type CursorRecord, type EncodedInflight, encodeCursor } from './session-codec.ts'
import type { StateWriter, WrittenState } from './state-writer.ts'

/** Who delivers for a cursor, while its client is connected. */
export interface CursorUser {
  /** Brings `passedSeq` up to where it is. */
  settle(): void
  /** More of the state is on disk. */
  stateWritten(): void
  /** The client's PUBREC for it is on disk. */
  released(entry: InflightMessage): void
}

export interface CursorHost {
  readonly writer: StateWriter
  /** The session needs a message no more. */
  done(seq: number): void
}

const NONE: InflightMessage[] = []
const NOTHING: EncodedInflight = { size: 0, released: NONE, published: NONE }

/**
 * How far one session is in the log: all up to `passedSeq` was delivered or did not concern it, but for what
 * is in flight. At QoS 2 its state on disk is never behind what has left: the identifier before PUBLISH, the
 * PUBREC before PUBREL and before the message counts as done. So nothing is delivered twice, whenever the
 * process ends.
 */
export class SessionCursor implements WrittenState {
  readonly stateKey: string
  passedSeq = 0
  version = 0
  writtenVersion = 0
  isWriting = false
  user: CursorUser | undefined
  readonly #host: CursorHost
  // Of ten thousand sessions that are away most have none of these.
  #inflight: Inflight | undefined
  #window: SendWindow | undefined
  #isForgotten = false
  /** PUBRECs that are on their way to the disk, in their order. */
  #releasing: InflightMessage[] = NONE

  constructor(stateKey: string, host: CursorHost) {
    this.stateKey = stateKey
    this.#host = host
  }

  get inflight(): Inflight {
    this.#inflight ??= new Inflight()
    return this.#inflight
  }

  get inflightCount(): number {
    return this.#inflight?.size ?? 0
  }

  get window(): SendWindow {
    this.#window ??= new SendWindow(WINDOW_DEFAULT)
    return this.#window
  }

  restore({ passedSeq, inflight }: CursorRecord): void {
    this.passedSeq = passedSeq
    for (const { packetId, seq, qos, isReleased } of inflight) {
      const entry = this.inflight.add(packetId, seq, qos)
      entry.wasSent = true
      if (isReleased) {
        this.inflight.release(entry)
        this.inflight.letGo(entry)
      }
      this.window.reserve(packetId)
    }
  }

  needs(seq: number): boolean {
    this.user?.settle()
    return seq > this.passedSeq || this.#inflight?.holds(seq) === true
  }

  encode(): Uint8Array {
    this.user?.settle()
    return encodeCursor(this.passedSeq, this.#inflight ?? NOTHING)
  }

  touch(): void {
    if (!this.#isForgotten) this.#host.writer.touch(this)
  }

  /** Returns the version to wait for. */
  touchNow(): number {
    return this.#isForgotten ? this.version + 1 : this.#host.writer.touchNow(this)
  }

  /** The client has the message; PUBREL leaves when that is on disk. */
  release(entry: InflightMessage): void {
    this.inflight.release(entry)
    entry.version = this.touchNow()
    if (this.#releasing === NONE) this.#releasing = []
    this.#releasing.push(entry)
  }

  /** Its packet identifier is free. */
  finish(entry: InflightMessage): void {
    const wasHeld = entry.isHeld
    this.inflight.delete(entry)
    this.#window?.release(entry.packetId)
    this.touch()
    if (wasHeld) this.#host.done(entry.seq)
  }

  onWritten(): void {
    while (this.#releasing.length > 0) {
      const entry = this.#releasing[0] as InflightMessage
      if (entry.version > this.writtenVersion) break
      this.#releasing.shift()
      if (this.inflight.get(entry.packetId) !== entry) continue
      this.inflight.letGo(entry)
      this.#host.done(entry.seq)
      this.user?.released(entry)
    }
    this.user?.stateWritten()
  }

  /** Gives back what an idle session does not need. */
  wentOffline(): void {
    this.user?.settle()
    this.user = undefined
    if (this.inflight.size > 0 || this.#releasing.length > 0) return
    this.#inflight = undefined
    this.#releasing = NONE
    if (this.#window?.inflight === 0) this.#window = undefined
  }

  /** Its session has ended: nothing is written any more. */
  forget(): void {
    this.#isForgotten = true
    this.#host.writer.forget(this)
    this.#releasing = NONE
  }
}
