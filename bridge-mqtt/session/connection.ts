import type { Identity } from '../../shared/account/index.ts'
import { WORK_UNITS } from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import type { ConnectionFacts } from '../../shared/monitor/index.ts'
import type { Cancel, PetioleError } from '../../shared/runtime/index.ts'
import { arenaBytes, type Channel, type ChannelHandler } from '../../shared/transport/index.ts'
import {
  CONNACK,
  type ConnectPacket,
  decodeConnect,
  decodeDisconnect,
  decodeSubscribe,
  decodeUnsubscribe,
  encodeConnackCode,
  encodeSuback,
  encodeUnsuback,
  encodeVersionRefusal,
  type Frame,
  LEVEL,
  PACKET,
  PINGRESP_BYTES,
  VIOLATIONS,
  type Violation,
  type WillMessage,
} from '../codec/index.ts'
import { ANSWERS_PENDING_BYTES_MAX } from '../limits.ts'
import { connectionFacts } from './connection-facts.ts'
import type { ClientConnection, MqttContext } from './context.ts'
import { headerViolation } from './header-check.ts'
import { InputGate } from './input-gate.ts'
import { KeepAlive } from './keep-alive.ts'
import { PacketCollector } from './packet-collector.ts'
import { Session, type SessionLine } from './session.ts'
import { SessionGuard } from './session-guard.ts'

/**
 * One connection: cuts the input into packets, answers them, and ends it by the rules. Before an accepted
 * CONNECT there is no session; after the end there is none either, and nothing more is read.
 *
 * The will is kept here, because it is the connection's way of ending that decides about it: DISCONNECT
 * discards it [MQTT-3.14.4-3], everything else publishes it [MQTT-3.1.2-8].
 */
export class Connection implements ChannelHandler, ClientConnection, SessionLine {
  readonly channel: Channel
  readonly #context: MqttContext
  readonly #log: Log
  readonly #collector = new PacketCollector()
  #session: Session | undefined
  #will: WillMessage | undefined
  #keepAlive: KeepAlive | undefined
  #cancelTimer: Cancel | undefined
  #startedMs = 0
  readonly #input: InputGate
  #isEnded = false

  constructor(context: MqttContext, channel: Channel, log: Log) {
    this.#context = context
    this.channel = channel
    this.#log = log
    this.#input = new InputGate(context.clock, channel, () => this.#keepAlive?.noteActivity())
  }

  get facts(): ConnectionFacts | undefined {
    if (this.#session === undefined || this.#isEnded) return undefined
    const times = { startedMs: this.#startedMs, lastMs: this.#keepAlive?.lastMs }
    const { user } = this.#session.identity
    return connectionFacts(this.#session, this.channel, user, times, this.#context.clock)
  }

  start(): void {
    const { clock, limits } = this.#context
    this.#startedMs = clock.monotonicMs()
    this.#cancelTimer = clock.after(limits.connectTimeoutMs, () => {
      this.#end({ timeout_ms: limits.connectTimeoutMs }, 'no CONNECT in time')
    })
    this.channel.start(this)
  }

  onChunk(start: number, end: number): number {
    this.#keepAlive?.noteActivity()
    let at = start
    if (this.#collector.isActive) {
      at = this.#collector.take(arenaBytes, at, end)
      if (this.#collector.isActive) return end
      this.#readCollected()
    }
    const { frame } = this.#context.scratch
    while (at < end && !this.#isEnded && this.#input.isPassing) {
      const state = frame.read(arenaBytes, at, end)
      if (state === 'whole') {
        this.#readPacket(arenaBytes, frame)
        at = frame.bodyEnd
        this.#input.turn.spend(WORK_UNITS.line)
      } else if (state === 'malformed') {
        this.#violated(this.#headerViolation(frame) ?? VIOLATIONS.remainingLength)
      } else {
        at = this.#wait(frame, at, end)
        break
      }
    }
    this.#pauseIfFull()
    return this.#isEnded || this.#isDeaf ? end : at
  }

  onDrain(): void {
    this.#session?.subscriber.flushQueue()
    this.#resumeIfRoom()
  }

  onClose(error: PetioleError | undefined): void {
    this.#end(error === undefined ? {} : { err: error }, 'connection closed by the client')
    this.#context.closed(this)
  }

  takeOver(): void {
    this.#context.counters.takeovers++
    this.#end({}, 'another connection has come with this client id')
  }

  recheck(account?: string): void {
    const session = this.#session
    if (!session?.isOf(account)) return
    const verdict = this.#context.recheck(session.identity)
    if (typeof verdict === 'string') this.#end({ reason: verdict }, 'user may stay no longer')
    else if (!session.renew(verdict ?? session.identity)) this.#end({}, 'too many topic filters')
    else if (!this.#isDeaf) this.#expectExpiry(session.expiresMs)
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
    if (this.#isDeaf) return
    this.#input.close('deaf')
    const fields = { client: this.#session?.clientId, err: error }
    this.#context.notices.warn(fields, 'publish not stored and not acknowledged: closing')
    this.#cancelTimer?.()
    this.#cancelTimer = this.#context.clock.after(this.#context.limits.refusedCloseMs, () => {
      this.#end({}, 'publish could not be stored')
    })
  }

  settle(): Promise<void> {
    this.#input.close('deaf')
    return new Promise((resolve) => {
      const publishWill = (): void => {
        const will = this.#takeWill()
        if (will === undefined || this.#session === undefined) resolve()
        else this.#session.inbound.publishWill(will, () => resolve())
      }
      if (this.#session === undefined) resolve()
      else this.#session.inbound.whenIdle(publishWill)
    })
  }

  end(reason = 'server is shutting down'): void {
    this.#end({}, reason)
  }

  destroy(): void {
    this.#will = undefined
    this.#end({}, 'server is shutting down')
    this.channel.destroy()
  }

  #readPacket(bytes: Uint8Array, frame: Frame): void {
    const violation = this.#headerViolation(frame)
    if (violation !== undefined) this.#violated(violation)
    else if (this.#session === undefined) this.#connect(bytes, frame)
    else this.#readSessionPacket(this.#session, bytes, frame)
  }

  #readSessionPacket(session: Session, bytes: Uint8Array, frame: Frame): void {
    let violation: Violation | undefined
    switch (frame.type) {
      case PACKET.publish:
        violation = session.inbound.publish(bytes, frame)
        break
      case PACKET.puback:
        violation = session.subscriber.acknowledgedByClient(bytes, frame)
        break
      case PACKET.pingreq:
        if (frame.bodyEnd > frame.bodyStart) violation = VIOLATIONS.trailingBytes
        else this.channel.write(PINGRESP_BYTES)
        break
      case PACKET.subscribe:
        violation = this.#subscribe(session, bytes, frame)
        break
      case PACKET.unsubscribe:
        violation = this.#unsubscribe(session, bytes, frame)
        break
      case PACKET.disconnect:
        violation = this.#disconnect(session, bytes, frame)
        break
      case PACKET.connect:
        violation = VIOLATIONS.secondConnect
        break
      case PACKET.pubrec:
      case PACKET.pubrel:
      case PACKET.pubcomp:
        violation = VIOLATIONS.publishQos2
        break
      default:
        violation = VIOLATIONS.wrongDirection
    }
    if (violation !== undefined) this.#violated(violation)
  }

  #connect(bytes: Uint8Array, frame: Frame): void {
    const result = decodeConnect(bytes, frame)
    if (result.kind === 'version' || result.level === LEVEL.v5) {
      this.#context.counters.refused++
      this.channel.write(encodeVersionRefusal(result.level))
      this.#end({ level: result.level }, 'protocol version is not served')
    } else if (result.kind === 'violation') {
      this.#violated(result.violation)
    } else {
      this.#authenticate(result.packet)
    }
  }

  /** Reads no further until it is known who this is: what follows CONNECT may need to be allowed. */
  #authenticate(packet: ConnectPacket): void {
    this.#input.turn.spend(WORK_UNITS.login)
    const answer = this.#context.authenticate(packet, this.channel)
    if (answer instanceof Promise) this.#await(packet, answer)
    else this.#admit(packet, answer)
  }

  #await(packet: ConnectPacket, answer: Promise<Identity | undefined>): void {
    this.#input.close('login')
    const admit = (identity: Identity | undefined): void => {
      if (this.#isEnded || this.#isDeaf) return
      this.#admit(packet, identity)
      this.#input.open('login')
    }
    answer.then(admit).catch((err: unknown) => {
      this.#log.error({ err }, 'client login failed')
      this.destroy()
    })
  }

  #admit(packet: ConnectPacket, identity: Identity | undefined): void {
    const admission = this.#context.admit(packet, identity, this)
    if (admission.kind === 'refused') {
      this.#context.counters.refused++
      this.channel.write(encodeConnackCode(admission.returnCode, packet.level))
      this.#end({ client: packet.clientId, code: admission.returnCode }, admission.reason)
      return
    }
    const { clientId, space } = admission
    const guard = new SessionGuard(admission.identity, (it) => this.#context.limitsOf(it))
    this.#input.turn.owner = admission.identity.account
    this.#session = new Session(this.#context, space, this, {
      clientId,
      level: packet.level,
      guard,
    })
    this.#expectExpiry(guard.expiresMs)
    this.#will = packet.will
    this.#keepAlive = new KeepAlive(this.#context.clock, packet.keepAliveSeconds, () => {
      this.#keepAliveExpired()
    })
    this.#keepAlive.start()
    this.channel.write(encodeConnackCode(CONNACK.accepted, packet.level))
    this.#log.debug({ client: admission.clientId, user: packet.user }, 'client connected')
  }

  #expectExpiry(expiresMs: number): void {
    this.#cancelTimer?.()
    if (expiresMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(0, expiresMs - this.#context.clock.wallMs())
    const expired = (): void => this.#end({}, 'user authentication expired')
    this.#cancelTimer = this.#context.clock.after(delayMs, expired)
  }

  #subscribe(session: Session, bytes: Uint8Array, frame: Frame): Violation | undefined {
    const packet = decodeSubscribe(bytes, frame, session.level)
    if ('rule' in packet) return packet
    this.channel.write(encodeSuback(session.subscriber.subscribe(packet), session.level))
    this.#input.turn.spend(WORK_UNITS.interestChange * packet.filters.length)
    return undefined
  }

  #unsubscribe(session: Session, bytes: Uint8Array, frame: Frame): Violation | undefined {
    const packet = decodeUnsubscribe(bytes, frame, session.level)
    if ('rule' in packet) return packet
    this.channel.write(encodeUnsuback(session.subscriber.unsubscribe(packet), session.level))
    this.#input.turn.spend(WORK_UNITS.interestChange * packet.filters.length)
    return undefined
  }

  #disconnect(session: Session, bytes: Uint8Array, frame: Frame): Violation | undefined {
    const packet = decodeDisconnect(bytes, frame, session.level, 'client')
    if ('rule' in packet) return packet
    this.#will = undefined
    this.#end({}, 'client disconnected')
    return undefined
  }

  #readCollected(): void {
    const packet = this.#collector.join()
    const { frame } = this.#context.scratch
    frame.read(packet, 0, packet.length)
    this.#readPacket(packet, frame)
  }

  /** The packet at `at` is not all here yet: leaves it in the arena, or collects it if it is long. */
  #wait(frame: Frame, at: number, end: number): number {
    const violation = this.#headerViolation(frame)
    if (violation !== undefined) {
      this.#violated(violation)
      return end
    }
    if (!frame.isSized || !PacketCollector.isNeededFor(frame.size)) return at
    this.#collector.begin(frame.size)
    return this.#collector.take(arenaBytes, at, end)
  }

  #headerViolation(frame: Frame): Violation | undefined {
    return headerViolation(frame, this.#session?.level, this.#context.payloadBytesMax)
  }

  #pauseIfFull(): void {
    const unacknowledged = this.#session?.inbound.unacknowledged ?? 0
    if (
      unacknowledged >= this.#context.limits.inboundUnackedMax ||
      this.channel.pendingBytes >= ANSWERS_PENDING_BYTES_MAX
    ) {
      this.#input.close('full')
    }
  }

  #resumeIfRoom(): void {
    if (!this.#input.isClosedFor('full') || this.#isEnded) return
    const unacknowledged = this.#session?.inbound.unacknowledged ?? 0
    if (unacknowledged * 2 > this.#context.limits.inboundUnackedMax) return
    if (this.channel.pendingBytes >= ANSWERS_PENDING_BYTES_MAX) return
    this.#input.open('full')
  }

  #keepAliveExpired(): void {
    if (this.#input.isClosed) {
      // It may well have sent something: we are not reading.
      this.#keepAlive?.start()
      return
    }
    this.#context.counters.keepAliveExpired++
    this.#end({}, 'nothing came for one and a half keep-alive intervals')
  }

  #violated(violation: Violation): void {
    this.#context.counters.violations++
    const fields = {
      client: this.#session?.clientId,
      remote: this.channel.remoteAddress,
      rule: violation.rule,
      reason: violation.text,
    }
    this.#context.notices.warn(fields, 'packet breaks the protocol: closing')
    this.#end({ rule: violation.rule }, 'packet broke the protocol')
  }

  #takeWill(): WillMessage | undefined {
    const will = this.#will
    this.#will = undefined
    return will
  }

  /** Whatever comes is not looked at any more; answers still leave. */
  get #isDeaf(): boolean {
    return this.#input.isClosedFor('deaf')
  }

  /** The one end of all ways. What was answered before still leaves. */
  #end(fields: Readonly<Record<string, unknown>>, reason: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelTimer?.()
    this.#keepAlive?.stop()
    this.channel.end()
    const session = this.#session
    this.#context.left(this)
    if (session === undefined) {
      this.#log.debug({ ...fields, reason }, 'connection ended before a session')
      return
    }
    session.close()
    const will = this.#takeWill()
    if (will !== undefined) session.inbound.publishWill(will)
    this.#log.debug({ ...fields, client: session.clientId, reason }, 'client gone')
  }
}
