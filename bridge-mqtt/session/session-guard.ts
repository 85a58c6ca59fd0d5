import type { Identity } from '../../shared/account/index.ts'
import { type AccountLimits, PermittedReplies } from '../../shared/broker/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import { BytesCache } from '../../shared/subject/index.ts'
import type { MessageFacts } from '../headers/index.ts'
import {
  PERMITTED_REPLIES_MAX,
  RECEIVABLE_SUBJECT_BYTES,
  RECEIVABLE_SUBJECTS_MAX,
  SUBJECT_BYTES_MAX,
} from '../limits.ts'
import type { Topic } from '../translator.ts'

export interface SessionLimits {
  readonly payloadBytesMax: number
  readonly filtersMax: number
  readonly expiresMs: number
}

/**
 * What a client may do by the permissions and limits of its user. The answer to a topic is
 * remembered with the topic, which all clients share, so that a device that keeps to its topics pays
 * for a lookup once.
 */
export class SessionGuard {
  readonly #limitsOf: (identity: Identity) => SessionLimits
  #identity: Identity
  #limits: SessionLimits
  /** Made with the first topic that has to be asked for. */
  #publishable: WeakMap<Topic, boolean> | undefined
  /** Made when a filter is wider than what the user may receive, which few are. */
  #receivable: Map<string, BytesCache<boolean>> | undefined
  readonly #clock: Clock
  /** Made with the first request that may be answered for its own sake. */
  #replies: PermittedReplies | undefined

  constructor(identity: Identity, limitsOf: (identity: Identity) => SessionLimits, clock: Clock) {
    this.#clock = clock
    this.#identity = identity
    this.#limitsOf = limitsOf
    this.#limits = limitsOf(identity)
  }

  get payloadBytesMax(): number {
    return this.#limits.payloadBytesMax
  }

  get filtersMax(): number {
    return this.#limits.filtersMax
  }

  /** Wall time; Infinity for never. */
  get expiresMs(): number {
    return this.#limits.expiresMs
  }

  get identity(): Identity {
    return this.#identity
  }

  /** The same user with other permissions, or in an account with other limits. */
  renew(identity: Identity): void {
    this.#identity = identity
    this.#limits = this.#limitsOf(identity)
    this.#publishable = undefined
    this.#receivable = undefined
  }

  /** @param subject what the account's mappings have made of the topic's; mostly the same object */
  mayPublish(topic: Topic, subject: Uint8Array): boolean {
    const { permissions } = this.#identity
    if (permissions === undefined || !permissions.restrictsPublish) return true
    const isMapped = subject !== topic.subject
    const known = isMapped ? undefined : this.#publishable?.get(topic)
    if (known !== undefined) return known
    const isAllowed = permissions.mayPublish(Buffer.from(subject).toString())
    if (!isMapped) {
      this.#publishable ??= new WeakMap()
      this.#publishable.set(topic, isAllowed)
    }
    return isAllowed
  }

  /** A message is delivered: where its response topic says it may be answered (`allow_responses`). */
  delivered(facts: MessageFacts): void {
    const { responses, restrictsPublish = false } = this.#identity.permissions ?? {}
    if (responses === undefined || !restrictsPublish) return
    // A longer topic could not be published to.
    const topic = facts.responseTopic(SUBJECT_BYTES_MAX)
    if (topic === undefined) return
    this.#replies ??= new PermittedReplies(this.#clock, PERMITTED_REPLIES_MAX)
    this.#replies.note(topic, responses)
  }

  /**
   * Whether a publish that is not permitted answers a request, which counts as answered then.
   *
   * @param subject as for `mayPublish`: where mappings lead elsewhere nobody has asked
   */
  mayAnswer(topic: Topic, subject: Uint8Array): boolean {
    const rule = this.#identity.permissions?.responses
    if (this.#replies === undefined || rule === undefined) return false
    return (
      subject === topic.subject && this.#replies.take(Buffer.from(topic.bytes).toString(), rule)
    )
  }

  /** @param queue '' for a plain subscription */
  maySubscribe(subject: string, queue = ''): boolean {
    const { permissions } = this.#identity
    return permissions === undefined || permissions.maySubscribe(subject, queue)
  }

  /** A filter that is wider than what is denied: `mayReceive` decides about each message. */
  filtersDeliveries(subject: string, queue = ''): boolean {
    return this.#identity.permissions?.filtersDeliveries(subject, queue) === true
  }

  /**
   * Whether he may have messages on a subject at all: by a filter that he was allowed as he asked for it he may not
   * any more have what came, or was stored, before that is taken from him. Remembered per subject: asked for every
   * delivery of a filter that is too wide, and of the log.
   */
  mayReceive(subject: Uint8Array, queue = ''): boolean {
    const { permissions } = this.#identity
    if (permissions === undefined) return true
    const receivable = this.#receivableBy(queue)
    const known = receivable.get(subject, 0, subject.length)
    if (known !== undefined) return known
    const isAllowed = permissions.maySubscribe(Buffer.from(subject).toString(), queue)
    receivable.add(subject, 0, subject.length, isAllowed)
    return isAllowed
  }

  #receivableBy(queue: string): BytesCache<boolean> {
    this.#receivable ??= new Map()
    let receivable = this.#receivable.get(queue)
    if (receivable === undefined) {
      receivable = new BytesCache(RECEIVABLE_SUBJECTS_MAX, RECEIVABLE_SUBJECT_BYTES)
      this.#receivable.set(queue, receivable)
    }
    return receivable
  }
}

/** The lowest of the server's limits, the account's and the user's. */
export function sessionLimits(
  server: { readonly payloadBytesMax: number; readonly filtersMax: number },
  account: AccountLimits,
  { limits, expiresMs = Number.POSITIVE_INFINITY }: Identity,
): SessionLimits {
  const found: SessionLimits = {
    payloadBytesMax: lowest(server.payloadBytesMax, account.payloadBytes, limits?.payloadBytes),
    filtersMax: lowest(server.filtersMax, account.subscriptions, limits?.subscriptions),
    expiresMs: Math.min(expiresMs, account.expiresMs ?? Number.POSITIVE_INFINITY),
  }
  if (!isSame(found, latest)) latest = found
  return latest
}

/** Who comes next mostly has the same limits, and then the same object. */
let latest: SessionLimits = { payloadBytesMax: 0, filtersMax: 0, expiresMs: 0 }

function isSame(a: SessionLimits, b: SessionLimits): boolean {
  return (
    a.payloadBytesMax === b.payloadBytesMax &&
    a.filtersMax === b.filtersMax &&
    a.expiresMs === b.expiresMs
  )
}

/** -1 and nothing are no limit. */
function lowest(own: number, ...others: readonly (number | undefined)[]): number {
  const limits = others.filter((limit) => limit !== undefined)
  return Math.min(own, ...limits.filter((limit) => limit >= 0))
}
