/**
 * What the API answers where there are no streams: in an account that may have none, and in the system
 * account. Facts from nats-server 2.15 (jetstream_api.go), which imports the API into every account.
 */
import { NO_BYTES, nobodyHeaders } from '../headers.ts'
import { JetStreamError, toJetStreamError } from '../jetstream-error.ts'
import type { PortMessage } from '../port.ts'
import { findRoute, TYPE_PREFIX, typeOf } from './routes.ts'

export interface AbsentAnswer {
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}

/** What consumers and streams listen for themselves: without them nobody does. */
const OWN = ['CONSUMER.MSG.NEXT.', 'DIRECT.GET']

/**
 * In an account without JetStream. undefined: nothing is answered.
 * @param subject the request's, without the API's prefix
 */
export function answerWithoutStreams(
  subject: string,
  message: PortMessage,
  isStrict: boolean,
): AbsentAnswer | undefined {
  if (OWN.some((own) => subject.startsWith(own))) {
    return { headers: nobodyHeaders(message.subject), payload: NO_BYTES }
  }
  const found = findRoute(subject.split('.'))
  if (found === undefined || found.route.isServed !== undefined) return undefined
  const { route, args } = found
  return bodyOf({ type: typeOf(route), error: refusalOf(), ...route.zeros })

  function refusalOf(): JetStreamError {
    try {
      route.judge?.({ args, message, isStrict, headers: [] })
      return new JetStreamError(10039)
    } catch (error) {
      return toJetStreamError(error)
    }
  }
}

/** Only a cluster of servers answers these: no token, or one that follows. */
const CLUSTER_ONLY = ['META.LEADER.STEPDOWN', 'SERVER.REMOVE', 'SERVER.EVACUATE', 'META.RESCUE']

/** In the system account, for all but ACCOUNT.PURGE. undefined: nothing is answered. */
export function answerSystem(subject: string, message: PortMessage): AbsentAnswer | undefined {
  if (subject === 'INFO') return answerWithoutStreams(subject, message, true)
  if (CLUSTER_ONLY.includes(subject) || subject.startsWith('ACCOUNT.')) return undefined
  return bodyOf({ type: `${TYPE_PREFIX}system_response`, error: new JetStreamError(10039) })
}

/** Of ACCOUNT.PURGE. @param error undefined: the account's streams are gone */
export function answerPurge(error: unknown): AbsentAnswer {
  const type = `${TYPE_PREFIX}account_purge_response`
  return bodyOf(
    error === undefined ? { type, initiated: true } : { type, error: toJetStreamError(error) },
  )
}

function bodyOf(body: Readonly<Record<string, unknown>>): AbsentAnswer {
  return { headers: NO_BYTES, payload: Buffer.from(JSON.stringify(body)) }
}
