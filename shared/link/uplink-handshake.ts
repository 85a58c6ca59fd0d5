import type { Publication } from '../broker/index.ts'
import { type Cancel, type Clock, messageOf } from '../runtime/index.ts'
import type { Channel, DialSecurity } from '../transport/index.ts'
import { CONNECT_INFO_TIMEOUT_MS, FIRST_INFO_TIMEOUT_MS, type LinkLimits } from './limits.ts'
import { LinkConnection, type LinkPhase } from './link-connection.ts'
import { CLUSTER_HAS_SPACES, CONNECT_INFO_MISSING, WRONG_PORT } from './link-errors.ts'
import { helloLine, LINK_PROTOCOL, type LinkInfo, parseLinkInfo } from './link-hello.ts'
import type { LinkLogin } from './link-login.ts'
import type { ServerCard } from './server-card.ts'

export interface UplinkHandshakeOptions {
  readonly channel: Channel
  readonly server: ServerCard
  /** The local account that the link binds. */
  readonly account: string
  /** Of the URL; '' when absent. A user without a password is a token. */
  readonly user: string
  readonly password: string
  /** A user's JWT or nkey; undefined: what the URL has. */
  readonly login: LinkLogin | undefined
  /** The TLS handshake between INFO and CONNECT: when the hub asks for it, or this side does. */
  readonly security: () => DialSecurity
  readonly isTlsWanted: boolean
  /** What the other side is not to send here. */
  readonly denyImports: readonly string[]
  readonly hasJetStream: boolean
  /** Asks not to be told the interest of the other side's other leaves. */
  readonly isIsolated: boolean
  readonly clock: Clock
  readonly limits: LinkLimits
  /** `first` is what the other side is; `accepted` what it lets us do. They may be the same. */
  readonly onAccepted: (first: LinkInfo, accepted: LinkInfo) => void
  readonly onFailed: (reason: string, refusal: string | undefined) => void
}

/**
 * The soliciting side's handshake: the first INFO tells whether this is a leafnode port at all, our
 * CONNECT answers it, and a second INFO with `connect_info` is the yes. Servers before 2.10 send no
 * second one, and say so by lacking `info_on_connect`.
 */
export class UplinkHandshake implements LinkPhase {
  readonly connection: LinkConnection
  readonly #options: UplinkHandshakeOptions
  #first: LinkInfo | undefined
  #refusal: string | undefined
  #isSecuring = false
  #cancelTimeout: Cancel

  constructor(options: UplinkHandshakeOptions) {
    const { channel, clock, limits } = options
    this.#options = options
    this.connection = new LinkConnection(channel, clock, limits, this)
    this.#cancelTimeout = clock.after(FIRST_INFO_TIMEOUT_MS, () => {
      const seconds = FIRST_INFO_TIMEOUT_MS / 1_000
      this.connection.close(`no INFO within ${seconds} s: is this a leafnode port?`)
    })
  }

  start(): void {
    this.connection.start()
  }

  info(json: string): void {
    if (this.#isSecuring) {
      this.#refuseUnasked()
      return
    }
    let info: LinkInfo
    try {
      info = parseLinkInfo(json)
    } catch (error) {
      this.connection.fail(WRONG_PORT, messageOf(error))
      return
    }
    if (this.#first === undefined) this.#answer(info)
    else if (info.isConnectInfo) this.#accept(this.#first, info)
  }

  refused(error: string): void {
    this.#refusal = error
    this.connection.close(`the other side refused: ${error}`)
  }

  ended(reason: string): void {
    this.#cancelTimeout()
    this.#options.onFailed(reason, this.#refusal)
  }

  /** Between CONNECT and the yes a server may ask already. */
  allowsHeartbeat(): boolean {
    return !this.#isSecuring
  }

  connect(_json: string): void {
    this.#refuseUnasked()
  }

  interest(_subject: string, _queue: string, _weight: number): void {
    this.#refuseUnasked()
  }

  interestGone(_subject: string, _queue: string): void {
    this.#refuseUnasked()
  }

  message(_publication: Publication, _queues: readonly string[]): void {
    this.#refuseUnasked()
  }

  #answer(info: LinkInfo): void {
    const fault = faultOf(info)
    if (fault !== undefined) {
      this.connection.fail(info.cluster.includes(' ') ? CLUSTER_HAS_SPACES : WRONG_PORT, fault)
      return
    }
    this.#first = info
    const { channel, clock, isTlsWanted } = this.#options
    const isPlainTcp = channel.kind === 'tcp' && channel.security === 'plain'
    if (isPlainTcp && (info.isTlsRequired || isTlsWanted)) {
      this.#isSecuring = true
      // The handshake has a time of its own.
      this.#cancelTimeout()
      // The INFO is still being read from the socket that is to be secured.
      clock.soon(() => void this.#secure(info))
      return
    }
    this.#present(info)
  }

  async #secure(info: LinkInfo): Promise<void> {
    if (this.connection.isEnded) return
    // Whatever was said in plain behind INFO was said by nobody who can be trusted.
    if (!this.connection.isInputIdle) {
      this.connection.fail(WRONG_PORT, 'bytes came between INFO and the TLS handshake')
      return
    }
    try {
      await this.#options.channel.secure(this.#options.security())
    } catch {
      // The connection has ended with the reason.
      return
    }
    this.#isSecuring = false
    if (!this.connection.isEnded) this.#present(info)
  }

  #present(info: LinkInfo): void {
    this.connection.send(helloLine('CONNECT', this.#connectFields(info.nonce)))
    if (!info.answersConnect) {
      this.#accept(info, info)
      return
    }
    this.#cancelTimeout()
    this.#cancelTimeout = this.#options.clock.after(CONNECT_INFO_TIMEOUT_MS, () => {
      const seconds = CONNECT_INFO_TIMEOUT_MS / 1_000
      this.connection.fail(CONNECT_INFO_MISSING, `no answer to CONNECT within ${seconds} s`)
    })
  }

  #accept(first: LinkInfo, accepted: LinkInfo): void {
    this.#cancelTimeout()
    this.#options.onAccepted(first, accepted)
  }

  #connectFields(nonce: string): object {
    const { server, account, user, password, login, denyImports, hasJetStream, isIsolated } =
      this.#options
    const { identity, name, domain, cluster } = server
    return {
      version: server.protocolVersion,
      server_id: identity.id,
      name,
      // A single server is a cluster of its own name: that is how it never hears its own messages.
      cluster: (cluster === '' ? name : cluster).replaceAll(' ', '_'),
      ...(domain === '' ? {} : { domain }),
      headers: true,
      jetstream: hasJetStream,
      protocol: LINK_PROTOCOL,
      ...(isIsolated ? { isolate: true } : {}),
      remote_account: account,
      ...(denyImports.length === 0 ? {} : { deny_pub: denyImports }),
      ...(login === undefined ? {} : { sig: login.sign(nonce) }),
      ...(login === undefined || login.jwt !== '' ? {} : { nkey: login.nkey }),
      ...(login === undefined || login.jwt === '' ? {} : { jwt: login.jwt }),
      ...(user === '' ? {} : { user }),
      ...(password === '' ? {} : { pass: password }),
      ...(user !== '' && password === '' ? { auth_token: user } : {}),
      petiole: {
        id: identity.id,
        sig: identity.sign(Buffer.from(nonce)),
        boot: server.boot,
        version: server.version,
      },
    }
  }

  #refuseUnasked(): void {
    this.connection.fail('Unknown Protocol Operation', 'not a leafnode port: no INFO came first')
  }
}

function faultOf(info: LinkInfo): string | undefined {
  const isLeafnodePort =
    info.clientId !== 0 && (info.leafnodeUrls !== undefined || info.answersConnect)
  if (!isLeafnodePort) {
    return `${WRONG_PORT}: ${info.name} has no leafnode listener here`
  }
  if (info.cluster.includes(' ')) return CLUSTER_HAS_SPACES
  return undefined
}
