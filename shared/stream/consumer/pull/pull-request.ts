import { JetStreamError } from '../../jetstream-error.ts'
import { type Decoded, decodeFields, isObject, parseJson } from '../../json-fields.ts'
import { NS_PER_MS } from '../../limits.ts'

/** What a client asks of CONSUMER.MSG.NEXT. */
export interface PullRequest {
  readonly batch: number
  /** 0: none; the request waits for ever, or fails at once with `isNoWait`. */
  readonly expiresMs: number
  readonly isNoWait: boolean
  /** 0: none. */
  readonly bytesMax: number
  readonly heartbeatMs: number
}

const FIELDS = {
  batch: 'int',
  expires: 'int',
  no_wait: 'bool',
  max_bytes: 'int',
  idle_heartbeat: 'int',
  group: 'string',
  min_pending: 'int',
  min_ack_pending: 'int',
  id: 'string',
  priority: 'int',
} as const

/**
 * Empty, a number, or JSON; anything else counts as one message, as nats-server does. Throws a
 * JetStreamError whose `description` goes into the 400 status.
 */
export function parsePullRequest(payload: Uint8Array): PullRequest {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString().trim()
  if (!text.startsWith('{')) {
    const batch = /^\d+$/.test(text) ? Number(text) : 1
    return { batch: batch || 1, expiresMs: 0, isNoWait: false, bytesMax: 0, heartbeatMs: 0 }
  }
  const fields = decodeFields(
    knownFields(parseJson(payload)),
    FIELDS,
    'JSApiConsumerGetNextRequest',
  )
  refusePriorities(fields)
  const expiresMs = (fields.expires ?? 0) / NS_PER_MS
  const heartbeatMs = (fields.idle_heartbeat ?? 0) / NS_PER_MS
  if (expiresMs < 0 || heartbeatMs < 0) throw new JetStreamError(10005, 'negative duration')
  if (heartbeatMs > 0 && (expiresMs === 0 || heartbeatMs * 2 > expiresMs)) {
    throw new JetStreamError(10005, 'heartbeat value too large')
  }
  return {
    batch: Math.max(1, fields.batch ?? 1),
    expiresMs,
    isNoWait: fields.no_wait ?? false,
    bytesMax: Math.max(0, fields.max_bytes ?? 0),
    heartbeatMs,
  }
}

/** The one request that is not strict: nats-server passes over what it does not know. */
function knownFields(value: unknown): unknown {
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(FIELDS, name)))
}

/** What only consumers with a priority policy may be asked, and there are none yet. */
function refusePriorities(fields: Decoded<typeof FIELDS>): void {
  if ((fields.min_pending ?? 0) !== 0 || (fields.min_ack_pending ?? 0) !== 0) {
    throw new JetStreamError(10005, 'Not a Overflow Priority consumer')
  }
  if ((fields.id ?? '') !== '') {
    throw new JetStreamError(10005, 'Not a Pinned Client Priority consumer')
  }
  const priority = fields.priority ?? 0
  if (priority < 0 || priority > 9) {
    throw new JetStreamError(10005, 'Priority must be between 0 and 9')
  }
}
