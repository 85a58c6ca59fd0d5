import assert from 'node:assert/strict'
import type { FleetStatus } from '../../../hub/fleet/index.ts'
import { headerValue } from '../../../shared/wire/index.ts'
import { SyncSimulation } from '../../support/sync-simulation.ts'
import { bufferConfig, leafIdentity } from '../../support/sync-world.ts'

/** Stories of one leaf and one hub, each with its ending: where the readings are, and what the status says. */

const SEED = 20_261_121

async function world(options: Partial<ConstructorParameters<typeof SyncSimulation>[0]> = {}) {
  const buffers = [bufferConfig('t', ['plant.>'])]
  const simulation = new SyncSimulation({ seed: SEED, buffers, ...options })
  await simulation.start()
  return simulation
}

async function statusOf(simulation: SyncSimulation): Promise<FleetStatus['leaves'][number]> {
  const { leaves } = await simulation.finish(simulation.hub.fleet.freshStatus())
  return leaves[0]!
}

describe('sync, leaf to hub', () => {
  it('carries readings with their origin, and says that all is in sync', async () => {
    const it = await world()
    it.publish(100)
    await it.pass(100)
    await it.synced()
    await it.check({ evictionsAllowed: false })
    const [first] = await it.stored()
    assert.equal(headerValue(first!.headers, 'Petiole-Leaf'), 'press-7')
    assert.equal(headerValue(first!.headers, 'Petiole-Buffer'), 't')
    assert.match(headerValue(first!.headers, 'Petiole-Time') ?? '', /^2030-01-01T00:00/)
    const leaf = await statusOf(it)
    assert.equal(leaf.state, 'in_sync')
    const [buffer] = leaf.buffers
    assert.deepEqual(
      [buffer!.last_seq, buffer!.synced_seq, buffer!.backlog_msgs, buffer!.lost_msgs],
      [100, 100, 0, 0],
    )
  })

  it('keeps everything while there is no link, and nothing but time passes', async () => {
    const it = await world()
    await it.pass(10_000)
    it.link.down()
    it.publish(500)
    const { events } = it.loop
    await it.pass(3_600_000)
    assert.equal(it.acknowledged.size, 500)
    assert.ok(it.loop.events - events < 5_000, `${it.loop.events - events} events in an hour`)
    const leaf = await statusOf(it)
    assert.equal(leaf.state, 'offline')
    assert.equal(leaf.buffers[0]?.backlog_msgs ?? null, null, 'unknown is null, never 0')
    it.connect()
    await it.synced()
    await it.check({ evictionsAllowed: false })
  })

  it('purges on the leaf what the hub has', async () => {
    const it = await world()
    it.publish(300)
    await it.pass(60_000)
    const [buffer] = it.leaf.buffers.all
    assert.equal(buffer!.store.state.messages, 0)
    await it.crashLeaf('power cut')
    assert.equal(it.leaf.buffers.all[0]!.syncedSeq, 300)
    it.connect()
    it.publish(1)
    await it.pass(1_000)
    await it.check({ evictionsAllowed: false })
    assert.equal((await it.stored()).length, 301)
  })

  it('writes down what is synced when it stops in order', async () => {
    const it = await world()
    it.publish(300)
    await it.pass(200)
    await it.synced()
    await it.finish(it.leaf.drain())
    await it.startLeaf()
    const [buffer] = it.leaf.buffers.all
    assert.deepEqual([buffer!.syncedSeq, buffer!.store.state.messages], [300, 0])
  })

  it('tells live subscribers at the hub, queue groups too, with the stored headers', async () => {
    const it = await world()
    const heard: string[] = []
    it.hub.core.client.subscribe('plant.*', ({ payload, headers }) => {
      heard.push(`${Buffer.from(payload)} ${headerValue(headers, 'Petiole-Seq')}`)
    })
    let taken = 0
    const queue = { queue: 'workers' }
    it.hub.core.client.subscribe('plant.a', () => taken++, queue)
    it.hub.core.client.subscribe('plant.a', () => taken++, queue)
    it.publish(3)
    await it.pass(1_000)
    assert.deepEqual(heard, ['0 1', '1 2', '2 3'])
    assert.equal(taken, 3)
    assert.equal((await it.stored()).length, 3, 'stored once')
  })

  it('keeps out of a buffer what no hub can take, and goes on', async () => {
    const it = await world()
    const errors: string[] = []
    const publish = (subject: string, headers = ''): void => {
      it.leaf.core.client.publish(subject, Buffer.from(`${it.sent}`), {
        headers: Buffer.from(headers),
        committed: (error) => {
          if (error !== undefined) errors.push(error.code)
        },
      })
    }
    it.publish(1)
    for (const subject of ['plant.*', 'plant.>', `plant.${'x'.repeat(5_000)}`]) publish(subject)
    for (const headers of ['X', 'NATS/1.0\r\nA: b', 'NATS/1.0\r\n\r\nA: b\r\n\r\n']) {
      publish('plant.a', headers)
    }
    it.publish(1, 'plant.\x01\x7f')
    it.publish(1)
    await it.pass(1_000)
    await it.synced()
    assert.deepEqual(errors, Array(3).fill('PETIOLE_HEADERS_INVALID'))
    assert.equal((await it.stored()).length, 3)
    assert.equal((await statusOf(it)).state, 'in_sync')
    await it.check({ evictionsAllowed: false })
  })

  it('stores what comes before a subject that no stream binds, and waits with the rest', async () => {
    const it = await world({
      streams: { plant: ['plant.a'] },
      buffers: [bufferConfig('t', ['plant.>']), bufferConfig('other', ['other.>'])],
    })
    await it.finish(it.hub.core.engine.ensure({ name: 'other', subjects: ['other.>'] }))
    it.link.down()
    it.publish(3)
    it.publish(1, 'plant.b')
    it.publish(2)
    it.publish(5, 'other.x')
    await it.pass(100)
    it.connect()
    await it.until('the prefix', () => it.leaf.buffers.all[0]!.syncedSeq === 3)
    await it.until('the other buffer', () => it.leaf.buffers.all[1]!.syncedSeq === 5)
    const { events } = it.loop
    await it.pass(120_000)
    assert.ok(it.loop.events - events < 2_000, `${it.loop.events - events} events while it waits`)
    const leaf = await statusOf(it)
    assert.equal(leaf.state, 'refused')
    const refused = leaf.buffers.find(({ name }) => name === 't')?.refused
    assert.equal(refused?.subject, 'plant.b')
    assert.match(refused?.reason ?? '', /no stream of the hub binds plant\.b: add one/)
    await it.finish(it.hub.core.engine.ensure({ name: 'more', subjects: ['plant.b'] }))
    // By itself it would try again after a minute, by now.
    await it.until('what waited', () => it.leaf.buffers.all[0]!.syncedSeq === 6, 2_000)
    await it.synced()
    assert.equal((await it.stored('plant')).length, 5)
    assert.equal((await it.stored('more')).length, 1)
    assert.equal((await statusOf(it)).state, 'in_sync')
  })

  it('asks now and then whether a refusal is mended, however much waits behind it', async () => {
    const it = await world({ streams: { plant: ['plant.a'] } })
    it.link.down()
    it.publish(1, 'plant.b')
    it.publish(3_000, 'plant.a', 2_000)
    await it.pass(1_000)
    it.connect()
    const { events } = it.loop
    await it.pass(600_000)
    const count = it.loop.events - events
    assert.ok(count < 5_000, `${count} events in ten minutes`)
    assert.equal((await statusOf(it)).state, 'refused')
    await it.finish(it.hub.core.engine.ensure({ name: 'more', subjects: ['plant.b'] }))
    await it.synced()
    assert.equal((await it.stored('plant')).length, 3_000)
  })

  it('counts what a quota dropped', async () => {
    const it = await world({ buffers: [bufferConfig('t', ['plant.>'], { max_msgs: 10 })] })
    it.link.down()
    it.publish(100)
    await it.pass(1_000)
    const report = it.leaf.buffers.all[0]!.pendingGaps
    assert.deepEqual(report, { evicted: 90, damaged: 0 }, 'known before the hub knows')
    it.connect()
    await it.synced()
    const [buffer] = (await statusOf(it)).buffers
    assert.deepEqual([buffer!.evicted_msgs, buffer!.lost_msgs, buffer!.synced_seq], [90, 0, 100])
    assert.equal((await it.stored()).length, 10)
    await it.check({ evictionsAllowed: true })
  })

  it('refuses new messages instead when the buffer says so', async () => {
    const quota = { max_msgs: 10, discard: 'new' }
    const it = await world({ buffers: [bufferConfig('t', ['plant.>'], quota)] })
    it.link.down()
    it.publish(100)
    await it.pass(1_000)
    assert.equal(it.acknowledged.size, 10)
    it.connect()
    await it.synced()
    await it.pass(60_000)
    it.publish(5)
    await it.pass(1_000)
    assert.equal(it.acknowledged.size, 15, 'there is room again')
    await it.check({ evictionsAllowed: false })
  })

  it('starts a new incarnation when the leaf was put back to an older state', async () => {
    const it = await world()
    it.publish(50)
    await it.pass(10_000)
    it.link.down()
    const image = it.leafMachine.disk.powerCut()
    it.leafMachine.crash('kill')
    await it.startLeaf()
    it.connect()
    it.publish(30)
    await it.pass(10_000)
    await it.synced()
    it.link.down()
    it.leafMachine.crash('kill')
    it.leafMachine.disk = image
    await it.startLeaf()
    const before = it.acknowledged.size
    it.publish(60)
    await it.pass(1_000)
    assert.equal(it.acknowledged.size, before + 60)
    it.connect()
    await it.synced()
    assert.equal(it.hub.ingest.book.incarnations('press-7', 't').length, 2)
    await it.check({ evictionsAllowed: false }).catch((error: unknown) => {
      // Sequences of two incarnations do not rise together; all else must hold.
      assert.match(String(error), /sequences rise/)
    })
    const numbers = (await it.stored()).map(({ payload }) => `${Buffer.from(payload)}`)
    assert.equal(numbers.length, 140)
    assert.equal(new Set(numbers).size, 140)
  })

  it('counts as lost what a hub had acknowledged and has no more', async () => {
    const it = await world()
    it.publish(50)
    await it.pass(10_000)
    it.link.down()
    const backup = it.hubMachine.disk.powerCut()
    it.hubMachine.crash('kill')
    await it.startHub()
    it.connect()
    it.publish(30)
    await it.pass(10_000)
    await it.synced()
    it.link.down()
    it.hubMachine.crash('kill')
    it.hubMachine.disk = backup
    await it.startHub()
    it.connect()
    it.publish(5)
    await it.pass(1_000)
    await it.synced()
    const [buffer] = (await statusOf(it)).buffers
    assert.deepEqual([buffer!.lost_msgs, buffer!.synced_seq], [30, 85])
    assert.equal((await it.stored()).length, 55)
  })

  it('counts as lost what the leaf’s disk has damaged, at the front too', async () => {
    const it = await world()
    await it.pass(1_000)
    it.link.down()
    for (let i = 0; i < 20; i++) {
      it.publish(10)
      await it.pass(50)
    }
    const journal = (await it.finish(it.leafMachine.disk.list('/data/journal'))).find((name) =>
      name.endsWith('.log'),
    )
    const file = `/data/journal/${journal}`
    const bytes = Buffer.from(it.leafMachine.disk.bytesOf(file))
    it.leafMachine.crash('kill')
    for (const payload of ['plant.a0', 'plant.a57', 'plant.a58']) {
      it.leafMachine.disk.corrupt(file, bytes.indexOf(payload), 1)
    }
    await it.startLeaf()
    it.connect()
    await it.synced()
    const status = await statusOf(it)
    const [buffer] = status.buffers
    assert.deepEqual([buffer!.lost_msgs, buffer!.evicted_msgs, buffer!.synced_seq], [3, 0, 200])
    const { damaged_records, condition, disk_bytes, written_bytes } = status.store ?? {}
    assert.deepEqual([damaged_records, condition], [3, 'open'])
    assert.ok((disk_bytes ?? 0) > 1_000, `${disk_bytes} bytes`)
    assert.ok((written_bytes ?? 0) > 1_000, `${written_bytes} bytes ever`)
    assert.equal((await it.stored()).length, 197)
  })

  it('refuses another leaf under a taken name, until the name is given free', async () => {
    const it = await world()
    it.publish(5)
    await it.pass(1_000)
    const other = { ...leafIdentity('press-7'), id: 'somebody else' }
    const refused = it.hub.registry.admit(other)
    assert.equal(refused.isAdmitted, false)
    assert.match(
      refused.isAdmitted ? '' : refused.reason,
      /press-7 belongs to another leaf.*store directory.*server_name.*petiole fleet release press-7/,
    )
    await it.crashHub('power cut')
    assert.equal(it.hub.registry.admit(other).isAdmitted, false, 'a restart changes nothing')
    assert.equal(await it.finish(it.hub.registry.release('press-7')), true)
    assert.equal(it.hub.registry.admit(other).isAdmitted, true)
  })

  it('drains a buffer that is no longer configured, and then lets it go', async () => {
    const it = await world()
    it.link.down()
    it.publish(20)
    await it.pass(100)
    it.buffers = [bufferConfig('new', ['plant.>'])]
    await it.crashLeaf('power cut')
    it.publish(20)
    await it.pass(100)
    assert.deepEqual(
      it.leaf.buffers.all.map(({ name, isConfigured }) => [name, isConfigured]),
      [
        ['new', true],
        ['t', false],
      ],
    )
    it.connect()
    await it.synced()
    assert.equal((await it.stored()).length, 40)
    await it.pass(10_000)
    await it.crashLeaf('kill')
    assert.deepEqual(
      it.leaf.buffers.all.map(({ name }) => name),
      ['new'],
    )
  })

  it('waits while the hub has no room, and goes on by itself', async () => {
    const it = await world()
    const { disk } = it.hubMachine
    it.publish(10)
    await it.pass(1_000)
    disk.quotaBytes = disk.usedBytes() + 1_000
    it.publish(2_000)
    await it.pass(30_000)
    assert.ok(it.leaf.buffers.all[0]!.syncedSeq < 2_010)
    const { state, buffers } = await statusOf(it)
    assert.equal(state, 'refused')
    assert.match(buffers[0]?.refused?.reason ?? '', /disk|room|space/)
    disk.quotaBytes = Number.POSITIVE_INFINITY
    await it.until('room', () => it.hub.core.store.condition.name === 'open')
    await it.until('what waited', () => it.leaf.buffers.all[0]!.syncedSeq === 2_010, 3_000)
    assert.equal((await statusOf(it)).state, 'in_sync')
    await it.check({ evictionsAllowed: false })
  })
})
