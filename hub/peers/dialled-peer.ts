import type { Publication } from '../../shared/broker/index.ts'
import { type Cancel, messageOf } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import { type HandshakeContext, NONCE_BYTES } from './accepted-peer.ts'
import type { PeerCard, PeerLinkKind } from './peer-card.ts'
import { PeerConnection, type PeerPhase } from './peer-connection.ts'
import {
  BAD_IDENTITY,
  clusterNameConflict,
  duplicateServerName,
  UNKNOWN_OPERATION,
  WRONG_PORT,
  wrongGateway,
} from './peer-errors.ts'
import { connectLine, isSignedBy, type PeerInfo, parseInfo, sign } from './peer-hello.ts'
import type { Demand } from './peer-parser.ts'

/** How a dial ended without a link. */
export type DialEnd =
  | { readonly name: 'self' }
  /** Linked with it already, or about to be. */
  | { readonly name: 'known'; readonly id: string }
  | { readonly name: 'failed'; readonly reason: string; readonly isRefused: boolean }

export interface DialledPeerOptions extends HandshakeContext {
  readonly channel: Channel
  readonly kind: PeerLinkKind
  readonly user: string
  readonly password: string
  /** The region that has to be there; '' for any, of a gateway that somebody told of. */
  readonly wantedRegion: string
  /** The hub that has to be there; '' for any. */
  readonly wantedId: string
  /** False: there is a link to this hub, or another one in the making. True claims it for this dial. */
  readonly claim: (peer: PeerCard, handshake: DialledPeer) => boolean
  readonly onAccepted: (peer: PeerCard, handshake: DialledPeer) => void
  readonly onEnded: (end: DialEnd) => void
}

/** The dialling side's handshake. It learns who is there before it says anything of itself. */
export class DialledPeer implements PeerPhase {
  readonly connection: PeerConnection
  readonly kind: PeerLinkKind
  readonly #options: DialledPeerOptions
  readonly #nonce: string
  readonly #cancelTimeout: Cancel
  #peer: PeerCard | undefined
  #refusal: string | undefined
  #end: DialEnd | undefined
  #isFault = false

  constructor(options: DialledPeerOptions) {
    const { channel, clock, limits, random, kind } = options
    this.#options = options
    this.kind = kind
    this.#nonce = Buffer.from(random.bytes(NONCE_BYTES)).toString('base64url')
    this.connection = new PeerConnection(channel, clock, limits, this)
    this.#cancelTimeout = clock.after(limits.handshakeTimeoutMs, () => {
      const what = this.#peer === undefined ? 'INFO' : 'answer to CONNECT'
      this.connection.close(`no ${what} within ${limits.handshakeTimeoutMs} ms`)
    })
  }

  start(): void {
    this.connection.start()
  }

  /** The other side's dial is the one that stays. */
  yield(id: string): void {
    this.#finish({ name: 'known', id }, 'the other side dialled as well')
  }

  info(json: string): void {
    let info: PeerInfo
    try {
      info = parseInfo(json, this.connection.host)
    } catch (error) {
      this.#fault(WRONG_PORT, messageOf(error))
      return
    }
    if (this.#peer === undefined) this.#answer(info)
    else this.#accept(this.#peer, info)
  }

  refused(error: string): void {
    this.#refusal = error
    this.connection.close(`the other side refused: ${error}`)
  }

  ended(reason: string): void {
    this.#cancelTimeout()
    const isRefused = this.#refusal !== undefined || this.#isFault
    this.#options.onEnded(this.#end ?? { name: 'failed', reason, isRefused })
  }

  connect(_json: string): void {
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

  #answer(info: PeerInfo): void {
    const { card, kind, identity, user, password, wantedRegion, claim } = this.#options
    const peer = info.card
    if (peer.id === identity.id) {
      this.#finish({ name: 'self' }, 'this is our own port')
      return
    }
    const fault = this.#faultOf(info)
    if (fault !== undefined) {
      this.#fault(...fault)
      return
    }
    if (!claim(peer, this)) {
      this.#finish({ name: 'known', id: peer.id }, 'linked already')
      return
    }
    this.#peer = peer
    const proof = { nonce: this.#nonce, sig: sign(identity, info.nonce, peer.id) }
    const login = user === '' && password === '' ? {} : { user, pass: password }
    const wanted = wantedRegion === '' ? {} : { wanted: wantedRegion }
    this.connection.send(connectLine(card(), kind, { ...proof, ...login, ...wanted }))
  }

  #accept(peer: PeerCard, info: PeerInfo): void {
    const { identity, onAccepted } = this.#options
    const isProven =
      info.card.id === peer.id && isSignedBy(peer.id, info.signature, this.#nonce, identity.id)
    if (!isProven) {
      this.#fault(BAD_IDENTITY, BAD_IDENTITY)
      return
    }
    this.#cancelTimeout()
    onAccepted(info.card, this)
  }

  /** The text of our -ERR, and what the log says. */
  #faultOf({ card, protocol, kind, nonce }: PeerInfo): readonly [string, string] | undefined {
    const own = this.#options.card()
    const { wantedRegion, wantedId } = this.#options
    if (protocol === 0) {
      const what = card.version === '' ? 'no Petiole hub' : 'no port for hubs'
      return [WRONG_PORT, `${WRONG_PORT}: there is ${what} here, it says it is ${card.name}`]
    }
    if (kind !== this.kind || nonce === '') {
      return [WRONG_PORT, `${WRONG_PORT}: it is the ${kind} port of ${card.name}`]
    }
    if (this.kind === 'route' && card.region !== own.region) {
      const conflict = clusterNameConflict(card.region, own.region)
      return [conflict, conflict]
    }
    if (this.kind === 'gateway') {
      const isWrong = wantedRegion !== '' && card.region !== wantedRegion
      const wrong = wrongGateway(own.region, wantedRegion, card.region)
      if (isWrong || card.region === own.region) return [wrong, wrong]
    }
    if (wantedId !== '' && card.id !== wantedId) {
      return [WRONG_PORT, `another hub is at this address now: ${card.name}`]
    }
    if (card.name !== own.name) return undefined
    const duplicate = duplicateServerName(card.name)
    return [duplicate, duplicate]
  }

  #finish(end: DialEnd, reason: string): void {
    this.#end = end
    this.connection.close(reason)
  }

  #fault(error: string, reason: string): void {
    this.#isFault = true
    this.connection.fail(error, reason)
  }

  #refuseUnasked(): void {
    this.#fault(UNKNOWN_OPERATION, 'no port for hubs: no INFO came first')
  }
}
