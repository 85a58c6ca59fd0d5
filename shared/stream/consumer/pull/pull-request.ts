import { JetStreamError } from '../../jetstream-error.ts'
import { decodeOne } from '../../json-fields.ts'
import { NS_PER_MS, PULL_NAME_CHARS_MAX } from '../../limits.ts'

/** What a client asks of CONSUMER.MSG.NEXT. */
export interface PullRequest {
  /** What is not above 0 gets one message too. */
  readonly batch: number
  /** 0: none; the request waits for ever, or fails at once with `isNoWait`. Below 0: it is over already. */
  readonly expiresMs: number
  readonly isNoWait: boolean
  /** 0: none. */
  readonly bytesMax: number
  /** 0: none. */
  readonly heartbeatMs: number
  /** What a priority group goes by; undefined for a request that is no JSON, which says nothing of it. */
  readonly priority: PullPriority | undefined
}

export interface PullPriority {
  /** '' for none. */
  readonly group: string
  /** Overflow: it is served when so much is pending or unacknowledged, 0 for no such condition. */
  readonly minPending: number
  readonly minAckPending: number
  /** Pinned client: the id that the client was told, '' for none. */
  readonly pinId: string
  /** Prioritized: 0 is served first. */
  readonly level: number
}

const FIELDS = {
  batch: 'int',
  expires: 'duration',
  no_wait: 'bool',
  max_bytes: 'int',
  idle_heartbeat: 'duration',
  group: 'string',
  min_pending: 'int64',
  min_ack_pending: 'int64',
  id: 'string',
  priority: 'int',
} as const

const PRIORITY = {
  struct: 'PriorityGroup',
  except: ['batch', 'expires', 'no_wait', 'max_bytes', 'idle_heartbeat'],
}

/**
 * Empty, a number, or JSON; anything else counts as one message, as nats-server does. Throws a
 * JetStreamError whose `description` goes into the 400 status.
 */
export function parsePullRequest(payload: Uint8Array): PullRequest {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString().trim()
  if (!text.startsWith('{')) {
    const batch = /^[+-]?\d+$/.test(text) ? Number(text) : 1
    return {
      batch,
      expiresMs: 0,
      isNoWait: false,
      bytesMax: 0,
      heartbeatMs: 0,
      priority: undefined,
    }
  }
  const fields = decodeOne(payload, FIELDS, 'JSApiConsumerGetNextRequest', PRIORITY)
  const { expires = 0, idle_heartbeat = 0 } = fields
  if (idle_heartbeat > 0 && idle_heartbeat * 2 > expires) {
    throw new JetStreamError(10005, 'heartbeat value too large')
  }
  return {
    batch: fields.batch ?? 0,
    expiresMs: expires / NS_PER_MS,
    isNoWait: fields.no_wait ?? false,
    bytesMax: Math.max(0, fields.max_bytes ?? 0),
    heartbeatMs: Math.max(0, idle_heartbeat) / NS_PER_MS,
    priority: {
      group: nameOf(fields.group),
      minPending: fields.min_pending ?? 0,
      minAckPending: fields.min_ack_pending ?? 0,
      pinId: nameOf(fields.id),
      level: fields.priority ?? 0,
    },
  }
}

/** A copy: a piece of a text would keep all of it, for as long as the request waits. */
function nameOf(text = ''): string {
  if (text.length <= PULL_NAME_CHARS_MAX) return text
  return Buffer.from(text.slice(0, PULL_NAME_CHARS_MAX)).toString()
}
