import assert from 'node:assert/strict'
import type { LocalClient } from '../../../shared/client/index.ts'
import { RELAYS_PER_CONNECTION_MAX } from '../../../shared/system/limits.ts'
import { askerName } from '../../../shared/system/report-desk.ts'
import { monitorSources } from '../../support/monitor-facts.ts'
import { type Heard, SystemWorld, turn } from '../../support/system-world.ts'

const CONNZ = '$SYS.REQ.ACCOUNT.PING.CONNZ'

describe('system services: reports that are asked for in numbers', () => {
  let world: SystemWorld
  let made: number

  beforeEach(() => {
    made = 0
    const { connections } = monitorSources()
    world = new SystemWorld({
      connections: (account) => {
        made++
        return connections(account)
      },
    })
    world.services.start()
  })
  afterEach(() => world.services.destroy())

  function ask(client: LocalClient, body: string, reply: string): void {
    client.publish(CONNZ, Buffer.from(body), { reply })
  }

  async function until(heard: Heard, count: number): Promise<void> {
    for (let i = 0; i < 10_000 && heard.length < count; i++) await turn()
    assert.equal(heard.length, count)
  }

  it('are made one in a turn', async () => {
    const client = world.client('$G')
    const heard = world.hear(client, 'inbox')
    for (let i = 0; i < 50; i++) ask(client, `{"offset":${i}}`, 'inbox')
    let turns = 0
    for (; heard.length < 50 && turns < 1_000; turns++) {
      const before = made
      await turn()
      assert.ok(made - before <= 2, `${made - before} in one turn`)
    }
    assert.ok(turns >= 24, String(turns))
    assert.equal(made, 50)
    assert.deepEqual(new Set(heard.map(({ body }) => body.data.offset)).size, 50)
  })

  it('are made once for all who wait for the same', async () => {
    const clients = [world.client('$G'), world.client('$G')]
    const heard = clients.map((client) => world.hear(client, `inbox.${client.id}`))
    for (let i = 0; i < 2_000; i++) {
      for (const client of clients) ask(client, '{"limit":1}', `inbox.${client.id}`)
    }
    for (const one of heard) await until(one, 2_000)
    // The first is made at once, before anybody else could wait for it.
    assert.ok(made <= 3, String(made))
  })

  it('are made for those in turn who ask, though they are of one account', async () => {
    const [greedy, modest] = [world.client('$G'), world.client('$G')]
    const [many, one] = [world.hear(greedy, 'many'), world.hear(modest, 'one')]
    for (let i = 0; i < 1_000; i++) ask(greedy, `{"offset":${i}}`, 'many')
    await turn()
    ask(modest, '{"limit":7}', 'one')
    await until(one, 1)
    assert.ok(many.length < 20, `${many.length} went before`)
    await until(many, 1_000)
  })

  it('are refused with an error when too much waits', async () => {
    const client = world.client('$G')
    const heard = world.hear(client, 'inbox')
    const blank = ' '.repeat(1_000_000)
    for (let i = 0; i < 6; i++) ask(client, `{"offset":${i}}${blank}`, 'inbox')
    await until(heard, 6)
    const error = { code: 503, description: 'too many requests wait for an answer' }
    assert.deepEqual(heard.map(({ body }) => body.error ?? body.data.offset).toSorted(), [
      0,
      1,
      2,
      3,
      4,
      error,
    ])
    const other = await world.ask(world.client('B'), CONNZ)
    assert.ok(Array.isArray(other.data.connections))
  })

  it('are refused to one connection that waits for very many answers, until those have come', async () => {
    const [greedy, modest] = [world.client('$G'), world.client('$G')]
    const heard = world.hear(greedy, 'inbox')
    for (let i = 0; i <= RELAYS_PER_CONNECTION_MAX; i++) ask(greedy, '{"limit":1}', 'inbox')
    await until(heard, RELAYS_PER_CONNECTION_MAX + 1)
    assert.equal(heard.filter(({ body }) => body.error?.code === 503).length, 1)
    assert.ok((await world.ask(modest, CONNZ)).data)
    world.clock.advance(5_000)
    assert.ok((await world.ask(greedy, CONNZ)).data)
  })

  it('tells askers apart by their inboxes', () => {
    assert.deepEqual(['$SYS._INBOX.a.k-3', '_INBOX.x-y.7', '_INBOX.x-y', 'one'].map(askerName), [
      '$SYS._INBOX.a.k',
      '_INBOX.x-y',
      '_INBOX.x',
      '',
    ])
  })
})
