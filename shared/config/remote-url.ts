import type { RemoteUrl } from './config.ts'
import type { Reading } from './values.ts'

const SCHEMES: Readonly<Record<string, RemoteUrl['protocol']>> = {
  'nats-leaf:': 'tcp',
  'nats:': 'tcp',
  'leaf:': 'tcp',
  'ws:': 'websocket',
}

const DEFAULT_PORTS = { tcp: 7422, websocket: 80 } as const

/** The address of a hub: `nats-leaf://hub:7422`, `ws://user:password@hub:8443`, `ws://token@hub`. */
export function readRemoteUrl(written: string): Reading<RemoteUrl> {
  const url = URL.canParse(written) ? new URL(written) : undefined
  if (url === undefined || !written.includes('://') || url.hostname === '') {
    return {
      fault: `"${redacted(written)}" is no URL: write nats-leaf://host:7422 or ws://host:8443`,
    }
  }
  if (url.protocol === 'tls:' || url.protocol === 'wss:') {
    const plain = url.protocol === 'wss:' ? 'ws://' : 'nats-leaf://'
    return {
      fault: `${url.protocol}// is not supported yet: use ${plain}, if need be over a tunnel`,
    }
  }
  const protocol = SCHEMES[url.protocol]
  if (protocol === undefined) {
    return { fault: `${url.protocol}// is no scheme for a hub: use nats-leaf://, nats:// or ws://` }
  }
  const port = url.port === '' ? DEFAULT_PORTS[protocol] : Number(url.port)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const path = url.pathname.replace(/\/+$/, '')
  return {
    value: {
      protocol,
      host,
      port,
      path: protocol === 'websocket' ? path : '',
      user: decoded(url.username),
      password: decoded(url.password),
      text: `${url.protocol}//${url.hostname}:${port}${protocol === 'websocket' ? path : ''}`,
    },
  }
}

/** A URL that could not be read may still hold a secret. */
function redacted(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//…@')
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
