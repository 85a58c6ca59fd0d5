import assert from 'node:assert/strict'
import type { ConfigInput, Running } from '../../index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { AccountFleetWorld, publish } from '../support/account-fleet-world.ts'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** What a leaf's user may publish binds what its buffers bring, as it binds its live messages. */

interface Blocked {
  readonly status: string
  readonly blocked?: readonly { buffer: string; subject: string; reason: string }[]
}

function config(publish: ConfigInput): ConfigInput {
  return {
    accounts: {
      A: {
        jetstream: 'enabled',
        users: [
          { user: 'a', password: 'a' },
          { user: 'leaf', password: 'leaf', permissions: { publish } },
        ],
      },
    },
    fleet: { accounts: { A: { streams: { plant: { subjects: ['plant.>'] } } } } },
  }
}

const REASON =
  "the leaf's user may not publish to plant.secret: allow it in the user's permissions at the hub"

describe('permissions of a leaf’s user', () => {
  let world: AccountFleetWorld

  beforeEach(async () => {
    world = await AccountFleetWorld.create()
  })
  afterEach(() => world.end())

  const health = async (leaf: Running): Promise<Blocked> =>
    (await fetch(`http://127.0.0.1:${leaf.ports.http?.port}/healthz`)).json() as Promise<Blocked>

  async function isBlocked(leaf: Running): Promise<void> {
    const { status, blocked } = await until(
      'a blocked buffer',
      () => health(leaf),
      (it) => it.blocked !== undefined,
      DEADLINE_MS,
    )
    assert.equal(status, 'ok', 'nobody is to restart the leaf for it')
    assert.deepEqual(blocked, [{ buffer: 'telemetry', subject: 'plant.secret', reason: REASON }])
  }

  for (const [what, rules] of [
    ['denied', { deny: ['plant.secret'] }],
    ['not allowed', { allow: ['$FLEET.>', 'plant.1'] }],
  ] as const) {
    it(`keep back what is ${what}, until a reload grants it`, async () => {
      await world.startHub(config(rules))
      const leaf = await world.startLeaf('leaf', 'leaf:leaf')
      publish(leaf, 5)
      publish(leaf, 1, 'plant.secret')
      publish(leaf, 4)
      const a = await world.client('a')
      // What comes before the refused record is stored, what is behind it waits.
      await world.stored(a, 'plant', 5)
      await isBlocked(leaf)
      const { leaves } = await world.statusOf(a)
      assert.equal(leaves[0]?.state, 'refused')
      assert.deepEqual(leaves[0]?.buffers[0]?.refused, { subject: 'plant.secret', reason: REASON })
      assert.equal(await world.messagesOf(a, 'plant'), 5)
      await world.reloadHub(config({ allow: ['>'] }))
      await world.stored(a, 'plant', 10)
      await until(
        'health',
        () => health(leaf),
        (it) => it.blocked === undefined,
        DEADLINE_MS,
      )
    })
  }

  it('bind a leaf that comes over another hub than the home of its buffers', async () => {
    const rules = config({ deny: ['plant.secret'] })
    const [route = 0, otherRoute = 0, otherPort = 0, otherLeafPort = 0] = await freePorts(4)
    const cluster = (port: number, to: number) => ({
      cluster: { name: 'eu', host: '127.0.0.1', port, routes: [`nats://127.0.0.1:${to}`] },
    })
    await world.startHub({ ...rules, ...cluster(route, otherRoute) })
    await world.startHub({
      ...rules,
      ...cluster(otherRoute, route),
      server_name: 'other',
      port: otherPort,
      leafnodes: { host: '127.0.0.1', port: otherLeafPort },
      jetstream: { store_dir: `${world.folder}/other`, domain: 'other' },
    })
    const own = world.leafConfig('leaf', 'leaf:leaf')
    const leaf = await world.startLeaf('leaf', 'leaf:leaf')
    publish(leaf, 3)
    const a = await world.client('a')
    await world.stored(a, 'plant', 3)
    const remotes = [{ url: `nats-leaf://leaf:leaf@127.0.0.1:${otherLeafPort}` }]
    await leaf.reload(parseConfig({ ...own, leafnodes: { reconnect: '100ms', remotes } }, 'leaf'))
    publish(leaf, 2)
    publish(leaf, 1, 'plant.secret')
    await world.stored(a, 'plant', 5)
    await isBlocked(leaf)
    assert.equal(await world.messagesOf(await world.client('a', otherPort), 'plant'), 0)
  }).timeout(60_000)

  it('let nothing through in the name of a client either', async () => {
    await world.startHub(config({ deny: ['plant.secret'] }))
    const leaf = await world.startLeaf('leaf', 'leaf:leaf')
    publish(leaf, 1, 'plant.secret')
    await isBlocked(leaf)
    const client = await world.client('leaf')
    const stored: Uint8Array[] = []
    client.subscribe('$FLEET.SYNC.hub.BATCH', {
      callback: (_error, message) => void stored.push(message.data),
    })
    await client.flush()
    // The leaf tries again by itself: its batch is repeated by a client with the same user.
    const batch = await until(
      'a batch',
      () => stored[0],
      (it) => it !== undefined,
      4 * DEADLINE_MS,
    )
    const answer = await client.request('$FLEET.SYNC.hub.BATCH', batch)
    const reply = answer.json<{ status: string; subject: string; reason: string }>()
    assert.deepEqual([reply.status, reply.reason], ['refused', REASON])
    assert.equal(await world.messagesOf(await world.client('a'), 'plant'), 0)
  }).timeout(60_000)
})
