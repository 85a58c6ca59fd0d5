import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { isIP } from 'node:net'
import type { WebSocketRules } from './network.ts'
import { NO_MASKING_HEADER } from './websocket-masking.ts'

/**
 * What an upgrade request says, and whether it is granted: nats-server's checks in its order
 * [RFC 6455, 4.2.1]. A refusal is answered with the bare text of its status; the reason is for the log.
 */
export interface UpgradeRefusal {
  readonly status: number
  readonly reason: string
}

/** Those of MQTT 3.1.1 and later, and of 3.1; others are not selected. */
export const SUBPROTOCOLS: readonly string[] = ['mqtt', 'mqttv3.1']

const NO_MQTT = 'endpoint not enabled: MQTT has the path /mqtt, where it is enabled'
const DEFLATE = 'permessage-deflate'
const DEFLATE_OFFER = `${DEFLATE}; server_no_context_takeover; client_no_context_takeover`

export function refusalOfUpgrade(
  request: IncomingMessage,
  rules: WebSocketRules,
  isSecure: boolean,
): UpgradeRefusal | undefined {
  const { headers, method } = request
  const isMqtt = SUBPROTOCOLS.some((each) => hasToken(headers['sec-websocket-protocol'], each))
  if (!rules.serves(pathOf(request), isMqtt)) {
    return { status: 404, reason: isMqtt ? NO_MQTT : 'endpoint not enabled' }
  }
  if (method !== 'GET') return { status: 405, reason: 'request method must be GET' }
  if (!headers.host) return bad("'Host' missing in request")
  if (!hasToken(headers.upgrade, 'websocket')) return bad("invalid value for header 'Upgrade'")
  if (!hasToken(headers.connection, 'upgrade')) return bad("invalid value for header 'Connection'")
  const key = headers['sec-websocket-key'] ?? ''
  if (key === '') return bad('key missing')
  if (!/^[+/0-9A-Za-z]{22}==$/.test(key)) return bad('invalid websocket key')
  if (!hasToken(headers['sec-websocket-version'], '13')) return bad('invalid version')
  const origin = originRefusal(request, rules, isSecure)
  return origin === undefined ? undefined : { status: 403, reason: `origin not allowed: ${origin}` }
}

/** The whole answer to a request that is not granted. */
export function refusalText(status: number): string {
  const body = `${STATUS_CODES[status] ?? 'Bad Request'}\n`
  return [
    `HTTP/1.1 ${status} ${body.trimEnd()}`,
    'Content-Type: text/plain; charset=utf-8',
    'Sec-Websocket-Version: 13',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${body.length}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

/** Without the query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/'
}

/** As nats-server: the first header, and only if it is one address and nothing else. */
export function forwardedAddress(request: IncomingMessage): string | undefined {
  const [address = ''] = request.headersDistinct['x-forwarded-for'] ?? []
  return isIP(address) === 0 ? undefined : address
}

/** The last of two cookies with one name counts, and none can be named like a part of an object. */
export function cookiesOf(
  request: IncomingMessage,
  names?: readonly string[],
): Readonly<Record<string, string>> {
  const cookies: Record<string, string> = Object.create(null)
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0) continue
    const value = pair.slice(equals + 1).trim()
    const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"')
    const name = pair.slice(0, equals).trim()
    if (names?.includes(name) === false) continue
    // Copied: a part of a string keeps the whole of it, here a header that may be long.
    cookies[name] = Buffer.from(isQuoted ? value.slice(1, -1) : value).toString()
  }
  return cookies
}

export function asksForNoMasking(request: IncomingMessage): boolean {
  return request.headers[NO_MASKING_HEADER.toLowerCase()] === 'true'
}

/**
 * nats-server answers every offer of compression in the same words. `ws` would repeat the offer's own,
 * so it gets to read one offer only, unless that one asks for a smaller window: it must be obeyed.
 */
export function narrowCompressionOffer(request: IncomingMessage): void {
  const offers = request.headers['sec-websocket-extensions']
  if (offers === undefined || /server_max_window_bits/i.test(offers)) return
  const names = offers.split(',').map((offer) => offer.split(';', 1)[0]?.trim().toLowerCase())
  if (names.includes(DEFLATE)) request.headers['sec-websocket-extensions'] = DEFLATE_OFFER
  else delete request.headers['sec-websocket-extensions']
}

/** Programs send no Origin, browsers always do: the rule protects their users, not this server. */
function originRefusal(
  { headers }: IncomingMessage,
  rules: WebSocketRules,
  isSecure: boolean,
): string | undefined {
  if (!rules.isSameOrigin && rules.allowedOrigins.length === 0) return undefined
  const text = headers.origin ?? firstOf(headers['sec-websocket-origin'])
  if (text === undefined || text === '') return undefined
  const origin = parseOrigin(text)
  if (origin === undefined) return 'not a URL'
  if (rules.isSameOrigin) {
    const own = parseOrigin(`${isSecure ? 'https' : 'http'}://${headers.host ?? ''}`)
    if (own !== origin) return 'not same origin'
  }
  if (rules.allowedOrigins.length === 0) return undefined
  const isAllowed = rules.allowedOrigins.some((allowed) => parseOrigin(allowed) === origin)
  return isAllowed ? undefined : 'not in the allowed list'
}

/** Scheme, host and port, with the port that the scheme stands for. */
function parseOrigin(text: string): string | undefined {
  try {
    const { protocol, hostname, port } = new URL(text)
    return `${protocol}//${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`
  } catch {
    return undefined
  }
}

function hasToken(header: string | undefined, token: string): boolean {
  return (header ?? '').split(',').some((part) => part.trim().toLowerCase() === token)
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}

function bad(reason: string): UpgradeRefusal {
  return { status: 400, reason }
}
