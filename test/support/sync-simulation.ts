import assert from 'node:assert/strict'
import { audit } from '../../hub/fleet/index.ts'
import type { BufferConfig } from '../../shared/config/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import type { StoredMessage, StreamStore } from '../../shared/store/index.ts'
import { headerValue } from '../../shared/wire/index.ts'
import { SimClock, SimWallClock } from '../sim/sim-clock.ts'
import { SimDisk } from '../sim/sim-disk.ts'
import { SimLoop } from '../sim/sim-loop.ts'
import { FaultyLink } from './faulty-link.ts'
import {
  leafIdentity,
  PAYLOAD_BYTES_MAX,
  SyncHub,
  SyncLeaf,
  type SyncMachine,
} from './sync-world.ts'

const STEP_MS = 600_000
const LEAF = 'press-7'

export interface SimulationOptions {
  readonly seed: number
  readonly buffers: readonly BufferConfig[]
  readonly streams?: Readonly<Record<string, readonly string[]>>
  /** The largest message that the hub takes. */
  readonly payloadBytesMax?: number
  /** The largest message that the leaf takes. */
  readonly leafPayloadBytesMax?: number
  /** Keeps what the hub's disk has been, so that it can be put back. */
  readonly isRecording?: boolean
}

/** What is left of the disk: `put back` is an older state of it, as from a backup. */
export type CrashKind = 'kill' | 'power cut' | 'new disk' | 'put back'

class SimMachine implements SyncMachine {
  readonly directory = '/data'
  readonly store = { segmentBytes: 64 * 1024 }
  readonly random: SeededRandom
  readonly #loop: SimLoop
  readonly #name: string
  readonly #wall: SimWallClock
  readonly #isRecording: boolean
  clock: SimClock
  disk: SimDisk

  constructor(loop: SimLoop, name: string, random: SeededRandom, isRecording: boolean) {
    this.#loop = loop
    this.#name = name
    this.#isRecording = isRecording
    this.random = random
    this.#wall = new SimWallClock(loop)
    this.clock = new SimClock(loop, this.#wall, name)
    this.disk = this.#emptyDisk()
  }

  /** The process is gone from one moment to the next. */
  crash(kind: CrashKind): void {
    this.clock.die()
    this.disk = this.#diskAfter(kind)
    this.clock = new SimClock(this.#loop, this.#wall, this.#name)
  }

  #diskAfter(kind: CrashKind): SimDisk {
    const { disk } = this
    if (kind === 'kill') return disk.kill()
    if (kind === 'power cut') return disk.powerCut()
    disk.die()
    if (kind === 'new disk') return this.#emptyDisk()
    return disk.powerCutAt(this.random.below(disk.recorded + 1), this.random)
  }

  #emptyDisk(): SimDisk {
    return new SimDisk({
      isRecording: this.#isRecording,
      random: this.random.fork(),
      turn: (_call, _path, fn) => {
        this.#loop.after(0.05 + this.random.float() * 3, this.#name, fn)
      },
    })
  }
}

/**
 * One hub and one leaf with their real stores on simulated disks, real routers and streams, and a
 * link that loses, doubles and reorders. Readings are numbered; what was acknowledged is remembered.
 */
export class SyncSimulation {
  readonly loop: SimLoop
  readonly random: SeededRandom
  readonly link: FaultyLink
  readonly acknowledged = new Set<number>()
  sent = 0
  hub!: SyncHub
  leaf!: SyncLeaf
  streams: Readonly<Record<string, readonly string[]>>
  buffers: readonly BufferConfig[]
  readonly hubMachine: SimMachine
  readonly leafMachine: SimMachine
  readonly #payloadBytesMax: number
  readonly #leafPayloadBytesMax: number
  #boots = 0

  constructor(options: SimulationOptions) {
    this.loop = new SimLoop(options.seed)
    this.random = new SeededRandom(options.seed)
    this.buffers = options.buffers
    this.#payloadBytesMax = options.payloadBytesMax ?? PAYLOAD_BYTES_MAX
    this.#leafPayloadBytesMax = options.leafPayloadBytesMax ?? PAYLOAD_BYTES_MAX
    this.streams = options.streams ?? { plant: ['plant.>'] }
    this.hubMachine = new SimMachine(
      this.loop,
      'hub',
      this.random.fork(),
      options.isRecording ?? false,
    )
    this.leafMachine = new SimMachine(this.loop, 'leaf', this.random.fork(), false)
    this.link = new FaultyLink(LEAF, this.random.fork(), (delayMs, run) => {
      this.loop.after(delayMs, 'link', run)
    })
  }

  get where(): string {
    return `seed=${this.loop.seed} at ${Math.round(this.loop.nowMs)} ms`
  }

  async start(): Promise<void> {
    await this.startHub()
    await this.startLeaf()
    this.connect()
  }

  async startHub(): Promise<void> {
    const { hubMachine: machine, streams } = this
    const payloadBytesMax = this.#payloadBytesMax
    const options = {
      machine,
      home: 'hub-eu',
      streams,
      payloadBytesMax,
    }
    this.hub = await this.finish(SyncHub.start(options))
  }

  async startLeaf(): Promise<void> {
    const { leafMachine: machine, buffers } = this
    const identity = leafIdentity(LEAF, `boot-${++this.#boots}`)
    const payloadBytesMax = this.#leafPayloadBytesMax
    this.leaf = await this.finish(SyncLeaf.start({ machine, identity, buffers, payloadBytesMax }))
  }

  async crashHub(kind: CrashKind): Promise<void> {
    this.link.down()
    this.hubMachine.crash(kind)
    await this.startHub()
  }

  async crashLeaf(kind: 'kill' | 'power cut'): Promise<void> {
    this.link.down()
    this.leafMachine.crash(kind)
    await this.startLeaf()
  }

  connect(): void {
    const { buffers } = this.leaf
    this.link.up(this.leaf.core.space, this.hub.core.space, (it) => buffers.isBuffered(it))
  }

  /** @param size bytes of each reading at least: it is filled up with blanks */
  publish(count: number, subject = 'plant.a', size = 0): void {
    for (let i = 0; i < count; i++) {
      const n = this.sent++
      this.leaf.core.client.publish(subject, Buffer.from(`${n}`.padEnd(size)), {
        committed: (error) => {
          if (error === undefined) this.acknowledged.add(n)
        },
      })
    }
  }

  /** Runs the world until a promise has settled. */
  async finish<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    promise.then(settled, settled)
    await this.loop.run({ until: () => isSettled, forMs: STEP_MS, what: 'a promise' })
    return promise
  }

  pass(ms: number): Promise<void> {
    return this.loop.run({ forMs: ms })
  }

  async until(what: string, holds: () => boolean, forMs = STEP_MS): Promise<void> {
    await this.loop.run({ until: holds, forMs, what: `${what}, ${this.where}` })
  }

  /** All that the leaf has captured is confirmed by the hub. */
  async synced(): Promise<void> {
    await this.until('everything synced', () =>
      this.leaf.buffers.all.every((it) => it.syncedSeq === it.store.state.lastSeq),
    )
  }

  async stored(stream = 'plant'): Promise<StoredMessage[]> {
    const store = this.hub.core.engine.stream(stream)!.store
    return this.finish(readAll(store))
  }

  /**
   * What must hold after any history: every acknowledged reading that no quota dropped is at the hub
   * exactly once and in order, and the ledger's sum says the same.
   */
  async check(options: {
    readonly evictionsAllowed: boolean
    /** undefined: as many as are missing, and what was never acknowledged. */
    readonly lost?: number | undefined
  }): Promise<void> {
    const lost = 'lost' in options ? options.lost : 0
    const messages = await this.stored()
    const numbers = messages.map(({ payload }) => Number(Buffer.from(payload).toString()))
    assert.equal(new Set(numbers).size, numbers.length, `no reading twice, ${this.where}`)
    const sorted = [...numbers].sort((a, b) => a - b)
    assert.deepEqual(numbers, sorted, `in order, ${this.where}`)
    const lines = audit(this.hub.ingest.book)
    for (const line of lines) {
      assert.ok(line.isBalanced, `the ledger adds up: ${JSON.stringify(line)}, ${this.where}`)
    }
    const lostInAll = lines.reduce((sum, line) => sum + line.lost, 0)
    if (lost !== undefined) assert.equal(lostInAll, lost, `${lost} are lost, ${this.where}`)
    const ledgerStored = lines.reduce((sum, { stored }) => sum + stored, 0)
    assert.equal(ledgerStored, messages.length, `ledger and stream agree, ${this.where}`)
    const seqs = messages.map(({ headers }) => Number(headerValue(headers, 'Petiole-Seq')))
    assert.ok(
      seqs.every((seq, i) => i === 0 || seq > (seqs[i - 1] ?? 0)),
      `the leaf's sequences rise, ${this.where}`,
    )
    const here = new Set(numbers)
    const missing = [...this.acknowledged].filter((n) => !here.has(n))
    const totals = this.hub.ingest.book.totals(LEAF, 't')
    if (options.evictionsAllowed) {
      const { evicted = 0 } = totals ?? {}
      assert.ok(missing.length <= evicted, `${missing.length} missing of ${evicted}, ${this.where}`)
    } else if (lost !== 0) {
      const unacknowledged = this.sent - this.acknowledged.size
      const isAll = missing.length <= lostInAll && lostInAll <= missing.length + unacknowledged
      assert.ok(isAll, `${lostInAll} lost, ${missing.length} missing, ${this.where}`)
    } else assert.deepEqual(missing, [], `all acknowledged readings are there, ${this.where}`)
  }
}

async function readAll(store: StreamStore): Promise<StoredMessage[]> {
  const all: StoredMessage[] = []
  for (let fromSeq = 1; fromSeq <= store.state.lastSeq; ) {
    const batch = await store.read({ fromSeq, messagesMax: 1_000, bytesMax: 1 << 20 })
    all.push(...batch.messages)
    fromSeq = batch.nextSeq
  }
  return all
}
