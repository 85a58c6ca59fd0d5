/** What was read from the disk for a session that came back is held by nobody when it has been delivered. */
import assert from 'node:assert/strict'
import { collectGarbage } from '../../../../shared/runtime/index.ts'
import type { StoredMessage } from '../../../../shared/store/index.ts'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const CHUNK_BYTES = 256 * 1024

describe('mqtt durable: memory of what was read', () => {
  let store: MemoryStore
  let world: DurableWorld
  let chunks: WeakRef<ArrayBufferLike>[]

  beforeEach(async () => {
    const clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
    await world.subscribe('c', filterOf('a', 1))
    chunks = []
    const [stream] = store.streams.values()
    assert.ok(stream)
    const read = stream.read.bind(stream)
    stream.read = async (options) => {
      const { messages, nextSeq } = await read(options)
      return { messages: messages.map(viewed), nextSeq }
    }
    const readAt = stream.readAt.bind(stream)
    stream.readAt = async (seqs) => (await readAt(seqs)).map(viewed)
  })

  afterEach(() => world.logs.destroy())

  /** As a read of the disk gives it: all that it says lies in a chunk of the file. */
  function viewed(message: StoredMessage): StoredMessage {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    chunks.push(new WeakRef(chunk.buffer))
    let end = 0
    const view = (part: Uint8Array): Uint8Array => {
      chunk.set(part, end)
      end += part.length
      return chunk.subarray(end - part.length, end)
    }
    const { subjectBytes, headers, payload } = message
    const views = { subjectBytes: view(subjectBytes), headers: view(headers) }
    return { ...message, ...views, payload: view(payload) }
  }

  /** Of those that were read. */
  async function chunksHeld(): Promise<number> {
    // One message of another session is the last that was sent.
    await world.subscribe('last', 'last')
    const last = world.attach('last')
    await world.publish('last', 'x')
    await settle()
    assert.deepEqual(last.payloads, ['x'])
    collectGarbage()
    await settle(2)
    collectGarbage()
    return chunks.filter((chunk) => chunk.deref() !== undefined).length
  }

  it('nothing of its backlog is held while it is here', async () => {
    for (let i = 0; i < 5; i++) await world.publish('a', `${i}`)
    const line = world.attach('c')
    await settle()
    for (let packetId = 1; packetId <= 5; packetId++) world.session('c').puback(packetId, 0)
    assert.deepEqual([line.sent.length, chunks.length], [5, 5])
    assert.equal(await chunksHeld(), 0)
  })

  it('nothing of what was sent again is held while it is here', async () => {
    world.attach('c')
    for (let i = 0; i < 5; i++) await world.publish('a', `${i}`)
    await settle()
    world.session('c').detach()
    const line = world.attach('c')
    await settle()
    for (let packetId = 1; packetId <= 5; packetId++) world.session('c').puback(packetId, 0)
    assert.deepEqual([line.sent.length, chunks.length], [5, 5])
    assert.equal(await chunksHeld(), 0)
  })

  it('nothing of what is acknowledged while it is being read to be sent again is held', async () => {
    world.attach('c')
    for (let i = 0; i < 5; i++) await world.publish('a', `${i}`)
    await settle()
    world.session('c').detach()
    const line = world.attach('c')
    for (let packetId = 1; packetId <= 5; packetId++) world.session('c').puback(packetId, 0)
    await settle()
    assert.deepEqual([line.sent.length, chunks.length], [0, 5])
    assert.equal(await chunksHeld(), 0)
  })
})
