import { Turns } from '../../shared/broker/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import {
  encodeSuback,
  encodeUnsuback,
  encodeWithin,
  LEVEL,
  type Level,
  NO_PROPERTIES,
  type Properties,
  REASON,
  SUBACK_FAILURE,
  type SubackPacket,
  type SubscribePacket,
  type UnsubscribePacket,
  type Violation,
} from '../codec/index.ts'
import type { StoredFilter } from '../durable/index.ts'
import { RECHECKED_AT_ONCE } from '../limits.ts'
import type { ReplayPosition } from '../retained/index.ts'
import type { ClientFilters, Refusal } from './client-filters.ts'
import { ENDING } from './connection-ending.ts'
import type { MqttContext } from './context.ts'
import { cutReplays } from './cut-replays.ts'
import { FilterRecheck } from './filter-recheck.ts'
import { type FilterRequest, FilterRun, type Stored } from './filter-run.ts'
import type { RetainedReplays } from './retained-replay.ts'
import type { SubscriberLine, SubscriberLog, SubscriberOwner } from './subscriber-ports.ts'

export interface RequestParts {
  readonly context: MqttContext
  readonly line: SubscriberLine
  readonly owner: SubscriberOwner
  readonly filters: ClientFilters
  readonly replays: RetainedReplays
}

/** Retain handling: with each SUBSCRIBE, or with the first of a filter [MQTT-3.3.1-9, 3.3.1-10]. */
const RETAIN = { always: 0, new: 1 } as const

/**
 * SUBSCRIBE and UNSUBSCRIBE. What they ask for is so at once; of a durable session the answer waits until it
 * is on disk, and when it does not get there, all is as it was before.
 */
export class SubscriberRequests {
  readonly #parts: RequestParts
  readonly #durable: SubscriberLog | undefined
  readonly #isV5: boolean
  #isClosed = false
  #isRestoring = false
  #recheck: FilterRecheck | undefined
  /** Of filters that are still to be restored. */
  #cut = new Map<string, ReplayPosition>()

  constructor(parts: RequestParts) {
    this.#parts = parts
    this.#durable = parts.owner.durable
    this.#isV5 = parts.owner.terms.level === LEVEL.v5
  }

  /** Not all filters are known to be such as the user may have now. */
  get isUnjudged(): boolean {
    return this.#isRestoring || this.#recheck !== undefined
  }

  /** Answers with a code for each filter, in their order [MQTT-3.8.4-6]; retained messages follow. */
  subscribe({ packetId, filters, properties }: SubscribePacket): Violation | undefined {
    const { replays } = this.#parts
    const subscriptionId = properties.subscriptionIds?.[0] ?? 0
    const codes: number[] = []
    return this.#inTurns({
      filters: filters.map(({ filter }) => filter),
      begin: () => replays.hold(),
      change: (from, to, committed) => {
        const granted: StoredFilter[] = []
        for (const request of filters.slice(from, to)) {
          const outcome = this.#counted(() => this.#grant({ ...request, subscriptionId }))
          codes.push(typeof outcome === 'number' ? this.#failure(outcome) : outcome.qos)
          if (typeof outcome !== 'number') granted.push(outcome)
        }
        if (this.#durable === undefined || granted.length === 0) committed(undefined)
        else this.#durable.subscribe(granted, this.#stored(committed))
      },
      failed: (from, to) => {
        const failure = this.#failure(REASON.implementationSpecific)
        for (let at = from; at < to; at++) {
          if ((codes[at] ?? 0) < SUBACK_FAILURE) codes[at] = failure
        }
      },
      answer: () => {
        this.#answer(encodeSuback, packetId, codes)
        replays.release()
      },
    })
  }

  /** Answers as well when there is no such subscription [MQTT-3.10.4-5]. */
  unsubscribe({ packetId, filters }: UnsubscribePacket): Violation | undefined {
    const codes: number[] = []
    let lost: PetioleError | undefined
    return this.#inTurns({
      filters,
      begin: () => {},
      change: (from, to, committed) => {
        const names = filters.slice(from, to)
        for (const filter of names) {
          const isGone = this.#counted(() => this.#remove(filter))
          codes.push(isGone ? REASON.success : REASON.noSubscriptionExisted)
        }
        if (this.#durable === undefined) committed(undefined)
        else this.#durable.unsubscribe(names, this.#stored(committed))
      },
      failed: (from, to, error) => {
        lost = error
        codes.fill(REASON.implementationSpecific, from, to)
      },
      answer: () => {
        // MQTT 3.1.1 cannot say that it is subscribed still.
        if (lost !== undefined && !this.#isV5) this.#parts.line.uncommitted(lost)
        else this.#answer(encodeUnsuback, packetId, codes)
      },
    })
  }

  /** Of a session that was here before, but for what its user may not have any more. */
  restore(durable: SubscriberLog): void {
    const { filters, line, replays } = this.#parts
    const cut = cutReplays.comeBack(durable, this.#goOn)
    this.#cut = cut
    const refused: string[] = []
    const all = durable.filters.values()
    this.#isRestoring = true
    line.input.inTurns(filters.account, 'request', () => {
      if (this.#isClosed) return false
      const { value: stored } = all.next()
      if (stored === undefined) {
        // What was asked for and did not get to the disk is replayed from its beginning when it is asked for again.
        cut.clear()
        this.#forget(refused)
        this.#isRestoring = false
        durable.wake()
        replays.goOn()
        return false
      }
      const entry = this.#counted(() => filters.set(stored))
      if (typeof entry === 'string') refused.push(stored.filter)
      else {
        const from = cut.get(stored.filter)
        if (from !== undefined) replays.add(entry, from)
      }
      cut.delete(stored.filter)
      return true
    })
  }

  /** What the session has is what counts, also when another connection of the client has asked for what was not stored. */
  takeBack(filters: readonly string[]): void {
    this.#counted(() => {
      for (const filter of filters) {
        const stored = this.#durable?.filters.get(filter)
        if (stored === undefined) this.#remove(filter)
        else this.#parts.filters.set(stored)
      }
    })
  }

  /**
   * The user may do other things now: what is not allowed any more is as good as ended, and ends filter by filter.
   *
   * @param isPermitted there may be fewer of them, but of the same
   */
  recheck(isPermitted: boolean): void {
    const { context, filters } = this.#parts
    if (isPermitted) {
      if (this.#recheck === undefined) this.#judged()
      return
    }
    filters.permissionsChanged()
    this.#recheck?.stop()
    const recheck = new FilterRecheck(filters, (removed) => this.#forget(removed))
    this.#recheck = recheck
    const next = (): boolean => {
      if (this.#isClosed || this.#recheck !== recheck) return false
      if (this.#counted(() => recheck.next())) return true
      this.#recheck = undefined
      this.#judged()
      return false
    }
    Turns.of(context.clock).doInPieces(filters.account, next, RECHECKED_AT_ONCE)
  }

  close(): void {
    this.#isClosed = true
    this.#recheck?.stop()
    const unfinished = new Map([...this.#cut, ...this.#parts.replays.unfinished])
    if (this.#durable !== undefined) cutReplays.leave(this.#durable, this.#goOn, unfinished)
    this.#parts.replays.close()
    const { context, filters } = this.#parts
    const leaveNext = this.#counted(() => filters.leave())
    Turns.of(context.clock).doInPieces(filters.account, leaveNext)
  }

  /** Some pages of the client's last connection did not get to the disk. */
  readonly #goOn = (filter: string, from: ReplayPosition): void => {
    const { context, filters, replays } = this.#parts
    const entry = filters.get(filter)
    if (entry === undefined) {
      if (this.#isRestoring) this.#cut.set(filter, from)
      return
    }
    replays.add(entry, from)
    context.clock.soon(() => replays.goOn())
  }

  #judged(): void {
    const { filters, line, owner } = this.#parts
    if (filters.size > owner.guard.filtersMax) line.end(ENDING.tooManyFilters)
    else this.#durable?.wake()
  }

  #inTurns(request: FilterRequest): Violation | undefined {
    const { line, filters } = this.#parts
    const run = new FilterRun(request, () => this.#isClosed)
    let isReturned = false
    line.input.inTurns(filters.account, 'request', () => {
      if (run.next()) return true
      // Who has asked whether it breaks a rule has gone.
      if (isReturned && run.violation !== undefined) line.violated(run.violation)
      return false
    })
    isReturned = true
    return run.violation
  }

  #stored(committed: Stored): Stored {
    return (err) => {
      if (err !== undefined && !this.#isClosed) {
        const { context, owner } = this.#parts
        context.notices.warn({ client: owner.clientId, err }, 'topic filters could not be stored')
      }
      committed(err)
    }
  }

  #grant(request: StoredFilter): StoredFilter | number {
    const { context, owner, filters, replays } = this.#parts
    const { guard, clientId, isBridge = false } = owner
    const { filter, retainHandling } = request
    const isNew = !filters.has(filter)
    if (isNew && filters.size >= guard.filtersMax) {
      const fields = { client: clientId, max: guard.filtersMax }
      context.notices.warn(fields, 'client has too many topic filters')
      return REASON.quotaExceeded
    }
    const stored = {
      ...request,
      qos: Math.min(request.qos, context.limits.grantedQosMax),
      isNoLocal: request.isNoLocal || isBridge,
      isRetainAsPublished: request.isRetainAsPublished || isBridge,
    }
    const entry = filters.set(stored)
    if (typeof entry === 'string') return REFUSALS[entry]
    const isReplayed = retainHandling === RETAIN.always || (retainHandling === RETAIN.new && isNew)
    // A shared subscription gets none: each member would have them all.
    if (isReplayed && entry.group === undefined) replays.add(entry)
    return stored
  }

  #remove(filter: string): boolean {
    this.#parts.replays.cancel(filter)
    return this.#parts.filters.delete(filter)
  }

  #forget(removed: readonly string[]): void {
    if (removed.length === 0) return
    const { context, owner, replays } = this.#parts
    this.#durable?.unsubscribe(removed, () => {})
    for (const filter of removed) {
      replays.cancel(filter)
      const fields = { client: owner.clientId, filter }
      context.notices.warn(fields, 'topic filter removed: not allowed any more')
    }
  }

  #counted<Result>(change: () => Result): Result {
    const { context, filters } = this.#parts
    const before = filters.size
    const result = change()
    context.counters.filters += filters.size - before
    return result
  }

  /** MQTT 3.1.1 has one code for all failures; in 5 it says that the server does not tell which. */
  #failure(reason: number): number {
    return this.#isV5 && !this.#parts.owner.terms.hidesReasons ? reason : SUBACK_FAILURE
  }

  #answer(
    encode: (packet: SubackPacket, level: Level) => Uint8Array,
    packetId: number,
    codes: readonly number[],
  ): void {
    const { line, owner } = this.#parts
    const { level, packetBytesMax } = owner.terms
    const packet = { packetId, codes, properties: this.#explain(codes) }
    const bytes = encodeWithin(packetBytesMax, packet, (it) => encode(it, level))
    if (bytes !== undefined) line.channel.write(bytes)
  }

  /** In words why the first filter that was refused was. */
  #explain(codes: readonly number[]): Properties {
    if (!this.#isV5 || !this.#parts.owner.terms.wantsReasons) return NO_PROPERTIES
    const code = codes.find((it) => it >= SUBACK_FAILURE)
    const reasonString = code === undefined ? undefined : REASONS.get(code)
    return reasonString === undefined ? NO_PROPERTIES : { reasonString }
  }
}

const REFUSALS: Readonly<Record<Refusal, number>> = {
  invalid: REASON.topicFilterInvalid,
  denied: REASON.notAuthorized,
}

const REASONS = new Map<number, string>([
  [REASON.quotaExceeded, 'too many topic filters'],
  [REASON.topicFilterInvalid, 'shared subscription without a name or a filter, or filter too long'],
  [REASON.notAuthorized, 'no permission to subscribe'],
  [REASON.implementationSpecific, 'the session could not be stored'],
])
