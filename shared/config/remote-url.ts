import type { PeerUrl } from './cluster-config.ts'
import type { RemoteUrl } from './config.ts'
import type { Reading } from './values.ts'

/** nats-server takes any scheme for TCP; these are the ones it documents. */
const SCHEMES: Readonly<Record<string, RemoteUrl['protocol']>> = {
  'nats-leaf:': 'tcp',
  'nats:': 'tcp',
  'leaf:': 'tcp',
  'tls:': 'tcp',
  'ws:': 'websocket',
  'wss:': 'websocket',
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'ws:': 80, 'wss:': 443 }
const LEAF_PORT = 7422

/** Port and transport of each scheme of a broker's address. */
const BROKER_SCHEMES: Readonly<Record<string, readonly [number, RemoteUrl['protocol']]>> = {
  'mqtt:': [1883, 'tcp'],
  'mqtts:': [8883, 'tcp'],
  'ws:': [80, 'websocket'],
  'wss:': [443, 'websocket'],
}
const BROKER_PATH = '/mqtt'

const SECURE_SCHEMES = ['tls:', 'wss:', 'mqtts:']

const PEER_SCHEMES = ['nats:', 'nats-route:', 'nats_route:', 'tls:']

/** The address of a hub: `nats-leaf://hub:7422`, `wss://user:password@hub:8443`, `ws://token@hub`. */
export function readRemoteUrl(written: string): Reading<RemoteUrl> {
  const url = parsed(written)
  if (url === undefined) {
    return {
      fault: `"${redacted(written)}" is no URL: write nats-leaf://host:7422 or ws://host:8443`,
    }
  }
  const protocol = SCHEMES[url.protocol]
  if (protocol === undefined) {
    const known = 'use nats-leaf://, nats://, tls://, ws:// or wss://'
    return { fault: `${url.protocol}// is no scheme for a hub: ${known}` }
  }
  // The URL class leaves a scheme's own port out, as if it were not there.
  const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? LEAF_PORT) : Number(url.port)
  const path = url.pathname.replace(/\/+$/, '')
  return {
    value: {
      ...partsOf(url),
      protocol,
      port,
      path: protocol === 'websocket' ? path : '',
      text: `${url.protocol}//${url.hostname}:${port}${protocol === 'websocket' ? path : ''}`,
    },
  }
}

/** The address of an MQTT broker: `mqtt://user:password@plant:1883`, `mqtts://plant`, `wss://plant/mqtt`. */
export function readBrokerUrl(written: string): Reading<RemoteUrl> {
  const url = parsed(written)
  if (url === undefined) {
    return {
      fault: `"${redacted(written)}" is no URL: write mqtt://host:1883 or mqtts://host:8883`,
    }
  }
  const scheme = BROKER_SCHEMES[url.protocol]
  if (scheme === undefined) {
    const known = 'use mqtt://, mqtts://, ws:// or wss://'
    return { fault: `${url.protocol}// is no scheme for a broker: ${known}` }
  }
  const [defaultPort, protocol] = scheme
  const port = url.port === '' ? defaultPort : Number(url.port)
  // Brokers serve MQTT there unless they are told otherwise.
  const path = protocol === 'tcp' ? '' : url.pathname === '/' ? BROKER_PATH : url.pathname
  const text = `${url.protocol}//${url.hostname}:${port}${path}`
  return { value: { ...partsOf(url), protocol, port, path, text } }
}

/** The address of another hub: `nats-route://user:password@hub:6222`. */
export function readPeerUrl(written: string, defaultPort: number): Reading<PeerUrl> {
  const url = parsed(written)
  if (url === undefined) {
    const example = `nats://host:${defaultPort}`
    return { fault: `"${redacted(written)}" is no URL: write ${example}` }
  }
  if (!PEER_SCHEMES.includes(url.protocol)) {
    return {
      fault: `${url.protocol}// is no scheme for a peer: use nats://, nats-route:// or tls://`,
    }
  }
  const port = url.port === '' ? defaultPort : Number(url.port)
  return { value: { ...partsOf(url), port, text: `${url.protocol}//${url.hostname}:${port}` } }
}

/** Whether an address asks for TLS by its scheme. */
export function isSecureUrl(url: { readonly text: string }): boolean {
  return SECURE_SCHEMES.some((scheme) => url.text.startsWith(scheme))
}

function parsed(written: string): URL | undefined {
  const url = URL.canParse(written) ? new URL(written) : undefined
  return url === undefined || !written.includes('://') || url.hostname === '' ? undefined : url
}

function partsOf(url: URL) {
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    user: decoded(url.username),
    password: decoded(url.password),
  }
}

/** A URL that could not be read may still hold a secret, with a slash or an @ in it, or without a scheme. */
function redacted(url: string): string {
  return url.replace(/^([a-z_-]+:\/\/)?.*@/is, '$1…@')
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
