import assert from 'node:assert/strict'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'
import type { RecordingPeer } from '../../support/recording-peer.ts'

/** A message names the queue groups it is for: there may be more of them than a line holds. */
describe('link: many queue groups on one subject', () => {
  let hub: LinkNode
  let leaf: LinkNode

  beforeEach(async () => {
    hub = new LinkNode('hub')
    leaf = new LinkNode('leaf')
    await reached(leaf.dial(`nats-leaf://127.0.0.1:${await hub.listen()}`), 'up')
  })

  afterEach(async () => {
    await leaf.close()
    await hub.close()
  })

  async function groups(count: number, nameLength: number): Promise<RecordingPeer[]> {
    const members = Array.from({ length: count }, (_, i) =>
      leaf.subscriber('work', `${i}-`.padEnd(nameLength, 'q')),
    )
    await hub.linkInterest('work', count)
    return members
  }

  /** What was published before is there, and the link has stood it. */
  async function arrived(): Promise<void> {
    const end = leaf.subscriber('end')
    await hub.linkInterest('end')
    hub.publish('end', '')
    await eventually(() => end.got.length === 1, 'the last message')
    assert.equal(hub.acceptor.leaves.length, 1)
  }

  const counts = (members: readonly RecordingPeer[]): Set<number> =>
    new Set(members.map(({ got }) => got.length))

  it('serves 1,000 groups and plain subscribers with one message', async () => {
    const members = await groups(1_000, 20)
    const plain = leaf.subscriber('work')
    await hub.linkInterest('work', 1_001)
    hub.publish('work', 'for all', 'inbox.1')
    await arrived()
    assert.deepEqual([...counts(members)], [1])
    assert.equal(plain.got.length, 1)
    assert.equal(members[999]?.got[0]?.reply, 'inbox.1')
    assert.equal(hub.acceptor.leaves[0]?.stats.messagesOut, 2)
  })

  it('takes several messages for groups whose names fill more than a line', async () => {
    const members = await groups(400, 300)
    hub.publish('work', 'for all', 'inbox.1')
    await arrived()
    assert.deepEqual([...counts(members)], [1])
    assert.equal(hub.acceptor.leaves[0]?.stats.messagesOut, 3)
  })

  it('never gives a plain subscriber the same message twice, and says what it leaves out', async () => {
    const members = await groups(400, 300)
    const plain = leaf.subscriber('work')
    await hub.linkInterest('work', 401)
    hub.publish('work', 'for all')
    await arrived()
    assert.equal(plain.got.length, 1)
    assert.deepEqual([...counts(members)].sort(), [0, 1])
    assert.match(hub.log.text(), /more queue groups on one subject than a control line holds/)
  })
})
