import type { AccountBook } from '../../shared/account/index.ts'
import type { Message, Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { overlaps, type SubjectFilter } from '../../shared/subject/index.ts'
import type { RetainedMessage } from '../retained/index.ts'
import {
  type BrokerFigures,
  type ProcessFigures,
  SYS_PREFIX,
  type SysTopic,
  valuesOf,
} from './figures.ts'
import { LoadAverages } from './load-averages.ts'
import { type ReplaySource, sysRetained } from './sys-retained.ts'

/** Where the figures come from. They may take a few turns of the event loop, and are never older than a moment. */
export interface FigureSource {
  /** By account. @param account undefined: of all together */
  figuresOf(account: string | undefined): Promise<BrokerFigures>
  process(): ProcessFigures
}

export interface SysTopicsParts {
  readonly clock: Clock
  readonly book: AccountBook
  readonly space: (account: string) => SubjectSpace
  readonly figures: FigureSource
  readonly version: string
  /** 0: nothing is told. */
  readonly intervalMs: () => number
  /** An id for the peer that the messages come from. */
  readonly peerId: number
  /** Whether an account is told of the process too. */
  readonly seesProcess: (account: string) => boolean
}

/** One account in which somebody may listen. */
interface Audience {
  readonly account: string
  readonly space: SubjectSpace
  readonly listeners: Set<Subscription>
  readonly loads: LoadAverages
  /** What was told last: only what has changed is told again. */
  readonly told: Map<SysTopic, string>
  source: ReplaySource | undefined
  readonly unobserve: () => void
}

const EVERYTHING = `${SYS_PREFIX}>`
const NOTHING = new Uint8Array(0)
const NEVER_EXPIRES = -1

/**
 * The topics under `$SYS/broker`, for MQTT clients alone: no NATS client, no link and no stream gets them, so that
 * they never mix with the requests and events that the system account has under `$SYS`. Every account is told
 * of itself, the system account of all.
 *
 * Nothing is counted, made or sent while nobody is subscribed; then the timer stops. A value goes to its
 * subscribers when it has changed, and at once to who subscribes, as a retained message does (`replay`).
 */
export class SysTopics {
  readonly #parts: SysTopicsParts
  readonly #audiences = new Map<string, Audience>()
  readonly #origin: Peer
  readonly #startedMs: number
  #unobserve: (() => void) | undefined
  #cancelTimer: Cancel | undefined
  #isStopped = false
  /** Another one makes the rounds before it end. */
  #round = 0
  /** Messages of the router count up. */
  #serial = 0

  constructor(parts: SysTopicsParts) {
    this.#parts = parts
    this.#startedMs = parts.clock.monotonicMs()
    this.#origin = { kind: 'local', id: parts.peerId, echo: true, deliver: () => {} }
  }

  start(): void {
    const { book } = this.#parts
    for (const { name } of book.accounts()) this.#watch(name)
    this.#unobserve = book.onChange((after, before) => {
      if (after !== undefined) this.#watch(after.name)
      else if (before !== undefined) this.#leave(before.name)
    })
  }

  /** Idempotent. */
  stop(): void {
    this.#isStopped = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#unobserve?.()
    for (const account of [...this.#audiences.keys()]) this.#leave(account)
  }

  /** The interval may be another one now. */
  reconfigure(): void {
    this.#round++
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#arm()
  }

  /** What new subscriptions get at once: these topics, and what is retained. One for an account. */
  sourceOf(account: string, retained: () => ReplaySource | undefined): ReplaySource {
    const audience = this.#audiences.get(account)
    const source = audience?.source ?? sysRetained(this, account, retained)
    if (audience !== undefined) audience.source = source
    return source
  }

  /** Whether a filter with these subjects may match one of the topics. */
  concerns(filters: readonly SubjectFilter[]): boolean {
    return filters.some(({ subject }) => isBelow(subject))
  }

  /** The values that a new subscription is to have at once. */
  async replay(
    account: string,
    filters: readonly SubjectFilter[],
  ): Promise<readonly RetainedMessage[]> {
    const audience = this.#audiences.get(account)
    if (audience === undefined || this.#parts.intervalMs() === 0) return []
    const messages: RetainedMessage[] = []
    const storedMs = this.#parts.clock.wallMs()
    for (const [topic, value] of await this.#valuesOf(audience)) {
      if (!filters.some((filter) => filter.matches(topic.subjectBytes))) continue
      const { subject, subjectBytes } = topic
      const payload = Buffer.from(value)
      messages.push({
        seq: 0,
        subject,
        subjectBytes,
        headers: NOTHING,
        payload,
        storedMs,
        expirySeconds: NEVER_EXPIRES,
      })
    }
    // Else a value that is back at what the others were told would never reach who came in between.
    audience.told.clear()
    return messages
  }

  #watch(account: string): void {
    if (this.#audiences.has(account)) return
    const space = this.#parts.space(account)
    const listeners = new Set<Subscription>()
    const told = new Map<SysTopic, string>()
    const unobserve = space.observe({
      subscriptionAdded: (subscription) => {
        if (subscription.peer.kind !== 'mqtt' || !isBelow(subscription.subject)) return
        listeners.add(subscription)
        told.clear()
        this.#arm()
      },
      subscriptionRemoved: (subscription) => void listeners.delete(subscription),
    })
    const loads = new LoadAverages(this.#startedMs)
    const source = undefined
    this.#audiences.set(account, { account, space, listeners, loads, told, source, unobserve })
  }

  #leave(account: string): void {
    this.#audiences.get(account)?.unobserve()
    this.#audiences.delete(account)
  }

  #arm(): void {
    const { clock, intervalMs } = this.#parts
    if (this.#cancelTimer !== undefined || this.#isStopped || intervalMs() === 0) return
    if (!this.#hasListeners) return
    const round = ++this.#round
    this.#cancelTimer = clock.after(intervalMs(), () => void this.#tell(round))
  }

  get #hasListeners(): boolean {
    for (const { listeners } of this.#audiences.values()) if (listeners.size > 0) return true
    return false
  }

  async #tell(round: number): Promise<void> {
    for (const audience of [...this.#audiences.values()]) {
      if (audience.listeners.size === 0) continue
      const values = await this.#valuesOf(audience)
      if (this.#isStopped || this.#round !== round) return
      for (const [topic, value] of values) {
        if (audience.told.get(topic) === value) continue
        audience.told.set(topic, value)
        this.#deliver(audience.space, topic, value)
      }
    }
    this.#cancelTimer = undefined
    this.#arm()
  }

  async #valuesOf({ account, loads }: Audience): Promise<Iterable<readonly [SysTopic, string]>> {
    const { book, clock, figures, seesProcess, version } = this.#parts
    const found = await figures.figuresOf(account === book.systemAccount ? undefined : account)
    loads.sample(found, clock.monotonicMs())
    return valuesOf(found, loads, version, seesProcess(account) ? figures.process() : undefined)
  }

  /** To plain subscriptions, and to one member of each group. */
  #deliver(space: SubjectSpace, { subject, subjectBytes }: SysTopic, value: string): void {
    this.#serial--
    const payload = Buffer.from(value)
    const message = new SysDelivery(this.#serial, this.#origin, subject, subjectBytes, payload)
    const served = new Set<string>()
    for (const subscription of space.matching(subject)) {
      const { peer, queue } = subscription
      if (peer.kind !== 'mqtt' || (queue !== '' && served.has(queue))) continue
      const isTaken = peer.offer?.(subscription, message) ?? true
      if (peer.offer === undefined) peer.deliver(subscription, message)
      if (isTaken) served.add(queue)
    }
  }
}

/** Filters that begin with a wildcard never match a topic that begins with `$` [MQTT-4.7.2-1]. */
function isBelow(subject: string): boolean {
  return subject.startsWith('$SYS.') && overlaps(subject, EVERYTHING)
}

/** A value on its way to one who listens. */
class SysDelivery implements Message {
  readonly serial: number
  readonly origin: Peer
  readonly subject: string
  readonly subjectBytes: Uint8Array
  readonly reply = ''
  readonly replyBytes = NOTHING
  readonly headers = NOTHING
  readonly payload: Uint8Array

  constructor(
    serial: number,
    origin: Peer,
    subject: string,
    subjectBytes: Uint8Array,
    payload: Uint8Array,
  ) {
    this.serial = serial
    this.origin = origin
    this.subject = subject
    this.subjectBytes = subjectBytes
    this.payload = payload
  }

  get shownSubject(): string {
    return this.subject
  }

  get shownBytes(): Uint8Array {
    return this.subjectBytes
  }

  takeCommitted(): undefined {
    return undefined
  }

  shareCommitted(): undefined {
    return undefined
  }
}
