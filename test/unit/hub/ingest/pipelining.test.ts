import assert from 'node:assert/strict'
import {
  type DiskFile,
  type ScratchFile,
  type SyncedFile,
  SystemClock,
  SystemDisk,
  SystemRandom,
} from '../../../../shared/runtime/index.ts'
import type { StoreOptions } from '../../../../shared/store/index.ts'
import {
  type BatchReply,
  batchSubject,
  decodeBatchReply,
  encodeBatch,
  encodeJson,
  type Hello,
  helloSubject,
} from '../../../../shared/sync/index.ts'
import { readAll, StoreFolder } from '../../../support/opened-store.ts'
import { SyncHub } from '../../../support/sync-world.ts'

/** Batches of one account that wait for their commits while others behind them find no room. */

const DEADLINE = { deadlineMs: 5_000 }

class FullDisk extends SystemDisk {
  isFull = false

  override async create(path: string): Promise<DiskFile> {
    return this.#watched(await super.create(path))
  }

  override scratch(): ScratchFile {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  }

  override async openSynced(path: string): Promise<SyncedFile | undefined> {
    const file = await super.openSynced(path)
    return file && this.#watched(file)
  }

  #watched<File extends DiskFile | SyncedFile>(file: File): File {
    const { writev } = file
    file.writev = (...args) =>
      this.isFull
        ? Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
        : writev.apply(file, args)
    return file
  }
}

class World {
  readonly folder = new StoreFolder()
  readonly disk = new FullDisk()
  hub!: SyncHub

  async start(store: Partial<StoreOptions> = {}): Promise<this> {
    this.hub = await SyncHub.start({
      machine: {
        clock: new SystemClock(),
        random: new SystemRandom(),
        disk: this.disk,
        directory: this.folder.path,
        store,
      },
      home: 'h',
      streams: { plant: ['plant.>'] },
    })
    const hello: Hello = {
      ...{ v: 1, name: 'l', id: 'i', boot: 'b', version: '0', region: '', home: '' },
      buffers: [{ name: 't', incarnation: 'inc', first_seq: 1, last_seq: 99, synced_seq: 0 }],
    }
    await this.hub.core.client.request(helloSubject(''), encodeJson(hello), DEADLINE)
    return this
  }

  async send(first: number, last: number, subject = 'plant.a', size = 8): Promise<BatchReply> {
    const records = Array.from({ length: last - first + 1 }, (_, i) => ({
      subjectBytes: Buffer.from(subject),
      headers: Buffer.alloc(0),
      payload: Buffer.alloc(size, `${first + i} `),
      timeMs: Date.now(),
    }))
    const header = { leaf: 'l', buffer: 't', incarnation: 'inc', gaps: [] }
    const bytes = encodeBatch({ ...header, firstSeq: first, lastSeq: last }, records, false)
    const answer = await this.hub.core.client.request(batchSubject('h'), bytes, DEADLINE)
    return decodeBatchReply(answer.payload)
  }

  get ledger() {
    return this.hub.ingest.book.find('l', 't', 'inc')!
  }

  async stored(): Promise<number> {
    const all = await readAll(this.hub.core.engine.stream('plant')!.store)
    assert.equal(all.length, this.ledger.committed.stored, 'the ledger and the stream agree')
    return all.length
  }

  async end(): Promise<void> {
    await this.hub.destroy()
    await this.folder.remove()
  }
}

const told = (reply: BatchReply) => [reply.status, reply.watermark]

describe('ingest, pipelined batches', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(() => world.end())

  it('keeps what waits for its commit when the next batch is over the quota', async () => {
    await world.start({ bytesMax: 256 * 1024 })
    const [first, second, third] = await Promise.all([
      world.send(1, 10, 'plant.a', 10_000),
      world.send(11, 20, 'plant.a', 10_000),
      world.send(21, 22),
    ])
    assert.deepEqual([told(first), second.status, third.status], [['stored', 10], 'later', 'gap'])
    const again = await world.send(1, 10, 'plant.a', 10_000)
    assert.deepEqual([told(again), await world.stored()], [['repeat', 10], 10])
  })

  it('keeps what waits for its commit when the store takes no more subjects', async () => {
    await world.start({ subjectsMax: 1, subjectCacheBytes: 0 })
    await world.send(1, 1)
    // So long that those after the first would have to go to a disk that takes none.
    for (const [i, letter] of ['x', 'y'].entries()) {
      await world.send(2 + i, 2 + i, `plant.${letter.repeat(4_000)}`)
    }
    const [first, second] = await Promise.all([world.send(4, 7), world.send(8, 10, 'plant.b')])
    assert.deepEqual([told(first), second.status], [['stored', 7], 'later'])
    assert.deepEqual(told(await world.send(8, 10)), ['stored', 10])
    assert.equal(await world.stored(), 10)
  })

  it('takes all back that waited behind a commit that failed', async () => {
    await world.start()
    await world.send(1, 1)
    world.disk.isFull = true
    const replies = await Promise.all([world.send(2, 3), world.send(4, 5), world.send(6, 7)])
    assert.deepEqual(replies.map(told), Array(3).fill(['later', 1]))
    assert.equal(await world.stored(), 1)
  })

  it('tells nothing that is not on disk when it refuses the record behind it', async () => {
    await world.start()
    await world.send(1, 1)
    const [, refused] = await Promise.all([world.send(2, 3), world.send(4, 5, 'unbound')])
    assert.deepEqual(told(refused), ['refused', 3])
    world.disk.isFull = true
    const replies = await Promise.all([world.send(4, 5), world.send(6, 7, 'unbound')])
    assert.deepEqual(replies.map(told), Array(2).fill(['later', 3]))
    assert.equal(await world.stored(), 3)
  })

  it('asks for what it repeats again when its commit failed', async () => {
    await world.start()
    await world.send(1, 1)
    world.disk.isFull = true
    const replies = await Promise.all([world.send(2, 3), world.send(2, 3)])
    assert.deepEqual(replies.map(told), Array(2).fill(['later', 1]))
  })
})
