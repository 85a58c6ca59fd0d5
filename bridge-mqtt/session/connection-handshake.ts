import type { Identity } from '../../shared/account/index.ts'
import { WORK_UNITS } from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import {
  CONNACK,
  type ConnectPacket,
  decodeConnect,
  encodeVersionRefusal,
  type Frame,
  LEVEL,
  NO_PROPERTIES,
  REASON,
  type Violation,
} from '../codec/index.ts'
import { Answers } from './connection-answers.ts'
import { connackProperties, type Terms, termsOf } from './connection-terms.ts'
import type { Admission, ClientConnection, MqttContext, Refusal } from './context.ts'
import type { InputGate } from './input-gate.ts'
import { willRefusal } from './will-check.ts'

/** Somebody who is let in, and on what terms. */
export interface Admitted {
  readonly packet: ConnectPacket
  readonly terms: Terms
  readonly answers: Answers
  readonly admission: Extract<Admission, { kind: 'admitted' }>
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
  /** CONNECT broke a rule; `level` is 0 when nobody knows what the client speaks. */
  violated(violation: Violation, level: number): void
}

/** From CONNECT to CONNACK: who is there, whether he may come in, and on what terms. */
export class Handshake {
  readonly #context: MqttContext
  readonly #newcomer: Newcomer
  readonly #log: Log

  constructor(context: MqttContext, newcomer: Newcomer, log: Log) {
    this.#context = context
    this.#newcomer = newcomer
    this.#log = log
  }

  connect(bytes: Uint8Array, frame: Frame): void {
    const result = decodeConnect(bytes, frame)
    if (result.kind === 'version') {
      this.#context.counters.refused++
      this.#newcomer.channel.write(encodeVersionRefusal())
      this.#newcomer.turnAway({ level: result.level }, 'protocol version is not served')
    } else if (result.kind === 'violation') {
      this.#newcomer.violated(result.violation, result.level)
    } else {
      this.#receive(result.packet)
    }
  }

  #receive(packet: ConnectPacket): void {
    const { limits } = this.#context
    const terms = termsOf(packet, limits)
    const answers = new Answers(this.#newcomer.channel, terms)
    const refusal =
      identifierRefusal(packet, limits.allowsEmptyClientId) ?? willRefusal(packet, limits)
    if (refusal !== undefined) this.#refuse(packet, answers, refusal)
    else this.#authenticate(packet, terms, answers)
  }

  /** Reads no further until it is known who this is: what follows CONNECT may need to be allowed. */
  #authenticate(packet: ConnectPacket, terms: Terms, answers: Answers): void {
    const { input, channel } = this.#newcomer
    input.turn.spend(WORK_UNITS.login)
    if (packet.properties.authenticationMethod !== undefined) {
      this.#refuse(packet, answers, UNKNOWN_METHOD)
      return
    }
    const answer = this.#context.authenticate(packet, channel)
    if (answer instanceof Promise) this.#await(packet, terms, answers, answer)
    else this.#admit(packet, terms, answers, answer)
  }

  #await(
    packet: ConnectPacket,
    terms: Terms,
    answers: Answers,
    answer: Promise<Identity | undefined>,
  ): void {
    this.#newcomer.input.close('login')
    const admit = (identity: Identity | undefined): void => {
      if (this.#newcomer.isGone) return
      this.#admit(packet, terms, answers, identity)
      this.#newcomer.input.open('login')
    }
    answer.then(admit).catch((err: unknown) => {
      this.#log.error({ err }, 'client login failed')
      this.#newcomer.destroy()
    })
  }

  #admit(
    packet: ConnectPacket,
    terms: Terms,
    answers: Answers,
    identity: Identity | undefined,
  ): void {
    const admission = this.#context.admit(packet, identity, this.#newcomer)
    if (admission.kind === 'refused') {
      this.#refuse(packet, answers, admission.refusal)
      return
    }
    this.#newcomer.input.turn.owner = admission.identity.account
    const assigned = packet.clientId === '' ? { assignedClientId: admission.clientId } : {}
    const { limits, packetBytesMax } = this.#context
    const granted = { packetBytesMax, sessionExpirySeconds: 0 }
    const properties = { ...connackProperties(terms, packet, limits, granted), ...assigned }
    const connack = { code: REASON.success, isSessionPresent: false, properties }
    if (answers.connack(connack)) this.#newcomer.enter({ packet, terms, answers, admission })
    else
      this.#newcomer.turnAway({ client: packet.clientId }, 'client takes no CONNACK of that size')
  }

  #refuse({ clientId, level }: ConnectPacket, answers: Answers, refusal: Refusal): void {
    this.#context.counters.refused++
    const code = level === LEVEL.v5 ? refusal.reason : refusal.returnCode
    const properties = level === LEVEL.v5 ? { reasonString: refusal.text } : NO_PROPERTIES
    answers.connack({ code, isSessionPresent: false, properties })
    this.#newcomer.turnAway({ client: clientId, code }, refusal.text)
  }
}

const UNKNOWN_METHOD: Refusal = {
  returnCode: CONNACK.notAuthorized,
  reason: REASON.badAuthenticationMethod,
  text: 'authentication method is not one of ours',
}

/** Before MQTT 5 a client without an identifier must ask for a clean session [MQTT-3.1.3-7]. */
function identifierRefusal(
  { clientId, isClean, level }: ConnectPacket,
  allowsEmpty: boolean,
): Refusal | undefined {
  if (clientId !== '' || (allowsEmpty && (isClean || level === LEVEL.v5))) return undefined
  return {
    returnCode: CONNACK.identifierRejected,
    reason: REASON.clientIdentifierNotValid,
    text: allowsEmpty ? 'client id is empty without a clean session' : 'client id is empty',
  }
}
