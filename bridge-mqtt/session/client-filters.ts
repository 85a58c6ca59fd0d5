import type { Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import { isValidSubject, SubjectFilter } from '../../shared/subject/index.ts'
import { isShared, parseShared, VIOLATIONS, type Violation } from '../codec/index.ts'
import type { StoredFilter } from '../durable/index.ts'
import { FILTER_LEVELS_MAX, SUBJECT_BYTES_MAX } from '../limits.ts'
import { beginsWithDollar, filterToSubjects, shareNameToQueue } from '../topic-map.ts'
import { FilterOverlaps, type Grant, type OverlappingFilter } from './filter-overlaps.ts'
import { FilterRule, type FilterSubjects } from './filter-rule.ts'
import type { SessionGuard } from './session-guard.ts'
import { SharedMembers, type SharedReceiver } from './shared-members.ts'

const NO_IDS: readonly number[] = []
const NO_SUBSCRIPTIONS: readonly Subscription[] = []

/** One topic filter of a client, with the subscriptions that stand for it. */
export interface ClientFilter extends OverlappingFilter {
  readonly filter: string
  /** Of a shared subscription, which has nothing to do with the client's other filters: the queue group. */
  readonly group: string | undefined
  /** It matches subjects that the client may not receive; of one that is allowed. */
  readonly isFiltered: boolean
  /** The same as `subjects`, for who does not need them again. */
  compiled(): SubjectFilter[]
}

class Entry implements ClientFilter {
  qos = 0
  isNoLocal = false
  isRetainAsPublished = false
  subscriptionIds = NO_IDS
  overlaps = 0
  /** None where the members of a group are the log's. */
  subscriptions: readonly Subscription[] = NO_SUBSCRIPTIONS
  readonly filter: string
  readonly age: number
  readonly skipsDollar: boolean
  readonly group: string | undefined
  readonly #rule: FilterRule
  #subjects: readonly SubjectFilter[] | undefined
  #judgedBy: number
  #isAllowed = true
  #isFiltered: boolean

  constructor(filter: string, age: number, parts: FilterParts, rule: FilterRule) {
    this.filter = filter
    this.age = age
    this.skipsDollar = parts.skipsDollar
    this.group = parts.group
    this.#rule = rule
    this.#judgedBy = rule.generation
    this.#isFiltered = rule.filters(parts)
  }

  get isFiltered(): boolean {
    return this.#isFiltered
  }

  get isAllowed(): boolean {
    if (this.#judgedBy !== this.#rule.generation) this.#judge()
    return this.#isAllowed
  }

  /** Made when something is held against them: a device's only filter never is, the router has done it. */
  get subjects(): readonly SubjectFilter[] {
    this.#subjects ??= this.compiled()
    return this.#subjects
  }

  get names(): readonly string[] {
    return partsOf(this.filter)?.names ?? []
  }

  /** What was refused once has ended, whatever is allowed later. */
  #judge(): void {
    const { names, group } = this
    this.#judgedBy = this.#rule.generation
    this.#isAllowed &&= this.#rule.mayHave({ names, group })
    this.#isFiltered = this.#rule.filters({ names, group })
  }

  compiled(): SubjectFilter[] {
    return this.names.map((name) => new SubjectFilter(name))
  }
}

/** What is looked up in more filters than one. */
class Several {
  readonly byFilter = new Map<string, Entry>()
  readonly bySubscription = new Map<Subscription, Entry>()
  readonly overlaps = new FilterOverlaps()
  sharedCount = 0

  add(entry: Entry): void {
    this.byFilter.set(entry.filter, entry)
    for (const subscription of entry.subscriptions) this.bySubscription.set(subscription, entry)
    if (entry.group === undefined) this.overlaps.add(entry)
    else this.sharedCount++
  }

  delete(entry: Entry): void {
    this.byFilter.delete(entry.filter)
    for (const subscription of entry.subscriptions) this.bySubscription.delete(subscription)
    if (entry.group === undefined) this.overlaps.delete(entry)
    else this.sharedCount--
  }
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

/**
 * The topic filters of one client. Each is a subscription in the account's space (`a/#` takes two), a
 * shared one a member of the queue group of its name: so one group has MQTT and NATS clients.
 */
export class ClientFilters {
  readonly #space: SubjectSpace
  readonly #peer: Peer
  readonly #rule: FilterRule
  readonly #isDurable: boolean
  readonly #receiver: SharedReceiver | undefined
  /** While there is no other: most devices have one filter. */
  #only: Entry | undefined
  /** All of them, from the second on. */
  #several: Several | undefined
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
    this.#rule = new FilterRule(guard)
    this.#space = space
    this.#peer = peer
    this.#isDurable = isDurable
  }

  get account(): string {
    return this.#space.account
  }

  get size(): number {
    if (this.#several !== undefined) return this.#several.byFilter.size
    return this.#only === undefined ? 0 : 1
  }

  /** How many of them are shared. */
  get sharedCount(): number {
    return this.#several?.sharedCount ?? Number(this.#only?.group !== undefined)
  }

  /** What stands for its filters without a subscription of the client's: members of groups that are the log's. */
  get ofLog(): readonly GroupSubject[] {
    if (!this.#isDurable || this.sharedCount === 0) return []
    return this.#all().flatMap(({ names, group = '' }) =>
      group === '' ? [] : names.map((subject) => ({ subject, queue: group })),
    )
  }

  /** What the client itself publishes must be known as its own. */
  get hasNoLocal(): boolean {
    return this.#noLocal > 0
  }

  has(filter: string): boolean {
    return this.#get(filter) !== undefined
  }

  get(filter: string): ClientFilter | undefined {
    return this.#get(filter)
  }

  /**
   * Adds a filter, or replaces the options of one that is there [MQTT-3.8.4-3]. Refused when its wildcards are
   * misplaced or it is too long to be told to others, or the client may not subscribe to it: for `a/#` that is `a` as
   * well, as nats-server has it.
   */
  set(stored: StoredFilter): ClientFilter | Refusal {
    const known = this.#get(stored.filter)
    if (known?.isAllowed === true) {
      this.#setOptions(known, stored)
      this.#several?.overlaps.forget()
      return known
    }
    const parts = partsOf(stored.filter)
    if (parts === undefined) return 'invalid'
    if (!this.#rule.mayHave(parts)) return 'denied'
    // It was about to end, and is allowed again.
    if (known !== undefined) this.delete(stored.filter)
    const entry = this.#newEntry(stored, parts)
    for (const subscription of entry.subscriptions) this.#join(subscription)
    this.#add(entry)
    return entry
  }

  delete(filter: string): boolean {
    const entry = this.#get(filter)
    if (entry === undefined) return false
    if (entry.isNoLocal) this.#noLocal--
    if (this.#several === undefined) this.#only = undefined
    else this.#several.delete(entry)
    for (const subscription of entry.subscriptions) this.#end(subscription)
    return true
  }

  /** Permissions have changed: from now on nothing passes by what is not allowed any more, and `FilterRecheck` ends it. */
  permissionsChanged(): void {
    this.#rule.generation++
    this.#several?.overlaps.forget()
  }

  all(): Iterator<ClientFilter> {
    return this.#several?.byFilter.values() ?? this.#all().values()
  }

  /**
   * Nothing is delivered from now on. What the space still knows of it is forgotten piece by piece, each by a call of
   * what is returned, until that is false: those who were shared with others first, since these are asked instead.
   */
  leave(): () => boolean {
    const all = this.#all().flatMap(({ subscriptions }) => subscriptions)
    const shared = all.filter(({ queue }) => queue !== '')
    const left = [...shared, ...all.filter(({ queue }) => queue === '')].values()
    this.#several?.overlaps.clear()
    this.#only = undefined
    this.#several = undefined
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
    const several = this.#several
    const entry =
      several === undefined ? this.#onlyOf(subscription) : several.bySubscription.get(subscription)
    if (entry === undefined || (entry.skipsDollar && beginsWithDollar(subject))) return undefined
    if (!entry.isAllowed) return undefined
    if (entry.isFiltered && !this.#rule.mayReceive(subject, entry.group)) return undefined
    if (entry.group !== undefined) return entry
    if (several?.overlaps.isAlone(entry) === false) {
      return several.overlaps.grantOf(entry, subject, isOwn)
    }
    return isOwn && entry.isNoLocal ? undefined : entry
  }

  #get(filter: string): Entry | undefined {
    if (this.#several !== undefined) return this.#several.byFilter.get(filter)
    return this.#only?.filter === filter ? this.#only : undefined
  }

  #onlyOf(subscription: Subscription): Entry | undefined {
    return this.#only?.subscriptions.includes(subscription) === true ? this.#only : undefined
  }

  #all(): Entry[] {
    if (this.#several !== undefined) return [...this.#several.byFilter.values()]
    return this.#only === undefined ? [] : [this.#only]
  }

  #add(entry: Entry): void {
    if (this.#several === undefined && this.#only === undefined) {
      this.#only = entry
      return
    }
    this.#several ??= new Several()
    if (this.#only !== undefined) this.#several.add(this.#only)
    this.#only = undefined
    this.#several.add(entry)
  }

  #join(subscription: Subscription): void {
    if (subscription.queue === '' || this.#receiver === undefined) return
    SharedMembers.of(this.#space, subscription).join(subscription, this.#receiver)
  }

  #end(subscription: Subscription): void {
    this.#space.unsubscribe(subscription)
    if (subscription.queue === '' || this.#receiver === undefined) return
    SharedMembers.of(this.#space, subscription).leave(subscription)
  }

  #newEntry(stored: StoredFilter, parts: FilterParts): Entry {
    const { names, group } = parts
    const sid = String(++this.#age)
    const queue = group === undefined ? {} : { queue: group }
    const isOfLog = group !== undefined && this.#isDurable
    const entry = new Entry(stored.filter, this.#age, parts, this.#rule)
    if (!isOfLog) {
      entry.subscriptions = names.map((subject) =>
        this.#space.subscribe(this.#peer, { subject, sid, ...queue }),
      )
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
}

/** A member of a queue group. */
export interface GroupSubject {
  readonly subject: string
  readonly queue: string
}

interface FilterParts extends FilterSubjects {
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
  const { subjects: names, skipsDollar } = mapped
  const group = shared?.group === undefined ? undefined : shareNameToQueue(shared.group)
  const isTold = names.every((subject) => isValidSubject(subject) && isShort(subject, group))
  return isTold ? { names, group, skipsDollar } : undefined
}

/** Other servers are told of it in one line. */
function isShort(subject: string, group = ''): boolean {
  return Buffer.byteLength(subject) + Buffer.byteLength(group) <= SUBJECT_BYTES_MAX
}
