import type { Identity } from '../../shared/account/index.ts'
import { WORK_UNITS } from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import type { ConnectionFacts } from '../../shared/monitor/index.ts'
import { type Cancel, invariant, type PetioleError } from '../../shared/runtime/index.ts'
import { arenaBytes, type Channel, type ChannelHandler } from '../../shared/transport/index.ts'
import {
  type Answer,
  answerTo,
  encodeConnackCode,
  type Frame,
  LEVEL,
  type Level,
  PACKET,
  type Properties,
  REASON,
  type ReasonPacket,
  VIOLATIONS,
  type Violation,
} from '../codec/index.ts'
import { ANSWERS_PENDING_BYTES_MAX } from '../limits.ts'
import { PacketCollector } from '../packet-collector.ts'
import type { Answers } from './connection-answers.ts'
import { ENDING, type Ending } from './connection-ending.ts'
import type { Exchange, ExchangeOutcome } from './connection-exchange.ts'
import { connectionFacts } from './connection-facts.ts'
import { type Admitted, Handshake, type Newcomer } from './connection-handshake.ts'
import { noteUnsecured, noteViolation } from './connection-notices.ts'
import { type PacketLine, readSessionPacket } from './connection-packets.ts'
import type { MqttContext } from './context.ts'
import { headerViolation } from './header-check.ts'
import { type GateOwner, InputGate } from './input-gate.ts'
import { KeepAlive, type KeepAliveOwner } from './keep-alive.ts'
import { RateLimit } from './rate-limit.ts'
import { Session } from './session.ts'
import { SessionGuard } from './session-guard.ts'

type Fields = Readonly<Record<string, unknown>>

/**
 * One connection: cuts the input into packets, and ends it by the rules. Before an accepted CONNECT there
 * is no session, but a handshake; after the end there is neither, and nothing more is read.
 *
 * Its way of ending decides about the will: a DISCONNECT without a fault discards it [MQTT-3.14.4-3],
 * everything else publishes it [MQTT-3.1.2-8].
 */
export class Connection
  implements ChannelHandler, Newcomer, PacketLine, ExchangeOutcome, GateOwner, KeepAliveOwner
{
  readonly channel: Channel
  readonly input: InputGate
  readonly #context: MqttContext
  readonly #log: Log
  /** While a long packet comes. */
  #collector: PacketCollector | undefined
  #handshake: Handshake | undefined
  #exchange: Exchange | undefined
  #session: Session | undefined
  #answers: Answers | undefined
  #keepAlive: KeepAlive | undefined
  #rate: RateLimit | undefined
  #cancelTimer: Cancel | undefined
  #startedMs = 0
  /** When something came last, while no keep-alive knows it. */
  #heardMs = 0
  #isEnded = false

  constructor(context: MqttContext, channel: Channel, log: Log) {
    this.#context = context
    this.channel = channel
    this.#log = log
    this.input = new InputGate(context.clock, channel, this)
    this.#handshake = new Handshake(context, this, log)
  }

  get facts(): ConnectionFacts | undefined {
    if (this.#session === undefined || this.#isEnded) return undefined
    const times = { startedMs: this.#startedMs, lastMs: this.#keepAlive?.lastMs ?? this.#heardMs }
    const { user } = this.#session.identity
    return connectionFacts(this.#session, this.channel, user, times, this.#context.clock)
  }

  get isGone(): boolean {
    return this.#isEnded || this.input.isDeaf
  }

  get exchange(): Exchange | undefined {
    return this.#exchange
  }

  /** Those of the session: nothing asks before there is one. */
  get answers(): Answers {
    invariant(this.#answers !== undefined, 'an answer before CONNECT')
    return this.#answers
  }

  get level(): Level | undefined {
    return this.#session?.level
  }

  start(): void {
    const { clock, limits } = this.#context
    this.#startedMs = clock.monotonicMs()
    this.#cancelTimer = clock.after(limits.connectTimeoutMs, () => {
      this.#end(ENDING.late, { timeout_ms: limits.connectTimeoutMs })
    })
    this.channel.start(this)
  }

  onChunk(start: number, end: number): number {
    if (this.#keepAlive === undefined) this.#heardMs = this.#context.clock.monotonicMs()
    else this.#keepAlive.noteActivity()
    let at = start
    const collector = this.#collector
    if (collector !== undefined) {
      at = collector.take(arenaBytes, at, end)
      if (collector.isActive) return end
      this.#readCollected(collector)
    }
    const { frame } = this.#context.scratch
    while (at < end && !this.#isEnded && this.input.isPassing) {
      const state = frame.read(arenaBytes, at, end)
      if (state === 'whole') {
        this.#readPacket(arenaBytes, frame)
        at = frame.bodyEnd
        this.input.turn.spend(WORK_UNITS.line)
      } else if (state === 'malformed') {
        this.violated(this.#headerViolation(frame) ?? VIOLATIONS.remainingLength)
      } else {
        at = this.#wait(frame, at, end)
        break
      }
    }
    this.#pauseIfFull()
    return this.isGone ? end : at
  }

  inputOpened(): void {
    this.#keepAlive?.noteActivity()
  }

  onDrain(): void {
    this.#session?.drained()
    this.#resumeIfRoom()
  }

  onClose(error: PetioleError | undefined): void {
    noteUnsecured(this.#context.notices, this.channel, error)
    this.#end(ENDING.closed, error === undefined ? {} : { err: error })
    this.#context.closed(this)
  }

  enter({ packet, terms, answers, admission, exchange }: Admitted): void {
    const { clientId, space, identity, kept } = admission
    const { clock, limits } = this.#context
    const guard = new SessionGuard(identity, this.#context.limitsOf, clock)
    const retained = this.#context.replaySource(space.account)
    const isBridge = packet.isBridge === true
    const owner = { clientId, guard, terms, ...kept, retained, isBridge }
    this.#handshake = undefined
    this.#answers = answers
    this.#exchange = exchange
    if (exchange !== undefined) exchange.outcome = this
    if (limits.publishRateMax > 0) {
      this.#rate = new RateLimit(clock, this.input, limits.publishRateMax)
    }
    this.#session = new Session(this.#context, space, this, owner)
    this.#expectExpiry(guard.expiresMs)
    if (terms.keepAliveSeconds > 0) {
      this.#keepAlive = new KeepAlive(clock, terms.keepAliveSeconds, this)
      this.#keepAlive.start()
    }
    this.#session.begin(packet.will)
    this.#log.debug({ client: clientId, user: packet.user }, 'client connected')
  }

  turnAway(fields: Fields, text: string): void {
    this.#end({ reason: 0, text }, fields)
  }

  /** The client has proven itself again: its user may have other rights meanwhile. */
  proven(identity: Identity | undefined, proof: Properties): void {
    const session = this.#session
    const found = identity && this.#context.current(identity)
    if (session === undefined || found?.account !== session.identity.account) {
      this.#end(ENDING.unwelcome)
    } else {
      session.renew(found)
      if (this.#isEnded) return
      this.#expectExpiry(session.expiresMs)
      this.#answers?.auth(REASON.success, proof)
    }
  }

  failed(reason: number, text: string): void {
    this.#end({ reason, text })
  }

  broke(error: unknown): void {
    this.#log.error({ err: error }, 'client login failed')
    this.destroy()
  }

  takeOver(): void {
    this.#context.counters.takeovers++
    this.#end(ENDING.takenOver)
  }

  recheck(account?: string): void {
    const session = this.#session
    if (!session?.isOf(account)) return
    const verdict = this.#context.recheck(session.identity)
    if (typeof verdict === 'string') this.#end(ENDING.unwelcome, { reason: verdict })
    else session.renew(verdict ?? session.identity)
    if (!this.isGone) this.#expectExpiry(session.expiresMs)
  }

  acknowledged(): void {
    this.#resumeIfRoom()
  }

  /**
   * 3.1.1 has no answer for "not stored". Without a PUBACK the device sends it again when it is connected
   * anew: it is closed, after a while in which nothing is read, so that nothing overtakes the lost one
   * and a device that retries at once does not keep the server busy.
   */
  uncommitted(error: PetioleError): void {
    if (this.input.isDeaf) return
    this.input.close('deaf')
    const fields = { client: this.#session?.clientId, err: error }
    this.#context.notices.warn(fields, 'publish not stored and not acknowledged: closing')
    this.#cancelTimer?.()
    this.#cancelTimer = this.#context.clock.after(this.#context.limits.refusedCloseMs, () => {
      this.#end(ENDING.notStored)
    })
  }

  /** Session expiry that began at 0 stays there: the server has kept nothing [MQTT-3.14.2-2]. */
  disconnected({ reason, properties }: ReasonPacket): Violation | undefined {
    const { sessionExpirySeconds } = properties
    if (sessionExpirySeconds !== undefined && this.#session !== undefined) {
      if (!this.#session.setExpiry(sessionExpirySeconds)) return VIOLATIONS.sessionExpiryRaised
    }
    if (reason === REASON.success) this.#session?.setWill(undefined)
    this.#end(ENDING.disconnected, reason === REASON.success ? {} : { code: reason })
    return undefined
  }

  settle(): Promise<void> {
    this.input.close('deaf')
    const session = this.#session
    if (session === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      session.whenIdle(() => session.settleWill(resolve))
    })
  }

  end(ending: Ending): void {
    this.#end(ending)
  }

  destroy(): void {
    this.#session?.abandon()
    this.#end(ENDING.shutDown)
    this.channel.destroy()
  }

  violated(
    violation: Violation,
    level: number = this.#session?.level ?? 0,
    answer: Answer = answerTo(violation, level, this.#session !== undefined),
  ): void {
    this.#context.counters.violations++
    const { reason, text } = violation
    const rule = level === LEVEL.v5 ? violation.rule5 : violation.rule
    const client = this.#session?.clientId
    noteViolation(this.#context.notices, this.channel, { client, rule, reason: text })
    if (answer === 'connack') this.channel.write(encodeConnackCode(reason, LEVEL.v5))
    this.#end({ reason: answer === 'disconnect' ? reason : 0, text }, { rule })
  }

  #readPacket(bytes: Uint8Array, frame: Frame): void {
    let violation = this.#headerViolation(frame)
    if (violation === undefined) {
      if (this.#session === undefined) this.#handshake?.read(bytes, frame)
      else {
        violation = readSessionPacket(this.#session, this, bytes, frame)
        if (frame.type === PACKET.publish) this.#rate?.spend()
      }
    }
    if (violation !== undefined) this.violated(violation)
  }

  #expectExpiry(expiresMs: number): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (expiresMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(0, expiresMs - this.#context.clock.wallMs())
    this.#cancelTimer = this.#context.clock.after(delayMs, () => this.#end(ENDING.expired))
  }

  #readCollected(collector: PacketCollector): void {
    this.#collector = undefined
    const packet = collector.join()
    const { frame } = this.#context.scratch
    frame.read(packet, 0, packet.length)
    this.#readPacket(packet, frame)
  }

  /** The packet at `at` is not all here yet: leaves it in the arena, or collects it if it is long. */
  #wait(frame: Frame, at: number, end: number): number {
    const violation = this.#headerViolation(frame)
    if (violation !== undefined) {
      this.violated(violation)
      return end
    }
    if (!frame.isSized || !PacketCollector.isNeededFor(frame.size)) return at
    this.#collector = new PacketCollector()
    this.#collector.begin(frame.size)
    return this.#collector.take(arenaBytes, at, end)
  }

  #headerViolation(frame: Frame): Violation | undefined {
    const level = this.#session?.level ?? this.#handshake?.level
    return headerViolation(frame, level, this.#session?.terms)
  }

  #pauseIfFull(): void {
    if (this.#isOverQuota() || this.channel.pendingBytes >= ANSWERS_PENDING_BYTES_MAX) {
      this.input.close('full')
    }
  }

  /** MQTT 5 is told how much it may send, and ends when it sends more. */
  #isOverQuota(): boolean {
    const session = this.#session
    if (session === undefined || session.level === LEVEL.v5) return false
    return session.unacknowledged >= session.terms.inboundUnackedMax
  }

  #resumeIfRoom(): void {
    if (!this.input.isFull || this.#isEnded) return
    const session = this.#session
    // By its own terms, as the pause: a reload may have lowered the limit of others.
    const unackedMax = session?.terms.inboundUnackedMax ?? 0
    if (session !== undefined && session.unacknowledged * 2 > unackedMax) return
    if (this.channel.pendingBytes >= ANSWERS_PENDING_BYTES_MAX) return
    this.input.open('full')
  }

  keepAliveExpired(): void {
    if (this.input.isClosed) {
      // It may well have sent something: we are not reading.
      this.#keepAlive?.start()
      return
    }
    this.#context.counters.keepAliveExpired++
    this.#end(ENDING.silent)
  }

  /** The one end of all ways. What was answered before still leaves. */
  #end(ending: Ending, fields: Fields = {}): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelTimer?.()
    this.#keepAlive?.stop()
    this.#rate?.stop()
    if (ending.reason !== 0) this.#answers?.disconnect(ending)
    this.channel.end()
    const session = this.#session
    this.#context.left(this, session?.traffic)
    const reason = ending.text
    if (session === undefined) {
      this.#log.debug({ ...fields, reason }, 'connection ended before a session')
      return
    }
    session.close()
    this.#log.debug({ ...fields, client: session.clientId, reason }, 'client gone')
  }
}
