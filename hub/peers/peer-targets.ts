import { isDeepStrictEqual } from 'node:util'
import type { PeerUrl } from '../../shared/config/index.ts'
import { FORGET_AFTER_MS, GOSSIP_PATIENCE_MS, PEERS_MAX } from './limits.ts'
import { addressOf, addressText, type PeerCard, type PeerLinkKind } from './peer-card.ts'
import type { PeerTarget } from './peer-target.ts'

export interface PeerTargetsOptions {
  readonly ownId: string
  readonly ownRegion: string
  /** This hub has links of the kind at all. */
  readonly has: (kind: PeerLinkKind) => boolean
  readonly knowsRegion: (region: string) => boolean
  /** A hub that was heard of is dialled no more after so many failures; 0: after a time. */
  readonly retriesMax: number
  readonly makeTarget: (
    kind: PeerLinkKind,
    url: Pick<PeerUrl, 'host' | 'port' | 'user' | 'password'>,
    wanted: { readonly region: string; readonly id: string },
    isConfigured: boolean,
  ) => PeerTarget
  /** What is sent to hubs that were heard of: the user and password of those that are configured. */
  readonly loginOf: (kind: PeerLinkKind, region: string) => Pick<PeerUrl, 'user' | 'password'>
}

interface Configured {
  readonly kind: PeerLinkKind
  readonly region: string
  readonly url: PeerUrl
  readonly target: PeerTarget
}

/**
 * Where this hub dials: the addresses of the configuration for ever, and those of hubs that others
 * tell of for as long as they are to be found there. The mesh completes itself by that.
 */
export class PeerTargets {
  readonly #options: PeerTargetsOptions
  #configured: readonly Configured[] = []
  readonly #heardOf = new Map<string, PeerTarget>()
  #isStopped = false

  constructor(options: PeerTargetsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#configured.length + this.#heardOf.size
  }

  /**
   * What the configuration says of a region, at the start and after a reload: addresses that it has no longer
   * are dialled no more; a link that stands there stays, as that of a hub that others tell of.
   */
  configure(kind: PeerLinkKind, region: string, urls: readonly PeerUrl[]): void {
    const left = this.#configured.filter((it) => it.kind === kind && it.region === region)
    const others = this.#configured.filter((it) => !left.includes(it))
    const wanted = urls.map((url) => {
      const index = left.findIndex((it) => isDeepStrictEqual(it.url, url))
      const [kept] = index < 0 ? [] : left.splice(index, 1)
      if (kept !== undefined) return kept
      const target = this.#options.makeTarget(kind, url, { region, id: '' }, true)
      return { kind, region, url, target }
    })
    for (const { target } of left) target.stop()
    this.#configured = [...others, ...wanted]
    for (const { target } of wanted) target.start()
  }

  /**
   * A hub exists: it is linked with us or with one that is. Of two that hear of each other, one dials
   * at once and the other one only when that has come to nothing.
   */
  heardOf(card: PeerCard, isLinked: boolean): void {
    const { ownId, ownRegion, has, knowsRegion, makeTarget, loginOf } = this.#options
    if (this.#isStopped || card.id === ownId || card.id === '') return
    const kind: PeerLinkKind = card.region === ownRegion ? 'route' : 'gateway'
    const address = addressOf(kind === 'route' ? card.routeAddress : card.gatewayAddress)
    if (address === undefined || !has(kind)) return
    if (kind === 'gateway' && !knowsRegion(card.region)) return
    const known = this.#heardOf.get(card.id)
    if (known !== undefined) {
      if (addressText(known.options.address) === addressText(address)) return
      this.#forget(card.id)
    } else if (this.#heardOf.size >= PEERS_MAX) return
    const url = { ...address, ...loginOf(kind, card.region) }
    const target = makeTarget(kind, url, { region: card.region, id: card.id }, false)
    this.#heardOf.set(card.id, target)
    if (!isLinked) target.start(ownId < card.id ? 0 : GOSSIP_PATIENCE_MS)
  }

  linked(id: string): void {
    for (const target of this.#all()) target.linked(id)
  }

  lost(id: string): void {
    for (const target of this.#all()) target.lost(id)
  }

  /** After each failed dial: a hub that nobody configured may be gone for good. */
  failed(target: PeerTarget): void {
    if (target.options.isConfigured) return
    const { retriesMax } = this.#options
    const isTried = retriesMax > 0 && target.failures > retriesMax
    const id = target.options.wantedId
    if ((isTried || target.failingMs > FORGET_AFTER_MS) && this.#heardOf.get(id) === target) {
      this.#forget(id)
    }
  }

  stop(): void {
    this.#isStopped = true
    for (const target of this.#all()) target.stop()
  }

  #all(): readonly PeerTarget[] {
    return [...this.#configured.map(({ target }) => target), ...this.#heardOf.values()]
  }

  #forget(id: string): void {
    this.#heardOf.get(id)?.stop()
    this.#heardOf.delete(id)
  }
}
