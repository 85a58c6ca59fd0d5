import type { Identity } from '../../shared/account/index.ts'
import { WORK_UNITS } from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Channel, remoteName } from '../../shared/transport/index.ts'
import {
  type Answer,
  CONNACK,
  type ConnectPacket,
  decodeConnect,
  encodeVersionRefusal,
  type Frame,
  LEVEL,
  type Level,
  NO_PROPERTIES,
  PACKET,
  type Properties,
  REASON,
  VIOLATIONS,
  type Violation,
} from '../codec/index.ts'
import type { Admission, Refusal } from './admission.ts'
import type { ClientConnection } from './client-connection.ts'
import { Answers } from './connection-answers.ts'
import { Exchange, type ExchangeOutcome } from './connection-exchange.ts'
import { connackProperties, type Terms, termsOf } from './connection-terms.ts'
import type { MqttContext } from './context.ts'
import type { InputGate } from './input-gate.ts'
import { willRefusal } from './will-check.ts'

/** Somebody who is let in, and on what terms. */
export interface Admitted {
  readonly packet: ConnectPacket
  readonly terms: Terms
  readonly answers: Answers
  readonly admission: Extract<Admission, { kind: 'admitted' }>
  /** By which the client may prove itself again; undefined: its CONNECT named no method. */
  readonly exchange: Exchange | undefined
}

/** The connection of a stranger. */
export interface Newcomer extends ClientConnection {
  readonly channel: Channel
  readonly input: InputGate
  /** Nobody waits for an answer any more. */
  readonly isGone: boolean
  /** CONNACK has left. */
  enter(admitted: Admitted): void
  /** The answer has left, if there is one. */
  turnAway(fields: Readonly<Record<string, unknown>>, text: string): void
  /**
   * A packet broke a rule.
   *
   * @param level 0 when nobody knows what the client speaks
   * @param answer how it is told; not given: as its version has it
   */
  violated(violation: Violation, level: number, answer?: Answer): void
}

/** From CONNECT to CONNACK: who is there, whether he may come in, and on what terms. */
export class Handshake implements ExchangeOutcome {
  readonly #context: MqttContext
  readonly #newcomer: Newcomer
  readonly #log: Log
  #packet: ConnectPacket | undefined
  #terms: Terms | undefined
  #answers: Answers | undefined
  #exchange: Exchange | undefined

  constructor(context: MqttContext, newcomer: Newcomer, log: Log) {
    this.#context = context
    this.#newcomer = newcomer
    this.#log = log
  }

  get isGone(): boolean {
    return this.#newcomer.isGone
  }

  /** What the client speaks; undefined before its CONNECT. */
  get level(): Level | undefined {
    return this.#packet?.level
  }

  /** CONNECT, and then what an exchange asks for and nothing else [MQTT-3.1.2-30]. */
  read(bytes: Uint8Array, frame: Frame): void {
    if (this.#exchange === undefined) {
      this.#connect(bytes, frame)
      return
    }
    if (frame.type === PACKET.disconnect) {
      this.#newcomer.turnAway({}, 'client gave up before it was let in')
      return
    }
    const isAuth = frame.type === PACKET.auth
    const violation = isAuth ? this.#exchange.read(bytes, frame) : VIOLATIONS.beforeConnack
    if (violation !== undefined) this.#newcomer.violated(violation, LEVEL.v5)
  }

  proven(identity: Identity | undefined, proof: Properties): void {
    this.#admit(identity, proof)
  }

  failed(reason: number, text: string): void {
    this.#refuse({ returnCode: CONNACK.notAuthorized, reason, text })
  }

  broke(error: unknown): void {
    this.#log.error({ err: error }, 'client login failed')
    this.#newcomer.destroy()
  }

  #connect(bytes: Uint8Array, frame: Frame): void {
    const result = decodeConnect(bytes, frame)
    if (result.kind === 'version') {
      this.#context.counters.refused++
      this.#newcomer.channel.write(encodeVersionRefusal())
      this.#newcomer.turnAway({ level: result.level }, 'protocol version is not served')
    } else if (result.kind === 'violation') {
      const { violation, level } = result
      // A CONNACK may say what is wrong, but need not (MQTT 5, 3.1.4).
      const { revealsReasons } = this.#context.limits
      this.#newcomer.violated(violation, level, revealsReasons ? undefined : 'close')
    } else {
      this.#receive(result.packet)
    }
  }

  #receive(packet: ConnectPacket): void {
    const { limits } = this.#context
    this.#packet = packet
    this.#terms = termsOf(packet, limits, this.#context.packetBytesMax)
    this.#answers = new Answers(this.#newcomer.channel, this.#terms)
    const refusal =
      identifierRefusal(packet, limits.allowsEmptyClientId) ?? willRefusal(packet, limits)
    if (refusal !== undefined) this.#refuse(refusal)
    else this.#authenticate(packet, this.#answers)
  }

  /** Reads no further until it is known who this is: what follows CONNECT may need to be allowed. */
  #authenticate(packet: ConnectPacket, answers: Answers): void {
    const { input, channel } = this.#newcomer
    input.turn.spend(WORK_UNITS.login)
    if (packet.properties.authenticationMethod === undefined) {
      const answer = this.#context.authenticate(packet, channel)
      if (answer instanceof Promise) this.#await(answer)
      else this.#admit(answer, NO_PROPERTIES)
      return
    }
    const authentication = this.#context.enhanced(packet, channel)
    if (authentication === undefined) {
      this.#refuse(UNKNOWN_METHOD)
      return
    }
    this.#exchange = new Exchange(authentication, answers, input, this)
    this.#exchange.begin(packet)
  }

  #await(answer: Promise<Identity | undefined>): void {
    this.#newcomer.input.close('login')
    const admit = (identity: Identity | undefined): void => {
      if (this.isGone) return
      this.#admit(identity, NO_PROPERTIES)
      this.#newcomer.input.open('login')
    }
    answer.then(admit).catch((error: unknown) => this.broke(error))
  }

  #admit(identity: Identity | undefined, proof: Properties): void {
    const packet = this.#packet
    const terms = this.#terms
    const answers = this.#answers
    if (packet === undefined || terms === undefined || answers === undefined) return
    const admission = this.#context.admit({ packet, terms, identity }, this.#newcomer)
    if (admission.kind === 'refused') {
      this.#refuse(admission.refusal)
      return
    }
    const { settled } = admission
    if (settled === undefined) this.#letIn({ packet, terms, answers, admission }, proof)
    else this.#awaitEnd(settled, { packet, terms, answers, admission }, proof)
  }

  /** After a crash the session that a clean start has ended must not be there again. */
  #awaitEnd(
    settled: Promise<Refusal | undefined>,
    admitted: Omit<Admitted, 'exchange'>,
    proof: Properties,
  ): void {
    const { input } = this.#newcomer
    input.close('login')
    const goOn = (refusal: Refusal | undefined): void => {
      if (this.isGone) return
      if (refusal === undefined) this.#letIn(admitted, proof)
      else {
        forgetNew(admitted)
        this.#refuse(refusal)
      }
      input.open('login')
    }
    settled.then(goOn).catch((error: unknown) => this.broke(error))
  }

  #letIn(admitted: Omit<Admitted, 'exchange'>, proof: Properties): void {
    const { packet, terms, answers, admission } = admitted
    this.#newcomer.input.turn.owner = admission.identity.account
    const assigned = packet.clientId === '' ? { assignedClientId: admission.clientId } : {}
    const { limits } = this.#context
    const { kept, isSessionPresent } = admission
    const sessionExpirySeconds = kept.durable === undefined ? 0 : terms.sessionExpirySeconds
    const said = connackProperties(terms, packet, limits, sessionExpirySeconds)
    const told = { ...said, ...assigned, ...proof }
    const properties = packet.level === LEVEL.v5 ? told : NO_PROPERTIES
    const exchange = this.#exchange
    // In MQTT 3.1 that flag is reserved.
    const isTold = isSessionPresent && packet.level !== LEVEL.v31
    if (answers.connack({ code: REASON.success, isSessionPresent: isTold, properties })) {
      this.#newcomer.enter({ ...admitted, exchange })
    } else {
      forgetNew(admitted)
      this.#newcomer.turnAway({ client: packet.clientId }, 'client takes no CONNACK of that size')
    }
  }

  #refuse(refusal: Refusal): void {
    this.#context.counters.refused++
    const isOf5 = this.level === LEVEL.v5
    const code = isOf5 ? refusal.reason : refusal.returnCode
    const properties = isOf5 ? { reasonString: refusal.text } : NO_PROPERTIES
    this.#answers?.connack({ code, isSessionPresent: false, properties })
    const { user, clientId: client } = this.#packet ?? {}
    const { err } = refusal
    const fault = err === undefined ? {} : { err }
    const fields = { client, user, remote: remoteName(this.#newcomer.channel), code, ...fault }
    this.#context.notices.warn(fields, `client is refused: ${refusal.text}`)
    this.#newcomer.turnAway({ client, code }, refusal.text)
  }
}

/** A session that was made for a client who is not let in after all. */
function forgetNew({ admission: { kept, isSessionPresent } }: Omit<Admitted, 'exchange'>): void {
  if (!isSessionPresent) kept.durable?.end()
}

const UNKNOWN_METHOD: Refusal = {
  returnCode: CONNACK.notAuthorized,
  reason: REASON.badAuthenticationMethod,
  text: 'authentication method is not served',
}

/**
 * A client without an identifier must ask for a clean session in MQTT 3.1.1 [MQTT-3.1.3-7]; in 3.1 each has
 * one of a character at least.
 */
function identifierRefusal(
  { clientId, isClean, level }: ConnectPacket,
  allowsEmpty: boolean,
): Refusal | undefined {
  if (clientId !== '') return undefined
  const isPermitted = level === LEVEL.v5 || (level === LEVEL.v311 && isClean)
  if (allowsEmpty && isPermitted) return undefined
  return {
    returnCode: CONNACK.identifierRejected,
    reason: REASON.clientIdentifierNotValid,
    text: allowsEmpty ? 'client id is empty without a clean session' : 'client id is empty',
  }
}
