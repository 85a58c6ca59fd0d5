import assert from 'node:assert/strict'
import type { MovedLeaf } from '../../../../hub/peers/index.ts'
import { eventually, LinkNode, reached } from '../../../support/link-node.ts'
import { PeerWorld } from '../../../support/peer-world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

describe(`leaves among hubs (SEED=${SEED})`, () => {
  it('are told of to all other hubs when they attach', async () => {
    const net = new PeerWorld(SEED)
    try {
      const moved: string[] = []
      const leafMoved = (hub: string, leaf: MovedLeaf): void => {
        moved.push(`${hub}: ${leaf.account} ${leaf.name} ${leaf.id}`)
      }
      const a = await net.start('eu-1')
      await net.start('eu-2', { routes: ['eu-1:6222'], leafMoved })
      await net.start('us-1', { gateways: { eu: ['eu-1:7222'] }, leafMoved })
      await net.linked()
      a.mesh.leafAttached({ account: '$G', name: 'press 7', id: 'NABC' })
      await net.pass(100)
      assert.deepEqual(moved, ['eu-1: $G press 7 NABC', 'eu-1: $G press 7 NABC'])
    } finally {
      net.destroy()
    }
  })

  describe('at the hub that they have left', () => {
    let hub: LinkNode
    let leaf: LinkNode

    beforeEach(() => {
      hub = new LinkNode('eu-1', { acceptor: { leafnodeUrls: ['eu-1:7422'] } })
      leaf = new LinkNode('press-7')
    })

    afterEach(async () => {
      await leaf.close()
      await hub.close()
    })

    async function attach(): Promise<void> {
      const uplink = leaf.dial(`nats://127.0.0.1:${await hub.listen()}`)
      await reached(uplink, 'up')
      await eventually(() => hub.acceptor.leaves.length === 1, 'the leaf')
    }

    const moved = (changes: object = {}) => ({
      account: '$G',
      name: 'press-7',
      id: leaf.card.identity.id,
      ...changes,
    })

    it('are let go of, once they have been there for a while', async () => {
      await attach()
      hub.acceptor.leftFor('eu-2', moved())
      assert.equal(hub.acceptor.leaves.length, 1, 'it has just come')
      await eventually(() => {
        hub.acceptor.leftFor('eu-2', moved())
        return hub.acceptor.leaves.length === 0
      }, 'its end')
    })

    it('stay when another identity, name or account has moved', async () => {
      await attach()
      const since = hub.clock.monotonicMs()
      await eventually(() => hub.clock.monotonicMs() - since > 1_100, 'a while')
      hub.acceptor.leftFor('eu-2', moved({ id: 'NOTHER' }))
      hub.acceptor.leftFor('eu-2', moved({ name: 'press-8' }))
      hub.acceptor.leftFor('eu-2', moved({ account: 'other' }))
      assert.equal(hub.acceptor.leaves.length, 1)
    })

    it('find another hub by what they were told while they were attached', async () => {
      const other = new LinkNode('eu-2')
      try {
        await attach()
        const address = `127.0.0.1:${await other.listen()}`
        hub.acceptor.announce({ leafnode: [address], webSocket: [] })
        await hub.acceptor.drain('this server stops')
        await eventually(() => other.acceptor.leaves.length === 1, 'the other hub')
      } finally {
        await other.close()
      }
    })
  })
})
