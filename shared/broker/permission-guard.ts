import { type Permissions, publishRulesOf } from '../account/index.ts'
import type { SubjectPermissionConfig } from '../config/index.ts'
import type { Clock } from '../runtime/index.ts'
import { PERMITTED_REPLIES_MAX, REMEMBERED_PERMISSIONS_MAX } from './limits.ts'
import { PermittedReplies } from './permitted-replies.ts'
import type { Route } from './route.ts'

/**
 * What one connection may publish and subscribe to, by the permissions of its user.
 *
 * Answers are remembered per route, and per subject for deliveries, so that a restricted user who
 * publishes to the same subjects again pays a lookup and no string. Replies to delivered requests may
 * be allowed on top of that (`allow_responses`): each such reply subject is noted, for so many
 * messages and so long.
 */
export class PermissionGuard {
  readonly restrictsPublish: boolean
  /** See `Peer.publishRules`. */
  readonly publishRules: SubjectPermissionConfig | undefined
  /** Reply subjects of what is delivered must be told by `delivered`. */
  readonly tracksReplies: boolean
  readonly #permissions: Permissions
  readonly #publishable = new Map<Route, boolean>()
  readonly #receivable = new Map<string, boolean>()
  readonly #replies: PermittedReplies

  constructor(permissions: Permissions, clock: Clock) {
    this.#permissions = permissions
    this.#replies = new PermittedReplies(clock, PERMITTED_REPLIES_MAX)
    this.restrictsPublish = permissions.restrictsPublish
    this.publishRules = publishRulesOf(permissions)
    this.tracksReplies = permissions.responses !== undefined && permissions.restrictsPublish
  }

  mayPublish(subject: string): boolean {
    if (!this.restrictsPublish || this.#permissions.mayPublish(subject)) return true
    return this.#takeReply(subject)
  }

  mayPublishTo(route: Route): boolean {
    const known = this.#publishable.get(route)
    // A remembered refusal may have become a permitted reply since.
    if (known !== undefined) return known || this.#takeReply(route.subject)
    const isAllowed = this.#permissions.mayPublish(route.subject)
    remember(this.#publishable, route, isAllowed)
    return isAllowed || this.#takeReply(route.subject)
  }

  maySubscribe(subject: string, queue: string): boolean {
    return this.#permissions.maySubscribe(subject, queue)
  }

  /** The subscription matches subjects that must not be delivered: ask `mayReceive` for each. */
  filtersDeliveries(subject: string, queue: string): boolean {
    return this.#permissions.filtersDeliveries(subject, queue)
  }

  mayReceive(subject: string, queue: string): boolean {
    const key = queue === '' ? subject : `${subject} ${queue}`
    const known = this.#receivable.get(key)
    if (known !== undefined) return known
    const isAllowed = this.#permissions.mayReceive(subject, queue)
    remember(this.#receivable, key, isAllowed)
    return isAllowed
  }

  /** A message with this reply subject was delivered: it may be answered. */
  delivered(reply: string): void {
    const rule = this.#permissions.responses
    if (!this.tracksReplies || rule === undefined || this.#permissions.mayPublish(reply)) return
    this.#replies.note(reply, rule)
  }

  #takeReply(subject: string): boolean {
    const rule = this.#permissions.responses
    return rule !== undefined && this.#replies.take(subject, rule)
  }
}

function remember<Key>(memory: Map<Key, boolean>, key: Key, isAllowed: boolean): void {
  if (memory.size >= REMEMBERED_PERMISSIONS_MAX) memory.clear()
  memory.set(key, isAllowed)
}
