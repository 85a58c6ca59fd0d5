import assert from 'node:assert/strict'
import { comeBackIn, ServerIdentity } from '../../../shared/link/index.ts'
import { SystemRandom } from '../../../shared/runtime/index.ts'
import { freePort } from '../../support/free-ports.ts'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'
import { LinkProxy } from '../../support/link-proxy.ts'
import type { RecordingPeer } from '../../support/recording-peer.ts'

describe('link: hub and leaf', () => {
  let nodes: LinkNode[] = []
  let proxies: LinkProxy[] = []
  const node = (...args: ConstructorParameters<typeof LinkNode>): LinkNode => {
    const it = new LinkNode(...args)
    nodes.push(it)
    return it
  }
  const proxy = async (farPort: number): Promise<{ proxy: LinkProxy; url: string }> => {
    const port = await freePort()
    const it = await LinkProxy.open(port, farPort)
    proxies.push(it)
    return { proxy: it, url: `nats-leaf://127.0.0.1:${port}` }
  }

  afterEach(async () => {
    for (const it of nodes) await it.close()
    for (const it of proxies) await it.close()
    nodes = []
    proxies = []
  })

  for (const protocol of ['tcp', 'websocket'] as const) {
    it(`carries messages both ways by interest over ${protocol}`, async () => {
      const hub = node('hub')
      const port = await hub.listen(protocol)
      const leaf = node('leaf')
      const early = hub.subscriber('up.>')
      const scheme = protocol === 'tcp' ? 'nats-leaf' : 'ws'
      const uplink = leaf.dial(`${scheme}://127.0.0.1:${port}`)
      await reached(uplink, 'up')
      const late = leaf.subscriber('down.*')
      await Promise.all([leaf.linkInterest('up.>'), hub.linkInterest('down.*')])

      leaf.publish('up.a.b', 'from leaf', 'inbox.1')
      hub.publish('down.x', 'from hub')
      hub.publish('nobody', 'wants this')
      await eventually(() => early.got.length === 1 && late.got.length === 1, 'both delivered')
      const { subject, reply, payload } = early.got[0]!
      assert.deepEqual([subject, reply, payload], ['up.a.b', 'inbox.1', 'from leaf'])
      assert.equal(late.got[0]!.payload, 'from hub')
    })
  }

  /** A hub and leaves attached to it by name, over TCP. */
  const fleet = async (
    ...names: string[]
  ): Promise<{ hub: LinkNode; leaves: LinkNode[]; url: string }> => {
    const hub = node('hub')
    const url = `nats-leaf://127.0.0.1:${await hub.listen()}`
    const leaves = names.map((name) => node(name))
    for (const leaf of leaves) await reached(leaf.dial(url), 'up')
    return { hub, leaves, url }
  }

  it('joins two leaves through their hub, requests and replies', async () => {
    const { leaves } = await fleet('a', 'b')
    const [a, b] = leaves as [LinkNode, LinkNode]
    b.responder('svc', 'b says ')
    const inbox = a.subscriber('inbox.a')
    await a.linkInterest('svc')
    await b.linkInterest('inbox.a')
    a.publish('svc', 'hello', 'inbox.a')
    await eventually(() => inbox.got.length === 1, 'reply at a')
    assert.equal(inbox.got[0]!.payload, 'b says hello')
  })

  it('serves one member of a queue group, here before there, and by weight among leaves', async () => {
    const { hub, leaves } = await fleet('a', 'b')
    const [a, b] = leaves as [LinkNode, LinkNode]
    const atA = [a.subscriber('job', 'q'), a.subscriber('job', 'q'), a.subscriber('job', 'q')]
    const atB = [b.subscriber('job', 'q')]
    await hub.linkInterest('job', 2)
    await eventually(
      () => [...hub.space$G.subscriptions()].some((it) => it.subject === 'job' && it.weight === 3),
      'weight of three members',
    )
    const count = (peers: RecordingPeer[]): number => peers.reduce((n, it) => n + it.got.length, 0)
    for (let i = 0; i < 400; i++) hub.publish('job', `${i}`)
    await eventually(() => count(atA) + count(atB) === 400, 'all jobs taken once')
    assert.ok(count(atA) > 2 * count(atB), `${count(atA)} to ${count(atB)} of 3 to 1 members`)

    const before = count(atB)
    for (let i = 0; i < 50; i++) b.publish('job', `${i}`)
    await eventually(() => count(atB) === before + 50, 'jobs of b stay at b')
    assert.equal(count(atA) + count(atB), 450)
  })

  it('does not tell a leaf its own interest, nor the hub its own', async () => {
    const { hub, leaves } = await fleet('a')
    const [a] = leaves as [LinkNode]
    a.subscriber('from.a')
    hub.subscriber('from.hub')
    await hub.linkInterest('from.a')
    await a.linkInterest('from.hub')
    const flush = a.subscriber('flush.a')
    await hub.linkInterest('flush.a')
    hub.publish('flush.a', 'x')
    await eventually(() => flush.got.length === 1, 'all that was sent before has come')
    const count = (it: LinkNode, subject: string): number =>
      [...it.space$G.subscriptions()].filter((sub) => sub.subject === subject).length
    assert.deepEqual([count(a, 'from.a'), count(hub, 'from.hub')], [1, 1])
  })

  it('reaches over a chain of three', async () => {
    const top = node('top')
    const middle = node('middle')
    const bottom = node('bottom')
    await reached(middle.dial(`nats-leaf://127.0.0.1:${await top.listen()}`), 'up')
    await reached(bottom.dial(`nats-leaf://127.0.0.1:${await middle.listen()}`), 'up')
    top.responder('svc.top', 'top: ')
    bottom.responder('svc.bottom', 'bottom: ')
    const above = top.subscriber('inbox.top')
    const below = bottom.subscriber('inbox.bottom')
    await bottom.linkInterest('svc.top')
    await top.linkInterest('svc.bottom')
    await top.linkInterest('inbox.bottom')
    await bottom.linkInterest('inbox.top')
    bottom.publish('svc.top', 'up', 'inbox.bottom')
    top.publish('svc.bottom', 'down', 'inbox.top')
    await eventually(() => above.got.length === 1 && below.got.length === 1, 'both answered')
    assert.deepEqual([below.got[0]!.payload, above.got[0]!.payload], ['top: up', 'bottom: down'])
  })

  it('finds a ring and keeps it open', async () => {
    const a = node('a')
    const b = node('b')
    const c = node('c')
    const [portA, portB, portC] = [await a.listen(), await b.listen(), await c.listen()]
    const links = [
      b.dial(`nats-leaf://127.0.0.1:${portA}`),
      c.dial(`nats-leaf://127.0.0.1:${portB}`),
      a.dial(`nats-leaf://127.0.0.1:${portC}`),
    ]
    await eventually(() => links.some((it) => it.state.name === 'waiting'), 'one link waits')
    const open = links.find((it) => it.state.name === 'waiting')!
    assert.ok(open.state.name === 'waiting')
    assert.match(open.state.reason, /Loop detected for leafnode account="\$G"/)
    assert.ok(open.state.untilMs - a.clock.monotonicMs() > 25_000, 'stays away for 30 s')
  })

  it('takes over at once from its own half-open connection, without losing interest', async () => {
    const hub = node('hub')
    const { proxy: road, url } = await proxy(await hub.listen())
    const leaf = node('press-7')
    const uplink = leaf.dial(url)
    await reached(uplink, 'up')
    const got = leaf.subscriber('cmd')
    await hub.linkInterest('cmd')
    const [first] = hub.acceptor.leaves

    road.halfOpen()
    await eventually(
      () => hub.acceptor.leaves[0] !== first && hub.acceptor.leaves.length === 1,
      'taken over',
    )
    await reached(uplink, 'up')
    await hub.linkInterest('cmd', 1)
    hub.publish('cmd', 'once')
    await eventually(() => got.got.length >= 1, 'command at the leaf')
    assert.equal(got.got.length, 1)
    assert.match(hub.log.text(), /leaf takes over its old connection/)
    assert.match(hub.log.text(), /Duplicate Remote LeafNode Connection/)
  })

  it('refuses another identity under a taken name, and says how to mend it', async () => {
    const { hub, leaves, url } = await fleet('press-7')
    const impostor = node('press-7')
    const uplink = impostor.dial(url)
    await reached(uplink, 'waiting')
    assert.ok(uplink.state.name === 'waiting')
    assert.match(
      uplink.state.reason,
      /Leaf name "press-7" is taken by another identity, N[A-Z2-7]{55}/,
    )
    assert.match(uplink.state.reason, /own server_name/)
    assert.ok(uplink.state.untilMs - hub.clock.monotonicMs() > 25_000)
    assert.equal(hub.acceptor.leaves.length, 1)
    assert.equal(hub.acceptor.leaves[0]?.hello.id, leaves[0]!.card.identity.id)
    assert.equal(leaves[0]!.uplinks[0]!.state.name, 'up')
  })

  it('lets the old identity go, then the name is free', async () => {
    const { hub, leaves, url } = await fleet('press-7')
    await leaves[0]!.uplinks[0]!.drain()
    await eventually(() => hub.acceptor.leaves.length === 0, 'detached')
    await reached(node('press-7').dial(url), 'up')
  })

  it('refuses an identity that is not proven', async () => {
    const hub = node('hub')
    const url = `nats-leaf://127.0.0.1:${await hub.listen()}`
    const real = ServerIdentity.create(new SystemRandom())
    const other = ServerIdentity.create(new SystemRandom())
    const forged = Object.assign(Object.create(other) as ServerIdentity, {
      sign: (bytes: Uint8Array) => other.sign(bytes),
    })
    Object.defineProperty(forged, 'id', { value: real.id })
    const uplink = node('thief', { identity: forged }).dial(url)
    await reached(uplink, 'waiting')
    assert.match(uplink.state.name === 'waiting' ? uplink.state.reason : '', /cannot be verified/)
    assert.equal(hub.acceptor.leaves.length, 0)
  })

  it('does what admission says: come back in 17 s', async () => {
    const seen: string[] = []
    const hub = node('hub', {
      acceptor: {
        admit: (leaf) => {
          seen.push(`${leaf.name} ${leaf.isVerified}`)
          return comeBackIn(17)
        },
      },
    })
    const uplink = node('leaf').dial(`nats-leaf://127.0.0.1:${await hub.listen()}`)
    await reached(uplink, 'waiting')
    const waitMs =
      uplink.state.name === 'waiting' ? uplink.state.untilMs - hub.clock.monotonicMs() : 0
    assert.ok(waitMs > 16_000 && waitMs < 21_000, `${waitMs}`)
    assert.deepEqual(seen, ['leaf true'])
  })

  it('finds a half-open link by its silence, and dials again', async () => {
    const hub = node('hub')
    const { proxy: road, url } = await proxy(await hub.listen())
    const leaf = node('leaf', { limits: { pingIntervalMs: 60, pongTimeoutMs: 60 } })
    const uplink = leaf.dial(url)
    await reached(uplink, 'up')
    road.stall()
    await eventually(() => uplink.state.name !== 'up', 'silence noticed')
    assert.match(leaf.log.text(), /nothing heard for/)
    road.heal()
    await reached(uplink, 'up')
  })

  it('stays up while it is idle, by pings', async () => {
    const limits = { pingIntervalMs: 20, pongTimeoutMs: 500 }
    const hub = node('hub', { limits })
    const leaf = node('leaf', { limits })
    const uplink = leaf.dial(`nats-leaf://127.0.0.1:${await hub.listen()}`)
    await reached(uplink, 'up')
    const start = uplink.stats!.bytesIn
    await eventually(() => uplink.stats!.bytesIn >= start + 5 * 6, 'five heartbeats')
    assert.equal(uplink.state.name, 'up')
  })

  it('withholds what a buffer captures, until the rule changes', async () => {
    const hub = node('hub')
    const leaf = node('leaf')
    let captured = 'plant.'
    const uplink = leaf.dial(`nats-leaf://127.0.0.1:${await hub.listen()}`, {
      withhold: (subject) => subject.startsWith(captured),
    })
    const got = hub.subscriber('>')
    await leaf.linkInterest('>')
    leaf.publish('plant.temp', 'by sync')
    leaf.publish('other', 'live')
    captured = 'other'
    leaf.publish('plant.temp', 'still by sync')
    uplink.forgetWithheld()
    leaf.publish('plant.temp', 'now live')
    leaf.publish('other', 'now by sync')
    leaf.publish('end', 'end')
    await eventually(() => got.got.some((it) => it.subject === 'end'), 'end at the hub')
    assert.deepEqual(
      got.got.filter((it) => !it.subject.startsWith('$')).map((it) => it.payload),
      ['live', 'now live', 'end'],
    )
  })

  it('passes over what comes back under its own name, and the hub can spare it the way', async () => {
    const hub = node('hub', {
      acceptor: { withhold: (leaf, message) => message.subject === `back.to.${leaf.name}` },
    })
    const leaf = node('leaf')
    const uplink = leaf.dial(`nats-leaf://127.0.0.1:${await hub.listen()}`, {
      acceptsInbound: ({ payload }) => !Buffer.from(payload).includes('mine'),
    })
    await reached(uplink, 'up')
    const got = leaf.subscriber('back.>')
    await hub.linkInterest('back.>')
    hub.publish('back.to.leaf', 'withheld at the hub')
    hub.publish('back.x', 'mine')
    hub.publish('back.x', 'theirs')
    await eventually(() => got.got.length === 1, 'theirs')
    assert.equal(got.got[0]!.payload, 'theirs')
    assert.equal(uplink.stats?.droppedIn, 1)
    assert.equal(hub.acceptor.leaves[0]?.stats.messagesOut, 2)
  })

  it('tries the addresses of a pool in turn', async () => {
    const gone = node('gone')
    const port = await gone.listen()
    await gone.close()
    const hub = node('hub')
    const uplink = node('leaf').dial([
      `nats-leaf://127.0.0.1:${port}`,
      `nats-leaf://127.0.0.1:${await hub.listen()}`,
    ])
    await reached(uplink, 'up')
    assert.equal(uplink.state.name === 'up' ? uplink.state.hub.name : '', 'hub')
  })

  it('drops live messages of a link that stands still, and keeps all else going', async () => {
    const hub = node('hub', { limits: { pendingBytesMax: 1024 * 1024 } })
    const { proxy: road, url } = await proxy(await hub.listen())
    const leaf = node('leaf')
    await reached(leaf.dial(url), 'up')
    const far = leaf.subscriber('flood')
    const near = hub.subscriber('flood')
    await hub.linkInterest('flood')
    road.stall()
    const payload = 'x'.repeat(64 * 1024)
    const stats = () => hub.acceptor.leaves[0]!.stats
    let published = 0
    await eventually(() => {
      for (let i = 0; i < 16; i++) hub.publish('flood', payload)
      published += 16
      return stats().droppedSlow > 0
    }, 'a message dropped')
    assert.equal(near.got.length, published, 'peers here got every one')
    assert.ok(stats().pendingBytes < 3 * 1024 * 1024, `${stats().pendingBytes} bytes held`)
    assert.match(hub.log.text(), /live messages dropped/)
    road.heal()
    await eventually(() => far.got.length === published - stats().droppedSlow, 'the rest arrives')
  })
})
