import assert from 'node:assert/strict'
import { UNLIMITED } from '../../../shared/stream/index.ts'
import { RecordingLog } from '../../support/link-node.ts'
import { StreamWorld } from '../../support/stream-world.ts'

const IDS_MAX = 3
const WINDOW_MS = 600_000

describe('a full duplicate window', () => {
  it('refuses further ids, and tells of it once in a while, until some are old enough', async () => {
    const log = new RecordingLog()
    const refused = { messageIds: 0 }
    const server = { ...UNLIMITED.server, messageIdsMax: IDS_MAX, refused }
    const world = await StreamWorld.start(1, { log, limits: { ...UNLIMITED, server } })
    await world.engine.ensure({ name: 'S', subjects: ['s'], duplicate_window: WINDOW_MS * 1e6 })
    const publish = async (id: string) => {
      const { payload } = await world.port.request('s', 'x', { 'Nats-Msg-Id': id })
      return JSON.parse(payload)
    }
    const told = (): number =>
      log.lines.filter(({ message }) => message === 'duplicate window is full').length

    for (const id of ['a', 'b', 'c']) assert.equal((await publish(id)).error, undefined)
    const { error } = await publish('d')
    assert.deepEqual(
      [error.err_code, error.description],
      [10077, 'the duplicate window holds 3 message ids, no more are taken until some leave it'],
    )
    assert.equal((await publish('e')).error.err_code, 10077)
    assert.deepEqual([refused.messageIds, told()], [2, 1])
    assert.equal((await publish('b')).duplicate, true)
    assert.equal((await world.port.request('s', 'x')).payload, '{"stream":"S","seq":4}')

    await world.pass(WINDOW_MS / 2)
    assert.equal((await publish('d')).error.err_code, 10077)
    assert.equal(told(), 2)
    await world.pass(WINDOW_MS / 2 + 1)
    assert.equal((await publish('d')).seq, 5)
  })
})
