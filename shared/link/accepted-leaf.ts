import { type Authenticator, type Credentials, current, type Identity } from '../account/index.ts'
import type { Publication } from '../broker/index.ts'
import type { PermissionsConfig, SubjectPermissionConfig } from '../config/index.ts'
import { type Cancel, type Clock, messageOf, type Random } from '../runtime/index.ts'
import type { Channel } from '../transport/index.ts'
import { type LinkLimits, NAME_LENGTH_MAX } from './limits.ts'
import { LinkConnection, type LinkPhase } from './link-connection.ts'
import {
  AUTHENTICATION_TIMEOUT,
  AUTHORIZATION_VIOLATION,
  BAD_IDENTITY,
  CLIENT_ON_LEAF_PORT,
  CLUSTER_HAS_SPACES,
  gatewayOnLeafPort,
  NAME_TOO_LONG,
  SAME_CLUSTER,
} from './link-errors.ts'
import { helloLine, LINK_PROTOCOL, type LinkConnect, parseLinkConnect } from './link-hello.ts'
import type { ServerCard } from './server-card.ts'
import { verifySignature } from './server-identity.ts'

/** Who wants to attach, or has: what it said in CONNECT, and what was found to be true of it. */
export interface LeafHello {
  /** `server_name` of the leaf; '' when it gave none. */
  readonly name: string
  /** Its server id. Proven when `isVerified`, else just what it says. */
  readonly id: string
  readonly isPetiole: boolean
  readonly isVerified: boolean
  /** Of a Petiole leaf: new for every start of its process. */
  readonly boot: string
  readonly version: string
  readonly cluster: string
  readonly domain: string
  readonly remoteAccount: string
  /** The account here that it is bound to, and the user that it logged in as. */
  readonly account: string
  readonly user: string
  readonly transport: Channel['kind']
  readonly remoteAddress: string
  readonly remotePort: number
}

/** `host:port` of listeners for leaves, over TCP and over WebSocket; may be empty. */
export interface LeafUrls {
  readonly leafnode: readonly string[]
  readonly webSocket: readonly string[]
}

export interface HandshakeOptions {
  readonly channel: Channel
  /** INFO `client_id`. */
  readonly id: number
  readonly server: ServerCard
  readonly authenticator: Authenticator
  readonly clock: Clock
  readonly random: Random
  readonly limits: LinkLimits
  readonly hasJetStream: boolean
  /** Its certificate is asked for. */
  readonly verifiesTls: boolean
  /** Where else the leaf can go, as it is known at the moment. */
  readonly urls: () => LeafUrls
  /** The leaf is who it says and may log in. Whether it may attach is decided there. */
  readonly onHello: (
    hello: LeafHello,
    connect: LinkConnect,
    identity: Identity,
    handshake: AcceptedLeaf,
  ) => void
  readonly onEnded: (handshake: AcceptedLeaf, reason: string) => void
}

const NONCE_BYTES = 11

/**
 * The accepting side's handshake: INFO with a nonce, then nothing but a CONNECT within the time
 * allowed. Its checks are nats-server's, in nats-server's order; the identity of a Petiole leaf comes
 * behind them.
 */
export class AcceptedLeaf implements LinkPhase {
  readonly connection: LinkConnection
  readonly id: number
  readonly #options: HandshakeOptions
  readonly #nonce: string
  readonly #cancelTimeout: Cancel
  /** Somebody is asked whether the leaf may log in. */
  #isAsking = false

  constructor(options: HandshakeOptions) {
    const { channel, clock, limits, random } = options
    this.#options = options
    this.id = options.id
    this.#nonce = Buffer.from(random.bytes(NONCE_BYTES)).toString('base64url')
    this.connection = new LinkConnection(channel, clock, limits, this)
    this.#cancelTimeout = clock.after(limits.authTimeoutMs, () =>
      this.connection.fail(AUTHENTICATION_TIMEOUT),
    )
  }

  start(): void {
    this.connection.start()
    this.connection.send(helloLine('INFO', { ...this.#info(), nonce: this.#nonce }))
  }

  /** The yes: the INFO that a soliciting side waits for. */
  confirm({ account, permissions }: Identity): void {
    this.#cancelTimeout()
    const fields = {
      ...this.#info(),
      connect_info: true,
      remote_account: account,
      ...(permissions === undefined ? {} : rulesOf(permissions.config)),
    }
    this.connection.send(helloLine('INFO', fields))
  }

  /** INFO at any time after: where else the leaf can go has changed. */
  tell(): void {
    this.connection.send(helloLine('INFO', this.#info()))
  }

  connect(json: string): void {
    let connect: LinkConnect
    try {
      connect = parseLinkConnect(json)
    } catch (error) {
      this.connection.fail('Unknown Protocol Operation', messageOf(error))
      return
    }
    const refusal = this.#refusalOf(connect)
    if (refusal !== undefined) {
      this.connection.fail(refusal)
      return
    }
    if (this.#isAsking) {
      this.#refuseUnasked()
      return
    }
    this.#isAsking = true
    const answer = this.#login(connect)
    if (!(answer instanceof Promise)) {
      this.#welcome(connect, answer)
      return
    }
    const { authenticator } = this.#options
    answer
      .then((identity) => this.#welcome(connect, current(authenticator, identity)))
      .catch((error: unknown) => this.connection.destroy(`login failed: ${messageOf(error)}`))
  }

  /** Only a side that negotiates compression sends INFO first, and we offer none. */
  info(_json: string): void {
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

  allowsHeartbeat(): boolean {
    if (this.#isAsking) return true
    this.#refuseUnasked()
    return false
  }

  refused(error: string): void {
    this.connection.close(`the other side said: ${error}`)
  }

  ended(reason: string): void {
    this.#cancelTimeout()
    this.#options.onEnded(this, reason)
  }

  #welcome(connect: LinkConnect, identity: Identity | undefined): void {
    if (this.connection.isEnded) return
    const { name, domain, cluster, remoteAccount, petiole } = connect
    if (identity === undefined) {
      this.connection.fail(AUTHORIZATION_VIOLATION, `wrong credentials of leaf ${name}`)
      return
    }
    const isVerified =
      petiole !== undefined && verifySignature(petiole.id, Buffer.from(this.#nonce), petiole.sig)
    if (petiole !== undefined && !isVerified) {
      this.connection.fail(BAD_IDENTITY)
      return
    }
    const { kind, remoteAddress, remotePort } = this.#options.channel
    const hello: LeafHello = {
      name,
      id: petiole?.id ?? connect.serverId,
      isPetiole: petiole !== undefined,
      isVerified,
      boot: petiole?.boot ?? '',
      version: petiole?.version ?? connect.version,
      cluster,
      domain,
      remoteAccount,
      account: identity.account,
      user: identity.user,
      transport: kind,
      remoteAddress,
      remotePort,
    }
    this.#options.onHello(hello, connect, identity, this)
  }

  /** A URL's lone user may be a user or a token: nats-server sends it as both. */
  #login(connect: LinkConnect): Identity | undefined | Promise<Identity | undefined> {
    const { authenticator } = this.#options
    const { token } = connect
    const answer = authenticator.authenticate(this.#credentials(connect))
    if (token === undefined) return answer
    const withToken = (identity: Identity | undefined) =>
      identity ?? authenticator.authenticate({ ...this.#presence(connect), token })
    return answer instanceof Promise ? answer.then(withToken) : withToken(answer)
  }

  #credentials(connect: LinkConnect): Credentials {
    const { user, password, jwt, nkey, signature } = connect
    return {
      ...this.#presence(connect),
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
      ...(jwt === undefined ? {} : { jwt }),
      ...(nkey === undefined ? {} : { nkey }),
      ...(signature === undefined ? {} : { signature }),
    }
  }

  /** What a connection shows whatever it presents. */
  #presence({ name, version, protocol }: LinkConnect): Credentials {
    const { channel } = this.#options
    return {
      nonce: this.#nonce,
      connectionType: channel.kind === 'websocket' ? 'LEAFNODE_WS' : 'LEAFNODE',
      remoteAddress: channel.remoteAddress,
      applicant: channel,
      tls: channel.tls,
      client: { id: this.id, name, lang: '', version, protocol },
    }
  }

  #refuseUnasked(): void {
    this.connection.fail(AUTHORIZATION_VIOLATION, 'something else came before CONNECT')
  }

  #refusalOf(connect: LinkConnect): string | undefined {
    if (connect.lang !== '') return CLIENT_ON_LEAF_PORT
    if (connect.name.length > NAME_LENGTH_MAX) return NAME_TOO_LONG
    if (connect.cluster.includes(' ')) return CLUSTER_HAS_SPACES
    const own = this.#options.server.cluster
    if (own !== '' && connect.cluster === own) return SAME_CLUSTER
    return connect.gateway === '' ? undefined : gatewayOnLeafPort(connect.gateway)
  }

  #info(): object {
    const { server, channel, limits, hasJetStream, verifiesTls, urls } = this.#options
    const { leafnode, webSocket } = urls()
    return {
      server_id: server.identity.id,
      server_name: server.name,
      version: server.protocolVersion,
      proto: LINK_PROTOCOL,
      host: channel.localAddress,
      port: channel.localPort,
      headers: true,
      auth_required: true,
      ...(channel.security === 'plain' ? {} : { tls_required: true }),
      ...(channel.security === 'plain' || !verifiesTls ? {} : { tls_verify: true }),
      max_payload: limits.payloadBytesMax,
      jetstream: hasJetStream,
      client_id: this.id,
      ...(server.cluster === '' ? {} : { cluster: server.cluster }),
      ...(server.domain === '' ? {} : { domain: server.domain }),
      leafnode_urls: leafnode,
      ...(webSocket.length === 0 ? {} : { ws_connect_urls: webSocket }),
      info_on_connect: true,
      petiole: server.version,
    }
  }
}

/** What the leaf may subscribe to, and what it may publish: it spares both sides what would be refused. */
function rulesOf({ subscribe, publish }: PermissionsConfig): object {
  return { import: ruleOf(subscribe), export: ruleOf(publish) }
}

function ruleOf({ allow, deny }: SubjectPermissionConfig): object {
  return { ...(allow === undefined ? {} : { allow }), ...(deny.length === 0 ? {} : { deny }) }
}
