/**
 * One feed: the consumer that a mirror or source has at its origin, and what comes from it.
 *
 *   waiting ──▶ asking ──▶ running         a message is missing, nothing is heard, the disk refuses:
 *      ▲───────────┴──────────┘            asked anew, from behind what is stored
 *
 * The origin is reached by messages only, wherever it is. Each delivery is numbered, and heartbeats tell
 * the last number, so nothing can be missing unseen; flow control is answered once everything before the
 * question is on disk, so that a disk that is slow or stands still slows down the origin, and what is
 * here and not on disk stays small. A link that comes back ends every wait.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, messageOf, type Random } from '../../runtime/index.ts'
import type { Store } from '../../store/index.ts'
import type { StreamSource } from '../config/stream-source.ts'
import { NO_BYTES, withHeaders } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import type { PortMessage, StreamPort } from '../port.ts'
import { askLineOf } from './ask-line.ts'
import { type FeedError, IDENTITY_HEADER, parseFeedAnswer } from './feed-answer.ts'
import { type FeedKind, type FeedOwner, feedRequest, originApi } from './feed-request.ts'
import { FeedRun, sizeOf } from './feed-run.ts'
import type { FedMessage, Intake } from './intake.ts'
import {
  ANSWER_MS,
  BACKOFF_MAX_MS,
  BACKOFF_MS,
  BATCH_MESSAGES,
  JITTER_MS,
  RESET_ANSWER_MS,
  RETRY_LEAST_MS,
  REVIVAL_MS,
  STALL_MS,
  UNSTORED_BYTES_MAX,
} from './limits.ts'

export interface FeedParts {
  readonly clock: Clock
  readonly random: Random
  readonly port: StreamPort
  readonly log: Log
  readonly root: Store
  readonly newToken: () => string
}

/** What a feed is of, and what it is called at its origin. */
export interface FeedFacts extends FeedOwner {
  readonly kind: FeedKind
  readonly source: StreamSource
  readonly consumerName: string
}

type State =
  | { readonly name: 'stopped' }
  | { readonly name: 'waiting'; readonly cancel: Cancel }
  | { readonly name: 'asking'; readonly cancel: Cancel; readonly stop: () => void }
  | Running

interface Running {
  readonly name: 'running'
  readonly run: FeedRun
  readonly stop: () => void
  readonly queue: PortMessage[]
  isTaking: boolean
  cancelCheck: Cancel
}

interface Attempt {
  readonly level: number
  readonly deliverSubject: string
}

const LEVELS: Readonly<Record<FeedKind, number>> = { mirror: 4, source: 5 }
/** Consumers for sources, and with them resets and acknowledgement by flow control. */
const SOURCING_LEVEL = 4
const STOPPED: State = { name: 'stopped' }

export class Feed {
  readonly #parts: FeedParts
  readonly #facts: FeedFacts
  readonly #intake: Intake
  readonly #log: Log
  readonly #stopReach: () => void
  #state: State = STOPPED
  #fails = 0
  #askedMs: number | undefined
  /** The way to the origin has come back since it was asked last. */
  #isReachNew = false
  #heardMs: number | undefined
  #lag = 0
  #error: FeedError | undefined
  #isCaughtUp = false

  constructor(parts: FeedParts, facts: FeedFacts, intake: Intake) {
    this.#parts = parts
    this.#facts = facts
    this.#intake = intake
    this.#log = parts.log.child({ origin: facts.source.name })
    const api = originApi(facts.source, `CONSUMER.CREATE.${facts.source.name}`)
    this.#stopReach = parts.port.onReach(api, () => this.reached())
    this.#wait()
  }

  get source(): StreamSource {
    return this.#facts.source
  }

  get consumerName(): string {
    return this.#facts.consumerName
  }

  /** As infos show it: nats-server's show that of a mirror once it has asked for it. */
  get filter(): string | undefined {
    const { kind, source } = this.#facts
    if (kind === 'mirror' && this.#askedMs === undefined) return undefined
    return source.filter_subject
  }

  get lag(): number {
    return this.#state.name === 'running' ? this.#state.run.lag : this.#lag
  }

  /** Whether it has ever had nearly all that the origin has. */
  isCaughtUp(lagMax: number): boolean {
    if (this.#state.name === 'running' && this.#state.run.isBelow(lagMax)) this.#isCaughtUp = true
    return this.#isCaughtUp
  }

  /** How far a source was copied; 0 for not at all, and for a mirror, whose own sequences say it. */
  get copiedSeq(): number {
    return this.#facts.kind === 'mirror' ? 0 : this.#intake.place.seq
  }

  get error(): FeedError | undefined {
    return this.#error
  }

  /** Since the last message or heartbeat; -1 when there was none. */
  get silentMs(): number {
    return this.#heardMs === undefined ? -1 : this.#nowMs - this.#heardMs
  }

  /** The origin may be within reach again, or there at last. */
  reached(): void {
    const state = this.#state
    if (state.name === 'stopped') return
    this.#isReachNew = true
    this.#fails = 0
    if (state.name !== 'running') {
      this.#leave()
      this.#wait()
      return
    }
    // Heartbeats tell what was lost meanwhile, if the consumer is still there to send them.
    const heardMs = this.#heardMs
    state.cancelCheck()
    state.cancelCheck = this.#parts.clock.after(REVIVAL_MS, () => {
      if (this.#heardMs === heardMs) this.#again()
      else this.#check(state)
    })
  }

  /** @param isRemoved nobody is to wait for this feed at the origin any more */
  stop(isRemoved: boolean): void {
    if (this.#state.name === 'stopped' && this.#askedMs === undefined) return
    this.#leave()
    this.#stopReach()
    const { source, consumerName } = this.#facts
    if (!isRemoved || source.consumer !== undefined || this.#askedMs === undefined) return
    const subject = originApi(source, `CONSUMER.DELETE.${source.name}.${consumerName}`)
    this.#parts.port.publish(subject, '', NO_BYTES, NO_BYTES)
    this.#askedMs = undefined
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonicMs()
  }

  #leave(): void {
    const state = this.#state
    this.#state = STOPPED
    if (state.name === 'waiting' || state.name === 'asking') state.cancel()
    if (state.name === 'asking' || state.name === 'running') state.stop()
    if (state.name === 'running') {
      state.cancelCheck()
      this.#lag = state.run.lag
    }
  }

  #again(isFailure = false): void {
    if (this.#state.name === 'stopped') return
    this.#leave()
    if (isFailure) this.#fails++
    this.#wait()
  }

  #wait(): void {
    const { clock, random, root } = this.#parts
    let delayMs = JITTER_MS + random.below(JITTER_MS)
    if (this.#askedMs !== undefined && !this.#isReachNew) {
      delayMs += Math.max(0, RETRY_LEAST_MS - (this.#nowMs - this.#askedMs))
    }
    delayMs += Math.min(BACKOFF_MAX_MS, BACKOFF_MS * this.#fails)
    const line = askLineOf(root, clock)
    let cancel = clock.after(delayMs, () => {
      cancel = line.enter(() => this.#ask())
    })
    this.#state = { name: 'waiting', cancel: () => cancel() }
  }

  #ask(level = LEVELS[this.#facts.kind]): void {
    const { kind, source, consumerName } = this.#facts
    const { clock, port, newToken } = this.#parts
    this.#askedMs = this.#nowMs
    this.#isReachNew = false
    this.#error = undefined
    const { place } = this.#intake
    const isPlain = level < SOURCING_LEVEL
    const name = isPlain ? `${consumerName}_${newToken()}` : consumerName
    const request = { name, place, token: newToken(), isPlain }
    const { subject, payload, deliverSubject } = feedRequest(kind, source, this.#facts, request)
    const reply = `$JSC.R.${newToken()}`
    const attempt = { level, deliverSubject }
    const stop = port.subscribe(reply, (answer) => this.#answered(attempt, answer))
    const waitMs = source.consumer === undefined ? ANSWER_MS : RESET_ANSWER_MS
    this.#state = { name: 'asking', stop, cancel: clock.after(waitMs, () => this.#again(true)) }
    const headers: [string, string][] = isPlain ? [] : [['Nats-Required-Api-Level', String(level)]]
    if (kind === 'source' && level === LEVELS.source && place.identity !== '') {
      headers.push([IDENTITY_HEADER, place.identity])
    }
    const block = headers.length === 0 ? NO_BYTES : withHeaders(NO_BYTES, headers)
    port.publish(subject, reply, block, Buffer.from(payload))
  }

  #answered({ level, deliverSubject }: Attempt, message: PortMessage): void {
    if (this.#state.name !== 'asking') return
    const answer = parseFeedAnswer(message)
    if (answer.type === 'none') return
    if (answer.type === 'error') {
      this.#refused(answer.error, level)
      return
    }
    const { kind, source } = this.#facts
    if (source.consumer !== undefined && answer.ackPolicy !== 'flow_control') {
      this.#error = new JetStreamError(kind === 'mirror' ? 10214 : 10217).toJSON()
      this.#again(true)
      return
    }
    let streamSeq: number
    try {
      streamSeq = this.#intake.begin(answer.delivered, answer.identity)
    } catch (error) {
      this.#failed(error)
      return
    }
    this.#leave()
    this.#fails = 0
    this.#run(new FeedRun(kind, answer.name, streamSeq), deliverSubject)
  }

  #refused(error: FeedError, level: number): void {
    const { kind } = this.#facts
    this.#leave()
    if (error.err_code === 10225) {
      this.#log.warn({}, 'source stream was recreated, resetting source state')
      this.#intake.restart()
      this.#wait()
      return
    }
    // The origin is older than the level, or knows no such field.
    const isOld = error.err_code === 10185 || error.err_code === 10025
    if (isOld && level >= SOURCING_LEVEL) {
      this.#ask(level - 1)
      return
    }
    const err = `${error.description} (${error.err_code})`
    this.#log.warn({ err }, `error response for create ${kind} consumer`)
    this.#error = error
    this.#fails++
    this.#wait()
  }

  #run(run: FeedRun, deliverSubject: string): void {
    this.#heardMs = this.#nowMs
    const state: Running = {
      name: 'running',
      run,
      queue: [],
      isTaking: false,
      cancelCheck: () => {},
      stop: this.#parts.port.receive(deliverSubject, (message) => this.#received(state, message)),
    }
    this.#state = state
    this.#check(state)
  }

  #check(state: Running): void {
    if (this.#state !== state) return
    const leftMs = STALL_MS - this.silentMs
    if (leftMs <= 0) this.#again()
    else state.cancelCheck = this.#parts.clock.after(leftMs, () => this.#check(state))
  }

  #received(state: Running, message: PortMessage): void {
    if (this.#state !== state) return
    this.#heardMs = this.#nowMs
    state.run.bytes += sizeOf(message)
    if (state.run.bytes > UNSTORED_BYTES_MAX) {
      this.#log.warn({ bytes: state.run.bytes }, 'origin does not heed flow control')
      this.#again(true)
      return
    }
    state.queue.push(message)
    if (state.isTaking) return
    state.isTaking = true
    // All that came in one read of the link is stored together.
    queueMicrotask(() => {
      this.#take(state).catch((error: unknown) => this.#failed(error, state))
    })
  }

  async #take(state: Running): Promise<void> {
    const { run, queue } = state
    let batch: FedMessage[] = []
    let bytes = 0
    const store = async (): Promise<void> => {
      const taken = bytes
      const messages = batch
      batch = []
      bytes = 0
      if (messages.length === 0) return
      const taking = async () =>
        this.#intake.take(messages, (error) => {
          run.bytes -= taken
          if (error !== undefined) this.#failed(error, state)
        })
      await taking().catch((error: unknown) => {
        run.refused(messages, this.#intake.place.seq)
        throw error
      })
    }
    while (queue.length > 0) {
      for (const message of queue.splice(0)) {
        const found = run.look(message)
        if (found.type === 'next') {
          batch.push(found.message)
          bytes += sizeOf(message)
        } else run.bytes -= sizeOf(message)
        if (found.type === 'question' || batch.length >= BATCH_MESSAGES) await store()
        if (this.#state !== state) break
        if (found.type === 'question') this.#answerFlow(state, found.question)
        if (found.type === 'gap') this.#again()
      }
      // What came before a gap is stored, though the feed begins anew.
      await store()
      if (this.#state !== state) return
    }
    state.isTaking = false
  }

  #answerFlow(state: Running, question: string): void {
    const { run } = state
    run.question = question
    const headers = withHeaders(NO_BYTES, [
      ['Nats-Last-Consumer', String(run.consumerSeq)],
      ['Nats-Last-Stream', String(run.streamSeq)],
    ])
    this.#parts.root.barrier((error) => {
      if (error !== undefined || this.#state !== state) return
      if (run.question === question) run.question = ''
      this.#parts.port.publish(question, '', headers, NO_BYTES)
    })
  }

  #failed(error: unknown, of = this.#state): void {
    if (this.#state !== of || of.name === 'stopped') return
    // A stream that is full and says so is nothing to tell of each time.
    const isFull = error instanceof JetStreamError && error.errCode === 10077
    if (!isFull) this.#log.warn({ err: messageOf(error) }, 'error processing inbound message')
    this.#again()
  }
}
