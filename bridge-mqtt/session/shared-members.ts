import type { Message, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import { SHARED_MEMBERS_ASKED } from '../limits.ts'
import type { MqttOrigin } from './subscriber.ts'

/** A client as a member of shared subscriptions. */
export interface SharedReceiver {
  /** Whether it takes the message: at once, or also when the message has to wait. */
  take(
    subscription: Subscription,
    message: Message,
    origin: MqttOrigin | undefined,
    mayWait: boolean,
  ): boolean
}

const GROUPS = new WeakMap<SubjectSpace, Map<string, SharedMembers>>()

/**
 * The clients that share one subscription, in the order in which they have subscribed, and whose turn it is.
 * The router picks a member of the queue group by chance; one that is a client of MQTT passes the message
 * on to the one whose turn it is, so that clients get equally much, also of few messages. Who is behind is
 * passed over as long as another one has room.
 */
export class SharedMembers {
  readonly #members = new Map<Subscription, SharedReceiver>()
  /** Made anew when a message comes after one has joined or left. */
  #order: readonly (readonly [Subscription, SharedReceiver])[] | undefined
  #next = 0

  static of(space: SubjectSpace, { queue, subject }: Subscription): SharedMembers {
    let groups = GROUPS.get(space)
    if (groups === undefined) {
      groups = new Map()
      GROUPS.set(space, groups)
    }
    const key = `${queue} ${subject}`
    let members = groups.get(key)
    if (members === undefined) {
      members = new SharedMembers(() => groups.delete(key))
      groups.set(key, members)
    }
    return members
  }

  readonly #emptied: () => void

  private constructor(emptied: () => void) {
    this.#emptied = emptied
  }

  join(subscription: Subscription, receiver: SharedReceiver): void {
    this.#members.set(subscription, receiver)
    this.#order = undefined
  }

  leave(subscription: Subscription): void {
    const index = this.#order?.findIndex(([member]) => member === subscription) ?? -1
    this.#members.delete(subscription)
    this.#order = undefined
    if (index >= 0 && index < this.#next) this.#next--
    if (this.#members.size === 0) this.#emptied()
  }

  /** Of very many that have no room not all are asked: whoever the router asks next asks others. */
  offer(message: Message, origin: MqttOrigin | undefined): boolean {
    this.#order ??= [...this.#members]
    const order = this.#order
    const { length } = order
    const asked = Math.min(length, SHARED_MEMBERS_ASKED)
    for (const mayWait of [false, true]) {
      for (let i = 0; i < asked; i++) {
        const index = (this.#next + i) % length
        const member = order[index]
        if (member?.[1].take(member[0], message, origin, mayWait) !== true) continue
        this.#next = (index + 1) % length
        return true
      }
    }
    this.#next = (this.#next + asked) % Math.max(1, length)
    return false
  }
}
