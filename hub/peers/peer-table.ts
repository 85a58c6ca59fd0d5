import type { DialledPeer } from './dialled-peer.ts'
import { BOOTS_MAX, PEERS_MAX } from './limits.ts'
import type { PeerCard } from './peer-card.ts'
import {
  DUPLICATE_LINK,
  duplicateIdentity,
  duplicateServerName,
  TOO_MANY_PEERS,
} from './peer-errors.ts'
import type { PeerLink } from './peer-link.ts'

/**
 * The hubs that this one is linked with, one link each, and who may become one. Two hubs may dial each
 * other at once, a peer may come back while its old link is half-open, and two may claim to be one:
 *
 * - a dial says CONNECT only when there is no link, so a CONNECT of a peer that dialled the old link,
 *   or that has been started anew, replaces that link at once;
 * - of two dials that cross, the one of the hub with the smaller id stays, which both know;
 * - who comes back with a start that was replaced before is the other one of two processes with one
 *   identity, and is refused; as is another identity under a name that is taken.
 *
 * A refusal out of doubt asks the old link whether it still stands, so that it is soon out of the way.
 */
export class PeerTable {
  readonly #ownId: string
  readonly #links = new Map<string, PeerLink>()
  readonly #claims = new Map<string, DialledPeer>()
  readonly #pastBoots = new Map<string, string[]>()

  constructor(ownId: string) {
    this.#ownId = ownId
  }

  get links(): Iterable<PeerLink> {
    return this.#links.values()
  }

  get(id: string): PeerLink | undefined {
    return this.#links.get(id)
  }

  /** Whether there is a link, or a dial that has said CONNECT. */
  isKnown(id: string): boolean {
    return this.#links.has(id) || this.#claims.has(id)
  }

  /** A dial has found out who is there: whether it is to go on. */
  claim(peer: PeerCard, handshake: DialledPeer): boolean {
    const old = this.#links.get(peer.id)
    const isRestarted = old !== undefined && old.card.boot !== peer.boot
    if ((old !== undefined && !isRestarted) || this.#claims.has(peer.id)) return false
    if (this.refusalOf(peer) !== undefined) return false
    this.#claims.set(peer.id, handshake)
    return true
  }

  /** True when the claim was this handshake's. */
  release(id: string, handshake: DialledPeer | undefined): boolean {
    if (handshake === undefined || this.#claims.get(id) !== handshake) return false
    return this.#claims.delete(id)
  }

  /** Why a peer that has proven its id may not be linked; undefined when it may. */
  refusalOf(peer: PeerCard): string | undefined {
    if (this.#pastBoots.get(peer.id)?.includes(peer.boot) === true) {
      return duplicateIdentity(peer.name)
    }
    for (const link of this.#links.values()) {
      if (link.card.name !== peer.name || link.card.id === peer.id) continue
      link.connection.probe()
      return duplicateServerName(peer.name)
    }
    const isFull = this.#links.size >= PEERS_MAX && !this.#links.has(peer.id)
    return isFull ? TOO_MANY_PEERS : undefined
  }

  /** The same for one that has dialled us, which our own dial may cross. */
  refusalOfDialler(peer: PeerCard): string | undefined {
    const refusal = this.refusalOf(peer)
    if (refusal !== undefined) return refusal
    const isOursFirst = this.#ownId < peer.id
    const claim = this.#claims.get(peer.id)
    if (claim !== undefined && isOursFirst) return DUPLICATE_LINK
    const old = this.#links.get(peer.id)
    if (old === undefined || old.card.boot !== peer.boot || !old.isSolicited) return undefined
    if (!isOursFirst) return undefined
    old.connection.probe()
    return DUPLICATE_LINK
  }

  /** Makes way: our dial that crosses theirs is given up, the old link replaced. */
  makeWay(peer: PeerCard): void {
    const claim = this.#claims.get(peer.id)
    this.#claims.delete(peer.id)
    claim?.yield(peer.id)
    const old = this.#links.get(peer.id)
    if (old === undefined) return
    this.#links.delete(peer.id)
    if (old.card.boot !== peer.boot) this.#rememberBoot(peer.id, old.card.boot)
    old.connection.fail(DUPLICATE_LINK, 'replaced by a new link')
  }

  add(link: PeerLink): void {
    this.#links.set(link.card.id, link)
  }

  /** False: it had been replaced already. */
  remove(link: PeerLink): boolean {
    return this.#links.get(link.card.id) === link && this.#links.delete(link.card.id)
  }

  #rememberBoot(id: string, boot: string): void {
    const boots = this.#pastBoots.get(id) ?? []
    boots.push(boot)
    if (boots.length > BOOTS_MAX) boots.shift()
    if (this.#pastBoots.size >= PEERS_MAX && !this.#pastBoots.has(id)) this.#pastBoots.clear()
    this.#pastBoots.set(id, boots)
  }
}
