/**
 * Messages that publish others when their time comes [ADR-51]. A schedule is the last message of its
 * subject; whatever replaces or removes that message ends it.
 *
 * What a schedule publishes is appended in one transaction with its next time (in the stream's state
 * table, under `schedule/` and its subject), or with the removal of the schedule itself when it was
 * its only one. So each due time publishes once, whenever the server was killed; of several that were
 * missed meanwhile, one is made up for.
 */
import type { Log } from '../../../log/index.ts'
import { type Cancel, type Clock, messageOf, Tasks } from '../../../runtime/index.ts'
import type { RetentionClock, StoredMessage, StreamStore } from '../../../store/index.ts'
import { withHeaders, withoutHeaders } from '../../headers.ts'
import {
  DEADLINES_PRUNE_MIN,
  EXPIRY_CHECK_MAX_MS,
  EXPIRY_CHECK_MIN_MS,
  EXPIRY_RETRY_MS,
  SCHEDULES_FIRED,
} from '../../limits.ts'
import { formatTime } from '../../timestamp.ts'
import type { Message } from '../admission.ts'
import { Deadlines } from '../deadlines.ts'
import { parsePublishHeaders, type ScheduleHeaders } from '../publish-headers.ts'
import { type NextTime, nextTime } from './pattern.ts'
import { TimeZone } from './time-zone.ts'

export interface SchedulesParts {
  readonly clock: Clock
  readonly retentionClock: RetentionClock
  readonly log: Log
  /** The newest sequence of a subject, stored or on its way. */
  lastSeqOn(subject: string): number
  /** @param along runs in the transaction that appends the message */
  publish(message: Message, along: () => void): Promise<number>
}

interface Schedule {
  readonly subject: string
  readonly dueMs: number
}

const STATE_PREFIX = 'schedule/'

export class Schedules {
  readonly #store: StreamStore
  readonly #parts: SchedulesParts
  readonly #tasks: Tasks
  readonly #bySeq = new Map<number, Schedule>()
  readonly #deadlines = new Deadlines()
  #pruneAt = DEADLINES_PRUNE_MIN
  #cancel: Cancel | undefined
  #wakesMs = Number.POSITIVE_INFINITY
  #isRunning = false
  #isClosed = false

  constructor(store: StreamStore, parts: SchedulesParts) {
    this.#store = store
    this.#parts = parts
    this.#tasks = new Tasks((_, error) => this.#failed(error))
  }

  get size(): number {
    return this.#bySeq.size
  }

  has(seq: number): boolean {
    return this.#bySeq.has(seq)
  }

  /** A schedule has its sequence; it fires no earlier than it is on disk. */
  add(seq: number, subject: string, dueMs: number): void {
    this.#prune()
    this.#bySeq.set(seq, { subject, dueMs })
    this.#deadlines.add(seq, dueMs)
    this.#wakeAt(dueMs)
  }

  /** Its commit failed. */
  forget(seq: number): void {
    this.#bySeq.delete(seq)
  }

  /** A message that was there at the start. */
  recover({ seq, subject, timeMs }: StoredMessage, headers: ScheduleHeaders): void {
    if (this.#parts.lastSeqOn(subject) !== seq) return
    const state = decodeState(this.#store.states.get(STATE_PREFIX + subject))
    if (state?.seq === seq) {
      this.add(seq, subject, state.dueMs)
      return
    }
    // It has not fired since it was made: when it was due first is found as it was then.
    const next = nextTime(headers.pattern, zoneOf(headers), timeMs, timeMs)
    if (next !== undefined) this.add(seq, subject, next.ms)
  }

  /** States of schedules that are gone are of no use any more. */
  recovered(): void {
    const live = new Set([...this.#bySeq.values()].map(({ subject }) => subject))
    for (const [key] of this.#store.states.entries()) {
      const isState = key.startsWith(STATE_PREFIX)
      if (isState && !live.has(key.slice(STATE_PREFIX.length))) this.#store.states.remove(key)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
    this.#tasks.destroy().catch(() => {})
  }

  #wakeAt(dueMs: number): void {
    if (this.#isClosed || this.#isRunning || dueMs >= this.#wakesMs) return
    this.#cancel?.()
    this.#wakesMs = dueMs
    const nowMs = this.#parts.retentionClock.nowMs()
    const leftMs = nowMs === undefined ? EXPIRY_CHECK_MAX_MS : dueMs - nowMs
    const waitMs = Math.min(Math.max(leftMs, EXPIRY_CHECK_MIN_MS), EXPIRY_CHECK_MAX_MS)
    this.#cancel = this.#parts.clock.after(waitMs, () => this.#run())
  }

  #run(): void {
    this.#isRunning = true
    this.#tasks.run('schedules', async (signal) => {
      try {
        await this.#fire(signal)
      } finally {
        this.#isRunning = false
        this.#wakesMs = Number.POSITIVE_INFINITY
        this.#wakeAt(this.#deadlines.nextMs)
      }
    })
  }

  #failed(error: unknown): void {
    this.#parts.log.warn({ err: messageOf(error) }, 'schedules not served, they are tried again')
  }

  async #fire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nowMs = this.#parts.retentionClock.nowMs()
      if (nowMs === undefined) return
      const fired: Promise<void>[] = []
      for (let seq = this.#deadlines.take(nowMs); seq > 0; seq = this.#deadlines.take(nowMs)) {
        const schedule = this.#bySeq.get(seq)
        // An entry of an earlier time of the same schedule is none.
        if (schedule === undefined || schedule.dueMs > nowMs) continue
        fired.push(this.#fireOne(seq, schedule, nowMs))
        if (fired.length >= SCHEDULES_FIRED) break
      }
      if (fired.length === 0) return
      await Promise.all(fired)
    }
  }

  async #fireOne(seq: number, schedule: Schedule, nowMs: number): Promise<void> {
    try {
      const message = await this.#store.get(seq)
      if (message === undefined || this.#parts.lastSeqOn(schedule.subject) !== seq) {
        // What is on its way to the disk is looked at again.
        if (seq > this.#store.state.lastSeq) this.#again(seq, schedule, nowMs)
        else this.#end(seq, schedule.subject)
        return
      }
      await this.#publish(message, schedule, nowMs)
    } catch (error) {
      this.#parts.log.warn(
        { err: messageOf(error), subject: schedule.subject },
        'scheduled message not published, it is tried again',
      )
      this.#again(seq, schedule, nowMs)
    }
  }

  async #publish(message: StoredMessage, { subject, dueMs }: Schedule, nowMs: number) {
    const { seq } = message
    const { schedule: asked } = parsePublishHeaders(message.headers)
    const next =
      asked === undefined ? undefined : nextTime(asked.pattern, zoneOf(asked), dueMs, nowMs)
    if (asked === undefined || next === undefined) {
      this.#end(seq, subject)
      return
    }
    const made = await this.#made(message, asked, next)
    await this.#parts
      .publish(made, () => {
        // Read again what the wait may have changed: a schedule that is gone publishes nothing.
        if (this.#parts.lastSeqOn(subject) !== seq) throw new ScheduleGone()
        if (next.isRepeated)
          this.#store.states.set(STATE_PREFIX + subject, encodeState(seq, next.ms))
        else this.#forgetState(seq, subject)
      })
      .catch((error: unknown) => {
        if (!(error instanceof ScheduleGone)) throw error
      })
    if (next.isRepeated && this.#bySeq.has(seq)) this.add(seq, subject, next.ms)
    else this.#bySeq.delete(seq)
  }

  async #made(message: StoredMessage, asked: ScheduleHeaders, next: NextTime): Promise<Message> {
    const from = asked.source === '' ? undefined : await this.#lastOn(asked.source)
    const { headers, payload } = from ?? message
    return {
      subject: asked.target,
      subjectBytes: Buffer.from(asked.target),
      headers: withHeaders(withoutHeaders(headers, isSchedulesOwn), [
        ['Nats-Scheduler', message.subject],
        ['Nats-Schedule-Next', next.isRepeated ? formatTime(next.ms) : 'purge'],
        ...(asked.ttl === '' ? [] : [['Nats-TTL', asked.ttl] as const]),
        ...(asked.rollup === '' ? [] : [['Nats-Rollup', asked.rollup] as const]),
      ]),
      payload,
    }
  }

  async #lastOn(subject: string): Promise<StoredMessage | undefined> {
    const seq = this.#store.lastSeqOf(subject)
    return seq === 0 ? undefined : this.#store.get(seq)
  }

  #again(seq: number, schedule: Schedule, nowMs: number): void {
    if (this.#bySeq.get(seq) === schedule) this.#deadlines.add(seq, nowMs + EXPIRY_RETRY_MS)
  }

  #end(seq: number, subject: string): void {
    this.#bySeq.delete(seq)
    this.#forgetState(seq, subject)
  }

  #forgetState(seq: number, subject: string): void {
    const state = decodeState(this.#store.states.get(STATE_PREFIX + subject))
    if (state?.seq === seq) this.#store.states.remove(STATE_PREFIX + subject)
  }

  /** Schedules that were replaced are dropped once there are twice as many as were left the last time. */
  #prune(): void {
    if (this.#deadlines.size < this.#pruneAt) return
    const { lastSeq } = this.#store.state
    for (const [seq] of this.#bySeq) {
      if (seq <= lastSeq && !this.#store.has(seq)) this.#bySeq.delete(seq)
    }
    this.#deadlines.prune((seq) => this.#bySeq.has(seq))
    this.#pruneAt = Math.max(DEADLINES_PRUNE_MIN, 2 * this.#deadlines.size)
  }
}

class ScheduleGone extends Error {}

function zoneOf({ timeZone }: ScheduleHeaders): TimeZone | undefined {
  return timeZone === undefined ? undefined : TimeZone.named(timeZone)
}

/** What was asked of the schedule, or would keep the message from being stored. */
function isSchedulesOwn(name: string): boolean {
  return (
    name.startsWith('Nats-Schedule') ||
    name.startsWith('Nats-Expected-') ||
    name === 'Nats-Msg-Id' ||
    name === 'Nats-TTL' ||
    name === 'Nats-Rollup'
  )
}

function encodeState(seq: number, dueMs: number): Uint8Array {
  return Buffer.from(JSON.stringify({ seq, dueMs }))
}

function decodeState(
  bytes: Uint8Array | undefined,
): { readonly seq: number; readonly dueMs: number } | undefined {
  if (bytes === undefined) return undefined
  return JSON.parse(Buffer.from(bytes).toString()) as { seq: number; dueMs: number }
}
