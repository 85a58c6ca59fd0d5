import assert from 'node:assert/strict'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'

const COUNT = 60_000

/** What a link is told when it comes up may be far more than may wait for it. */
describe('link: much interest', () => {
  it('is told piece by piece, and forgotten so, on a link that holds little', async () => {
    const limits = { pendingBytesMax: 512 * 1024 }
    const hub = new LinkNode('hub', { limits })
    const leaf = new LinkNode('leaf', { limits })
    try {
      const peer = new RecordingPeer('local')
      for (let i = 0; i < COUNT; i++) {
        leaf.space$G.subscribe(peer, { subject: `plant.${i % 100}.sensor.${i}.temperature` })
      }
      const uplink = leaf.dial(`nats-leaf://127.0.0.1:${await hub.listen()}`)
      await reached(uplink, 'up')
      const known = (): number => hub.acceptor.leaves[0]?.stats.subscriptions ?? 0
      assert.ok(known() < COUNT, 'the link is up before all of it is told')
      const late = leaf.subscriber('late.>')
      await eventually(() => known() === COUNT + 2, 'all interest, the late one, the loop subject')
      assert.equal(uplink.state.name, 'up')

      hub.publish(`plant.${(COUNT - 1) % 100}.sensor.${COUNT - 1}.temperature`, 'last')
      hub.publish('late.1', 'late')
      await eventually(() => peer.got.length === 1 && late.got.length === 1, 'both messages')

      await uplink.destroy()
      await eventually(() => hub.acceptor.leaves.length === 0, 'its end')
      assert.ok(hub.space('$G').subscriptionCount > 0, 'not all in one turn')
      hub.publish('late.1', 'to nobody')
      await eventually(() => hub.space('$G').subscriptionCount === 0, 'no interest')
      assert.equal(late.got.length, 1)
    } finally {
      await leaf.close()
      await hub.close()
    }
  })
})
