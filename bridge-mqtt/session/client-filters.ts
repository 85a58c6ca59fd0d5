import type { Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import { isValidSubject, overlaps, SubjectFilter } from '../../shared/subject/index.ts'
import { isShared } from '../codec/index.ts'
import { beginsWithDollar, filterToSubjects } from '../topic-map.ts'
import type { SessionGuard } from './session-guard.ts'

/** One topic filter of a client, with the subscriptions that stand for it. */
export interface ClientFilter {
  readonly filter: string
  /** Granted; a repeated SUBSCRIBE changes it [MQTT-3.8.4-3]. */
  qos: number
  /** Rises with every new filter: the elder of two equals delivers. */
  readonly age: number
  readonly skipsDollar: boolean
  /** It matches subjects that the client may not receive. */
  isFiltered: boolean
  readonly subjects: readonly SubjectFilter[]
  readonly subscriptions: readonly Subscription[]
  /** Other filters of the client that can match the same topic. */
  readonly overlapping: Set<ClientFilter>
}

/**
 * The topic filters of one client. When several match a message, it is delivered once, with the
 * highest QoS among them [MQTT-3.3.5-1], as mosquitto does. Each filter knows the others it overlaps
 * with (mostly none), so that one delivery can tell by itself whether it is the one to be made.
 */
export class ClientFilters {
  readonly #space: SubjectSpace
  readonly #peer: Peer
  readonly #guard: SessionGuard
  readonly #byFilter = new Map<string, ClientFilter>()
  readonly #bySubscription = new Map<Subscription, ClientFilter>()
  /** Those with wildcards: only they can overlap with another filter. */
  readonly #wild = new Set<ClientFilter>()
  #age = 0

  constructor(space: SubjectSpace, peer: Peer, guard: SessionGuard) {
    this.#guard = guard
    this.#space = space
    this.#peer = peer
  }

  get size(): number {
    return this.#byFilter.size
  }

  has(filter: string): boolean {
    return this.#byFilter.has(filter)
  }

  /**
   * False when the filter's wildcards are misplaced, it is of a kind that is not served, or the client
   * may not subscribe to it: for `a/#` that is `a` as well, as nats-server has it.
   */
  set(filter: string, qos: number): boolean {
    const known = this.#byFilter.get(filter)
    if (known !== undefined) {
      known.qos = qos
      return true
    }
    // Shared subscriptions come with durable sessions; a filter of that form is not a plain one.
    const mapped = isShared(filter) ? undefined : filterToSubjects(filter)
    if (mapped === undefined || !mapped.subjects.every(isValidSubject)) return false
    if (!this.#mayHave(mapped.subjects)) return false
    const sid = String(++this.#age)
    const entry: ClientFilter = {
      filter,
      qos,
      age: this.#age,
      skipsDollar: mapped.skipsDollar,
      isFiltered: this.#isFiltered(mapped.subjects),
      subjects: mapped.subjects.map((subject) => new SubjectFilter(subject)),
      subscriptions: mapped.subjects.map((subject) =>
        this.#space.subscribe(this.#peer, { subject, sid }),
      ),
      overlapping: new Set(),
    }
    this.#byFilter.set(filter, entry)
    for (const subscription of entry.subscriptions) this.#bySubscription.set(subscription, entry)
    this.#link(entry)
    return true
  }

  delete(filter: string): boolean {
    const entry = this.#byFilter.get(filter)
    if (entry === undefined) return false
    this.#byFilter.delete(filter)
    this.#wild.delete(entry)
    for (const other of entry.overlapping) other.overlapping.delete(entry)
    for (const subscription of entry.subscriptions) {
      this.#bySubscription.delete(subscription)
      this.#space.unsubscribe(subscription)
    }
    return true
  }

  /** After permissions have changed: ends what is not allowed any more, and returns it. */
  recheck(): string[] {
    const removed: string[] = []
    for (const entry of [...this.#byFilter.values()]) {
      const subjects = entry.subjects.map(({ subject }) => subject)
      entry.isFiltered = this.#isFiltered(subjects)
      if (this.#mayHave(subjects)) continue
      this.delete(entry.filter)
      removed.push(entry.filter)
    }
    return removed
  }

  clear(): void {
    for (const subscription of this.#bySubscription.keys()) this.#space.unsubscribe(subscription)
    this.#byFilter.clear()
    this.#bySubscription.clear()
    this.#wild.clear()
  }

  /** The QoS to deliver with, -1 when this subscription is not the one that delivers `subject`, or none may. */
  grantedQos(subscription: Subscription, subject: Uint8Array): number {
    const entry = this.#bySubscription.get(subscription)
    if (entry === undefined || (entry.skipsDollar && beginsWithDollar(subject))) return -1
    for (const other of entry.overlapping) {
      if (takesPrecedence(other, entry) && matches(other, subject)) return -1
    }
    if (entry.isFiltered && !this.#guard.mayReceive(subject)) return -1
    return entry.qos
  }

  #mayHave(subjects: readonly string[]): boolean {
    return subjects.every((subject) => this.#guard.maySubscribe(subject))
  }

  #isFiltered(subjects: readonly string[]): boolean {
    return subjects.some((subject) => this.#guard.filtersDeliveries(subject))
  }

  #link(entry: ClientFilter): void {
    const isWild = entry.subjects.some((subject) => !subject.isLiteral)
    for (const other of isWild ? this.#byFilter.values() : this.#wild) {
      if (other === entry || !mayOverlap(other, entry)) continue
      other.overlapping.add(entry)
      entry.overlapping.add(other)
    }
    if (isWild) this.#wild.add(entry)
  }
}

function takesPrecedence(other: ClientFilter, entry: ClientFilter): boolean {
  return other.qos > entry.qos || (other.qos === entry.qos && other.age < entry.age)
}

function matches(entry: ClientFilter, subject: Uint8Array): boolean {
  if (entry.skipsDollar && beginsWithDollar(subject)) return false
  return entry.subjects.some((filter) => filter.matches(subject))
}

function mayOverlap(a: ClientFilter, b: ClientFilter): boolean {
  return a.subjects.some((x) => b.subjects.some((y) => overlaps(x.subject, y.subject)))
}
