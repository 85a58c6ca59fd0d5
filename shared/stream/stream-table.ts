/**
 * An account's streams, and what is asked of all of them together: who has a subject or a part of it, who is
 * fed by whom, what they reserve. Each answer is looked up, and none goes through all streams: there may be
 * thousands, and every request and some publishes ask.
 */
import { overlaps, SubjectTree } from '../subject/index.ts'
import { SUBJECT_CACHE_MAX } from './limits.ts'
import type { Stream } from './stream.ts'
import { StreamTotals } from './stream-totals.ts'

/** What the table has noted of a stream. */
interface Noted {
  readonly claimed: readonly string[]
  readonly origins: ReadonlySet<string>
}

export class StreamTable {
  readonly totals = new StreamTotals()
  readonly #byName = new Map<string, Stream>()
  readonly #noted = new Map<Stream, Noted>()
  readonly #claims = new SubjectTree<Stream>()
  readonly #fedBy = new Map<string, Set<Stream>>()
  /** Of literal subjects: looked up once, and remembered until any stream's subjects change. */
  readonly #bySubject = new Map<string, Stream | undefined>()
  #inOrder: readonly Stream[] | undefined

  get byName(): ReadonlyMap<string, Stream> {
    return this.#byName
  }

  /** In the order of their names. */
  get inOrder(): readonly Stream[] {
    this.#inOrder ??= sorted(this.#byName.values())
    return this.#inOrder
  }

  get(name: string): Stream | undefined {
    return this.#byName.get(name)
  }

  set(stream: Stream): void {
    this.drop(stream.name)
    this.#byName.set(stream.name, stream)
    this.#inOrder = undefined
    this.#claim(stream, stream.claimedSubjects)
    this.#note(stream)
  }

  drop(name: string): void {
    const stream = this.#byName.get(name)
    if (stream === undefined) return
    this.#byName.delete(name)
    this.#inOrder = undefined
    this.#claim(stream, [])
    this.#forget(stream)
    this.totals.drop(name)
  }

  /** A stream has another configuration, or claims other subjects. One that is not here is nobody's. */
  changed(stream: Stream): void {
    if (this.#byName.get(stream.name) !== stream) return
    this.#claim(stream, stream.claimedSubjects)
    this.#forget(stream)
    this.#note(stream)
  }

  /**
   * The stream that binds a literal subject. Streams that do not capture by themselves count too;
   * where several of those overlap, the one whose name sorts first is returned.
   */
  streamOf(subject: string): Stream | undefined {
    const known = this.#bySubject.get(subject)
    if (known !== undefined || this.#bySubject.has(subject)) return known
    let first: Stream | undefined
    for (const stream of this.#claims.match(subject)) {
      if (first !== undefined && first.name <= stream.name) continue
      if (binds(stream, subject)) first = stream
    }
    if (this.#bySubject.size >= SUBJECT_CACHE_MAX) this.#bySubject.clear()
    this.#bySubject.set(subject, first)
    return first
  }

  /** Streams that claim a part of one of the subjects; undefined when that is too much to look up. */
  claiming(subjects: readonly string[], visitsMax: number): ReadonlySet<Stream> | undefined {
    const found = new Set<Stream>()
    let left = visitsMax
    for (const subject of subjects) {
      const some = this.#claims.overlapping(subject, left)
      if (some === undefined) return undefined
      left -= this.#claims.visited
      for (const stream of some) found.add(stream)
    }
    return found
  }

  /** Those whose mirror or source has the name, wherever it is, in the order of their names. */
  fedBy(origin: string): readonly Stream[] {
    return sorted(this.#fedBy.get(origin) ?? [])
  }

  /** What it claims from now on: there may be very much of it, mostly as before. */
  #claim(stream: Stream, now: readonly string[]): void {
    const before = this.#noted.get(stream)?.claimed ?? []
    if (isSameList(before, now)) return
    const was = new Set(before)
    const is = new Set(now)
    for (const subject of was) if (!is.has(subject)) this.#claims.remove(subject, stream)
    for (const subject of is) if (!was.has(subject)) this.#claims.add(subject, stream)
  }

  #note(stream: Stream): void {
    const { config, claimedSubjects: claimed } = stream
    const origins = new Set((config.sources ?? []).map(({ name }) => name))
    if (config.mirror !== undefined) origins.add(config.mirror.name)
    this.#noted.set(stream, { claimed, origins })
    for (const origin of origins) {
      const fed = this.#fedBy.get(origin)
      if (fed === undefined) this.#fedBy.set(origin, new Set([stream]))
      else fed.add(stream)
    }
    this.totals.set(config)
    this.#bySubject.clear()
  }

  #forget(stream: Stream): void {
    const noted = this.#noted.get(stream)
    if (noted === undefined) return
    this.#noted.delete(stream)
    for (const origin of noted.origins) {
      const fed = this.#fedBy.get(origin)
      if (fed?.delete(stream) && fed.size === 0) this.#fedBy.delete(origin)
    }
    this.#bySubject.clear()
  }
}

/** What a stream claims while it is changed is not all its own yet. */
function binds({ claimedSubjects, config }: Stream, subject: string): boolean {
  return (
    claimedSubjects === config.subjects || config.subjects.some((own) => overlaps(own, subject))
  )
}

function sorted(streams: Iterable<Stream>): readonly Stream[] {
  return [...streams].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, i) => text === other[i])
}
