import type { Peer } from '../broker/index.ts'
import { parseJsonObject } from '../wire/index.ts'
import { REQUEST_INFO_BYTES_MAX } from './limits.ts'

/** Who is behind a peer, as advisories and shared requests tell it. Absent is what is not known. */
export interface PeerDescription {
  readonly account: string
  readonly startedMs?: number
  readonly host?: string
  readonly id?: number
  readonly name?: string
  readonly user?: string
  readonly lang?: string
  readonly version?: string
  readonly roundTripMs?: number | undefined
  readonly jwt?: string
  readonly issuerKey?: string
  readonly nameTag?: string
  readonly tags?: readonly string[]
  readonly kind?: 'Client' | 'Leafnode' | 'JetStream' | 'Account'
  readonly clientType?: 'nats' | 'mqtt' | 'websocket'
  readonly mqttClient?: string
}

/** Undefined for a peer that nobody is behind: a service of this server. */
export type Describe = (peer: Peer) => PeerDescription | undefined

/** nats-server's ClientInfo: the value of `Nats-Request-Info`, and who took part in a measurement. */
export type ClientInfo = Readonly<Record<string, unknown>>

/** The server that a client is connected to. */
export interface ServerPlace {
  readonly server: string
  /** '' for none. */
  readonly cluster: string
}

/** @param place given when all may be told; else only the account and the round trip are */
export function clientInfo(
  description: PeerDescription,
  place: ServerPlace | undefined,
  extra: ClientInfo = {},
): ClientInfo {
  const { account, roundTripMs } = description
  const rtt = roundTripMs === undefined ? undefined : Math.round(roundTripMs * 1e6)
  if (place === undefined) return ordered({ acc: account, rtt, ...extra })
  return ordered({
    start:
      description.startedMs === undefined
        ? undefined
        : new Date(description.startedMs).toISOString(),
    host: description.host,
    id: description.id,
    acc: account,
    user: description.user,
    name: description.name,
    lang: description.lang,
    ver: description.version,
    rtt,
    server: place.server,
    cluster: place.cluster,
    jwt: description.jwt,
    issuer_key: description.issuerKey,
    name_tag: description.nameTag,
    tags: description.tags,
    kind: description.kind,
    client_type: description.clientType,
    client_id: description.mqttClient,
    ...extra,
  })
}

/** What a request brought along in its header; undefined when that is not a client info. */
export function parseClientInfo(text: string): ClientInfo | undefined {
  if (text.length > REQUEST_INFO_BYTES_MAX) return undefined
  const values = parseJsonObject(text)
  return values === undefined ? undefined : ordered(values)
}

/** The same info with more known of it. */
export function extended(info: ClientInfo, extra: ClientInfo): ClientInfo {
  return ordered({ ...info, ...extra })
}

/** In the order of nats-server's struct, and without what is empty. */
const FIELDS = [
  'start',
  'host',
  'id',
  'acc',
  'svc',
  'user',
  'name',
  'lang',
  'ver',
  'rtt',
  'server',
  'cluster',
  'alts',
  'stop',
  'jwt',
  'issuer_key',
  'name_tag',
  'tags',
  'kind',
  'client_type',
  'client_id',
  'nonce',
  'reply',
]

function ordered(values: Readonly<Record<string, unknown>>): ClientInfo {
  const info: Record<string, unknown> = {}
  for (const field of FIELDS) {
    const value = values[field]
    if (value === undefined || value === '' || value === 0) continue
    if (Array.isArray(value) && value.length === 0) continue
    info[field] = value
  }
  return info
}
