/** One damaged record costs no consumer: what tells of it is there twice, and a lost copy is written again. */
import assert from 'node:assert/strict'
import type { StateTable } from '../../../shared/store/index.ts'
import { StreamWorld } from '../../support/stream-world.ts'

const KEYS = ['consumer/c', 'consumer-copy/c'] as const
const STATE_KEYS = ['acks/c', 'acks-copy/c'] as const
/** So many that their state is too long to be written twice each time. */
const PENDING = 1_000

describe('records of consumers', () => {
  let world: StreamWorld
  const states = (): StateTable => {
    const stream = world.engine.stream('S')
    assert.ok(stream)
    return stream.store.states
  }
  const create = (more = {}) =>
    world.port.api('CONSUMER.CREATE.S.c', {
      stream_name: 'S',
      config: { durable_name: 'c', ack_policy: 'explicit', ...more },
    })
  const infoOf = () => world.port.api<Record<string, object>>('CONSUMER.INFO.S.c')
  const ackFloor = async () => {
    const { ack_floor } = await infoOf()
    return ack_floor
  }
  const standing = async () => {
    const { delivered, num_ack_pending } = await infoOf()
    return [num_ack_pending, { ...delivered, last_active: '' }]
  }
  const ackNext = async (what: string): Promise<void> => {
    const { reply } = await world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', '1')
    await world.port.send(reply, what)
  }
  /** As after damage in the newest record of the key: what was there before shows, or nothing. */
  const damage = async (key: string, before: Uint8Array | undefined): Promise<void> => {
    if (before === undefined) states().remove(key)
    else states().set(key, before)
    await world.pass(100)
    await world.crash()
    await world.pass(100)
  }

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.port.api('STREAM.CREATE.S', { name: 'S', subjects: ['s.>'] })
    assert.equal((await create()).error, undefined)
    for (let i = 0; i < 3; i++) await world.port.send('s.1', `${i}`)
    const { reply } = await world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', '1')
    await world.port.send(reply, '+ACK')
    await world.pass(1_000)
  })

  for (const key of KEYS)
    it(`may lose ${key}: nothing that was acknowledged comes again`, async () => {
      await damage(key, undefined)
      const { ack_floor } = await world.port.api<{ ack_floor: object }>('CONSUMER.INFO.S.c')
      assert.deepEqual(ack_floor, { consumer_seq: 1, stream_seq: 1 })
      assert.deepEqual(states().get(key), states().get(KEYS[1 - KEYS.indexOf(key)] ?? ''))
      assert.notEqual(states().get(key), undefined)
    })

  for (const key of KEYS)
    it(`may lose the newest of ${key}: the other has the newer configuration`, async () => {
      const before = states().get(key)
      assert.equal((await create({ max_ack_pending: 7 })).error, undefined)
      await damage(key, before)
      assert.equal(world.engine.stream('S')?.consumers.get('c')?.config.max_ack_pending, 7)
      await damage(KEYS[1 - KEYS.indexOf(key)] ?? '', undefined)
      assert.equal(world.engine.stream('S')?.consumers.get('c')?.config.max_ack_pending, 7)
    })

  for (const key of STATE_KEYS)
    it(`may lose ${key}: nothing that was acknowledged comes again`, async () => {
      await damage(key, undefined)
      assert.deepEqual(await ackFloor(), { consumer_seq: 1, stream_seq: 1 })
      assert.deepEqual(states().get(key), states().get(STATE_KEYS[1 - STATE_KEYS.indexOf(key)]!))
      assert.notEqual(states().get(key), undefined)
    })

  for (const key of STATE_KEYS)
    it(`may lose the newest of ${key}: the other has the newer floor`, async () => {
      const before = states().get(key)
      await ackNext('+ACK')
      await world.pass(1_000)
      await damage(key, before)
      assert.deepEqual(await ackFloor(), { consumer_seq: 2, stream_seq: 2 })
      await damage(STATE_KEYS[1 - STATE_KEYS.indexOf(key)]!, undefined)
      assert.deepEqual(await ackFloor(), { consumer_seq: 2, stream_seq: 2 })
    })

  for (const isTold of [true, false])
    it(`may lose the newest of a long state that was ${isTold ? 'told' : 'left alone'}`, async () => {
      for (let i = 0; i < PENDING; i++) await world.port.send('s.1', `${i}`)
      await world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', `{"batch":${PENDING - 100}}`)
      for (const key of STATE_KEYS) {
        await world.pass(5_000)
        const before = states().get(key)
        const { reply } = await world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', '1')
        const told = isTold ? world.port.request(reply, '+ACK') : world.port.send(reply, '+ACK')
        await world.pass(isTold ? 50 : 5_000)
        await told
        const stood = await standing()
        await damage(key, before)
        assert.deepEqual(await standing(), stood)
      }
    })

  it('of a long state are written one at a time while it changes', async () => {
    for (let i = 0; i < PENDING; i++) await world.port.send('s.1', `${i}`)
    await world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', `{"batch":${PENDING - 100}}`)
    await world.pass(5_000)
    let changed = 0
    for (let i = 0; i < 10; i++) {
      const before = STATE_KEYS.map((key) => states().get(key))
      await ackNext('+ACK')
      await world.pass(220)
      changed += STATE_KEYS.filter((key, k) => states().get(key) !== before[k]).length
    }
    assert.ok(changed >= 9 && changed <= 11, `${changed}`)
    await world.pass(1_000)
    assert.deepEqual(states().get(STATE_KEYS[0]), states().get(STATE_KEYS[1]))
  })

  for (const key of [...KEYS, ...STATE_KEYS])
    it(`stay removed when the removal of ${key} is lost`, async () => {
      const before = states().get(key)
      assert.equal((await world.port.api('CONSUMER.DELETE.S.c')).error, undefined)
      await world.pass(1_000)
      await damage(key, before)
      assert.equal((await world.port.api('CONSUMER.INFO.S.c')).error?.err_code, 10014)
      assert.deepEqual([...states().entries()], [])
    })

  it('of a store of before there were two are taken as they are, and doubled', async () => {
    const bytes = states().get(KEYS[0])
    assert.ok(bytes)
    const { revision: _, ...old } = JSON.parse(Buffer.from(bytes).toString())
    states().remove(KEYS[1])
    for (const key of STATE_KEYS) states().remove(key)
    await damage(KEYS[0], Buffer.from(JSON.stringify(old)))
    assert.equal((await world.port.api('CONSUMER.INFO.S.c')).error, undefined)
    assert.deepEqual(states().get(KEYS[1]), states().get(KEYS[0]))
  })

  it('of a state of before there were two are taken as they are, and doubled', async () => {
    const bytes = states().get(STATE_KEYS[0])
    assert.equal(bytes?.[0], 3)
    states().remove(STATE_KEYS[1])
    // Behind the version and a revision of one byte.
    await damage(STATE_KEYS[0], bytes?.subarray(2))
    assert.deepEqual(await ackFloor(), { consumer_seq: 1, stream_seq: 1 })
    assert.deepEqual(states().get(STATE_KEYS[1]), states().get(STATE_KEYS[0]))
    await ackNext('+ACK')
    await world.pass(1_000)
    await damage(STATE_KEYS[0], bytes?.subarray(2))
    assert.deepEqual(await ackFloor(), { consumer_seq: 2, stream_seq: 2 })
  })
})
