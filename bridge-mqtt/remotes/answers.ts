import { PetioleError } from '../../shared/runtime/index.ts'
import type { ReasonPacket } from '../codec/index.ts'
import { CONNACK, type ConnackPacket, LEVEL, type Level, REASON } from '../codec/index.ts'

/** Why a broker will not have us, and what somebody may do about it. */
export interface Refusal {
  readonly reason: string
  /** '' when there is nothing to say. */
  readonly advice: string
}

const DIAL_ADVICE = 'is the broker running, and is this its address?'
const TLS_ADVICE =
  "look at the remote's tls: is the broker's authority in ca_file, is the URL's host a name in its certificate, and does this port speak TLS?"
/** For a broker that hangs up on our CONNECT, and for one that says what is no MQTT. */
export const HUNG_UP_ADVICE =
  "does this port want TLS (mqtts://), or a certificate of ours? look at the broker's log"
export const NO_BROKER_ADVICE = 'is this the address of an MQTT broker?'
const LOGIN_ADVICE = "look at the remote's user and password, and at the broker's log"
const TAKEN_ADVICE =
  'another client has the same client id: give each remote, and each server, a client_id of its own'

const REFUSALS_3: Readonly<Record<number, Refusal>> = {
  [CONNACK.unacceptableProtocolVersion]: {
    reason: 'the broker does not speak this version of MQTT',
    advice: 'set version to 3.1.1 or auto; topics that are subscribed to and published need MQTT 5',
  },
  [CONNACK.identifierRejected]: { reason: 'client id refused', advice: 'set a client_id' },
  [CONNACK.serverUnavailable]: { reason: 'the broker is not available', advice: '' },
  [CONNACK.badUserNameOrPassword]: {
    reason: 'user name or password refused',
    advice: LOGIN_ADVICE,
  },
  [CONNACK.notAuthorized]: { reason: 'not authorized', advice: LOGIN_ADVICE },
}

const REASONS: Readonly<Record<number, Refusal>> = {
  [REASON.unsupportedProtocolVersion]: REFUSALS_3[CONNACK.unacceptableProtocolVersion] ?? {
    reason: '',
    advice: '',
  },
  [REASON.clientIdentifierNotValid]: { reason: 'client id refused', advice: 'set a client_id' },
  [REASON.badUserNameOrPassword]: {
    reason: 'user name or password refused',
    advice: LOGIN_ADVICE,
  },
  [REASON.notAuthorized]: { reason: 'not authorized', advice: LOGIN_ADVICE },
  [REASON.serverUnavailable]: { reason: 'the broker is not available', advice: '' },
  [REASON.serverBusy]: { reason: 'the broker is busy', advice: '' },
  [REASON.banned]: { reason: 'banned', advice: "look at the broker's log" },
  [REASON.serverShuttingDown]: { reason: 'the broker is shutting down', advice: '' },
  [REASON.keepAliveTimeout]: { reason: 'the broker has not heard of us in time', advice: '' },
  [REASON.sessionTakenOver]: { reason: 'session taken over', advice: TAKEN_ADVICE },
  [REASON.topicFilterInvalid]: { reason: 'topic filter refused', advice: '' },
  [REASON.packetTooLarge]: { reason: 'packet too large for the broker', advice: '' },
  [REASON.quotaExceeded]: { reason: 'quota exceeded', advice: "look at the broker's quotas" },
  [REASON.administrativeAction]: { reason: 'ended by an administrator', advice: '' },
  [REASON.sharedSubscriptionsNotSupported]: {
    reason: 'shared subscriptions are not supported',
    advice: 'subscribe without $share',
  },
  [REASON.wildcardSubscriptionsNotSupported]: {
    reason: 'wildcards are not supported',
    advice: 'subscribe to whole topics',
  },
}

/** What to do about a dial that failed. */
export function dialAdviceOf(error: unknown): string {
  const cause = error instanceof PetioleError ? error.cause : undefined
  const isTls = cause instanceof PetioleError && cause.code.startsWith('PETIOLE_TLS_')
  return isTls ? TLS_ADVICE : DIAL_ADVICE
}

/** Why a CONNACK says no. */
export function refusalOf({ code, properties }: ConnackPacket, level: Level): Refusal {
  const table = level === LEVEL.v5 ? REASONS : REFUSALS_3
  const { reason, advice } = table[code] ?? { reason: 'connection refused', advice: '' }
  return { reason: told(reason, code, properties.reasonString), advice }
}

/** Why the broker has sent DISCONNECT. */
export function endingOf({ reason: code, properties }: ReasonPacket): Refusal {
  const { reason, advice } = REASONS[code] ?? { reason: 'the broker has ended it', advice: '' }
  return { reason: told(reason, code, properties.reasonString), advice }
}

/** Why a filter was not granted. */
export function filterRefusalOf(code: number, level: Level): Refusal {
  const advice = 'may the user of this remote read it?'
  if (level !== LEVEL.v5) return { reason: 'refused (0x80)', advice }
  const found = REASONS[code]
  const reason = told(found?.reason ?? 'refused', code, undefined)
  return { reason, advice: code === REASON.notAuthorized ? advice : (found?.advice ?? advice) }
}

function told(reason: string, code: number, text: string | undefined): string {
  const hex = `0x${code.toString(16).padStart(2, '0')}`
  return text === undefined ? `${reason} (${hex})` : `${reason} (${hex}): ${text}`
}
