import { type Clock, PetioleError } from '../shared/runtime/index.ts'
import { SubjectFilter } from '../shared/subject/index.ts'
import { isShared, type Violation } from './codec/index.ts'
import { qosOfHeaders } from './headers/index.ts'
import {
  CONTINUED_LISTS_MAX,
  PAGE_ENTRIES_MAX,
  PAGE_TIME_MAX_MS,
  RETAINED_LIST_READ,
} from './limits.ts'
import type { Page, PageQuery, RetainedEntry } from './operations/index.ts'
import type { RetainedMessage, RetainedStores } from './retained/index.ts'
import { type FilterSubjects, filterToSubjects } from './topic-map.ts'
import type { Translator } from './translator.ts'

type Entries = AsyncGenerator<RetainedEntry, void, void>

/** A list that was shown in part: the next page goes on here, and nothing is read twice. */
interface Continued {
  readonly entries: Entries
  /** Read, and no more shown for want of room. */
  readonly held: RetainedEntry | undefined
}

const EVERYTHING: FilterSubjects = { subjects: ['>'], skipsDollar: false }

/**
 * Retained messages for operators. They lie on disk, so that a page is not found by skipping those before it: the
 * list is kept where it ended, for some who ask at a time. One that is not there any more begins anew and
 * skips.
 */
export class RetainedListing {
  readonly #clock: Clock
  readonly #translator: Translator
  readonly #stores: () => RetainedStores | undefined
  /** By what was asked for and how far it came; the eldest first. */
  readonly #continued = new Map<string, Continued>()

  constructor(clock: Clock, translator: Translator, stores: () => RetainedStores | undefined) {
    this.#clock = clock
    this.#translator = translator
    this.#stores = stores
  }

  /** Rejects with PETIOLE_BAD_REQUEST for a filter that is none, and when the disk cannot be read. */
  async page(query: PageQuery): Promise<Page<RetainedEntry>> {
    const { offset, limit, bytesMax } = query
    const { entries, held } = this.#take(query) ?? (await this.#skippedTo(query))
    const startedMs = this.#clock.monotonicMs()
    const isLate = (): boolean => this.#clock.monotonicMs() - startedMs > PAGE_TIME_MAX_MS
    const shown: RetainedEntry[] = []
    let bytes = 0
    let next = held ?? (await following(entries))
    while (next !== undefined && shown.length < limit && !(isLate() && shown.length > 0)) {
      bytes += Buffer.byteLength(JSON.stringify(next)) + 1
      if (bytes > bytesMax && shown.length > 0) break
      shown.push(next)
      next = await following(entries)
    }
    const total = query.filter === '' ? this.#count(query.account) : null
    if (next === undefined) return { entries: shown, total, next: null }
    const end = offset + shown.length
    this.#keep(keyOf(query, end), { entries, held: next })
    return { entries: shown, total, next: end }
  }

  /** Throws PETIOLE_BAD_REQUEST for what is no topic. */
  checkTopic(topic: string): void {
    this.#subjectOf(topic)
  }

  /** Resolves to false when nothing is retained there; rejects as `checkTopic` throws. */
  async remove(account: string, topic: string): Promise<boolean> {
    const subject = this.#subjectOf(topic)
    const store = this.#stores()?.all.get(account)
    if (store === undefined) return false
    let isFound = false
    await new Promise<void>((resolve, reject) => {
      isFound = store.remove(subject, (error) => (error === undefined ? resolve() : reject(error)))
    })
    return isFound
  }

  #subjectOf(topic: string): Uint8Array {
    const bytes = Buffer.from(topic)
    const named = this.#translator.topic(bytes, 0, bytes.length)
    if ('rule' in named) throw noTopic(topic, named)
    return named.subject
  }

  #count(account: string | undefined): number {
    let count = 0
    for (const [name, store] of this.#stores()?.all ?? []) {
      if (account === undefined || account === name) count += store.count
    }
    return count
  }

  #take(query: PageQuery): Continued | undefined {
    if (query.offset === 0) return undefined
    const key = keyOf(query, query.offset)
    const found = this.#continued.get(key)
    this.#continued.delete(key)
    return found
  }

  #keep(key: string, list: Continued): void {
    this.#continued.delete(key)
    this.#continued.set(key, list)
    const [eldest] = this.#continued.keys()
    if (eldest !== undefined && this.#continued.size > CONTINUED_LISTS_MAX) {
      this.#continued.delete(eldest)
    }
  }

  async #skippedTo(query: PageQuery): Promise<Continued> {
    const entries = this.#all(query)
    for (let skipped = 0; skipped < query.offset; skipped++) {
      if ((await following(entries)) === undefined) break
      if (skipped % PAGE_ENTRIES_MAX === 0) await new Promise<void>((go) => this.#clock.soon(go))
    }
    return { entries, held: undefined }
  }

  async *#all({ account, filter }: PageQuery): Entries {
    const mapped = filter === '' ? EVERYTHING : filterToSubjects(filter)
    if (mapped === undefined || isShared(filter)) throw noFilter(filter)
    const filters = mapped.subjects.map((subject) => new SubjectFilter(subject))
    for (const [name, store] of [...(this.#stores()?.all ?? [])]) {
      if (account !== undefined && account !== name) continue
      const replay = store.replay(filters, mapped.skipsDollar)
      for (;;) {
        const messages = await replay.next(RETAINED_LIST_READ)
        if (messages.length === 0) break
        for (const message of messages) yield this.#entryOf(name, message)
      }
    }
  }

  #entryOf(account: string, message: RetainedMessage): RetainedEntry {
    const { subject, subjectBytes, headers, payload, storedMs, expirySeconds } = message
    const topic = this.#translator.topicOf(subjectBytes)
    return {
      account,
      topic: topic === undefined ? subject : Buffer.from(topic).toString(),
      bytes: payload.length,
      qos: qosOfHeaders(headers),
      stored_at: new Date(storedMs).toISOString(),
      expiry_s: expirySeconds < 0 ? null : expirySeconds,
    }
  }
}

function keyOf({ account, filter }: PageQuery, offset: number): string {
  return JSON.stringify([account ?? null, filter, offset])
}

function noFilter(filter: string): PetioleError {
  const reason = isShared(filter)
    ? 'is of a shared subscription, which gets no retained messages: give the filter behind its group'
    : 'is no topic filter: + is a level by itself, and # the last one'
  return new PetioleError('PETIOLE_BAD_REQUEST', `${filter} ${reason}`)
}

function noTopic(topic: string, { text }: Violation): PetioleError {
  const isFilter = /[+#]/.test(topic) && filterToSubjects(topic) !== undefined
  const reason = isFilter
    ? `a filter: name one of those that \`petiole mqtt retained\` lists`
    : text
  return new PetioleError('PETIOLE_BAD_REQUEST', `${topic} is no topic: ${reason}`)
}

async function following(entries: Entries): Promise<RetainedEntry | undefined> {
  return (await entries.next()).value ?? undefined
}
