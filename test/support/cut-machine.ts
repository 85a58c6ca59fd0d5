/** A process with streams on a simulated disk that may end at any moment, and goes on from what is left. */
import assert from 'node:assert/strict'
import { type Log, silentLog } from '../../shared/log/index.ts'
import type { SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store } from '../../shared/store/index.ts'
import { StreamEngine, UNLIMITED } from '../../shared/stream/index.ts'
import { SimDisk } from '../sim/index.ts'
import { MemoryPort, type Published } from './memory-port.ts'
import { StoreClock, settle } from './store-clock.ts'

export interface CutMessage {
  readonly seq: number
  readonly subject: string
  readonly headers: string
  readonly value: string
}

interface Parts {
  readonly clock: StoreClock
  readonly random: SeededRandom
  readonly log: Log
}

export class CutMachine {
  disk: SimDisk
  readonly random: SeededRandom
  clock = new StoreClock()
  port = new MemoryPort()
  /** Sees the store as it was found, before anything goes on with it. */
  onFound: () => Promise<void> = async () => {}
  #store: Store | undefined
  #engine: StreamEngine | undefined

  constructor(random: SeededRandom, disk = new SimDisk({ random: random.fork() })) {
    this.random = random
    this.disk = disk
  }

  get store(): Store {
    assert.ok(this.#store)
    return this.#store
  }

  /** The store alone. */
  async open(): Promise<Parts> {
    const { wall } = this.clock
    this.clock = new StoreClock()
    this.clock.wall = wall
    this.port = new MemoryPort()
    this.port.hearsOnlyHandlers = true
    const parts: Parts = { clock: this.clock, random: this.random.fork(), log: silentLog }
    const segmentBytes = 2_000 + this.random.below(6_000)
    // From a commit for nearly each record to one for all of a turn.
    const earlyCommitBytes = 1 + this.random.below(4_000)
    const sizes = { segmentBytes, earlyCommitBytes }
    this.#store = await openStore({ ...parts, directory: '/data', disk: this.disk, ...sizes })
    return parts
  }

  async start(): Promise<void> {
    const parts = await this.open()
    await this.onFound()
    this.#engine = new StreamEngine({
      ...parts,
      account: 'A',
      store: this.store,
      port: this.port,
      domain: '',
      serverName: 'cut',
      limits: UNLIMITED,
    })
    await this.#engine.start()
  }

  /** Nothing of the old process is heard of again. */
  crash(): void {
    this.disk = this.random.below(4) === 0 ? this.disk.kill() : this.disk.powerCut(this.random)
  }

  /** Sends a request; `answered` is called if there is an answer before the next crash. */
  ask(
    subject: string,
    payload: string,
    answered: (answer: Published) => void,
    headers: Record<string, string> = {},
  ): void {
    const reply = this.port.newInbox()
    this.port.next(reply).then(answered, assert.fail)
    this.port.send(subject, payload, { reply, headers }).catch(assert.fail)
  }

  /** For an answer that must come. */
  async api<Answer>(subject: string, payload: object | string = ''): Promise<Answer> {
    const answer = this.port.api<Answer>(subject, payload)
    for (let i = 0; i < 20; i++) await settle(10)
    return answer
  }

  /** All that a stream holds; nothing when it is not there. */
  async messagesIn(stream: string): Promise<CutMessage[]> {
    const store = this.store.streams.get(`A/${stream}`)
    if (store === undefined) return []
    const { firstSeq, lastSeq } = store.state
    const all: CutMessage[] = []
    for (let fromSeq = firstSeq; fromSeq <= lastSeq; ) {
      const batch = await store.read({ fromSeq, messagesMax: 1_000, bytesMax: 1 << 24 })
      for (const { seq, subject, headers, payload } of batch.messages) {
        const value = Buffer.from(payload).toString()
        all.push({ seq, subject, headers: Buffer.from(headers).toString(), value })
      }
      fromSeq = batch.nextSeq
    }
    return all
  }

  async end(): Promise<void> {
    await this.#engine?.destroy()
    await this.#store?.destroy()
  }
}
