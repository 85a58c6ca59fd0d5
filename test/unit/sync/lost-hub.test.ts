import assert from 'node:assert/strict'
import type { BufferStatus } from '../../../hub/fleet/index.ts'
import { RELEASE_SUBJECT } from '../../../shared/sync/index.ts'
import { SyncSimulation } from '../../support/sync-simulation.ts'
import { bufferConfig, leafIdentity, SyncLeaf } from '../../support/sync-world.ts'

/** A hub that comes back under its name without what it had, and the name of a leaf given free. */

const SEED = 20_261_122
const LEAF = 'press-7'

async function world(): Promise<SyncSimulation> {
  const simulation = new SyncSimulation({ seed: SEED, buffers: [bufferConfig('t', ['plant.>'])] })
  await simulation.start()
  return simulation
}

async function bufferOf(it: SyncSimulation): Promise<BufferStatus | undefined> {
  const { leaves } = await it.finish(it.hub.fleet.freshStatus())
  return leaves.find(({ name }) => name === LEAF)?.buffers.find(({ name }) => name === 't')
}

async function release(it: SyncSimulation): Promise<unknown> {
  const { client } = it.hub.core
  const name = Buffer.from(LEAF)
  const answer = await it.finish(client.request(RELEASE_SUBJECT, name, { deadlineMs: 1_000 }))
  return JSON.parse(Buffer.from(answer.payload).toString())
}

/** 100 readings are at the hub and nowhere else, 20 more wait at the leaf. */
async function lose(it: SyncSimulation): Promise<void> {
  it.publish(100)
  await it.pass(60_000)
  assert.equal(it.leaf.buffers.all[0]?.store.state.messages, 0)
  it.link.down()
  it.publish(20)
  await it.pass(1_000)
  await it.crashHub('new disk')
  it.connect()
  await syncedTo(it, 120)
}

function syncedTo(it: SyncSimulation, seq: number): Promise<void> {
  return it.until(`synced to ${seq}`, () => it.leaf.buffers.all[0]?.syncedSeq === seq)
}

describe('a hub that lost its store', () => {
  it('counts what it had confirmed as lost, and says so after a restart', async () => {
    const it = await world()
    await lose(it)
    assert.equal((await bufferOf(it))?.lost_msgs, 100)
    await it.crashHub('power cut')
    it.connect()
    it.publish(5)
    await it.pass(2_000)
    const status = await bufferOf(it)
    assert.deepEqual([status?.lost_msgs, status?.synced_seq, status?.backlog_msgs], [100, 125, 0])
    await it.check({ evictionsAllowed: false, lost: 100 })
  })

  it('counts it though the leaf has nothing new, and has been restarted meanwhile', async () => {
    const it = await world()
    it.publish(100)
    await it.pass(60_000)
    await it.crashHub('new disk')
    await it.crashLeaf('power cut')
    it.connect()
    await it.pass(5_000)
    assert.equal((await bufferOf(it))?.lost_msgs, 100)
    await it.check({ evictionsAllowed: false, lost: 100 })
  })

  it('gets again what the leaf had not let go of, and counts only the rest', async () => {
    const it = await world()
    it.publish(100)
    await it.pass(60_000)
    it.publish(50)
    await syncedTo(it, 150)
    assert.equal(it.leaf.buffers.all[0]?.store.state.messages, 50, 'not settled yet')
    await it.crashHub('new disk')
    it.connect()
    await it.pass(60_000)
    assert.equal((await it.stored()).length, 50)
    await it.check({ evictionsAllowed: false, lost: 100 })
  })

  it('does not count what a leaf had brought to it under another name', async () => {
    const it = await world()
    it.publish(30)
    await syncedTo(it, 30)
    await it.finish(it.leaf.drain())
    const { leafMachine: machine, buffers } = it
    const identity = leafIdentity('press-8')
    it.leaf = await it.finish(SyncLeaf.start({ machine, identity, buffers }))
    it.connect()
    it.publish(10)
    await it.pass(60_000)
    assert.equal((await it.stored()).length, 40)
    await it.check({ evictionsAllowed: false })
  })

  it('does not count what an earlier incarnation had brought to it', async () => {
    const it = await world()
    it.publish(30)
    await it.pass(60_000)
    await it.finish(it.leaf.buffers.all[0]!.renew())
    await it.crashHub('kill')
    it.connect()
    it.publish(10)
    await it.pass(60_000)
    await it.check({ evictionsAllowed: false })
    assert.equal((await it.stored()).length, 40)
  })
})

describe('a leaf whose name is given free', () => {
  it('starts anew with clean figures, also after a restart of the hub', async () => {
    const it = await world()
    await lose(it)
    assert.deepEqual(await release(it), { released: LEAF })
    it.publish(5)
    await it.pass(10_000)
    assert.equal((await bufferOf(it))?.lost_msgs, 0)
    await it.crashHub('power cut')
    it.connect()
    await it.pass(10_000)
    assert.equal((await bufferOf(it))?.lost_msgs, 0)
    await it.check({ evictionsAllowed: false, lost: 100 })
  })

  it('sends nothing twice when it comes back with an old mark', async () => {
    const it = await world()
    it.publish(100)
    await syncedTo(it, 100)
    assert.deepEqual(await release(it), { released: LEAF })
    await it.crashLeaf('power cut')
    assert.equal(it.leaf.buffers.all[0]?.syncedSeq, 0, 'the mark is older than the watermark')
    it.connect()
    it.publish(20)
    await it.pass(60_000)
    assert.equal((await it.stored()).length, 120)
    await it.check({ evictionsAllowed: false })
  })

  it('shows nothing of its past to the leaf that takes the name', async () => {
    const it = await world()
    await lose(it)
    it.link.down()
    await it.pass(20_000)
    assert.deepEqual(await release(it), { released: LEAF })
    assert.deepEqual(it.hub.ingest.book.shownBuffersOf(LEAF), [])
    it.hub.registry.admit({ name: LEAF, id: 'another' })
    const { leaves } = await it.finish(it.hub.fleet.freshStatus())
    assert.deepEqual(
      leaves.map(({ id, buffers }) => [id, buffers]),
      [['another', []]],
    )
  })

  it('is named in the answer when nobody has it', async () => {
    const it = await world()
    await it.pass(1_000)
    await release(it)
    it.link.down()
    assert.deepEqual(await release(it), { error: `no leaf is called ${LEAF}` })
  })
})
