import type { Clock } from '../runtime/index.ts'
import { isValidSubject } from '../subject/index.ts'
import { PERMISSION_ERRORS, SERVER_ERRORS } from '../wire/index.ts'
import type { AccountSpace } from './account-space.ts'
import type { ClientOutlet } from './client-outlet.ts'
import { ClientSubscription } from './client-subscription.ts'
import type { PermissionGuard } from './permission-guard.ts'
import { Turns } from './turns.ts'

/** What one client is subscribed to, by its sids. All of it is in one account's space. */
export class ClientSubscriptions {
  /** How many there may be. */
  max = Number.POSITIVE_INFINITY
  guard: PermissionGuard | undefined
  readonly #outlet: ClientOutlet
  readonly #turns: Turns
  #bySid = new Map<string, ClientSubscription>()
  /** Those of queue groups. */
  #queued = new Set<ClientSubscription>()
  #space: AccountSpace

  constructor(outlet: ClientOutlet, space: AccountSpace, clock: Clock) {
    this.#outlet = outlet
    this.#turns = Turns.of(clock)
    this.#space = space
  }

  get bySid(): ReadonlyMap<string, ClientSubscription> {
    return this.#bySid
  }

  /** What there is belongs to another account, or another user, and ends. */
  enter(space: AccountSpace): void {
    if (space !== this.#space) this.clear()
    this.#space = space
  }

  /**
   * Returns the text of -ERR when it is refused, by nats-server's checks in nats-server's order. A sid
   * that is there already keeps its subscription, but counts against the limit.
   */
  add(subject: string, queue: string, sid: string, tokensMax: number): string | undefined {
    if (!this.#isAllowed(subject, queue)) return PERMISSION_ERRORS.subscription(subject, queue)
    if (tokensMax > 0 && subject.split('.').length > tokensMax) {
      return PERMISSION_ERRORS.tokens(subject)
    }
    if (this.#bySid.size >= this.max) return SERVER_ERRORS.subscriptions
    if (this.#bySid.has(sid)) return undefined
    if (!isValidSubject(subject)) return SERVER_ERRORS.invalid_subject
    const subscription = new ClientSubscription(this.#outlet, subject, queue, sid)
    subscription.isFiltered = this.guard?.filtersDeliveries(subject, queue) ?? false
    this.#bySid.set(sid, subscription)
    if (queue !== '') this.#queued.add(subscription)
    this.#space.add(subscription)
    return undefined
  }

  /** @param deliveredMax it ends when so many were delivered; at once when they were already */
  end(sid: string, deliveredMax: number): void {
    const subscription = this.#bySid.get(sid)
    if (subscription === undefined) return
    if (deliveredMax > subscription.delivered) subscription.deliveredMax = deliveredMax
    else this.remove(subscription)
  }

  remove(subscription: ClientSubscription): void {
    if (subscription.isClosed) return
    subscription.isClosed = true
    this.#bySid.delete(subscription.sid)
    if (subscription.queue !== '') this.#queued.delete(subscription)
    this.#space.unsubscribe(subscription)
  }

  /** Nothing of what there is gets anything from now on. */
  clear(): void {
    for (const subscription of this.#bySid.values()) subscription.isClosed = true
    this.leave()
  }

  /**
   * The client is gone, or is somebody else now: what it asked for is forgotten piece by piece, so that a
   * million subscriptions hold up nobody. Queue groups first: other servers choose among members that
   * they know of, and what they send to one who is gone is lost.
   */
  leave(): void {
    const [queued, all] = [this.#queued.values(), this.#bySid.values()]
    const space = this.#space
    this.#bySid = new Map()
    this.#queued = new Set()
    this.#turns.doInPieces(space.account, () => {
      const subscription = queued.next().value ?? all.next().value
      if (subscription === undefined) return false
      subscription.isClosed = true
      space.unsubscribe(subscription)
      return true
    })
  }

  /** After permissions have changed: ends what is not allowed any more, and returns the texts of -ERR. */
  recheck(): string[] {
    const errors: string[] = []
    for (const subscription of [...this.#bySid.values()]) {
      const { subject, queue, sid } = subscription
      subscription.isFiltered = this.guard?.filtersDeliveries(subject, queue) ?? false
      if (this.#isAllowed(subject, queue)) continue
      this.remove(subscription)
      errors.push(PERMISSION_ERRORS.removed(subject, queue, sid))
    }
    return errors
  }

  #isAllowed(subject: string, queue: string): boolean {
    return queue !== SYSTEM_QUEUE && (this.guard?.maySubscribe(subject, queue) ?? true)
  }
}

/** Servers' own queue group for requests to all of them. */
const SYSTEM_QUEUE = '_sys_'
