import type { Identity, Permissions } from '../../shared/account/index.ts'
import type { Topic } from '../translator.ts'

/**
 * What a client may do by the permissions and limits of its user. The answer to a topic is
 * remembered with the topic, which all clients share, so that a device that keeps to its topics pays
 * for a lookup once.
 */
export class SessionGuard {
  readonly payloadBytesMax: number
  readonly filtersMax: number
  #identity: Identity
  #publishable = new WeakMap<Topic, boolean>()

  constructor(identity: Identity, limits: { payloadBytesMax: number; filtersMax: number }) {
    this.#identity = identity
    this.payloadBytesMax = within(limits.payloadBytesMax, identity.limits?.payloadBytes)
    this.filtersMax = within(limits.filtersMax, identity.limits?.subscriptions)
  }

  get identity(): Identity {
    return this.#identity
  }

  get #permissions(): Permissions | undefined {
    return this.#identity.permissions
  }

  /** The same user with other permissions. */
  renew(identity: Identity): void {
    this.#identity = identity
    this.#publishable = new WeakMap()
  }

  /** @param subject what the account's mappings have made of the topic's; mostly the same object */
  mayPublish(topic: Topic, subject: Uint8Array): boolean {
    if (this.#permissions === undefined || !this.#permissions.restrictsPublish) return true
    const isMapped = subject !== topic.subject
    const known = isMapped ? undefined : this.#publishable.get(topic)
    if (known !== undefined) return known
    const isAllowed = this.#permissions.mayPublish(Buffer.from(subject).toString())
    if (!isMapped) this.#publishable.set(topic, isAllowed)
    return isAllowed
  }

  maySubscribe(subject: string): boolean {
    return this.#permissions === undefined || this.#permissions.maySubscribe(subject, '')
  }

  /** A filter that is wider than what is denied: `mayReceive` decides about each message. */
  filtersDeliveries(subject: string): boolean {
    return this.#permissions?.filtersDeliveries(subject) === true
  }

  mayReceive(subject: string): boolean {
    return this.#permissions === undefined || this.#permissions.mayReceive(subject)
  }
}

/** -1 and nothing are no limit of the user's. */
function within(own: number, users: number | undefined): number {
  return users === undefined || users < 0 ? own : Math.min(own, users)
}
