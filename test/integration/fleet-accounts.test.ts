import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import type { ConfigInput, Running } from '../../index.ts'
import { AccountFleetWorld, publish } from '../support/account-fleet-world.ts'
import { until } from '../support/fleet-harness.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** Leaves of several accounts at one hub: each account's records, ledger and status are its own. */

const PLANT = { streams: { plant: { subjects: ['plant.>'] } } }

function users(...names: readonly string[]): ConfigInput {
  return { jetstream: 'enabled', users: names.map((user) => ({ user, password: user })) }
}

function accounts(more: ConfigInput = {}): ConfigInput {
  return {
    accounts: { A: users('a', 'leaf-a'), B: users('b', 'leaf-b'), SYS: { users: [SYS] }, ...more },
    system_account: 'SYS',
    authorization: { users: [{ user: 'g', password: 'g' }] },
    fleet: { ...PLANT, accounts: { A: PLANT, B: PLANT } },
  }
}

const SYS = { user: 'sys', password: 'sys' }

describe('leaves of several accounts', () => {
  let world: AccountFleetWorld

  beforeEach(async () => {
    world = await AccountFleetWorld.create()
  })
  afterEach(() => world.end())

  async function leafOf(account: 'a' | 'b'): Promise<Running> {
    return world.startLeaf(`leaf-${account}`, `leaf-${account}:leaf-${account}`)
  }

  async function answer(connection: NatsConnection, subject: string, body: string) {
    return (await connection.request(subject, body)).json<Record<string, string>>()
  }

  it('sync into the streams of their accounts, also those of one name', async () => {
    await world.startHub(accounts())
    const [a, b, g] = [await world.client('a'), await world.client('b'), await world.client('g')]
    publish(await leafOf('a'), 30)
    publish(await leafOf('b'), 7)
    await world.stored(a, 'plant', 30)
    await world.stored(b, 'plant', 7)
    assert.equal(await world.messagesOf(g, 'plant'), 0)
  })

  it('are shown to their account, and all of them to operators', async () => {
    await world.startHub(accounts())
    const [a, b] = [await leafOf('a'), await leafOf('b')]
    publish(a, 1)
    publish(b, 1)
    const sites = (user: string, expected: readonly string[]) =>
      world.client(user).then((client) =>
        until(
          `what ${user} sees`,
          () => world.sitesOf(client),
          (it) => JSON.stringify(it) === JSON.stringify(expected),
          DEADLINE_MS,
        ),
      )
    await sites('sys', ['A/press-7', 'B/press-7'])
    await sites('g', ['A/press-7', 'B/press-7'])
    await sites('a', ['A/press-7'])
    await sites('b', ['B/press-7'])
    assert.deepEqual(await world.sitesOf(await world.client('a')), ['A/press-7'])
  })

  it('are released in their account only, by who belongs there or is an operator', async () => {
    await world.startHub(accounts())
    const [a, b] = [await leafOf('a'), await leafOf('b')]
    publish(a, 1)
    publish(b, 1)
    const [asA, sys] = [await world.client('a'), await world.client('sys')]
    await until(
      'both',
      () => world.sitesOf(sys),
      (it) => it.length === 2,
      DEADLINE_MS,
    )
    await a.drain()
    await b.drain()
    await assert.rejects(answer(asA, '$FLEET.RELEASE.B', 'press-7'), /no responders/i)
    assert.deepEqual(await answer(sys, '$FLEET.RELEASE.A', 'press-7'), { released: 'press-7' })
    assert.deepEqual(await world.sitesOf(sys), ['B/press-7'])
    assert.match((await answer(asA, '$FLEET.RELEASE', 'press-7'))['error'] ?? '', /no leaf/)
    assert.match((await answer(sys, '$FLEET.RELEASE.C', 'press-7'))['error'] ?? '', /no leaf/)
    assert.match((await answer(sys, '$FLEET.RELEASE', 'press-7'))['error'] ?? '', /no leaf/)
  })

  it('go on from their watermark when the hub comes back, before any of them is there', async () => {
    await world.startHub(accounts())
    const leaf = await leafOf('a')
    publish(leaf, 5)
    await world.stored(await world.client('a'), 'plant', 5)
    await world.disconnect()
    await world.stopHub()
    publish(leaf, 3)
    await world.startHub(accounts())
    const a = await world.client('a')
    await world.stored(a, 'plant', 8)
    const status = await until(
      'a drained buffer',
      () => world.statusOf(a),
      ({ leaves }) => leaves[0]?.buffers[0]?.backlog_msgs === 0,
      DEADLINE_MS,
    )
    const [buffer] = status.leaves[0]?.buffers ?? []
    assert.deepEqual([buffer?.synced_seq, buffer?.lost_msgs], [8, 0])
  })

  it('sync into streams that somebody makes in the account', async () => {
    await world.startHub({ ...accounts(), fleet: PLANT })
    publish(await leafOf('a'), 4)
    const a = await world.client('a')
    const refused = await until(
      'a refusal',
      () => world.statusOf(a),
      ({ leaves }) => leaves[0]?.state === 'refused',
      DEADLINE_MS,
    )
    const { reason } = refused.leaves[0]?.buffers[0]?.refused ?? { reason: '' }
    assert.match(reason, /no stream of the hub binds plant\.1: add one under fleet\.accounts/)
    await a.request('$JS.API.STREAM.CREATE.own', '{"name":"own","subjects":["plant.>"]}')
    await world.stored(a, 'own', 4)
  })

  it('are served no more when a reload takes their account away, and go on when it is back', async () => {
    await world.startHub(accounts())
    const leaf = await leafOf('a')
    publish(leaf, 2)
    await world.stored(await world.client('a'), 'plant', 2)
    const sys = await world.client('sys')
    const { B, SYS: system } = (accounts() as { accounts: Record<string, ConfigInput> }).accounts
    await world.reloadHub({
      ...accounts(),
      accounts: { B, SYS: system },
      fleet: { ...PLANT, accounts: { B: PLANT } },
    })
    publish(leaf, 2)
    await until(
      'nobody of the account',
      () => world.sitesOf(sys),
      (it) => it.length === 0,
      DEADLINE_MS,
    )
    await world.reloadHub(accounts())
    await world.stored(await world.client('a'), 'plant', 4)
  })

  it('whose account has no JetStream keep what they have, and the hub says why', async () => {
    const more = { A: { users: [{ user: 'leaf-a', password: 'leaf-a' }] } }
    await world.startHub({ ...accounts(more), fleet: { ...PLANT, accounts: { B: PLANT } } })
    const leaf = await leafOf('a')
    publish(leaf, 2)
    await until(
      'its link',
      async () => (await fetch(`http://127.0.0.1:${leaf.ports.http?.port}/leafz`)).json(),
      (it) => (it as { leafnodes: number }).leafnodes === 1,
      DEADLINE_MS,
    )
    assert.deepEqual(await world.sitesOf(await world.client('sys')), [])
    await world.reloadHub(accounts())
    await world.stored(await world.client('a'), 'plant', 2)
  })
})
