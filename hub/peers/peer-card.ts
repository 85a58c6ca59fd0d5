import { PetioleError } from '../../shared/runtime/index.ts'
import { ADDRESS_LENGTH_MAX, NAME_LENGTH_MAX, URLS_MAX } from './limits.ts'

/** Two ways to be linked: hubs of one region over the cluster port, others over the gateway port. */
export type PeerLinkKind = 'route' | 'gateway'

/** Where the clients and leaves of a hub connect: `host:port` each. */
export interface HubUrls {
  readonly client: readonly string[]
  readonly webSocket: readonly string[]
  readonly leafnode: readonly string[]
}

export const NO_URLS: HubUrls = { client: [], webSocket: [], leafnode: [] }

/**
 * What a hub says of itself, in its handshake and whenever it changes, and what others pass on so that
 * the mesh completes itself. What is passed on is a hint where to dial, no more: whoever answers there
 * has to prove that it has the id.
 */
export interface PeerCard {
  readonly id: string
  readonly name: string
  readonly region: string
  /** New for every start of the process. */
  readonly boot: string
  readonly version: string
  /** JetStream domain; '' for none. */
  readonly domain: string
  /** `host:port` of its listeners; '' where it has none. */
  readonly routeAddress: string
  readonly gatewayAddress: string
  readonly urls: HubUrls
  /** It is about to stop: its clients go elsewhere, and none are to come. */
  readonly isLameDuck: boolean
  /** The largest message that it takes. */
  readonly payloadBytesMax: number
}

type Fields = Readonly<Record<string, unknown>>

export function cardFields(card: PeerCard): object {
  return {
    server_id: card.id,
    server_name: card.name,
    cluster: card.region,
    boot: card.boot,
    petiole: card.version,
    domain: card.domain,
    route_url: card.routeAddress,
    gateway_url: card.gatewayAddress,
    connect_urls: card.urls.client,
    ws_connect_urls: card.urls.webSocket,
    leafnode_urls: card.urls.leafnode,
    ldm: card.isLameDuck,
    max_payload: card.payloadBytesMax,
  }
}

/** @param observedHost where it is seen from here: in place of an address that says "all of mine" */
export function cardOf(fields: Fields, observedHost: string): PeerCard {
  const urls = (key: string): readonly string[] =>
    texts(fields, key).map((url) => reachable(url, observedHost))
  return {
    id: name(fields, 'server_id'),
    name: name(fields, 'server_name'),
    region: name(fields, 'cluster'),
    boot: name(fields, 'boot'),
    version: name(fields, 'petiole'),
    domain: name(fields, 'domain'),
    routeAddress: reachable(address(fields, 'route_url'), observedHost),
    gatewayAddress: reachable(address(fields, 'gateway_url'), observedHost),
    urls: {
      client: urls('connect_urls'),
      webSocket: urls('ws_connect_urls'),
      leafnode: urls('leafnode_urls'),
    },
    isLameDuck: fields['ldm'] === true,
    payloadBytesMax: size(fields['max_payload']),
  }
}

/** Throws PETIOLE_PEER_HELLO. */
export function parseFields(json: string, what: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new PetioleError('PETIOLE_PEER_HELLO', `${what} of a peer is not JSON`, { cause })
  }
  if (isFields(value)) return value
  throw new PetioleError('PETIOLE_PEER_HELLO', `${what} of a peer is not a JSON object`)
}

export function text(fields: Fields, key: string, lengthMax = NAME_LENGTH_MAX): string {
  const value = fields[key]
  return typeof value === 'string' && value.length <= lengthMax ? value : ''
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`, the host of IPv6 in brackets; undefined when it is not of that form. */
export function addressOf(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3] ?? 0)
  return host === '' || port === 0 || port > 65_535 ? undefined : { host, port }
}

export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** '' stays ''; an address of all interfaces becomes the one that the peer was seen under. */
function reachable(text: string, observedHost: string): string {
  const address = addressOf(text)
  if (address === undefined) return ''
  const isEverywhere = address.host === '0.0.0.0' || address.host === '::'
  return isEverywhere ? addressText({ host: observedHost, port: address.port }) : text
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Names go into logs and refusals: no control bytes. */
function name(fields: Fields, key: string): string {
  return text(fields, key).replaceAll(/[\p{Cc}']/gu, '?')
}

function address(fields: Fields, key: string): string {
  return text(fields, key, ADDRESS_LENGTH_MAX)
}

function texts(fields: Fields, key: string): readonly string[] {
  const value = fields[key]
  if (!Array.isArray(value)) return []
  return value
    .filter((item) => typeof item === 'string' && item.length <= ADDRESS_LENGTH_MAX)
    .slice(0, URLS_MAX)
    .filter((item) => addressOf(item) !== undefined)
}

function size(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}
