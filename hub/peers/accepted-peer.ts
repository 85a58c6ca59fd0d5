import type { Publication } from '../../shared/broker/index.ts'
import type { ServerIdentity } from '../../shared/link/index.ts'
import { type Cancel, type Clock, messageOf, type Random } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import type { PeerLimits } from './limits.ts'
import type { PeerCard, PeerLinkKind } from './peer-card.ts'
import { PeerConnection, type PeerPhase } from './peer-connection.ts'
import {
  AUTHENTICATION_TIMEOUT,
  AUTHORIZATION_VIOLATION,
  BAD_IDENTITY,
  CLIENT_ON_ROUTE_PORT,
  clusterNameConflict,
  duplicateServerName,
  gatewayOnRoutePort,
  gatewayRejected,
  OTHER_ON_GATEWAY_PORT,
  SELF_CONNECTION,
  UNKNOWN_OPERATION,
  wrongGateway,
} from './peer-errors.ts'
import { infoLine, isSignedBy, type PeerConnect, parseConnect, sign } from './peer-hello.ts'
import type { Demand } from './peer-parser.ts'

/** What a handshake needs of its mesh, on either side. */
export interface HandshakeContext {
  readonly clock: Clock
  readonly random: Random
  readonly limits: PeerLimits
  readonly identity: ServerIdentity
  /** What this hub says of itself at the moment. */
  card(): PeerCard
}

export interface AcceptedPeerOptions extends HandshakeContext {
  readonly channel: Channel
  /** Of the port that it came to. */
  readonly kind: PeerLinkKind
  /** Until its CONNECT must be here; undefined for the limits' own. */
  readonly authTimeoutMs: number | undefined
  /** Whether a region that nobody configured may come. */
  readonly knowsRegion: (region: string) => boolean
  readonly authenticate: (user: string, password: string) => Promise<boolean>
  /** The peer is who it says and may come. Whether it is linked is decided there. */
  readonly onHello: (peer: PeerCard, handshake: AcceptedPeer) => void
  readonly onEnded: (handshake: AcceptedPeer, reason: string) => void
}

export const NONCE_BYTES = 18

/** The accepting side's handshake: INFO with a nonce, then nothing but a CONNECT in time. */
export class AcceptedPeer implements PeerPhase {
  readonly connection: PeerConnection
  readonly kind: PeerLinkKind
  readonly #options: AcceptedPeerOptions
  readonly #nonce: string
  readonly #cancelTimeout: Cancel
  #peerNonce = ''
  #hasConnected = false

  constructor(options: AcceptedPeerOptions) {
    const { channel, clock, limits, random, kind } = options
    this.#options = options
    this.kind = kind
    this.#nonce = Buffer.from(random.bytes(NONCE_BYTES)).toString('base64url')
    this.connection = new PeerConnection(channel, clock, limits, this)
    const timeoutMs = options.authTimeoutMs ?? limits.handshakeTimeoutMs
    this.#cancelTimeout = clock.after(timeoutMs, () => this.connection.fail(AUTHENTICATION_TIMEOUT))
  }

  start(): void {
    const { card, kind } = this.#options
    this.connection.start()
    this.connection.send(infoLine(card(), kind, { nonce: this.#nonce }))
  }

  /** The yes, with the proof that this hub is who it says. */
  confirm(peerId: string): void {
    const { card, kind, identity } = this.#options
    this.#cancelTimeout()
    this.connection.send(infoLine(card(), kind, { sig: sign(identity, this.#peerNonce, peerId) }))
  }

  connect(json: string): void {
    if (this.#hasConnected) {
      this.#refuseUnasked()
      return
    }
    this.#hasConnected = true
    let connect: PeerConnect
    try {
      connect = parseConnect(json, this.connection.host)
    } catch (error) {
      this.connection.fail(UNKNOWN_OPERATION, messageOf(error))
      return
    }
    const refusal = this.#refusalOf(connect)
    if (refusal !== undefined) {
      this.connection.fail(refusal)
      return
    }
    this.#peerNonce = connect.nonce
    this.#options
      .authenticate(connect.user, connect.password)
      .then((isAllowed) => this.#welcome(connect.card, isAllowed))
      .catch((error: unknown) => this.connection.destroy(`login failed: ${messageOf(error)}`))
  }

  info(_json: string): void {
    this.#refuseUnasked()
  }

  peer(_json: string): void {
    this.#refuseUnasked()
  }

  leaf(_json: string): void {
    this.#refuseUnasked()
  }

  interest(_account: string, _subject: string, _queue: string, _weight: number): void {
    this.#refuseUnasked()
  }

  interestGone(_account: string, _subject: string, _queue: string): void {
    this.#refuseUnasked()
  }

  capture(_account: string, _subject: string, _isThere: boolean): void {
    this.#refuseUnasked()
  }

  message(_account: string, _publication: Publication, _demand: Demand): void {
    this.#refuseUnasked()
  }

  refused(error: string): void {
    this.connection.close(`the other side refused: ${error}`)
  }

  ended(reason: string): void {
    this.#cancelTimeout()
    this.#options.onEnded(this, reason)
  }

  #welcome(peer: PeerCard, isAllowed: boolean): void {
    if (this.connection.isEnded) return
    if (isAllowed) this.#options.onHello(peer, this)
    else this.connection.fail(AUTHORIZATION_VIOLATION, `wrong credentials of ${peer.name}`)
  }

  #refuseUnasked(): void {
    this.connection.fail(AUTHORIZATION_VIOLATION, 'something else came before CONNECT')
  }

  #refusalOf(connect: PeerConnect): string | undefined {
    const { kind, identity, knowsRegion } = this.#options
    const { card } = connect
    const own = this.#options.card()
    if (kind === 'route') {
      if (connect.lang !== '' || connect.protocol === 0) return CLIENT_ON_ROUTE_PORT
      if (connect.kind !== 'route') return gatewayOnRoutePort(card.region)
      if (card.region !== own.region) return clusterNameConflict(card.region, own.region)
    } else {
      if (connect.kind !== 'gateway' || connect.protocol === 0) return OTHER_ON_GATEWAY_PORT
      if (connect.wantedRegion !== '' && connect.wantedRegion !== own.region) {
        return wrongGateway(card.region, connect.wantedRegion, own.region)
      }
      if (card.region === own.region || !knowsRegion(card.region)) {
        return gatewayRejected(own.region)
      }
    }
    if (card.id === own.id) return SELF_CONNECTION
    if (card.name === own.name) return duplicateServerName(card.name)
    return isSignedBy(card.id, connect.signature, this.#nonce, identity.id) && connect.nonce !== ''
      ? undefined
      : BAD_IDENTITY
  }
}
