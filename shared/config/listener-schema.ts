/** Where connections come in: what all listeners share, `websocket` and `mqtt`. */
import * as v from 'valibot'
import { doorAuthorization } from './authorization-schema.ts'
import { block, namedValues } from './block.ts'
import { MQTT_DEFAULTS } from './limits.ts'
import { mqttRemotes } from './mqtt-remote-schema.ts'
import { MQTT_ALIASES, MQTT_LIMITS } from './mqtt-schema.ts'
import { MQTT_OPTIONS } from './server-options.ts'
import { tls } from './tls-schema.ts'
import { count, duration, flag, port, reading, shown, text, word } from './values.ts'

/** `host:port`, `:port` or a port alone. */
export function listen() {
  return reading<{ readonly host: string; readonly port: number }>((input) => {
    const match = /^(.*):(-?\d+)$/.exec(typeof input === 'number' ? `:${input}` : String(input))
    const number = Number(match?.[2] ?? Number.NaN)
    if (match !== null && number >= -1 && number <= 65_535) {
      const host = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1')
      return { value: { host, port: Math.max(0, number) } }
    }
    return { fault: `must be host:port or a port, not ${shown(input)}` }
  })
}

export const LISTEN_ALIASES = { net: 'host' }

export const listener = {
  listen: v.optional(listen()),
  host: v.optional(word()),
  port: v.optional(port()),
}

function origins() {
  return reading<readonly string[]>((input) => {
    const list = Array.isArray(input) ? input : [input]
    const wrong = list.find((origin) => !isOrigin(origin))
    if (wrong === undefined) return { value: list.map(String) }
    return { fault: `must be origins like https://app.example:8080, not ${shown(wrong)}` }
  })
}

function isOrigin(origin: unknown): boolean {
  if (typeof origin !== 'string' || !URL.canParse(origin)) return false
  return /^https?:\/\/[^/]/i.test(origin)
}

export const websocket = block(
  {
    ...listener,
    advertise: v.optional(text(), ''),
    no_tls: v.optional(flag(), false),
    tls: v.optional(tls),
    handshake_timeout: v.optional(duration(100), '2s'),
    same_origin: v.optional(flag(), false),
    allowed_origins: v.optional(origins(), []),
    compression: v.optional(flag(), false),
    jwt_cookie: v.optional(text(), ''),
    user_cookie: v.optional(text(), ''),
    pass_cookie: v.optional(text(), ''),
    token_cookie: v.optional(text(), ''),
    headers: v.optional(namedValues(text()), []),
    no_auth_user: v.optional(text(), ''),
    authorization: v.optional(doorAuthorization),
    ping_interval: v.optional(duration(), 0),
  },
  {
    aliases: {
      ...LISTEN_ALIASES,
      allowed_origin: 'allowed_origins',
      allow_origins: 'allowed_origins',
      allow_origin: 'allowed_origins',
      origins: 'allowed_origins',
      origin: 'allowed_origins',
      compress: 'compression',
      authentication: 'authorization',
    },
  },
)

export const mqtt = block(
  {
    ...listener,
    remotes: v.optional(mqttRemotes, []),
    tls: v.optional(tls),
    ack_wait: v.optional(duration(100), '30s'),
    max_ack_pending: v.optional(count(0, 65_535), MQTT_DEFAULTS.max_ack_pending),
    ...MQTT_LIMITS,
    no_auth_user: v.optional(text(), ''),
    authorization: v.optional(doorAuthorization),
  },
  {
    aliases: {
      ...LISTEN_ALIASES,
      ackwait: 'ack_wait',
      max_pending: 'max_ack_pending',
      max_inflight: 'max_ack_pending',
      ...MQTT_ALIASES,
      authentication: 'authorization',
    },
    ...MQTT_OPTIONS,
  },
)
