import { ParserHold, type Publication, TurnShare, WORK_UNITS } from '../broker/index.ts'
import { type Clock, messageOf, type PetioleError } from '../runtime/index.ts'
import { arenaBytes, type Channel, type ChannelHandler } from '../transport/index.ts'
import { Heartbeat } from './heartbeat.ts'
import { CLOSE_GRACE_MS, DRAIN_MAX_MS, type LinkLimits } from './limits.ts'
import { STALE_CONNECTION } from './link-errors.ts'
import { LinkOutput } from './link-output.ts'
import { type LinkFacts, LinkParser } from './link-parser.ts'

/**
 * One connection of a leaf link, on either side: bytes to facts, output, heartbeat, and an end that
 * comes exactly once. What the facts mean is its phase's business: first a handshake, then the link.
 */
export interface LinkPhase {
  info(json: string): void
  connect(json: string): void
  interest(subject: string, queue: string, weight: number): void
  interestGone(subject: string, queue: string): void
  message(publication: Publication, queues: readonly string[]): void
  /** PING or PONG; false when this phase does not allow it. */
  allowsHeartbeat(): boolean
  /** The other side's -ERR; it closes behind it. */
  refused(error: string): void
  /** Called once. Nothing more comes, and nothing more is sent. */
  ended(reason: string): void
}

const PING = Buffer.from('PING\r\n')
const PONG = Buffer.from('PONG\r\n')

export class LinkConnection implements ChannelHandler, LinkFacts {
  readonly channel: Channel
  readonly output: LinkOutput
  readonly #clock: Clock
  readonly #limits: LinkLimits
  readonly #parser: LinkParser
  readonly #turn: TurnShare
  #phase: LinkPhase
  #heartbeat: Heartbeat | undefined
  readonly #closed: Promise<void>
  #resolveClosed: () => void = () => {}
  #bytesIn = 0
  #isEnded = false

  constructor(channel: Channel, clock: Clock, limits: LinkLimits, phase: LinkPhase) {
    this.channel = channel
    this.#clock = clock
    this.#limits = limits
    this.#phase = phase
    this.output = new LinkOutput(channel, clock, limits.pendingBytesMax)
    this.#parser = new LinkParser(this, limits)
    this.#turn = new TurnShare(clock, channel, new ParserHold(this.#parser), true)
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  get bytesIn(): number {
    return this.#bytesIn
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat?.roundTripMs
  }

  /** Nothing of the input is half read. */
  get isInputIdle(): boolean {
    return this.#parser.isIdle
  }

  start(): void {
    this.channel.start(this)
  }

  /** The handshake is done: facts go to `phase`, and silence is asked about. */
  enter(phase: LinkPhase, account: string, pingIntervalMs: number): void {
    this.#phase = phase
    this.#turn.owner = account
    const { channel, output } = this
    this.#heartbeat = new Heartbeat({
      clock: this.#clock,
      output: {
        get channelPendingBytes() {
          return channel.pendingBytes
        },
        get writtenBytes() {
          return output.writtenBytes
        },
      },
      intervalMs: pingIntervalMs,
      timeoutMs: this.#limits.pongTimeoutMs,
      hasWaited: () => this.#turn.hasWaited(),
      ping: () => this.output.control(PING),
      stale: (silentMs) => {
        const seconds = Math.round(silentMs / 1_000)
        this.fail(STALE_CONNECTION, `nothing heard for ${seconds} s, not even an answer to PING`)
      },
    })
    this.#heartbeat.start()
  }

  send(bytes: Uint8Array): void {
    if (this.#isEnded) return
    this.output.control(bytes)
    const { pendingBytes } = this.channel
    if (pendingBytes <= this.#limits.pendingBytesMax) return
    this.destroy(`${pendingBytes} bytes of interest wait for the link: it is too slow for it`)
  }

  /** Says why with an -ERR, and closes. */
  fail(error: string, reason: string = error): void {
    if (this.#isEnded) return
    this.output.control(Buffer.from(`-ERR '${error}'\r\n`))
    this.close(reason)
  }

  /** Sends what is with the channel, then closes; a dead peer gets a short time for it. */
  close(reason: string): void {
    if (this.#isEnded) return
    this.#end(reason)
    this.channel.end()
    this.#clock.after(CLOSE_GRACE_MS, () => this.channel.destroy())
  }

  /**
   * As `close`, once the messages that wait for a slow link are with the channel. Resolves when it is
   * closed, after DRAIN_MAX_MS and CLOSE_GRACE_MS at the latest.
   */
  async drain(reason: string): Promise<void> {
    const cancel = this.#clock.after(DRAIN_MAX_MS, () => this.close(reason))
    this.output.whenEmpty(() => this.close(reason))
    await this.#closed
    cancel()
  }

  destroy(reason: string): void {
    this.#end(reason)
    this.channel.destroy()
  }

  onChunk(start: number, end: number): number {
    if (this.#isEnded) return end
    this.#heartbeat?.heard()
    const violation = this.#parser.push(arenaBytes, start, end)
    if (violation !== undefined) this.fail(violation)
    const used = end - this.#parser.leftBytes
    this.#bytesIn += used - start
    return used
  }

  onDrain(): void {}

  onClose(error: PetioleError | undefined): void {
    this.#resolveClosed()
    this.#end(error === undefined ? 'the other side closed the connection' : messageOf(error))
  }

  info(json: string): void {
    this.#phase.info(json)
  }

  connect(json: string): void {
    this.#phase.connect(json)
  }

  ping(): void {
    if (this.#phase.allowsHeartbeat()) this.send(PONG)
  }

  pong(): void {
    if (this.#phase.allowsHeartbeat()) this.#heartbeat?.pong()
  }

  error(text: string): void {
    this.#phase.refused(text)
  }

  interest(subject: string, queue: string, weight: number): void {
    this.#phase.interest(subject, queue, weight)
    this.#turn.spend(WORK_UNITS.interestChange)
  }

  interestGone(subject: string, queue: string): void {
    this.#phase.interestGone(subject, queue)
    this.#turn.spend(WORK_UNITS.interestChange)
  }

  message(publication: Publication, queues: readonly string[]): void {
    this.#phase.message(publication, queues)
    this.#turn.spend(WORK_UNITS.linkMessage)
  }

  #end(reason: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#heartbeat?.stop()
    this.#parser.stop()
    this.output.close()
    this.#phase.ended(reason)
  }
}
