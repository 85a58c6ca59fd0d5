import assert from 'node:assert/strict'
import { headers, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { Uplink } from '../../shared/link/index.ts'
import { freePort } from '../support/free-ports.ts'
import { eventually, LinkNode, reached } from '../support/link-node.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** Leaf links against a real nats-server, as leaf of it and as its hub. Needs the binary. */
describe('interop: leafnode protocol', () => {
  let peers: NatsServerPeer[] = []
  let nodes: LinkNode[] = []

  const node = (...args: ConstructorParameters<typeof LinkNode>): LinkNode => {
    const it = new LinkNode(...args)
    nodes.push(it)
    return it
  }
  const natsServer = async (config: string): Promise<NatsServerPeer> => {
    const it = await NatsServerPeer.start(config)
    peers.push(it)
    return it
  }

  afterEach(async () => {
    for (const it of nodes) await it.close()
    for (const it of peers) await it.stop()
    nodes = []
    peers = []
  })

  for (const protocol of ['tcp', 'websocket'] as const) {
    describe(`a Petiole leaf on a nats-server hub over ${protocol}`, () => {
      let hub: NatsServerPeer
      let client: NatsConnection
      let leaf: LinkNode
      let uplink: Uplink

      beforeEach(async () => {
        const port = await freePort()
        hub = await natsServer(
          protocol === 'tcp'
            ? `server_name: hub\nleafnodes { listen: "127.0.0.1:${port}" }`
            : `server_name: hub\nleafnodes { listen: "127.0.0.1:${await freePort()}" }
               websocket { listen: "127.0.0.1:${port}", no_tls: true }`,
        )
        client = await hub.client()
        leaf = node('press-7')
        const scheme = protocol === 'tcp' ? 'nats-leaf' : 'ws'
        uplink = leaf.dial(`${scheme}://127.0.0.1:${port}`)
        await reached(uplink, 'up')
      })

      it('carries messages, replies and headers both ways', async () => {
        assert.ok(uplink.state.name === 'up' && uplink.state.hub.name === 'hub')
        const atLeaf = leaf.subscriber('down.>')
        const atHub = collect(client.subscribe('up.*'))
        await leaf.linkInterest('up.*')
        leaf.publish('up.a', 'reading', 'reply.here')
        await eventually(() => atHub.length === 1, 'reading at the hub')
        assert.deepEqual(atHub[0], { subject: 'up.a', reply: 'reply.here', text: 'reading' })

        await hubInterest(client, leaf, 'down.>')
        const head = headers()
        head.set('Trace', 'yes')
        client.publish('down.cmd', 'stop', { headers: head })
        await eventually(() => atLeaf.got.length === 1, 'command at the leaf')
        const [command] = atLeaf.got
        assert.equal(command?.payload, 'stop')
        assert.equal(command?.headers, 'NATS/1.0\r\nTrace: yes\r\n\r\n')
      })

      it('serves 300 queue groups on one subject, at either end', async () => {
        const names = Array.from({ length: 300 }, (_, i) => `group-${i}`)
        const atLeaf = names.map((name) => leaf.subscriber('work', name))
        await hubInterest(client, leaf, 'work')
        client.publish('work', 'for the leaf')
        await eventually(() => atLeaf.every((it) => it.got.length === 1), 'all groups of the leaf')

        const atHub = names.map((queue) => collect(client.subscribe('jobs', { queue })))
        await leaf.linkInterest('jobs', 300)
        leaf.publish('jobs', 'for the hub')
        await eventually(() => atHub.every((it) => it.length === 1), 'all groups of the hub')
        assert.ok(atLeaf.every((it) => it.got.length === 1))
        assert.equal(uplink.state.name, 'up')
      })

      it('answers requests across, in both directions', async () => {
        leaf.responder('svc.leaf', 'leaf says ')
        await hubInterest(client, leaf, 'svc.leaf')
        const reply = await client.request('svc.leaf', 'hello', { timeout: DEADLINE_MS })
        assert.equal(reply.string(), 'leaf says hello')

        client.subscribe('svc.hub', {
          callback: (_err, m) => void m.respond(`hub says ${m.string()}`),
        })
        await leaf.linkInterest('svc.hub')
        const inbox = leaf.subscriber('_INBOX.press')
        leaf.publish('svc.hub', 'hello', '_INBOX.press')
        await eventually(() => inbox.got.length === 1, 'reply at the leaf')
        assert.equal(inbox.got[0]?.payload, 'hub says hello')
      })

      it('serves a queue group once, here when it has members here', async () => {
        const here = leaf.subscriber('job.>', 'workers')
        const there = collect(client.subscribe('job.>', { queue: 'workers' }))
        await leaf.linkInterest('job.>')
        await hubInterest(client, leaf, 'job.>')
        for (let i = 0; i < 20; i++) leaf.publish('job.l', `leaf ${i}`)
        for (let i = 0; i < 20; i++) client.publish('job.h', `hub ${i}`)
        await client.flush()
        await eventually(() => here.got.length + there.length === 40, 'all jobs taken')
        assert.equal(here.got.filter((it) => it.payload.startsWith('leaf')).length, 20)
        assert.equal(there.filter((it) => it.text.startsWith('hub')).length, 20)
      })

      it('withdraws interest that is gone', async () => {
        const subscription = client.subscribe('gone.soon')
        await leaf.linkInterest('gone.soon')
        subscription.unsubscribe()
        await leaf.linkInterest('gone.soon', 0)
        assert.equal(leaf.publish('gone.soon', 'nobody'), 0)
      })

      it('carries a message of 700 KiB in one piece', async () => {
        const atHub = collect(client.subscribe('big'))
        await leaf.linkInterest('big')
        const payload = 'x'.repeat(700 * 1024)
        leaf.publish('big', payload)
        await eventually(() => atHub.length === 1, 'large message at the hub')
        assert.equal(atHub[0]?.text.length, payload.length)
      })
    })
  }

  for (const protocol of ['tcp', 'websocket'] as const) {
    describe(`a nats-server leaf on a Petiole hub over ${protocol}`, () => {
      let hub: LinkNode
      let leaf: NatsServerPeer
      let client: NatsConnection

      beforeEach(async () => {
        hub = node('hub-eu', { domain: 'hub' })
        const port = await hub.listen(protocol)
        const scheme = protocol === 'tcp' ? 'nats-leaf' : 'ws'
        leaf = await natsServer(`server_name: old-leaf
          leafnodes { remotes: [ { url: "${scheme}://127.0.0.1:${port}" } ] }`)
        client = await leaf.client()
        await eventually(() => hub.acceptor.leaves.length === 1, 'nats-server attached')
      })

      it('attaches, and is known by its name without a proven identity', () => {
        const [attached] = hub.acceptor.leaves
        assert.equal(attached?.hello.name, 'old-leaf')
        assert.equal(attached?.hello.isVerified, false)
        assert.equal(attached?.hello.transport, protocol)
      })

      it('carries messages and requests both ways', async () => {
        const atHub = hub.subscriber('up.>')
        hub.responder('svc.hub', 'hub says ')
        await hubInterest(client, hub, 'svc.hub')
        const reply = await client.request('svc.hub', 'hello', { timeout: DEADLINE_MS })
        assert.equal(reply.string(), 'hub says hello')
        client.publish('up.a.b', 'reading')
        await eventually(() => atHub.got.length === 1, 'reading at the hub')

        client.subscribe('svc.leaf', { callback: (_err, m) => void m.respond('leaf says hi') })
        await hub.linkInterest('svc.leaf')
        const inbox = hub.subscriber('_INBOX.hub')
        hub.publish('svc.leaf', 'hello', '_INBOX.hub')
        await eventually(() => inbox.got.length === 1, 'reply at the hub')
        assert.equal(inbox.got[0]?.payload, 'leaf says hi')
      })

      it('follows the weight of a queue group', async () => {
        const first = client.subscribe('job', { queue: 'q' })
        client.subscribe('job', { queue: 'q' })
        const weight = (): number | undefined =>
          [...hub.space$G.subscriptions()].find((it) => it.subject === 'job')?.weight
        await eventually(() => weight() === 2, 'weight of two members')
        first.unsubscribe()
        await eventually(() => weight() === 1, 'weight of one member')
      })

      it('attaches again after the hub dropped it', async () => {
        hub.acceptor.leaves[0]?.close('Server Shutdown')
        await eventually(() => hub.acceptor.leaves.length === 0, 'detached')
        await eventually(() => hub.acceptor.leaves.length === 1, 'attached again')
        const atHub = hub.subscriber('after')
        await hubInterest(client, hub, 'after')
        client.publish('after', 'the break')
        await eventually(() => atHub.got.length === 1, 'message after the break')
      })
    })
  }

  it('a Petiole leaf logs in to a nats-server, and says what is wrong when it cannot', async () => {
    const port = await freePort()
    await natsServer(`leafnodes { listen: "127.0.0.1:${port}"
      authorization { user: plant, password: "s3cret" } }`)
    const right = node('right').dial(`nats-leaf://plant:s3cret@127.0.0.1:${port}`)
    await reached(right, 'up')
    const wrong = node('wrong')
    const refused = wrong.dial(`nats-leaf://plant:guess@127.0.0.1:${port}`)
    await reached(refused, 'waiting')
    assert.match(wrong.log.text(), /Authorization Violation.*check user and password/)
  })

  it('a nats-server leaf logs in to a Petiole hub', async () => {
    const hub = node('hub', { users: [{ user: 'plant', password: 's3cret' }] })
    const port = await hub.listen()
    await natsServer(
      `leafnodes { remotes: [ { url: "nats-leaf://plant:s3cret@127.0.0.1:${port}" } ] }`,
    )
    await eventually(() => hub.acceptor.leaves.length === 1, 'attached')
    assert.equal(hub.acceptor.leaves[0]?.hello.user, 'plant')
    const stranger = await natsServer(
      `server_name: stranger\nleafnodes { remotes: [ { url: "nats-leaf://x:y@127.0.0.1:${port}" } ] }`,
    )
    await eventually(() => stranger.output.includes('Authorization Violation'), 'refused')
    assert.equal(hub.acceptor.leaves.length, 1)
  })

  it('a Petiole leaf that dials a client port is told so', async () => {
    const server = await natsServer('server_name: hub')
    const leaf = node('leaf')
    const uplink = leaf.dial(`nats-leaf://127.0.0.1:${server.port}`)
    await reached(uplink, 'waiting')
    assert.match(leaf.log.text(), /attempted to connect to wrong port/)
  })

  it('a ring of a Petiole leaf and two nats-servers is found and left open', async () => {
    const [a, b] = [await freePort(), await freePort()]
    await natsServer(`server_name: a\nleafnodes { listen: "127.0.0.1:${a}" }`)
    await natsServer(`server_name: b\nleafnodes { listen: "127.0.0.1:${b}"
      remotes: [ { url: "nats-leaf://127.0.0.1:${a}" } ] }`)
    const leaf = node('c')
    leaf.dial(`nats-leaf://127.0.0.1:${a}`)
    leaf.dial(`nats-leaf://127.0.0.1:${b}`)
    await eventually(
      () => leaf.uplinks.some((it) => it.state.name === 'waiting') || hasLoop(peers),
      'ring found',
    )
  })

  it('a daisy chain: nats-server under a Petiole leaf under a nats-server hub', async () => {
    const top = await freePort()
    const hub = await natsServer(`server_name: top\nleafnodes { listen: "127.0.0.1:${top}" }`)
    const middle = node('middle')
    const port = await middle.listen()
    await reached(middle.dial(`nats-leaf://127.0.0.1:${top}`), 'up')
    const bottom = await natsServer(`server_name: bottom
      leafnodes { remotes: [ { url: "nats-leaf://127.0.0.1:${port}" } ] }`)
    const above = await hub.client()
    const below = await bottom.client()
    above.subscribe('svc.top', { callback: (_err, m) => void m.respond(`top: ${m.string()}`) })
    below.subscribe('svc.low', { callback: (_err, m) => void m.respond(`low: ${m.string()}`) })
    await middle.linkInterest('svc.top')
    await middle.linkInterest('svc.low')
    assert.equal(await answer(below, 'svc.top'), 'top: hi')
    assert.equal(await answer(above, 'svc.low'), 'low: hi')
  })
})

interface Collected {
  readonly subject: string
  readonly reply: string
  readonly text: string
}

function collect(subscription: Subscription): readonly Collected[] {
  const got: Collected[] = []
  const run = async (): Promise<void> => {
    for await (const m of subscription) {
      got.push({ subject: m.subject, reply: m.reply ?? '', text: m.string() })
    }
  }
  run().catch(() => {})
  return got
}

/**
 * Waits until the nats-server knows our interest. A link keeps its order, so when an answer to a
 * question asked behind the interest is back, the interest has been there.
 */
async function hubInterest(client: NatsConnection, node: LinkNode, subject: string): Promise<void> {
  const probe = `probe.${subject.replaceAll(/[*>]/g, 'x')}`
  node.responder(probe, 'seen')
  assert.equal(await answer(client, probe), 'seenhi')
}

/** Asks until somebody answers: interest may still be on its way. */
async function answer(client: NatsConnection, subject: string): Promise<string> {
  const end = performance.now() + DEADLINE_MS
  for (;;) {
    try {
      return (await client.request(subject, 'hi', { timeout: 1_000 })).string()
    } catch (error) {
      if (performance.now() > end) throw error
    }
  }
}

function hasLoop(peers: readonly NatsServerPeer[]): boolean {
  return peers.some((it) => it.output.includes('Loop detected'))
}
