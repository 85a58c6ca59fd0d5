import type { AccountSpace, InterestObserver, Peer, Subscription } from '../broker/index.ts'
import type { Random } from '../runtime/index.ts'
import { hasWildcard, SubjectTree } from '../subject/index.ts'
import { ImportPeer } from './import-peer.ts'
import { isLinked, LinkShadow, LocalShadow } from './shadow.ts'
import type { StreamImport } from './stream-import.ts'

/** One shadow and where it is subscribed. */
interface Cast {
  readonly source: StreamImport
  readonly space: AccountSpace
  readonly subscription: Subscription
}

/**
 * The stream imports of one account: follows its subscriptions, and keeps a shadow of each in every
 * exporting account that it overlaps. A literal subscription asks a tree which imports it concerns; one
 * with wildcards asks each import. There are as many shadows as subscriptions times imports that
 * overlap, and both are limited by the account's configuration.
 */
export class StreamShadows implements InterestObserver {
  readonly #space: AccountSpace
  readonly #spaceOf: (account: string) => AccountSpace
  readonly #random: Random
  readonly #imports = new Set<StreamImport>()
  readonly #byTarget = new SubjectTree<StreamImport>()
  readonly #casts = new Map<Subscription, Cast[]>()
  readonly #links = new WeakMap<StreamImport, WeakMap<Peer, LinkShadow>>()
  #stop: (() => void) | undefined

  constructor(space: AccountSpace, spaceOf: (account: string) => AccountSpace, random: Random) {
    this.#space = space
    this.#spaceOf = spaceOf
    this.#random = random
  }

  get isEmpty(): boolean {
    return this.#imports.size === 0
  }

  /** Shadows of all subscriptions. */
  get size(): number {
    let size = 0
    for (const casts of this.#casts.values()) size += casts.length
    return size
  }

  add(source: StreamImport): void {
    this.#imports.add(source)
    this.#byTarget.add(source.to, source)
    this.#stop ??= this.#space.observe(this)
    for (const subscription of [...this.#space.subscriptions()]) {
      if (isImportable(subscription)) this.#cast(subscription, source)
    }
  }

  remove(source: StreamImport): void {
    if (!this.#imports.delete(source)) return
    this.#byTarget.remove(source.to, source)
    for (const [subscription, casts] of this.#casts) {
      const kept = casts.filter((cast) => cast.source !== source)
      if (kept.length === casts.length) continue
      for (const cast of casts)
        if (cast.source === source) cast.space.unsubscribe(cast.subscription)
      if (kept.length === 0) this.#casts.delete(subscription)
      else this.#casts.set(subscription, kept)
    }
    if (this.#imports.size > 0) return
    this.#stop?.()
    this.#stop = undefined
  }

  clear(): void {
    for (const source of [...this.#imports]) this.remove(source)
  }

  subscriptionAdded(subscription: Subscription): void {
    if (!isImportable(subscription)) return
    const { subject } = subscription
    const sources = hasWildcard(subject) ? this.#imports : this.#byTarget.match(subject)
    for (const source of sources) this.#cast(subscription, source)
  }

  subscriptionRemoved(subscription: Subscription): void {
    const casts = this.#casts.get(subscription)
    if (casts === undefined) return
    this.#casts.delete(subscription)
    for (const { space, subscription: shadow } of casts) space.unsubscribe(shadow)
  }

  subscriptionReweighed(subscription: Subscription): void {
    for (const cast of this.#casts.get(subscription) ?? []) {
      cast.space.reweigh(cast.subscription, subscription.weight)
    }
  }

  #cast(original: Subscription, source: StreamImport): void {
    const subject = source.subjectThere(original.subject, this.#random)
    if (subject === undefined) return
    const space = this.#spaceOf(source.account)
    const subscription = space.subscribe(this.#shadowOf(original, source), {
      subject,
      queue: original.queue,
      sid: original.sid,
      weight: original.weight,
      isCapture: original.isCapture,
      isConfined: original.isConfined ?? false,
    })
    const cast: Cast = { source, space, subscription }
    const casts = this.#casts.get(original)
    if (casts === undefined) this.#casts.set(original, [cast])
    else casts.push(cast)
  }

  /** One for all subscriptions of a link: it takes a message once, however many of them match. */
  #shadowOf(original: Subscription, source: StreamImport): ImportPeer {
    const { peer } = original
    if (!isLinked(peer)) return new LocalShadow(original, this.#space.account, source, this.#random)
    let shadows = this.#links.get(source)
    if (shadows === undefined) {
      shadows = new WeakMap()
      this.#links.set(source, shadows)
    }
    let shadow = shadows.get(peer)
    if (shadow === undefined) {
      shadow = new LinkShadow(peer, this.#space.account, source, this.#random)
      shadows.set(peer, shadow)
    }
    return shadow
  }
}

/** Other hubs import for themselves, and what is imported is not imported again. */
function isImportable({ peer }: Subscription): boolean {
  return peer.kind !== 'route' && peer.kind !== 'gateway' && !(peer instanceof ImportPeer)
}
