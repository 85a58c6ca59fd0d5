import type { RemoteUrl, TlsConfig } from '../config/index.ts'
import { type DialSecurity, TlsSettings } from '../transport/index.ts'
import { TLS_TIMEOUT_MS } from './limits.ts'

/** For a hub that asks for TLS when the remote has no `tls` block: the platform's authorities. */
const PLATFORM_TLS: TlsConfig = {
  certs: [],
  ca_file: '',
  verify: false,
  verify_and_map: false,
  insecure: false,
  cipher_suites: [],
  curve_preferences: [],
  min_version: 'TLSv1.2',
  pinned_certs: [],
  connection_rate_limit: 0,
  timeout: TLS_TIMEOUT_MS,
  handshake_first: 'no',
  handshake_first_delay: 0,
}

/**
 * When and how the connections of one remote are secured: by its `tls` block, by the scheme of its
 * URLs, or because the hub's INFO asks for it.
 */
export class LinkSecurity {
  readonly #configured: TlsSettings | undefined
  readonly #names: readonly string[]
  #platform: TlsSettings | undefined

  /** @param urls of the configuration: a hub's certificate is for a name of these, not for an address that it told */
  constructor(configured: TlsSettings | undefined, urls: readonly RemoteUrl[]) {
    this.#configured = configured
    this.#names = urls.map(({ host }) => host).filter((host) => !isAddress(host))
  }

  /** How to dial: undefined begins in plain. */
  dialling(url: RemoteUrl): DialSecurity | undefined {
    if (url.protocol === 'websocket') return this.isWanted(url) ? this.for(url) : undefined
    return this.#configured?.config.handshake_first === 'always' ? this.for(url) : undefined
  }

  /** Whether this side asks for TLS, whatever the other one says. */
  isWanted({ text }: RemoteUrl): boolean {
    return this.#configured !== undefined || text.startsWith('tls:') || text.startsWith('wss:')
  }

  for({ host }: RemoteUrl): DialSecurity {
    this.#platform ??= this.#configured ?? new TlsSettings(PLATFORM_TLS, 'client')
    const serverName = isAddress(host) ? (this.#names[0] ?? host) : host
    return { settings: this.#platform, serverName }
  }
}

/** An IP address, which a certificate seldom names. */
function isAddress(host: string): boolean {
  return host.includes(':') || /^\d+(\.\d+){3}$/.test(host)
}
