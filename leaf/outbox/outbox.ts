import type { NatsClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import {
  type Cancel,
  type Clock,
  messageOf,
  type Random,
  Tasks,
} from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'
import { retrySubject, SYNC_SUBJECT, type Welcome } from '../../shared/sync/index.ts'
import type { LeafBuffer } from '../buffers/index.ts'
import { BatchSize } from './batch-size.ts'
import { BufferDrain, type Refusal } from './buffer-drain.ts'
import { HelloExchange, resume } from './hello-exchange.ts'
import type { LeafIdentity } from './leaf-identity.ts'
import { REDIAL_MAX_MS, REDIAL_MS } from './limits.ts'
import { SyncSession } from './sync-session.ts'

export interface OutboxDependencies {
  readonly client: NatsClient
  readonly store: Store
  /** The buffers, in draining order. */
  readonly buffers: { readonly all: readonly LeafBuffer[] }
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Told the hub's wall clock at each welcome, ms since the epoch: for leaves without a clock. */
  readonly onHubTime: (wallMs: number) => void
}

export type OutboxState =
  /** No hub is in sight, which is normal. */
  | { readonly name: 'away' }
  | { readonly name: 'refused'; readonly reason: string }
  | { readonly name: 'syncing'; readonly home: string }

/**
 * Drains the buffers to their home whenever there is one in sight: hello, then a session until it
 * ends, then again. While there is none it only waits for interest to come over the link: nothing
 * is read, sent or kept.
 */
export class Outbox {
  readonly #identity: LeafIdentity
  readonly #client: NatsClient
  readonly #buffers: OutboxDependencies['buffers']
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #onHubTime: (wallMs: number) => void
  readonly #exchange: HelloExchange
  readonly #batchSize: BatchSize
  readonly #abort = new AbortController()
  readonly #tasks: Tasks
  readonly #refusals = new Map<string, Refusal>()
  #state: OutboxState = { name: 'away' }
  #session: SyncSession | undefined
  #redialMs = REDIAL_MS
  #wake: (() => void) | undefined
  #stop: (() => void)[] = []

  constructor(identity: LeafIdentity, dependencies: OutboxDependencies) {
    this.#identity = identity
    this.#client = dependencies.client
    this.#buffers = dependencies.buffers
    this.#clock = dependencies.clock
    this.#random = dependencies.random
    this.#log = dependencies.log
    this.#onHubTime = dependencies.onHubTime
    this.#batchSize = new BatchSize(dependencies.clock)
    this.#exchange = new HelloExchange(
      identity,
      dependencies.client,
      dependencies.store.marks,
      dependencies.log,
    )
    this.#tasks = new Tasks((name, error) => this.#log.error({ name, err: error }, 'task failed'))
  }

  get state(): OutboxState {
    return this.#state
  }

  /** The hub that has the watermarks; '' before the first welcome. */
  get home(): string {
    return this.#exchange.home
  }

  /** Why the hub does not take a buffer's next record; undefined when it does. */
  refusalOf(buffer: string): Refusal | undefined {
    const drain = this.#session?.drains.find((it) => it.buffer.name === buffer)
    return drain === undefined ? this.#refusals.get(buffer) : drain.refusal
  }

  /** The buffers of which the hub does not take the next record, and why. */
  get blocked(): readonly (Refusal & { readonly buffer: string })[] {
    return this.#buffers.all.flatMap(({ name }) => {
      const refusal = this.refusalOf(name)
      return refusal === undefined
        ? []
        : [{ buffer: name, subject: refusal.subject, reason: refusal.reason }]
    })
  }

  start(): void {
    this.#stop = [
      this.#client.onInterest(SYNC_SUBJECT, () => {
        this.#redialMs = REDIAL_MS
        this.#wake?.()
      }),
      this.#client.subscribe(retrySubject(this.#identity.name), ({ payload }) =>
        this.#session?.retry(Buffer.from(payload).toString()),
      ),
    ]
    this.#tasks.run('outbox', () => this.#run())
  }

  /** Ends the session; what is on the way is sent again after the next start, and dropped as repeats. */
  async drain(): Promise<void> {
    this.#close()
    await this.#tasks.drain()
    // The buffers go on capturing until the last client is gone, but nothing more is confirmed.
    for (const buffer of this.#buffers.all) buffer.settle()
  }

  async destroy(): Promise<void> {
    this.#close()
    await this.#tasks.destroy()
  }

  get #isClosing(): boolean {
    return this.#abort.signal.aborted
  }

  #close(): void {
    this.#abort.abort()
    for (const stop of this.#stop.splice(0)) stop()
    this.#session?.end('the leaf stops')
    this.#wake?.()
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.#attempt()
      } catch (error) {
        this.#log.debug({ err: error, reason: messageOf(error) }, 'the home does not answer')
      }
      this.#state = this.#state.name === 'syncing' ? { name: 'away' } : this.#state
      if (!this.#isClosing) await this.#sleep(this.#nextRedialMs())
    }
  }

  /** One hello and, if it is welcome, one session. */
  async #attempt(): Promise<void> {
    const subject = this.#exchange.reachable
    if (subject === undefined) {
      this.#state = { name: 'away' }
      return
    }
    for (const buffer of this.#buffers.all) await buffer.identify()
    const reply = await this.#exchange.greet(subject, this.#buffers.all, this.#abort.signal)
    if (this.#isClosing) return
    switch (reply.status) {
      case 'welcome':
        this.#onHubTime(reply.now_ms)
        return this.#drainTo(reply)
      case 'later':
        this.#log.debug({ retryMs: reply.retry_ms, reason: reply.reason }, 'the hub has no room')
        await this.#sleep(reply.retry_ms * (1 + this.#random.float()))
        return
      case 'refused':
        if (this.#state.name !== 'refused') {
          this.#log.error({ reason: reply.reason }, 'the hub refuses to sync with this leaf')
        }
        this.#state = { name: 'refused', reason: reply.reason }
        return
    }
  }

  async #drainTo(welcome: Welcome): Promise<void> {
    const drains: BufferDrain[] = []
    for (const buffer of this.#buffers.all) {
      const resumption = await resume(buffer, welcome)
      if (resumption.name === 'continue') {
        const { watermark } = resumption
        if (watermark < buffer.syncedSeq) this.#hubForgot(buffer, watermark)
        const drain = new BufferDrain(buffer, watermark, this.#random)
        buffer.confirm(watermark, 0)
        drains.push(drain)
        continue
      }
      const { reason } = resumption
      this.#log.warn({ buffer: buffer.name, reason }, 'buffer is not what the hub has seen before')
      await buffer.renew()
      // The new history is announced before anything of it is sent.
      this.#redialMs = REDIAL_MS
      return
    }
    if (this.#isClosing) return
    const session = new SyncSession(this.#identity.name, welcome, drains, {
      batchSize: this.#batchSize,
      client: this.#client,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
    })
    this.#session = session
    this.#state = { name: 'syncing', home: welcome.home }
    const startedMs = this.#clock.monotonicMs()
    try {
      await session.run()
    } finally {
      this.#session = undefined
      for (const { buffer, refusal } of drains) {
        if (refusal === undefined) this.#refusals.delete(buffer.name)
        else this.#refusals.set(buffer.name, refusal)
      }
      // A session that lasted was a good one: the next hello need not wait.
      if (this.#clock.monotonicMs() - startedMs > REDIAL_MAX_MS) this.#redialMs = REDIAL_MS
    }
  }

  #hubForgot(buffer: LeafBuffer, watermark: number): void {
    const { name, syncedSeq } = buffer
    buffer.unconfirm(watermark)
    this.#log.warn(
      {
        buffer: name,
        confirmed: syncedSeq,
        has: watermark,
        resending: syncedSeq - buffer.syncedSeq,
      },
      'the hub has lost what it had confirmed: what is still here is sent again',
    )
  }

  /** Decorrelated jitter: thousands of leaves that lost one hub at once come back spread out. */
  #nextRedialMs(): number {
    const upperMs = Math.min(REDIAL_MAX_MS, 3 * this.#redialMs)
    this.#redialMs = REDIAL_MS + this.#random.float() * (upperMs - REDIAL_MS)
    return this.#redialMs
  }

  /** Until the time is up, or interest has changed. */
  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      let cancel: Cancel = () => {}
      this.#wake = () => {
        this.#wake = undefined
        cancel()
        resolve()
      }
      cancel = this.#clock.after(delayMs, () => this.#wake?.())
    })
  }
}
