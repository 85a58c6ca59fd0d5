import { FilterUnion, SubjectFilter, SubjectTree } from '../../shared/subject/index.ts'
import { beginsWithDollar } from '../topic-map.ts'
import { addresseeFilter } from './address.ts'
import type { StoredFilter } from './delivery-line.ts'
import { partsOf } from './filter-parts.ts'
import { FEW_FILTERS_MAX, UNPLANTED_FILTERS_MAX } from './limits.ts'
import type { InterestedSession, LogInterest, LogInterests } from './log-interest.ts'
import type { FilterRecord, Waiting } from './session-codec.ts'
import type { SharedGroups, SharedMember, SharingSession } from './shared-groups.ts'

/** One filter of a session, with what stands for it. */
export interface FilterEntry extends StoredFilter {
  /** Names its record. */
  readonly number: number
  /** What was stored up to here does not match it; all that is stored at QoS 0, and for shared ones. */
  readonly sinceSeq: number
  /** Older messages that it has at another QoS [MQTT-3.8.4-4]. */
  readonly waiting: Waiting | undefined
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
  /** Of what is addressed to the session: its group, and those of all filters that match, shared ones or not. */
  groups: string[]
}

interface Attached extends FilterEntry {
  readonly interests: readonly LogInterest[]
  shares: readonly SharedMember[]
}

/** One filter that was changed: undefined is none. */
export interface FilterChange {
  readonly filter: string
  readonly before: FilterEntry | undefined
  readonly after: FilterEntry | undefined
}

/** One filter whose changes are on their way to the disk. */
interface Unsure {
  onDisk: FilterEntry | undefined
  changes: number
}

const NO_SHARES: readonly SharedMember[] = []
const NO_INTERESTS: readonly LogInterest[] = []

/**
 * The topic filters of one durable session, and its part in what the log is interested in. They change at once, and
 * what is on disk follows:
 *
 *     add, remove ──▶ written (on their way) ──▶ settled: on disk, or not
 *           └───────▶ undone: nothing was written
 *
 * A filter of which no change is on its way is what is on disk; when a commit fails with all that were asked for
 * behind it, that is what it becomes again.
 */
export class SessionFilters {
  /** Its session is of an earlier process: nobody knows which filters it has had. */
  isFound = false
  readonly #session: InterestedSession & SharingSession
  readonly #interests: LogInterests
  readonly #groups: SharedGroups
  readonly #byFilter = new Map<string, Attached>()
  /** Of many, made when it is asked for; of very many, whose making takes long, always. */
  #tree: SubjectTree<Attached> | undefined
  /** By filter. Of ten thousand sessions most have none. */
  #unsure: Map<string, Unsure> | undefined
  #lastNumber = 0
  #shared = 0
  #hasShared = false
  /** Nothing that was stored behind this waits for a filter that is at QoS 0 by now. */
  #waitingUntilSeq = 0
  /** Counts how often the client has come or gone. */
  #telling = 0

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

  /** How many of them are shared. */
  get sharedCount(): number {
    return this.#shared
  }

  get waitingUntilSeq(): number {
    return this.#waitingUntilSeq
  }

  /** One of them is shared, or was since it was made or found on disk: something may be on its way to it. */
  get hasShared(): boolean {
    return this.#hasShared
  }

  /** As it was found on disk. */
  restore(number: number, { stored, sinceSeq, waiting }: FilterRecord): void {
    this.#set(stored, number, sinceSeq, waiting)
  }

  /**
   * Adds filters, or changes what they ask for; those whose wildcards are misplaced are left out.
   * @param assignedSeq they are behind: at QoS 1 and 2 those that were there go on
   */
  add(filters: readonly StoredFilter[], assignedSeq: number): FilterChange[] {
    const changes: FilterChange[] = []
    for (const stored of filters) {
      const before = this.#byFilter.get(stored.filter)
      const goesOn = before !== undefined && before.qos > 0 && stored.qos > 0
      // A commit that failed since may have taken back what the filter was behind.
      const sinceSeq = goesOn ? Math.min(before.sinceSeq, assignedSeq) : assignedSeq
      const waiting = before && waitingOf(before, stored, assignedSeq)
      const after = this.#set(stored, before?.number ?? this.#lastNumber + 1, sinceSeq, waiting)
      if (after !== undefined) changes.push({ filter: stored.filter, before, after })
    }
    return changes
  }

  /** Leaves out those that are not there. */
  remove(filters: readonly string[]): FilterChange[] {
    return filters.flatMap((filter) => {
      const before = this.#delete(filter)
      return before === undefined ? [] : [{ filter, before, after: undefined }]
    })
  }

  /** The store takes none of them: all is as it was before, in the turn in which they were made. */
  undone(changes: readonly FilterChange[]): void {
    for (const { filter, before } of changes.toReversed()) this.#put(filter, before)
  }

  /** They are on their way to the disk; `settled` is to be called in the order of these calls. */
  written(changes: readonly FilterChange[]): void {
    this.#unsure ??= new Map()
    for (const { filter, before } of changes) {
      const known = this.#unsure.get(filter)
      if (known === undefined) this.#unsure.set(filter, { onDisk: before, changes: 1 })
      else known.changes++
    }
  }

  /** Returns the filters that are what is on disk again: those of which no other change is on its way. */
  settled(changes: readonly FilterChange[], isOnDisk: boolean): string[] {
    const takenBack: string[] = []
    for (const { filter, after } of changes) {
      const known = this.#unsure?.get(filter)
      if (known === undefined) continue
      if (isOnDisk) known.onDisk = after
      if (--known.changes > 0) continue
      this.#unsure?.delete(filter)
      if (isOnDisk) continue
      this.#put(filter, known.onDisk)
      takenBack.push(filter)
    }
    if (this.#unsure?.size === 0) this.#unsure = undefined
    return takenBack
  }

  /** Its session has ended: nothing comes back to it, and each call of what is returned ends one, until that is false. */
  leave(): () => boolean {
    this.#unsure = undefined
    this.#tree = undefined
    this.#telling++
    const left = this.#byFilter.keys()
    return () => {
      const { value: filter } = left.next()
      if (filter !== undefined) this.#delete(filter)
      return filter !== undefined
    }
  }

  /**
   * Its client has come or gone: each call of what is returned tells one of its interests, until that is false. What
   * was returned before does nothing any more.
   *
   * @param told all know it
   */
  tellOnline(told: () => void): () => boolean {
    const telling = ++this.#telling
    const left = this.#byFilter.values()
    return () => {
      if (telling !== this.#telling) return false
      const { value: entry } = left.next()
      if (entry === undefined) told()
      else this.#setOnline(entry, this.#session.isOnline)
      return entry !== undefined
    }
  }

  /** All that the log may have for the session: what its filters match, and what is addressed to it. */
  logged(key: string): SubjectFilter {
    const filters = [addresseeFilter(key)]
    for (const { subjects, interests, waiting } of this.#byFilter.values()) {
      if (interests.length > 0 || waiting !== undefined) filters.push(...subjects)
    }
    return new FilterUnion(filters)
  }

  /** Whether a stored message is for a filter that is at QoS 0 by now. */
  isWaiting(subject: Uint8Array, seq: number): boolean {
    if (seq > this.#waitingUntilSeq) return false
    for (const entry of this.#candidates(subject)) {
      if (waits(entry, seq) && isMatching(entry, subject)) return true
    }
    return false
  }

  /** Whether one of them has a stored message kept as long as its session needs it; those that wait do not. */
  keeps(subject: Uint8Array, seq: number): boolean {
    for (const entry of this.#candidates(subject)) {
      const isInterested = entry.interests.length > 0 && seq > entry.sinceSeq
      if (isInterested && isMatching(entry, subject)) return true
    }
    return false
  }

  /**
   * Fills `match` for a stored message.
   * @param isOwn it was published by the session's own client [MQTT-3.8.3-3]
   */
  match(subject: Uint8Array, seq: number, isOwn: boolean, match: FilterMatch): void {
    reset(match)
    for (const entry of this.#candidates(subject)) {
      if (entry.group !== '' || (isOwn && entry.isNoLocal)) continue
      const isOld = waits(entry, seq)
      if ((!isOld && seq <= entry.sinceSeq) || !isMatching(entry, subject)) continue
      take(match, entry, isOld ? entry.waiting?.qos : entry.qos)
    }
    match.isMatch = match.qos > 0
  }

  /** The same for one that is addressed to the session: by its shared filters, of the `group` that it is for, if it says so. */
  matchShared(subject: Uint8Array, group: string, match: FilterMatch): void {
    reset(match)
    if (group !== '') match.groups.push(group)
    for (const entry of this.#candidates(subject)) {
      if (!isMatching(entry, subject)) continue
      match.groups.push(entry.group)
      if (entry.group !== '' && (group === '' || group === entry.group)) take(match, entry)
    }
  }

  #put(filter: string, known: FilterEntry | undefined): void {
    if (known === undefined) this.#delete(filter)
    else this.#set(known, known.number, known.sinceSeq, known.waiting)
  }

  #set(
    stored: StoredFilter,
    number: number,
    sinceSeq: number,
    waiting: Waiting | undefined,
  ): FilterEntry | undefined {
    const parts = partsOf(stored.filter)
    if (parts === undefined) return undefined
    const { group, skipsDollar, subjects } = parts
    this.#delete(stored.filter)
    this.#lastNumber = Math.max(this.#lastNumber, number)
    const isLogged = stored.qos > 0 && group === ''
    const interests = isLogged
      ? subjects.map((subject) => this.#interests.join(subject, this.#session, sinceSeq))
      : NO_INTERESTS
    const entry: Attached = {
      ...plain(stored),
      number,
      sinceSeq,
      waiting,
      group,
      skipsDollar,
      subjects: isLogged
        ? interests.map(({ filter }) => filter)
        : subjects.map((subject) => new SubjectFilter(subject)),
      interests,
      shares: NO_SHARES,
    }
    if (group !== '') {
      this.#shared++
      this.#hasShared = true
      entry.shares = subjects.map((subject) =>
        this.#groups.join(group, subject, this.#session, entry),
      )
    }
    this.#byFilter.set(stored.filter, entry)
    this.#waitingUntilSeq = Math.max(this.#waitingUntilSeq, waiting?.untilSeq ?? 0)
    if (this.#tree !== undefined) addTo(this.#tree, entry)
    else if (this.#byFilter.size > UNPLANTED_FILTERS_MAX) this.#tree = this.#newTree()
    if (this.#session.isOnline) this.#setOnline(entry, true)
    return entry
  }

  #delete(filter: string): FilterEntry | undefined {
    const entry = this.#byFilter.get(filter)
    if (entry === undefined) return undefined
    this.#byFilter.delete(filter)
    for (const { subject } of entry.subjects) this.#tree?.remove(subject, entry)
    for (const interest of entry.interests) this.#interests.leave(interest, this.#session)
    for (const share of entry.shares) this.#groups.leave(share)
    if (entry.group !== '') this.#shared--
    return entry
  }

  #candidates(subject: Uint8Array): Iterable<Attached> {
    if (this.#byFilter.size <= FEW_FILTERS_MAX) return this.#byFilter.values()
    this.#tree ??= this.#newTree()
    return this.#tree.match(Buffer.from(subject).toString())
  }

  #newTree(): SubjectTree<Attached> {
    const tree = new SubjectTree<Attached>()
    for (const entry of this.#byFilter.values()) addTo(tree, entry)
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

function addTo(tree: SubjectTree<Attached>, entry: Attached): void {
  for (const { subject } of entry.subjects) tree.add(subject, entry)
}

/** What is asked for, and nothing that stands beside it. */
export function plain(stored: StoredFilter): StoredFilter {
  const { filter, qos, isNoLocal, isRetainAsPublished, subscriptionId, retainHandling } = stored
  return { filter, qos, isNoLocal, isRetainAsPublished, subscriptionId, retainHandling }
}

function reset(match: FilterMatch): void {
  match.isMatch = false
  match.qos = 0
  match.isRetainAsPublished = false
  if (match.subscriptionIds.length > 0) match.subscriptionIds = []
  if (match.groups.length > 0) match.groups = []
}

/**
 * At QoS 0 nothing is stored from now on, but what is stored is not lost by that [MQTT-3.8.4-4]. Members of groups
 * have theirs addressed to them. Who lowers a filter a second time before he has got what waited since the first has
 * once more what the log has from in between, though that came at QoS 0: one range is kept, and nothing is lost.
 */
function waitingOf(
  { qos, sinceSeq, waiting, group }: FilterEntry,
  stored: StoredFilter,
  assignedSeq: number,
): Waiting | undefined {
  if (qos === 0 || stored.qos > 0 || group !== '') return waiting
  return { qos, sinceSeq: waiting?.sinceSeq ?? sinceSeq, untilSeq: assignedSeq }
}

function waits({ waiting }: FilterEntry, seq: number): boolean {
  return waiting !== undefined && seq > waiting.sinceSeq && seq <= waiting.untilSeq
}

function take(match: FilterMatch, entry: FilterEntry, qos = entry.qos): void {
  if (qos > match.qos) match.qos = qos
  if (entry.isRetainAsPublished) match.isRetainAsPublished = true
  if (entry.subscriptionId > 0) match.subscriptionIds.push(entry.subscriptionId)
}

function isMatching({ subjects, skipsDollar }: FilterEntry, subject: Uint8Array): boolean {
  if (skipsDollar && beginsWithDollar(subject)) return false
  for (const filter of subjects) if (filter.matches(subject)) return true
  return false
}
