import type { Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import { BytesCache, SubjectFilter, SubjectTree } from '../../shared/subject/index.ts'
import { beginsWithDollar } from '../topic-map.ts'
import { KNOWN_SUBJECT_BYTES, KNOWN_SUBJECTS_MAX } from './limits.ts'

/** A session, as far as it concerns who gets what is appended. */
export interface InterestedSession {
  /** A message that matches was appended; only while its client is connected. */
  appended(seq: number): void
  /** Whether a message that matches is still to be delivered, or to be acknowledged. */
  needs(seq: number): boolean
}

/** How a session is interested: by one filter or by two that come to the same subject. */
interface Membership {
  filters: number
  /** What was stored up to here is not for it. */
  sinceSeq: number
}

/** One subject, with wildcards or without, that sessions have at QoS 1 or 2: one subscription for all of them. */
export class LogInterest {
  readonly id: number
  readonly filter: SubjectFilter
  readonly subscription: Subscription
  /** Begins with a wildcard, so it never matches topics that begin with `$` [MQTT-4.7.2-1]. */
  readonly skipsDollar: boolean
  /** Those whose clients are connected: nobody else is touched by a publish. */
  readonly online = new Set<InterestedSession>()
  readonly #members = new Map<InterestedSession, Membership>()
  /** Who last still needed a message is likely to need the next one too. */
  #needy: InterestedSession | undefined

  constructor(id: number, subscription: Subscription) {
    const { subject } = subscription
    this.id = id
    this.subscription = subscription
    this.filter = new SubjectFilter(subject)
    this.skipsDollar = subject.startsWith('*') || subject.startsWith('>')
  }

  get size(): number {
    return this.#members.size
  }

  join(session: InterestedSession, sinceSeq: number): void {
    const known = this.#members.get(session)
    if (known === undefined) {
      this.#members.set(session, { filters: 1, sinceSeq })
      return
    }
    known.filters++
    known.sinceSeq = Math.min(known.sinceSeq, sinceSeq)
  }

  leave(session: InterestedSession): void {
    const known = this.#members.get(session)
    if (known === undefined || --known.filters > 0) return
    this.#members.delete(session)
    this.online.delete(session)
    if (this.#needy === session) this.#needy = undefined
  }

  isNeeded(seq: number): boolean {
    const needy = this.#needy
    if (needy !== undefined && this.#isNeededBy(needy, seq)) return true
    for (const session of this.#members.keys()) {
      if (session === needy || !this.#isNeededBy(session, seq)) continue
      this.#needy = session
      return true
    }
    return false
  }

  #isNeededBy(session: InterestedSession, seq: number): boolean {
    const sinceSeq = this.#members.get(session)?.sinceSeq ?? Number.POSITIVE_INFINITY
    return seq > sinceSeq && session.needs(seq)
  }
}

/**
 * What the sessions of an account are interested in: distinct subjects, each with one subscription of the
 * log in the router, and a tree of its own that says which of them match a message.
 */
export class LogInterests {
  readonly #space: SubjectSpace
  readonly #peer: Peer
  readonly #bySubject = new Map<string, LogInterest>()
  readonly #tree = new SubjectTree<LogInterest>()
  readonly #known = new BytesCache<readonly LogInterest[]>(KNOWN_SUBJECTS_MAX, KNOWN_SUBJECT_BYTES)
  #lastId = 0

  /** @param peer who gets what matches */
  constructor(space: SubjectSpace, peer: Peer) {
    this.#space = space
    this.#peer = peer
  }

  get size(): number {
    return this.#bySubject.size
  }

  join(subject: string, session: InterestedSession, sinceSeq: number): LogInterest {
    let interest = this.#bySubject.get(subject)
    if (interest === undefined) {
      const subscription = this.#space.subscribe(this.#peer, { subject })
      interest = new LogInterest(++this.#lastId, subscription)
      this.#bySubject.set(subject, interest)
      this.#tree.add(subject, interest)
      this.#known.clear()
    }
    interest.join(session, sinceSeq)
    return interest
  }

  leave(interest: LogInterest, session: InterestedSession): void {
    interest.leave(session)
    if (interest.size > 0) return
    const { subject } = interest.subscription
    this.#bySubject.delete(subject)
    this.#tree.remove(subject, interest)
    this.#known.clear()
    this.#space.unsubscribe(interest.subscription)
  }

  /** All that match a literal subject, the eldest first: it acts for all of them. */
  match(subject: Uint8Array): readonly LogInterest[] {
    const known = this.#known.get(subject, 0, subject.length)
    if (known !== undefined) return known
    const text = Buffer.from(subject.buffer, subject.byteOffset, subject.length).toString()
    const isDollar = beginsWithDollar(subject)
    const found = this.#tree
      .match(text)
      .filter(({ skipsDollar }) => !(isDollar && skipsDollar))
      .sort((a, b) => a.id - b.id)
    this.#known.add(subject, 0, subject.length, found)
    return found
  }

  /** Gives back all subscriptions; what they stood for is on disk. */
  close(): void {
    for (const { subscription } of this.#bySubject.values()) this.#space.unsubscribe(subscription)
    this.#bySubject.clear()
    this.#known.clear()
  }
}
