import type { Random } from '../../shared/runtime/index.ts'
import { arenaBytes, READ_BYTES, READ_START } from '../../shared/transport/index.ts'
import type { SimLink } from './sim-link.ts'
import type { SimLoop } from './sim-loop.ts'

/** What both kernels together hold of one direction of a connection. */
const PIPE_BYTES_MAX = 192 * 1024

/** The two ends of a pipe, as far as it must know them. */
export interface PipeReceiver {
  readonly isReading: boolean
  /** The machine is on: what arrives is answered, if only by a reset. */
  readonly isReachable: boolean
  /** This end is closed, or its incarnation is no more. */
  readonly isGone: boolean
  received(size: number): void
  ended(): void
}

export interface PipeSender {
  roomMade(): void
  finDelivered(): void
  /** The other side no longer knows this connection. */
  refused(): void
}

interface Segment {
  bytes: Uint8Array
  readonly readyMs: number
}

/**
 * One direction of a connection: bytes in order, late, in pieces of any size. While the link is
 * blocked or the receiver does not read they wait, as TCP makes them wait; they are lost only
 * together with the connection.
 */
export class SimPipe {
  readonly #loop: SimLoop
  readonly #random: Random
  readonly #link: SimLink
  readonly #from: string
  readonly #name: string
  #receiver: PipeReceiver | undefined
  #sender: PipeSender | undefined
  #segments: Segment[] = []
  #queuedBytes = 0
  #lineFreeMs = 0
  #isScheduled = false
  #isFinished = false
  #isFinDelivered = false
  #isDead = false

  constructor(loop: SimLoop, random: Random, link: SimLink, from: string, to: string) {
    this.#loop = loop
    this.#random = random
    this.#link = link
    this.#from = from
    this.#name = `${from}→${to}`
  }

  join(sender: PipeSender, receiver: PipeReceiver): void {
    this.#sender = sender
    this.#receiver = receiver
  }

  get room(): number {
    return this.#isDead ? 0 : PIPE_BYTES_MAX - this.#queuedBytes
  }

  get isFinDelivered(): boolean {
    return this.#isFinDelivered
  }

  push(bytes: Uint8Array): void {
    const readyMs = this.#loop.nowMs + this.#link.delayMs(this.#random)
    this.#segments.push({ bytes, readyMs })
    this.#queuedBytes += bytes.length
    this.pump()
  }

  /** No more follows what was pushed. */
  finish(): void {
    this.#isFinished = true
    this.pump()
  }

  kill(): void {
    this.#isDead = true
    this.#segments = []
    this.#queuedBytes = 0
  }

  /** Sees to it that what can arrive does. Called whenever something that held it up may be gone. */
  pump(): void {
    if (this.#isScheduled || this.#isDead || this.#isFinDelivered) return
    const first = this.#segments[0]
    if (first === undefined && !this.#isFinished) return
    if (!this.#link.isOpen(this.#from)) return
    if (first !== undefined && !this.#receiver?.isGone && !this.#receiver?.isReading) return
    const readyMs = first?.readyMs ?? this.#loop.nowMs + this.#link.delayMs(this.#random)
    const atMs = Math.max(readyMs, this.#lineFreeMs, this.#loop.nowMs)
    this.#isScheduled = true
    this.#loop.after(atMs - this.#loop.nowMs, this.#name, () => this.#arrive())
  }

  #arrive(): void {
    this.#isScheduled = false
    const receiver = this.#receiver
    if (this.#isDead || receiver === undefined) return
    if (!this.#link.isOpen(this.#from) || !receiver.isReachable) return
    if (this.#segments.length === 0) this.#deliverFin(receiver)
    else if (receiver.isGone) this.#sender?.refused()
    else if (receiver.isReading) this.#deliver(receiver)
    this.pump()
  }

  #deliver(receiver: PipeReceiver): void {
    const size = this.#fill(this.#random.below(4) === 0 ? 1 + this.#random.below(100) : READ_BYTES)
    if (size === 0) return
    this.#queuedBytes -= size
    this.#lineFreeMs = this.#loop.nowMs + size / this.#link.bytesPerMs
    this.#loop.note(this.#name, 'bytes', (size << 8) ^ (arenaBytes[READ_START + size - 1] ?? 0))
    receiver.received(size)
    this.#sender?.roomMade()
  }

  #deliverFin(receiver: PipeReceiver): void {
    if (!this.#isFinished) return
    this.#isFinDelivered = true
    if (!receiver.isGone) receiver.ended()
    this.#sender?.finDelivered()
  }

  /** Moves up to `sizeMax` bytes that have come so far to the read region. */
  #fill(sizeMax: number): number {
    let size = 0
    while (size < sizeMax) {
      const segment = this.#segments[0]
      if (segment === undefined || segment.readyMs > this.#loop.nowMs) break
      const part = segment.bytes.subarray(0, sizeMax - size)
      arenaBytes.set(part, READ_START + size)
      size += part.length
      if (part.length === segment.bytes.length) this.#segments.shift()
      else segment.bytes = segment.bytes.subarray(part.length)
    }
    return size
  }
}
