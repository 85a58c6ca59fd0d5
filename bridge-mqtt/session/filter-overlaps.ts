import {
  BytesCache,
  isSame,
  overlaps,
  type SubjectFilter,
  SubjectTree,
} from '../../shared/subject/index.ts'
import {
  COMPARED_FILTERS_MAX,
  MERGED_BYTES_MAX,
  MERGED_SUBJECT_BYTES,
  MERGED_SUBJECTS_MAX,
} from '../limits.ts'
import { beginsWithDollar } from '../topic-map.ts'

/** How a message is delivered, by what was granted. */
export interface Grant {
  readonly qos: number
  readonly isRetainAsPublished: boolean
  /** Of all subscriptions that match [MQTT-3.3.4-4]. */
  readonly subscriptionIds: readonly number[]
}

/** A filter that may match the same messages as another one of its client. */
export interface OverlappingFilter extends Grant {
  /** Rises with every new filter. */
  readonly age: number
  readonly isNoLocal: boolean
  readonly skipsDollar: boolean
  /** Its subjects; compiled only where it is compared with others one by one. */
  readonly names: readonly string[]
  readonly subjects: readonly SubjectFilter[]
  /** Its user may have it, as of now. */
  readonly isAllowed: boolean
  /** How many others it overlaps with, as far as that is known. */
  overlaps: number
}

/** What all filters say that match one subject. The eldest of them delivers; undefined: none does. */
interface Merged extends Grant {
  readonly deliverer: OverlappingFilter | undefined
}

/**
 * Which filters of one client overlap, and what they say together: a message is delivered once, at the
 * highest QoS of those that match [MQTT-3.3.4-2], with the identifiers of all of them. Most overlap with
 * no other, which is found out when they come, so that a delivery needs to look at nothing else. What
 * matches a subject is remembered for the next message and for the other filters: a client with
 * thousands that all match costs a search per subject and not one per filter and message. All clients together
 * remember so much and no more; beyond that each has the last subject only, which the rest of
 * its filters are about to ask for.
 */
export class FilterOverlaps {
  readonly #filters = new Set<OverlappingFilter>()
  /** Made when there are too many to be compared pair by pair. */
  #tree: SubjectTree<OverlappingFilter> | undefined
  #merged: SubjectMemo | undefined
  /** The same for what the client itself publishes: filters with no local are not among them. */
  #mergedOwn: SubjectMemo | undefined

  add(filter: OverlappingFilter): void {
    if (this.#tree === undefined && this.#filters.size >= COMPARED_FILTERS_MAX) this.#plant()
    if (this.#tree !== undefined) plant(this.#tree, filter)
    else this.#compare(filter, 1)
    this.#filters.add(filter)
    this.forget()
  }

  delete(filter: OverlappingFilter): void {
    if (!this.#filters.delete(filter)) return
    if (this.#tree !== undefined) {
      for (const name of filter.names) this.#tree.remove(name, filter)
    } else if (filter.overlaps > 0) {
      this.#compare(filter, -1)
    }
    this.forget()
  }

  clear(): void {
    this.#filters.clear()
    this.#tree = undefined
    this.forget()
  }

  /** After the options of one have changed, or what its user may have. */
  forget(): void {
    this.#merged?.clear()
    this.#mergedOwn?.clear()
    this.#merged = undefined
    this.#mergedOwn = undefined
  }

  isAlone(filter: OverlappingFilter): boolean {
    return this.#tree === undefined && filter.overlaps === 0
  }

  /** Of a filter that is not alone and matches: undefined when another one delivers. */
  grantOf(filter: OverlappingFilter, subject: Uint8Array, isOwn: boolean): Grant | undefined {
    const merged = this.#mergedFor(subject, isOwn)
    return merged.deliverer === filter ? merged : undefined
  }

  #mergedFor(subject: Uint8Array, isOwn: boolean): Merged {
    let memo = isOwn ? this.#mergedOwn : this.#merged
    if (memo === undefined) {
      memo = new SubjectMemo()
      if (isOwn) this.#mergedOwn = memo
      else this.#merged = memo
    }
    const known = memo.get(subject)
    if (known !== undefined) return known
    const merged = merge(
      this.#matching(subject).filter((it) => it.isAllowed && !(isOwn && it.isNoLocal)),
    )
    memo.add(subject, merged)
    return merged
  }

  #matching(subject: Uint8Array): OverlappingFilter[] {
    if (this.#tree === undefined) return [...this.#filters].filter((it) => matches(it, subject))
    const found = this.#tree.match(Buffer.from(subject).toString())
    return beginsWithDollar(subject) ? found.filter((it) => !it.skipsDollar) : found
  }

  #compare(filter: OverlappingFilter, change: number): void {
    for (const other of this.#filters) {
      if (!mayOverlap(other, filter)) continue
      other.overlaps += change
      filter.overlaps += change
    }
  }

  #plant(): void {
    this.#tree = new SubjectTree()
    for (const filter of this.#filters) plant(this.#tree, filter)
  }
}

/** Bytes that all clients of the process remember, beside the last subject of each. */
let rememberedBytes = 0

/** By subject; the last one in any case, since a message asks once for each filter. */
class SubjectMemo {
  #known: BytesCache<Merged> | undefined
  #lastSubject = NO_SUBJECT
  #last: Merged | undefined
  #bytes = 0

  get(subject: Uint8Array): Merged | undefined {
    const { length } = subject
    if (isSame(this.#lastSubject, subject, 0, length)) return this.#last
    return this.#known?.get(subject, 0, length)
  }

  add(subject: Uint8Array, merged: Merged): void {
    const { length } = subject
    this.#lastSubject = new Uint8Array(subject)
    this.#last = merged
    if (length > MERGED_SUBJECT_BYTES) return
    const bytes = length + MERGED_BYTES + ID_BYTES * merged.subscriptionIds.length
    if (this.#known?.size === MERGED_SUBJECTS_MAX) this.clear()
    if (rememberedBytes + bytes + CACHE_BYTES > MERGED_BYTES_MAX) return
    if (this.#known === undefined) {
      this.#known = new BytesCache(MERGED_SUBJECTS_MAX, MERGED_SUBJECT_BYTES)
      this.#remember(CACHE_BYTES)
    }
    this.#remember(bytes)
    this.#known.add(subject, 0, length, merged)
  }

  /** Gives back what it counts for. */
  clear(): void {
    this.#known = undefined
    this.#remember(-this.#bytes)
  }

  #remember(bytes: number): void {
    this.#bytes += bytes
    rememberedBytes += bytes
  }
}

/** What all clients of the process remember. */
export function bytesRemembered(): number {
  return rememberedBytes
}

const NO_SUBJECT = new Uint8Array(0)
/** Of one subject beside its own, of an identifier, and of a cache that is empty. */
const MERGED_BYTES = 256
const ID_BYTES = 8
const CACHE_BYTES = 4 * 1024

function merge(matching: OverlappingFilter[]): Merged {
  matching.sort((a, b) => a.age - b.age)
  let qos = 0
  let isRetainAsPublished = false
  const subscriptionIds: number[] = []
  // They may be hundreds of thousands: more than fit into the arguments of one call.
  for (const it of matching) {
    qos = Math.max(qos, it.qos)
    isRetainAsPublished ||= it.isRetainAsPublished
    for (const id of it.subscriptionIds) subscriptionIds.push(id)
  }
  return { deliverer: matching[0], qos, isRetainAsPublished, subscriptionIds }
}

function plant(tree: SubjectTree<OverlappingFilter>, filter: OverlappingFilter): void {
  for (const name of filter.names) tree.add(name, filter)
}

function matches(filter: OverlappingFilter, subject: Uint8Array): boolean {
  if (filter.skipsDollar && beginsWithDollar(subject)) return false
  return filter.subjects.some((it) => it.matches(subject))
}

function mayOverlap(a: OverlappingFilter, b: OverlappingFilter): boolean {
  return a.subjects.some((x) =>
    b.subjects.some((y) =>
      x.isLiteral && y.isLiteral ? x.subject === y.subject : overlaps(x.subject, y.subject),
    ),
  )
}
