import { ParserHold, type Publication, TurnShare, WORK_UNITS } from '../../shared/broker/index.ts'
import { type Clock, messageOf, type PetioleError } from '../../shared/runtime/index.ts'
import { arenaBytes, type Channel, type ChannelHandler } from '../../shared/transport/index.ts'
import { CLOSE_GRACE_MS, type PeerLimits } from './limits.ts'
import { STALE_CONNECTION } from './peer-errors.ts'
import { PeerHeartbeat } from './peer-heartbeat.ts'
import { PeerOutput } from './peer-output.ts'
import { type Demand, type PeerFacts, PeerParser } from './peer-parser.ts'

/** What a connection's facts mean: first a handshake's, then the link's. */
export interface PeerPhase {
  info(json: string): void
  connect(json: string): void
  peer(json: string): void
  leaf(json: string): void
  interest(account: string, subject: string, queue: string, weight: number): void
  interestGone(account: string, subject: string, queue: string): void
  capture(account: string, subject: string, isThere: boolean): void
  message(account: string, publication: Publication, demand: Demand): void
  /** The other side's -ERR; it closes behind it. */
  refused(error: string): void
  /** Called once. Nothing more comes, and nothing more is sent. */
  ended(reason: string): void
}

const PING = Buffer.from('PING\r\n')
const PONG = Buffer.from('PONG\r\n')

/** One connection between two hubs, on either side: bytes to facts, output, heartbeat, and one end. */
export class PeerConnection implements ChannelHandler, PeerFacts {
  readonly channel: Channel
  readonly output: PeerOutput
  readonly #clock: Clock
  readonly #limits: PeerLimits
  readonly #parser: PeerParser
  readonly #turn: TurnShare
  #phase: PeerPhase
  #heartbeat: PeerHeartbeat | undefined
  #bytesIn = 0
  #lastHeardMs: number
  #isEnded = false

  constructor(channel: Channel, clock: Clock, limits: PeerLimits, phase: PeerPhase) {
    this.channel = channel
    this.#clock = clock
    this.#limits = limits
    this.#phase = phase
    this.#lastHeardMs = clock.wallMs()
    this.#parser = new PeerParser(this, limits.payloadBytesMax)
    this.#turn = new TurnShare(clock, channel, new ParserHold(this.#parser), true)
    this.output = new PeerOutput({
      channel,
      clock,
      pendingBytesMax: limits.pendingBytesMax,
      writeDeadlineMs: limits.writeDeadlineMs,
      // Within a router's turn, whose loop may be at this link: it ends in a turn of its own.
      onTooSlow: (reason) => this.#endSoon(`Slow Consumer: ${reason}`),
    })
  }

  /** Where the other side is seen. */
  get host(): string {
    return this.channel.remoteAddress.replace(/^::ffff:/, '')
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  get bytesIn(): number {
    return this.#bytesIn
  }

  /** Wall time. */
  get lastHeardMs(): number {
    return this.#lastHeardMs
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat?.roundTripMs
  }

  start(): void {
    this.channel.start(this)
  }

  /** The handshake is done: facts go to `phase`, and the round trip is measured. */
  enter(phase: PeerPhase): void {
    this.#phase = phase
    this.#turn.owner = this
    this.#parser.trust()
    this.#heartbeat = new PeerHeartbeat({
      clock: this.#clock,
      output: this.output,
      hasWaited: () => this.#turn.hasWaited(),
      intervalMs: this.#limits.pingIntervalMs,
      timeoutMs: this.#limits.pongTimeoutMs,
      ping: () => this.send(PING),
      stale: (silentMs) => {
        const seconds = Math.round(silentMs / 1_000)
        this.fail(STALE_CONNECTION, `nothing heard for ${seconds} s, not even an answer to PING`)
      },
    })
    this.#heartbeat.start()
  }

  /** Asks whether the other side is still there, without patience. */
  probe(): void {
    if (!this.#isEnded) this.#heartbeat?.probe()
  }

  send(bytes: Uint8Array): void {
    if (!this.#isEnded) this.output.control(bytes)
  }

  /** Says why with an -ERR, and closes. */
  fail(error: string, reason: string = error): void {
    if (this.#isEnded) return
    this.output.control(Buffer.from(`-ERR '${error}'\r\n`))
    this.close(reason)
  }

  /** Sends what waits, then closes; a dead peer gets a short time for it. */
  close(reason: string): void {
    if (this.#isEnded) return
    this.#end(reason)
    this.channel.end()
    this.#clock.after(CLOSE_GRACE_MS, () => this.channel.destroy())
  }

  destroy(reason: string): void {
    this.#end(reason)
    this.channel.destroy()
  }

  onChunk(start: number, end: number): number {
    if (this.#isEnded) return end
    this.#lastHeardMs = this.#clock.wallMs()
    this.#heartbeat?.heard()
    const violation = this.#parser.push(arenaBytes, start, end)
    if (violation !== undefined) this.fail(violation)
    const used = end - this.#parser.leftBytes
    this.#bytesIn += used - start
    return used
  }

  onDrain(): void {}

  onClose(error: PetioleError | undefined): void {
    this.#end(error === undefined ? 'the other side closed the connection' : messageOf(error))
  }

  info(json: string): void {
    this.#phase.info(json)
  }

  connect(json: string): void {
    this.#phase.connect(json)
  }

  peer(json: string): void {
    this.#phase.peer(json)
  }

  leaf(json: string): void {
    this.#phase.leaf(json)
  }

  ping(): void {
    this.send(PONG)
  }

  pong(): void {
    this.#heartbeat?.pong()
  }

  error(text: string): void {
    this.#phase.refused(text)
  }

  interest(account: string, subject: string, queue: string, weight: number): void {
    this.#phase.interest(account, subject, queue, weight)
    this.#turn.spend(WORK_UNITS.interestChange)
  }

  interestGone(account: string, subject: string, queue: string): void {
    this.#phase.interestGone(account, subject, queue)
    this.#turn.spend(WORK_UNITS.interestChange)
  }

  capture(account: string, subject: string, isThere: boolean): void {
    this.#phase.capture(account, subject, isThere)
    this.#turn.spend(WORK_UNITS.interestChange)
  }

  message(account: string, publication: Publication, demand: Demand): void {
    this.#phase.message(account, publication, demand)
    this.#turn.spend(WORK_UNITS.linkMessage)
  }

  #endSoon(reason: string): void {
    this.output.close()
    this.#clock.soon(() => this.destroy(reason))
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
