import assert from 'node:assert/strict'
import {
  type Credentials,
  compilePermissions,
  type Identity,
} from '../../../shared/account/index.ts'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'
import type { RecordingPeer } from '../../support/recording-peer.ts'
import { userDoor } from '../../support/user-door.ts'
import { permissionsConfig } from '../account/setup.ts'

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

/** What a leaf's user may not subscribe to is not given to it for a group either. */
describe('link: a queue group with members at several leaves', () => {
  const nodes: LinkNode[] = []
  const node = (...args: ConstructorParameters<typeof LinkNode>): LinkNode => {
    const it = new LinkNode(...args)
    nodes.push(it)
    return it
  }

  afterEach(async () => {
    for (const it of nodes.splice(0)) await it.close()
  })

  it('is served by the leaf that may have the message, and when none may nobody took it', async () => {
    const rules = permissionsConfig({ noSub: ['work.secret'] })
    const authenticator = {
      ...userDoor(),
      authenticate: ({ client }: Credentials): Identity => ({
        user: '',
        account: '$G',
        ...(client?.name === 'free' ? {} : { permissions: compilePermissions(rules) }),
      }),
    }
    const hub = node('hub', { acceptor: { authenticator } })
    const port = await hub.listen()
    const [bound, free] = [node('bound'), node('free')]
    const links = [bound, free].map((leaf) => leaf.dial(`nats-leaf://127.0.0.1:${port}`))
    for (const link of links) await reached(link, 'up')
    const members = [bound, free].map((leaf) => leaf.subscriber('work.*', 'q'))
    await hub.linkInterest('work.*', 2)
    const taken = Array.from({ length: 40 }, () => hub.publish('work.secret', ''))
    assert.deepEqual(new Set(taken), new Set([1]))
    await eventually(() => members[1]?.got.length === 40, 'all of them at the free one')
    assert.equal(members[0]?.got.length, 0)
    await links[1]?.destroy()
    await hub.linkInterest('work.*', 1)
    assert.equal(hub.publish('work.secret', ''), 0)
    assert.equal(hub.publish('work.open', ''), 1)
    await eventually(() => members[0]?.got.length === 1, 'what it may have')
  })
})
