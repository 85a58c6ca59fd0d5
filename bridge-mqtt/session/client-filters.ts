import type { Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import { isValidSubject, SubjectFilter } from '../../shared/subject/index.ts'
import { isShared, parseShared, VIOLATIONS, type Violation } from '../codec/index.ts'
import type { StoredFilter } from '../durable/index.ts'
import { FILTER_LEVELS_MAX, SUBJECT_BYTES_MAX } from '../limits.ts'
import { beginsWithDollar, filterToSubjects, shareNameToQueue } from '../topic-map.ts'
import { FilterOverlaps, type Grant, type OverlappingFilter } from './filter-overlaps.ts'
import type { SessionGuard } from './session-guard.ts'
import { SharedMembers, type SharedReceiver } from './shared-members.ts'

/** One topic filter of a client, with the subscriptions that stand for it. */
export interface ClientFilter extends OverlappingFilter {
  readonly filter: string
  /** Of a shared subscription, which has nothing to do with the client's other filters: the queue group. */
  readonly group: string | undefined
  /** It matches subjects that the client may not receive. */
  readonly isFiltered: boolean
}

interface Entry extends ClientFilter {
  qos: number
  isNoLocal: boolean
  isRetainAsPublished: boolean
  subscriptionIds: readonly number[]
  isFiltered: boolean
  subscriptions: readonly Subscription[]
}

/**
 * What makes a SUBSCRIBE or UNSUBSCRIBE with this filter malformed. Both versions leave open whether that
 * is an error of the packet or of the filter; it is the packet's, as in mosquitto.
 */
export function filterViolation(filter: string): Violation | undefined {
  const shared = isShared(filter) ? parseShared(filter) : undefined
  const plain = shared?.filter ?? filter
  if (countLevels(plain) > FILTER_LEVELS_MAX) return VIOLATIONS.filterLevels
  return filterToSubjects(plain) === undefined ? VIOLATIONS.filterWildcard : undefined
}

/** Why a filter is not granted. */
export type Refusal = 'invalid' | 'denied'

const NO_IDS: readonly number[] = []

/**
 * The topic filters of one client. Each is a subscription in the account's space (`a/#` takes two), a
 * shared one a member of the queue group of its name: so one group has MQTT and NATS clients.
 */
export class ClientFilters {
  readonly #space: SubjectSpace
  readonly #peer: Peer
  readonly #guard: SessionGuard
  readonly #isDurable: boolean
  readonly #receiver: SharedReceiver | undefined
  readonly #byFilter = new Map<string, Entry>()
  #bySubscription = new Map<Subscription, Entry>()
  readonly #overlaps = new FilterOverlaps()
  #age = 0
  #noLocal = 0

  /**
   * @param isDurable the members of shared subscriptions are then those of the account's log
   * @param receiver whoever takes what its members are given
   */
  constructor(
    space: SubjectSpace,
    peer: Peer,
    guard: SessionGuard,
    isDurable: boolean,
    receiver?: SharedReceiver,
  ) {
    this.#receiver = receiver
    this.#guard = guard
    this.#space = space
    this.#peer = peer
    this.#isDurable = isDurable
  }

  get account(): string {
    return this.#space.account
  }

  get size(): number {
    return this.#byFilter.size
  }

  /** What the client itself publishes must be known as its own. */
  get hasNoLocal(): boolean {
    return this.#noLocal > 0
  }

  has(filter: string): boolean {
    return this.#byFilter.has(filter)
  }

  /**
   * Adds a filter, or replaces the options of one that is there [MQTT-3.8.4-3]. Refused when its wildcards
   * are misplaced or it is too long to be told to others, or the client may not subscribe to it: for `a/#` that is `a` as well, as nats-server
   * has it.
   */
  set(stored: StoredFilter): ClientFilter | Refusal {
    const known = this.#byFilter.get(stored.filter)
    if (known !== undefined) {
      this.#setOptions(known, stored)
      this.#overlaps.forget()
      return known
    }
    const parts = partsOf(stored.filter)
    if (parts === undefined) return 'invalid'
    if (!this.#mayHave(parts.subjects, parts.group)) return 'denied'
    const entry = this.#newEntry(stored, parts)
    this.#byFilter.set(stored.filter, entry)
    for (const subscription of entry.subscriptions) this.#register(subscription, entry)
    if (entry.group === undefined) this.#overlaps.add(entry)
    return entry
  }

  delete(filter: string): boolean {
    const entry = this.#byFilter.get(filter)
    if (entry === undefined) return false
    this.#byFilter.delete(filter)
    if (entry.isNoLocal) this.#noLocal--
    if (entry.group === undefined) this.#overlaps.delete(entry)
    for (const subscription of entry.subscriptions) {
      this.#bySubscription.delete(subscription)
      this.#end(subscription)
    }
    return true
  }

  /** After permissions have changed: ends what is not allowed any more, and returns it. */
  recheck(): string[] {
    const removed: string[] = []
    for (const entry of [...this.#byFilter.values()]) {
      const subjects = entry.subjects.map(({ subject }) => subject)
      entry.isFiltered = this.#isFiltered(subjects, entry.group)
      if (this.#mayHave(subjects, entry.group)) continue
      this.delete(entry.filter)
      removed.push(entry.filter)
    }
    return removed
  }

  /**
   * Nothing is delivered from now on. What the space still knows of it is forgotten piece by piece, each by a call of
   * what is returned, until that is false: those who were shared with others first, since these are asked instead.
   */
  leave(): () => boolean {
    const all = [...this.#bySubscription.keys()]
    const shared = all.filter(({ queue }) => queue !== '')
    const left = [...shared, ...all.filter(({ queue }) => queue === '')].values()
    this.#byFilter.clear()
    this.#bySubscription = new Map()
    this.#overlaps.clear()
    this.#noLocal = 0
    return () => {
      const subscription = left.next().value
      if (subscription !== undefined) this.#end(subscription)
      return subscription !== undefined
    }
  }

  /**
   * How to deliver a message that the router has for `subscription`; undefined when it is not this
   * subscription that delivers it, or none may.
   *
   * @param isOwn the client itself published it
   */
  grantOf(subscription: Subscription, subject: Uint8Array, isOwn: boolean): Grant | undefined {
    const entry = this.#bySubscription.get(subscription)
    if (entry === undefined || (entry.skipsDollar && beginsWithDollar(subject))) return undefined
    if (entry.isFiltered && !this.#guard.mayReceive(subject, entry.group)) return undefined
    if (entry.group !== undefined) return entry
    if (!this.#overlaps.isAlone(entry)) return this.#overlaps.grantOf(entry, subject, isOwn)
    return isOwn && entry.isNoLocal ? undefined : entry
  }

  #register(subscription: Subscription, entry: Entry): void {
    this.#bySubscription.set(subscription, entry)
    if (subscription.queue === '' || this.#receiver === undefined) return
    SharedMembers.of(this.#space, subscription).join(subscription, this.#receiver)
  }

  #end(subscription: Subscription): void {
    this.#space.unsubscribe(subscription)
    if (subscription.queue === '' || this.#receiver === undefined) return
    SharedMembers.of(this.#space, subscription).leave(subscription)
  }

  #newEntry(stored: StoredFilter, { subjects, group, skipsDollar }: FilterParts): Entry {
    const sid = String(++this.#age)
    const queue = group === undefined ? {} : { queue: group }
    const isOfLog = group !== undefined && this.#isDurable
    const entry: Entry = {
      filter: stored.filter,
      qos: 0,
      isNoLocal: false,
      isRetainAsPublished: false,
      subscriptionIds: NO_IDS,
      age: this.#age,
      skipsDollar,
      group,
      isFiltered: this.#isFiltered(subjects, group),
      subjects: subjects.map((subject) => new SubjectFilter(subject)),
      overlaps: 0,
      subscriptions: isOfLog
        ? []
        : subjects.map((subject) => this.#space.subscribe(this.#peer, { subject, sid, ...queue })),
    }
    this.#setOptions(entry, stored)
    return entry
  }

  #setOptions(entry: Entry, stored: StoredFilter): void {
    this.#noLocal += Number(stored.isNoLocal) - Number(entry.isNoLocal)
    entry.qos = stored.qos
    entry.isNoLocal = stored.isNoLocal
    entry.isRetainAsPublished = stored.isRetainAsPublished
    entry.subscriptionIds = stored.subscriptionId === 0 ? NO_IDS : [stored.subscriptionId]
  }

  #mayHave(subjects: readonly string[], group: string | undefined): boolean {
    return subjects.every((subject) => this.#guard.maySubscribe(subject, group))
  }

  #isFiltered(subjects: readonly string[], group: string | undefined): boolean {
    return subjects.some((subject) => this.#guard.filtersDeliveries(subject, group))
  }
}

interface FilterParts {
  readonly subjects: readonly string[]
  /** Of a shared subscription: the queue group. */
  readonly group: string | undefined
  readonly skipsDollar: boolean
}

function countLevels(filter: string): number {
  let count = 1
  for (let at = filter.indexOf('/'); at >= 0; at = filter.indexOf('/', at + 1)) count++
  return count
}

/** Undefined when no subject stands for it. */
function partsOf(filter: string): FilterParts | undefined {
  const shared = isShared(filter) ? parseShared(filter) : { group: undefined, filter }
  const mapped = shared && filterToSubjects(shared.filter)
  if (mapped === undefined) return undefined
  const { subjects, skipsDollar } = mapped
  const group = shared?.group === undefined ? undefined : shareNameToQueue(shared.group)
  const isTold = subjects.every((subject) => isValidSubject(subject) && isShort(subject, group))
  return isTold ? { subjects, group, skipsDollar } : undefined
}

/** Other servers are told of it in one line. */
function isShort(subject: string, group = ''): boolean {
  return Buffer.byteLength(subject) + Buffer.byteLength(group) <= SUBJECT_BYTES_MAX
}
