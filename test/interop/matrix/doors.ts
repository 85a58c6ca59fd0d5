import { readFileSync } from 'node:fs'
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node'
import { WebSocket as NodeWebSocket } from 'ws'
import { CertificateAuthority, type CertificateFiles } from '../../support/certificates.ts'
import { connect, DEADLINE_MS, wsconnect } from '../../support/patience.ts'
import type { MatrixServer } from './matrix-server.ts'

/**
 * The transports of a client, and what a server must be told to take them. A server takes those of one
 * door: `open` has no TLS, `secure` has it after INFO, `first` before, `mutual` wants a certificate of the client as well.
 */
export const DOORS = ['open', 'secure', 'first', 'mutual'] as const
export type Door = (typeof DOORS)[number]
export type Transport = keyof typeof TRANSPORTS

interface TransportFacts {
  readonly door: Door
  readonly isWebSocket: boolean
  readonly isCompressed?: boolean
}

export const TRANSPORTS = {
  tcp: { door: 'open', isWebSocket: false },
  tls: { door: 'secure', isWebSocket: false },
  'tls first': { door: 'first', isWebSocket: false },
  'mutual tls': { door: 'mutual', isWebSocket: false },
  ws: { door: 'open', isWebSocket: true },
  'ws compressed': { door: 'open', isWebSocket: true, isCompressed: true },
  wss: { door: 'secure', isWebSocket: true },
  'wss compressed': { door: 'secure', isWebSocket: true, isCompressed: true },
  'mutual wss': { door: 'mutual', isWebSocket: true },
} as const satisfies Readonly<Record<string, TransportFacts>>

export const TRANSPORT_NAMES = Object.keys(TRANSPORTS) as Transport[]

export function isWebSocket(transport: Transport): boolean {
  return TRANSPORTS[transport].isWebSocket
}

/** What a client shows besides its CONNECT. */
export interface Login extends ConnectionOptions {
  /** Shown to who asks; the one of nobody in particular where it is not said. */
  readonly certificate?: CertificateFiles | 'none'
  readonly cookies?: Readonly<Record<string, string>>
}

/** A certificate authority, and the parts of configuration files that name its files. */
export class Doors {
  readonly authority = new CertificateAuthority()
  readonly #server = this.authority.server()
  readonly client = this.authority.issue('client', { subject: [['CN', 'anybody']] })

  /** @param webSocket further lines of the `websocket` block */
  config(door: Door, isMapped = false, webSocket = ''): string {
    const tls = this.tls(door, isMapped)
    return [
      tls.replace(/\}$/, `  handshake_first: ${door === 'first'}\n}`),
      `websocket { listen: "127.0.0.1:-1", compression: true`,
      tls === '' ? 'no_tls: true' : tls,
      webSocket,
      '}',
    ].join('\n')
  }

  /** The `tls` block of a listener; of the open door there is none. */
  tls(door: Door, isMapped = false): string {
    if (door === 'open') return ''
    const { cert_file, key_file } = this.#server
    const asks = isMapped ? 'verify_and_map: true' : 'verify: true'
    const isMutual = door === 'mutual' || isMapped
    return [
      'tls {',
      `  cert_file: "${cert_file}", key_file: "${key_file}", timeout: 20`,
      isMutual ? `  ca_file: "${this.authority.ca_file}", ${asks}` : '',
      '}',
    ].join('\n')
  }

  connect(server: MatrixServer, transport: Transport, login: Login = {}): Promise<NatsConnection> {
    const { certificate = this.client, cookies, ...rest } = login
    const facts: TransportFacts = TRANSPORTS[transport]
    const isMutual = certificate !== 'none'
    const options = { reconnect: false, timeout: DEADLINE_MS, ...rest }
    const ca = readFileSync(this.authority.ca_file, 'utf8')
    const shown = isMutual
      ? { cert: readFileSync(certificate.cert_file), key: readFileSync(certificate.key_file) }
      : {}
    if (facts.isWebSocket) {
      const scheme = facts.door === 'open' ? 'ws' : 'wss'
      return wsconnect({
        ...options,
        servers: `${scheme}://127.0.0.1:${server.port('websocket')}`,
        wsFactory: (url) => {
          const socket = new NodeWebSocket(url, {
            ca,
            ...shown,
            perMessageDeflate: facts.isCompressed ?? false,
            headers: cookies === undefined ? {} : { Cookie: cookieLine(cookies) },
          })
          socket.once('open', () => {
            const isCompressed = socket.extensions.includes('permessage-deflate')
            if (isCompressed !== (facts.isCompressed ?? false)) socket.terminate()
          })
          // The official client wants a W3C WebSocket, which this one is in all that it uses.
          const standard = socket as unknown as WebSocket
          return Promise.resolve({ socket: standard, encrypted: scheme === 'wss' })
        },
      })
    }
    const tls = {
      ca,
      ...(isMutual ? { certFile: certificate.cert_file, keyFile: certificate.key_file } : {}),
      ...(facts.door === 'first' ? { handshakeFirst: true } : {}),
    }
    return connect({
      ...options,
      servers: `127.0.0.1:${server.port('client')}`,
      ...(facts.door === 'open' ? {} : { tls }),
    })
  }
}

function cookieLine(cookies: Readonly<Record<string, string>>): string {
  return Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
}
