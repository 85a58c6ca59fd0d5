/**
 * A hub that loses its power at any moment while leaves bring what they have buffered: what it has taken, and a leaf
 * will not bring again, is there once and in order for the durable MQTT sessions that wait for it, for one member of each group
 * that shares a subscription, and for the brokers that the hub is a client of.
 */
import assert from 'node:assert/strict'
import { Notices } from '../../bridge-mqtt/notices.ts'
import { BridgedTopics } from '../../bridge-mqtt/remotes/bridged-topics.ts'
import { RemoteCounters } from '../../bridge-mqtt/remotes/remote-counters.ts'
import { RemotePeer } from '../../bridge-mqtt/remotes/remote-peer.ts'
import { RemoteQueue } from '../../bridge-mqtt/remotes/remote-queue.ts'
import { BatchPublishing } from '../../hub/ingest/batch-publishing.ts'
import { BatchStoring } from '../../hub/ingest/batch-storing.ts'
import { type LedgerAccount, LedgerBook } from '../../hub/ingest/index.ts'
import { LocalClient } from '../../shared/client/index.ts'
import type { MqttRemoteConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { encodeBatch, openEntry, ReceivedBatch } from '../../shared/sync/index.ts'
import { CutMachine } from '../support/cut-machine.ts'
import { DurableWorld, filterOf } from '../support/durable-world.ts'
import { settle } from '../support/store-clock.ts'

const SEEDS = 12
const ROUNDS = 6
const BATCHES = 12
const PEER_ID = 500
const STREAM = 'kept'
const NOTHING = Buffer.alloc(0)
const REMOTE_PEER_ID = 501
const READ_BYTES = 1_000_000
const REMOTE: MqttRemoteConfig = {
  ...{ name: 'plant', urls: [], client_id: '', user: '', password: '', account: 'A' },
  ...{ subscribe: [], tls: undefined, keep_alive: 60_000, version: 'auto', session_expiry: 0 },
  publish: [
    { filter: 'a/#', qos: 1, prefix: '', remote_prefix: '' },
    { filter: 'elsewhere', qos: 0, prefix: '', remote_prefix: '' },
  ],
  ...{ via: 'hub/plant', max_bytes: 0, max_msgs: 0, max_age: 0, discard: 'old' },
  ...{ max_inflight: 1, reconnect: 1, dial_timeout: 1 },
}
const UNLIMITED = {
  ...{ messagesMax: 0, bytesMax: 0, ageMaxMs: 0, messagesPerSubjectMax: 0, messageBytesMax: 0 },
  discard: 'old',
} as const

const MEMBERS = ['e', 'f']

function seqOf(payload: Uint8Array): number {
  return Number.parseInt(Buffer.from(payload).toString(), 10)
}

class Hub {
  readonly #machine: CutMachine
  readonly #random: SeededRandom
  #world: DurableWorld | undefined
  #account: LedgerAccount | undefined
  #storing: BatchStoring | undefined
  #publishing: BatchPublishing | undefined
  #queue: RemoteQueue | undefined
  /** What the broker was sent without a queue. */
  readonly told: number[] = []

  constructor(random: SeededRandom) {
    this.#random = random
    this.#machine = new CutMachine(random.fork())
  }

  get world(): DurableWorld {
    assert.ok(this.#world)
    return this.#world
  }

  get account(): LedgerAccount {
    assert.ok(this.#account)
    return this.#account
  }

  async start(): Promise<void> {
    await this.#machine.open()
    const { store, clock } = this.#machine
    this.#world = await DurableWorld.start({ store, clock, seed: this.#random.below(1e9) })
    const client = new LocalClient(this.#world.space, PEER_ID, clock, this.#random.fork())
    const kept = store.streams.get(STREAM) ?? store.createStream(STREAM, NOTHING, UNLIMITED)
    const stream = {
      append: (subject: { bytes: Uint8Array }, headers: Uint8Array, payload: Uint8Array) =>
        kept.append(subject.bytes, headers, payload),
    }
    const book = new LedgerBook(store.marks)
    this.#account = book.find('leaf', 'b', 'i') ?? book.open('leaf', 'b', 'i', openEntry(0))
    this.#storing = new BatchStoring(store, { streamFor: () => stream }, book, client, 'streams')
    this.#publishing = new BatchPublishing(client, this.#storing)
    this.#bridge()
  }

  #bridge(): void {
    const { store, clock } = this.#machine
    const { space } = this.world
    const parts = {
      ...{ counters: new RemoteCounters(), notices: new Notices(clock, silentLog) },
      via: REMOTE.via,
    }
    const published = REMOTE.publish.map((topics) => new BridgedTopics(topics))
    const queue = new RemoteQueue({ ...parts, config: REMOTE, store, published, log: silentLog })
    const terms = { clientId: 'hub', subscribed: [], payloadBytesMax: 1_000_000 }
    queue.direct = { sendNow: (_topic, _headers, payload) => this.told.push(seqOf(payload)) }
    queue.start(space, new RemotePeer({ ...parts, ...terms, id: REMOTE_PEER_ID, space, queue }))
    this.#queue = queue
  }

  /** What waits for the broker. */
  async queued(): Promise<number[]> {
    const { stream } = this.#queue!
    const found: number[] = []
    for (let fromSeq = 1; fromSeq <= stream.lastSeq; ) {
      const limits = { messagesMax: READ_BYTES, bytesMax: READ_BYTES }
      const { messages, nextSeq } = await stream.read({ fromSeq, ...limits })
      for (const { payload } of messages) {
        found.push(seqOf(payload))
      }
      fromSeq = nextSeq
    }
    return found
  }

  /** Takes the next records of the leaf, and tells of them when they are on disk. */
  async bring(records: number): Promise<void> {
    const { account } = this
    const fromSeq = account.staged.watermark + 1
    const lastSeq = fromSeq + records - 1
    const header = { leaf: 'leaf', buffer: 'b', incarnation: 'i', firstSeq: fromSeq, lastSeq }
    const sent = Array.from({ length: records }, (_, i) => ({
      subjectBytes: Buffer.from(['a.1', 'a.2', 'elsewhere'][(fromSeq + i) % 3] as string),
      headers: Buffer.from('NATS/1.0\r\nPetiole-Qos: 1\r\n\r\n'),
      payload: Buffer.from(`${fromSeq + i}/${'.'.repeat(this.#random.below(200))}`),
      timeMs: 1_000,
    }))
    const batch = new ReceivedBatch(encodeBatch({ ...header, gaps: [] }, sent, false))
    const stored = this.#storing!.store(account, batch, fromSeq, undefined)
    const publishing = this.#publishing
    await stored.committed.then(
      () => publishing?.publish(account, batch, stored, lastSeq),
      () => {},
    )
  }

  async run(): Promise<void> {
    for (let i = 0; i < BATCHES; i++) {
      this.bring(1 + this.#random.below(8)).catch(assert.fail)
      if (this.#random.below(3) > 0) await settle(this.#random.below(6))
    }
  }

  crash(): void {
    this.world.logs.destroy()
    this.#machine.crash()
  }

  async subscribed(): Promise<void> {
    for (const id of ['c', 'd']) await this.world.subscribe(id, filterOf('a/#', 1))
    for (const id of MEMBERS) await this.world.subscribe(id, filterOf('$share/g/a/#', 1))
  }

  /** What a session gets when its client comes at last. */
  async backlogOf(clientId: string): Promise<number[]> {
    const line = this.world.attach(clientId)
    for (let acknowledged = 0; acknowledged < line.sent.length || acknowledged === 0; ) {
      await settle()
      const { packetId } = line.sent[acknowledged++] ?? assert.fail('nothing came')
      this.world.session(clientId).puback(packetId, 0)
    }
    return line.payloads.map((payload) => Number.parseInt(payload, 10))
  }

  async end(): Promise<void> {
    this.world.logs.destroy()
    await this.#machine.store.destroy()
  }
}

describe('fault: leaves, durable mqtt sessions of the hub, and power cuts', function () {
  this.timeout(120_000)
  const first = Number(process.env['SEED'] ?? 1)
  const count = process.env['SEED'] === undefined ? SEEDS : 1

  for (let seed = first; seed < first + count; seed++) {
    it(`what the hub has taken is there for its sessions, once: seed ${seed}`, async () => {
      const hub = new Hub(new SeededRandom(seed))
      await hub.start()
      await hub.subscribed()
      for (let round = 0; round < ROUNDS; round++) {
        await hub.run()
        hub.crash()
        await hub.start()
        const { watermark } = hub.account.committed
        assert.ok(
          hub.told.every((seq) => seq <= watermark),
          'sent and not on disk',
        )
      }
      assert.ok(hub.told.length > 0)
      await hub.bring(3)
      const { watermark } = hub.account.staged
      const taken = Array.from({ length: watermark }, (_, i) => i + 1)
      const expected = taken.filter((seq) => seq % 3 !== 2)
      for (const id of ['c', 'd']) assert.deepEqual(await hub.backlogOf(id), expected, id)
      assert.deepEqual(await hub.queued(), expected, 'for the broker')
      const shares = []
      for (const id of MEMBERS) shares.push(...(await hub.backlogOf(id)))
      assert.deepEqual(
        shares.sort((a, b) => a - b),
        expected,
        'for the group',
      )
      await hub.end()
    })
  }
})
