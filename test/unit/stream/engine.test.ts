import assert from 'node:assert/strict'
import { StreamWorld } from '../../support/stream-world.ts'

describe('StreamEngine', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
  })

  it('finds the stream that binds a subject, and follows changes', async () => {
    const { engine } = world
    await engine.ensure({ name: 'A', subjects: ['a.*', 'b'] })
    assert.equal(engine.streamFor('a.1')?.name, 'A')
    assert.equal(engine.streamFor('c.1'), undefined)
    await engine.ensure({ name: 'A', subjects: ['c.>'] })
    assert.equal(engine.streamFor('a.1'), undefined)
    assert.equal(engine.streamFor('c.1')?.name, 'A')
    await engine.remove('A')
    assert.equal(engine.streamFor('c.1'), undefined)
  })

  it('ensures a stream: creates it, leaves it alone, or updates it', async () => {
    const { engine } = world
    const first = await engine.ensure({ name: 'A', subjects: ['a'], max_msgs: 5 })
    const second = await engine.ensure({ name: 'A', subjects: ['a'], max_msgs: 5 })
    assert.equal(first, second)
    const third = await engine.ensure({ name: 'A', subjects: ['a'], max_msgs: 6 })
    assert.equal(third, first)
    assert.equal(first.store.limits.messagesMax, 6)
    await assert.rejects(engine.ensure({ name: 'A', storage: 'memory' }), { errCode: 10052 })
  })

  it('lets managed streams overlap each other and nobody else', async () => {
    const { engine, port } = world
    const managed = { isCapturing: false, mayOverlap: true }
    await engine.ensure({ name: 'alarms', subjects: ['plant.*.alarm'] }, managed)
    const all = await engine.ensure({ name: 'all', subjects: ['plant.>'] }, managed)
    assert.equal(all.config.duplicate_window, 0)
    await assert.rejects(engine.ensure({ name: 'mine', subjects: ['plant.1.x'] }), {
      errCode: 10065,
    })
    await port.send('plant.1.temp', 'x')
    assert.equal(all.store.state.messages, 0, 'a managed stream captures nothing by itself')
    for (const request of [
      ['STREAM.DELETE.all', ''],
      ['STREAM.UPDATE.all', { name: 'all', subjects: ['plant.>'] }],
      ['STREAM.PURGE.all', ''],
    ] as const) {
      const { error } = await port.api(request[0], request[1])
      assert.match(error?.description ?? '', /managed by this server's configuration/, request[0])
    }
  })

  it('recovers its streams and their ways after a crash', async () => {
    const managed = { isCapturing: false, mayOverlap: true }
    await world.engine.ensure({ name: 'buffer', subjects: ['b.>'] }, managed)
    await world.engine.ensure({ name: 'plain', subjects: ['p.>'], max_age: 3_600e9 })
    await world.port.send('p.1', 'x')
    await world.crash()
    assert.deepEqual(world.engine.stream('buffer')?.mode, managed)
    assert.equal(world.engine.stream('plain')?.config.max_age, 3_600e9)
    await world.port.send('p.1', 'y')
    assert.equal(world.engine.stream('plain')?.store.state.messages, 2)
  })

  it('sees only its own account in a shared store', async () => {
    await world.engine.ensure({ name: 'S', subjects: ['s'] })
    const other = await StreamWorld.start(2, { account: 'B', store: world.store })
    assert.deepEqual(other.engine.streams(), [])
    await other.engine.ensure({ name: 'S', subjects: ['s'] })
    assert.deepEqual([...world.store.streams.keys()], ['A/S', 'B/S'])
  })

  it('answers under its domain too, and takes key-value writes there', async () => {
    world = await StreamWorld.start(1, { domain: 'hub' })
    const { port } = world
    await world.engine.ensure({ name: 'KV_b', subjects: ['$KV.b.>'] })
    const info = JSON.parse((await port.request('$JS.hub.API.STREAM.INFO.KV_b')).payload)
    assert.equal(info.domain, 'hub')
    const ack = JSON.parse((await port.request('$JS.hub.API.$KV.b.k', 'v')).payload)
    assert.deepEqual(ack, { stream: 'KV_b', domain: 'hub', seq: 1 })
    assert.equal((await world.engine.stream('KV_b')?.store.get(1))?.subject, '$KV.b.k')
  })

  it('tells the store which streams are compressed, and takes that back', async () => {
    const { port, engine } = world
    const config = { name: 'S', subjects: ['s'], compression: 's2' }
    const made = await port.api('STREAM.CREATE.S', config)
    assert.equal((made['config'] as typeof config).compression, 's2')
    assert.equal(engine.stream('S')?.store.compression, 's2')
    const changed = await port.api('STREAM.UPDATE.S', { ...config, compression: 'none' })
    assert.equal((changed['config'] as typeof config).compression, 'none')
    assert.equal(engine.stream('S')?.store.compression, 'none')
  })

  it('reports the account, and refuses a level it does not have', async () => {
    await world.engine.ensure({ name: 'S', subjects: ['s'] })
    const info = await world.port.api('INFO')
    assert.equal(info.type, 'io.nats.jetstream.api.v1.account_info_response')
    assert.equal(info['streams'], 1)
    const headers = { 'Nats-Required-Api-Level': '99' }
    const answer = await world.port.request('$JS.API.INFO', '', headers)
    assert.equal(JSON.parse(answer.payload).error.err_code, 10185)
  })

  it('ends waiting pulls when it drains', async () => {
    await world.engine.ensure({ name: 'S', subjects: ['s'] })
    const config = { durable_name: 'c', ack_policy: 'explicit' }
    await world.port.api('CONSUMER.CREATE.S.c', { stream_name: 'S', config })
    const pulled = world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', { batch: 1, expires: 9e9 })
    await world.engine.drain()
    assert.match((await pulled).headers, /^NATS\/1\.0 409 Server Shutdown\r\n/)
  })
})
