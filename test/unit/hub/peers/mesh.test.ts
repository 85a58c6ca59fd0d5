import assert from 'node:assert/strict'
import { SimWorld } from '../../../sim/index.ts'
import { PeerHub, type PeerHubOptions } from '../../../support/peer-hub.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

describe(`a mesh of hubs (SEED=${SEED})`, () => {
  let world: SimWorld
  const hubs: PeerHub[] = []

  beforeEach(() => {
    world = new SimWorld({ seed: SEED })
    hubs.length = 0
  })

  afterEach(() => world.destroy())

  async function start(
    name: string,
    region: string,
    options: Omit<PeerHubOptions, 'machine' | 'name' | 'region'>,
  ): Promise<PeerHub> {
    const hub = new PeerHub({ machine: world.node(name).machine, name, region, ...options })
    hubs.push(hub)
    await Promise.all([hub.mesh.start(), world.run({ forMs: 1 })])
    return hub
  }

  /** Two hubs in `eu`, one in `us`; only what is needed to find each other is configured. */
  async function threeHubs(): Promise<[PeerHub, PeerHub, PeerHub]> {
    const a = await start('eu-1', 'eu', { routes: [], gateways: {} })
    const b = await start('eu-2', 'eu', { routes: ['eu-1:6222'], gateways: {} })
    const c = await start('us-1', 'us', { routes: [], gateways: { eu: ['eu-1:7222'] } })
    await linked()
    return [a, b, c]
  }

  async function linked(): Promise<void> {
    const isFull = (): boolean => hubs.every((hub) => hub.peers.length === hubs.length - 1)
    const what = (): string => hubs.map((hub) => `${hub.name}: ${hub.peers.join()}`).join('; ')
    try {
      await world.run({ until: isFull, forMs: 30_000, what: 'a full mesh' })
    } catch (error) {
      throw new Error(`${what()}\n${hubs.map((hub) => hub.log.text()).join('\n')}`, {
        cause: error,
      })
    }
    await world.run({ forMs: 100 })
  }

  it('completes itself from one seed each, with one link per pair', async () => {
    const [a, b, c] = await threeHubs()
    assert.deepEqual(
      a.mesh.routes.map((it) => it.remoteName),
      ['eu-2'],
    )
    assert.deepEqual(
      a.mesh.gateways.map((it) => it.remoteName),
      ['us-1'],
    )
    assert.deepEqual(
      b.mesh.gateways.map((it) => it.remoteName),
      ['us-1'],
    )
    assert.deepEqual(c.mesh.gateways.map((it) => it.remoteName).sort(), ['eu-1', 'eu-2'])
  })

  it('carries messages by interest, within their account', async () => {
    const [a, b, c] = await threeHubs()
    const atB = b.subscriber('plant.>')
    const atC = c.subscriber('plant.*')
    const stranger = c.subscriber('plant.>', '', 'other')
    await world.run({ forMs: 100 })
    assert.equal(a.publish('plant.1', 'hello', '$G', 'back'), 2)
    assert.equal(a.publish('nobody', 'x'), 0)
    await world.run({ forMs: 100 })
    assert.deepEqual(
      atB.got.map(({ subject, reply, payload }) => [subject, reply, payload]),
      [['plant.1', 'back', 'hello']],
    )
    assert.equal(atC.got.length, 1)
    assert.equal(stranger.got.length, 0)
  })
})
