import assert from 'node:assert/strict'
import { moveToBlocks, ReceivedIds } from '../../../../bridge-mqtt/durable/received-ids.ts'
import { SessionRecords } from '../../../../bridge-mqtt/durable/session-records.ts'
import { PetioleError } from '../../../../shared/runtime/index.ts'
import type { StateTable } from '../../../../shared/store/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'

const KEY = 'i/c'
const LIMITS = { messagesMax: 0, bytesMax: 0, ageMaxMs: 0 }
/** At the edges of the blocks. */
const EDGES = [1, 7, 8, 2_047, 2_048, 4_095, 4_096, 63_488, 65_535]

describe('mqtt durable: packet identifiers that wait for their PUBREL', () => {
  let store: MemoryStore
  let states: StateTable

  beforeEach(() => {
    store = new MemoryStore(() => 0)
    store.isAuto = false
    states = store.createStream('log', new Uint8Array(0), LIMITS as never).states
    store.commit()
  })

  /** Written when the microtask is over, and not committed yet. */
  async function released(ids: ReceivedIds, ...packetIds: number[]): Promise<unknown[]> {
    const told: (PetioleError | undefined)[] = []
    for (const packetId of packetIds) ids.release(packetId, (error) => told.push(error))
    await Promise.resolve()
    return told
  }

  function storedIds(): ReceivedIds {
    return new ReceivedIds(states, KEY)
  }

  it('are there one by one at the edges of the blocks', async () => {
    const ids = storedIds()
    for (const [i, packetId] of EDGES.entries()) {
      ids.add(packetId, undefined)
      assert.equal(ids.size, i + 1)
    }
    store.commit()
    for (const [i, packetId] of EDGES.entries()) {
      assert.deepEqual(
        EDGES.filter((id) => storedIds().has(id)),
        EDGES.slice(i),
      )
      const told = await released(ids, packetId)
      store.commit()
      assert.deepEqual(told, [undefined])
      assert.equal(ids.size, EDGES.length - i - 1)
      assert.equal(storedIds().size, ids.size)
    }
    assert.deepEqual([...states.entries()], [])
  })

  it('count again when the commit that took them away fails, however often they were counted meanwhile', async () => {
    const ids = storedIds()
    for (const packetId of [1, 2, 2_048]) ids.add(packetId, undefined)
    store.commit()
    const told = await released(ids, 1, 2, 2_048)
    assert.equal(ids.size, 0)
    store.failCommit()
    assert.equal(told.filter((error) => error !== undefined).length, 3)
    assert.equal(ids.size, 3)
    assert.equal(storedIds().size, 3)
  })

  it('are not said to be released when the store refuses one block and takes the other', async () => {
    let isBusy = true
    const busy: StateTable = {
      get: (key) => states.get(key),
      remove: (key, committed) => states.remove(key, committed),
      entries: () => states.entries(),
      set: (key, value, committed) => {
        const error = new PetioleError('PETIOLE_STORE_BUSY', 'too much waits')
        if (isBusy) queueMicrotask(() => committed?.(error, 0))
        else states.set(key, value, committed)
      },
    }
    for (const packetId of [1, 2, 2_048]) storedIds().add(packetId, undefined)
    store.commit()
    const ids = new ReceivedIds(busy, KEY)
    const told = await released(ids, 1, 2_048)
    store.commit()
    await Promise.resolve()
    assert.deepEqual(
      told.map((error) => error instanceof PetioleError),
      [true, true],
    )
    assert.equal(ids.has(1), true)
    isBusy = false
    const again = await released(ids, 1)
    store.commit()
    assert.deepEqual(again, [undefined])
  })

  it('count as none when the transaction that took them is taken back', () => {
    const ids = storedIds()
    assert.throws(() =>
      store.transaction(() => {
        ids.add(2_047, undefined)
        assert.equal(ids.size, 1)
        throw new Error('refused')
      }),
    )
    assert.equal(ids.size, 0)
    assert.equal(ids.has(2_047), false)
    ids.add(2_047, undefined)
    assert.equal(ids.size, 1)
  })

  it('are known of an earlier record whose blocks found no room at the start', async () => {
    states.set(KEY, Buffer.concat([Buffer.of(1), Buffer.from(Uint16Array.of(7, 9).buffer)]))
    store.commit()
    moveToBlocks(states, KEY)
    assert.equal(states.get(KEY), undefined)
    store.failCommit()
    const ids = storedIds()
    assert.deepEqual(
      [6, 7, 9, 10].map((id) => ids.has(id)),
      [false, true, true, false],
    )
    await released(ids, 8)
    store.commit()
    assert.deepEqual(
      [7, 8, 9].map((id) => storedIds().has(id)),
      [true, false, true],
    )
    assert.equal(states.get(KEY), undefined)
  })

  it('go with their session when they still lie in an earlier record', () => {
    states.set('i/c', Buffer.of(1, 7, 0, 9, 0))
    const records = new SessionRecords(states)
    store.transaction(() => records.remove('c', () => {}))
    store.commit()
    assert.equal(states.get('i/c'), undefined)
  })
})
