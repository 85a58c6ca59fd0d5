import {
  FilterUnion,
  isValidSubject,
  SubjectFilter,
  SubjectTree,
} from '../../shared/subject/index.ts'
import { isShared, parseShared } from '../codec/index.ts'
import { beginsWithDollar, filterToSubjects, shareNameToQueue } from '../topic-map.ts'
import { addresseeFilter } from './address.ts'
import type { StoredFilter } from './delivery-line.ts'
import { FEW_FILTERS_MAX } from './limits.ts'
import type { InterestedSession, LogInterest, LogInterests } from './log-interest.ts'
import type { SharedGroups, SharedMember, SharingSession } from './shared-groups.ts'

/** One filter of a session, with what stands for it. */
export interface FilterEntry extends StoredFilter {
  /** Names its record. */
  readonly number: number
  /** What was stored up to here does not match it; all that is stored at QoS 0, and for shared ones. */
  readonly sinceSeq: number
  /** `g` of `$share/g/…`, else ''. */
  readonly group: string
  readonly skipsDollar: boolean
  readonly subjects: readonly SubjectFilter[]
}

/** What the filters of one session say of one message. */
export interface FilterMatch {
  isMatch: boolean
  /** The highest granted [MQTT-3.3.4-2]. */
  qos: number
  isRetainAsPublished: boolean
  subscriptionIds: number[]
  /** Of what is addressed to the session: the groups of all filters that match, shared ones or not. */
  groups: string[]
}

interface Attached extends FilterEntry {
  readonly interests: readonly LogInterest[]
  shares: readonly SharedMember[]
}

const NO_SHARES: readonly SharedMember[] = []
const NO_INTERESTS: readonly LogInterest[] = []

/** The topic filters of one durable session, and its part in what the log is interested in. */
export class SessionFilters {
  readonly #session: InterestedSession & SharingSession
  readonly #interests: LogInterests
  readonly #groups: SharedGroups
  readonly #byFilter = new Map<string, Attached>()
  /** Made when there are many. */
  #tree: SubjectTree<Attached> | undefined
  #lastNumber = 0

  constructor(
    session: InterestedSession & SharingSession,
    interests: LogInterests,
    groups: SharedGroups,
  ) {
    this.#session = session
    this.#interests = interests
    this.#groups = groups
  }

  get all(): ReadonlyMap<string, FilterEntry> {
    return this.#byFilter
  }

  /** For a filter that has no record yet. */
  nextNumber(): number {
    return this.#lastNumber + 1
  }

  /** Adds a filter or changes it; undefined when its wildcards are misplaced. */
  set(stored: StoredFilter, number: number, sinceSeq: number): FilterEntry | undefined {
    const parts = partsOf(stored.filter)
    if (parts === undefined) return undefined
    const { group, skipsDollar, subjects } = parts
    this.delete(stored.filter)
    this.#lastNumber = Math.max(this.#lastNumber, number)
    const isLogged = stored.qos > 0 && group === ''
    const interests = isLogged
      ? subjects.map((subject) => this.#interests.join(subject, this.#session, sinceSeq))
      : NO_INTERESTS
    const entry: Attached = {
      ...stored,
      number,
      sinceSeq,
      group,
      skipsDollar,
      subjects: isLogged
        ? interests.map(({ filter }) => filter)
        : subjects.map((subject) => new SubjectFilter(subject)),
      interests,
      shares: NO_SHARES,
    }
    if (group !== '') {
      entry.shares = subjects.map((subject) =>
        this.#groups.join(group, subject, this.#session, entry),
      )
    }
    this.#byFilter.set(stored.filter, entry)
    this.#tree = undefined
    if (this.#session.isOnline) this.#setOnline(entry, true)
    return entry
  }

  delete(filter: string): FilterEntry | undefined {
    const entry = this.#byFilter.get(filter)
    if (entry === undefined) return undefined
    this.#byFilter.delete(filter)
    this.#tree = undefined
    for (const interest of entry.interests) this.#interests.leave(interest, this.#session)
    for (const share of entry.shares) this.#groups.leave(share)
    return entry
  }

  clear(): void {
    for (const filter of [...this.#byFilter.keys()]) this.delete(filter)
  }

  cameOnline(): void {
    for (const entry of this.#byFilter.values()) this.#setOnline(entry, true)
  }

  wentOffline(): void {
    for (const entry of this.#byFilter.values()) this.#setOnline(entry, false)
  }

  /** All that the log may have for the session: what its filters match, and what is addressed to it. */
  logged(key: string): SubjectFilter {
    const filters = [addresseeFilter(key)]
    for (const { interests } of this.#byFilter.values()) {
      for (const { filter } of interests) filters.push(filter)
    }
    return new FilterUnion(filters)
  }

  /**
   * Fills `match` for a stored message.
   * @param isOwn it was published by the session's own client [MQTT-3.8.3-3]
   */
  match(subject: Uint8Array, seq: number, isOwn: boolean, match: FilterMatch): void {
    reset(match)
    for (const entry of this.#candidates(subject)) {
      if (entry.group !== '' || (isOwn && entry.isNoLocal) || seq <= entry.sinceSeq) continue
      if (!isMatching(entry, subject)) continue
      take(match, entry)
    }
    match.isMatch = match.qos > 0
  }

  /** The same for one that is addressed to the session: by its shared filters. */
  matchShared(subject: Uint8Array, match: FilterMatch): void {
    reset(match)
    for (const entry of this.#candidates(subject)) {
      if (!isMatching(entry, subject)) continue
      match.groups.push(entry.group)
      if (entry.group !== '') take(match, entry)
    }
  }

  #candidates(subject: Uint8Array): Iterable<Attached> {
    if (this.#byFilter.size <= FEW_FILTERS_MAX) return this.#byFilter.values()
    this.#tree ??= this.#newTree()
    return this.#tree.match(Buffer.from(subject).toString())
  }

  #newTree(): SubjectTree<Attached> {
    const tree = new SubjectTree<Attached>()
    for (const entry of this.#byFilter.values()) {
      for (const { subject } of entry.subjects) tree.add(subject, entry)
    }
    return tree
  }

  #setOnline({ interests, shares }: Attached, isOnline: boolean): void {
    for (const { online } of interests) {
      if (isOnline) online.add(this.#session)
      else online.delete(this.#session)
    }
    for (const share of shares) {
      if (isOnline) share.group.online.add(share)
      else share.group.online.delete(share)
    }
  }
}

function reset(match: FilterMatch): void {
  match.isMatch = false
  match.qos = 0
  match.isRetainAsPublished = false
  if (match.subscriptionIds.length > 0) match.subscriptionIds = []
  if (match.groups.length > 0) match.groups = []
}

function take(match: FilterMatch, entry: FilterEntry): void {
  if (entry.qos > match.qos) match.qos = entry.qos
  if (entry.isRetainAsPublished) match.isRetainAsPublished = true
  if (entry.subscriptionId > 0) match.subscriptionIds.push(entry.subscriptionId)
}

function isMatching({ subjects, skipsDollar }: FilterEntry, subject: Uint8Array): boolean {
  if (skipsDollar && beginsWithDollar(subject)) return false
  for (const filter of subjects) if (filter.matches(subject)) return true
  return false
}

interface FilterParts {
  readonly group: string
  readonly subjects: readonly string[]
  readonly skipsDollar: boolean
}

function partsOf(filter: string): FilterParts | undefined {
  const shared = isShared(filter) ? parseShared(filter) : { group: '', filter }
  const mapped = shared && filterToSubjects(shared.filter)
  if (shared === undefined || mapped === undefined) return undefined
  if (!mapped.subjects.every(isValidSubject)) return undefined
  return { group: shareNameToQueue(shared.group), ...mapped }
}
