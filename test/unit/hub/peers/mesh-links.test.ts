import assert from 'node:assert/strict'
import { ServerIdentity } from '../../../../shared/link/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { authorization, type PeerHub } from '../../../support/peer-hub.ts'
import { PeerWorld } from '../../../support/peer-world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

describe(`links between hubs (SEED=${SEED})`, () => {
  let net: PeerWorld

  beforeEach(() => {
    net = new PeerWorld(SEED)
  })

  afterEach(() => net.destroy())

  const says = (hub: PeerHub, text: string): boolean => hub.log.text().includes(text)

  it('complete themselves from one address each, with one link per pair', async () => {
    const [a, b, c] = await net.three()
    const names = (of: 'routes' | 'gateways', hub: PeerHub) =>
      hub.mesh[of].map((it) => it.remoteName).sort()
    assert.deepEqual(names('routes', a), ['eu-2'])
    assert.deepEqual(names('gateways', a), ['us-1'])
    assert.deepEqual(names('routes', b), ['eu-1'])
    assert.deepEqual(names('gateways', b), ['us-1'])
    assert.deepEqual(names('gateways', c), ['eu-1', 'eu-2'])
    assert.ok(says(a, 'Listening for route connections on eu-1:6222'))
    assert.ok(says(a, 'Listening for gateways connections on eu-1:7222'))
  })

  it('say what monitoring asks', async () => {
    const [a, b] = await net.three()
    b.subscriber('plant.>')
    b.subscriber('job', 'q')
    await net.pass(1_000)
    a.publish('plant.1', 'hello')
    await net.pass(100)
    const [facts] = a.mesh.routes
    assert.ok(facts !== undefined)
    assert.equal(facts.remoteName, 'eu-2')
    assert.equal(facts.isSolicited, false)
    assert.equal(b.mesh.routes[0]?.isSolicited, true)
    assert.equal(b.mesh.routes[0]?.isConfigured, true)
    assert.equal(facts.subscriptions, 2)
    assert.deepEqual([facts.outMessages, facts.outBytes], [1, 5])
    assert.ok((facts.roundTripMs ?? 0) > 0 && (facts.roundTripMs ?? 0) < 10)
    const [account] = facts.accounts()
    assert.deepEqual(
      [account?.name, account?.subscriptions, account?.queueSubscriptions],
      ['$G', 1, 1],
    )
    assert.equal(b.mesh.routes[0]?.inMessages, 1)
  })

  it('come back after a cut, with all interest', async () => {
    const [a, b] = await net.three()
    const peer = b.subscriber('plant.>')
    await net.pass(100)
    net.cut(a, b)
    await net.until(() => !a.peers.includes('eu-2'), 'the loss')
    assert.equal(a.publish('plant.1', 'lost'), 0)
    await net.linked()
    assert.equal(a.publish('plant.1', 'found'), 1)
    await net.pass(100)
    assert.deepEqual(
      peer.got.map((it) => it.payload),
      ['found'],
    )
  })

  it('are taken over by a hub that was started anew while its old link is half-open', async () => {
    const [a, b] = await net.three()
    const identity = ServerIdentity.create(new SeededRandom(SEED))
    const c = await net.start('eu-3', { routes: ['eu-1:6222'], identity })
    await net.linked()
    net.crash(c)
    await net.pass(100)
    assert.ok(a.peers.includes('eu-3'), 'nobody was told')
    await net.start('eu-3', { routes: ['eu-1:6222'], identity, boot: 'again' })
    await net.until(() => net.hubs.every((hub) => hub.peers.length === 3), 'the mesh', 2_000)
    assert.equal(b.mesh.routes.length, 2)
  })

  it('are given up when the other side falls silent', async () => {
    const [a, b] = await net.three()
    net.world.partition(net.world.node('eu-1'), net.world.node('eu-2'))
    const began = net.world.nowMs
    await net.until(() => !a.peers.includes('eu-2') && !b.peers.includes('eu-1'), 'both to notice')
    assert.ok(net.world.nowMs - began < 16_000)
    assert.ok(says(a, 'nothing heard for'))
    net.world.heal()
    await net.linked()
  })

  it('are refused to another region on the cluster port', async () => {
    const a = await net.start('eu-1')
    const b = await net.start('us-1', { routes: ['eu-1:6222'] })
    await net.pass(3_000)
    assert.deepEqual([...a.peers, ...b.peers], [])
    const text = 'cluster name \\"eu\\" does not match \\"us\\"'
    assert.ok(says(b, text), b.log.text())
  })

  it('are refused on the wrong port', async () => {
    const a = await net.start('eu-1')
    const b = await net.start('eu-2', { routes: ['eu-1:7222'] })
    const c = await net.start('us-1', { gateways: { eu: ['eu-1:6222'] } })
    await net.pass(3_000)
    assert.deepEqual([...a.peers, ...b.peers, ...c.peers], [])
    for (const hub of [b, c]) assert.ok(says(hub, 'attempted to connect to wrong port'))
  })

  it('are refused to a region that is not the one configured, or not configured', async () => {
    const a = await net.start('eu-1', { gateway: { reject_unknown_cluster: true } })
    const b = await net.start('us-1', { gateways: { eu: ['eu-1:7222'] } })
    const c = await net.start('ap-1', { gateways: { us: ['eu-1:7222'] } })
    await net.pass(3_000)
    assert.deepEqual([...a.peers, ...b.peers, ...c.peers], [])
    assert.ok(says(b, 'Connection to gateway \\"eu\\" rejected'), b.log.text())
    assert.ok(says(c, 'wanted to connect to \\"us\\", this is \\"eu\\"'), c.log.text())
  })

  it('ask for user and password where they are configured', async () => {
    const cluster = { authorization: authorization('hub', 'secret') }
    const a = await net.start('eu-1', { cluster })
    const b = await net.start('eu-2', { routes: ['hub:wrong@eu-1:6222'] })
    const c = await net.start('eu-3', { routes: ['hub:secret@eu-1:6222'], cluster })
    const d = await net.start('eu-4', { routes: ['eu-1:6222'], cluster })
    await net.until(() => a.peers.length === 2 && d.peers.includes('eu-3'), 'those who know it')
    await net.pass(3_000)
    assert.deepEqual([a.peers, b.peers], [['eu-3', 'eu-4'], []])
    assert.deepEqual(c.peers, ['eu-1', 'eu-4'], 'gossip presents it too')
    assert.ok(says(b, 'Authorization Violation'))
    assert.ok(!b.log.text().includes('secret') && !b.log.text().includes('wrong@'))
  })

  it('are refused to a second hub of one name', async () => {
    const a = await net.start('eu-1')
    const b = await net.start('eu-2', { routes: ['eu-1:6222'] })
    await net.linked()
    const twin = await net.start('eu-2', { on: 'eu-9', host: 'eu-9', routes: ['eu-1:6222'] })
    await net.pass(5_000)
    assert.deepEqual([a.peers, b.peers, twin.peers], [['eu-2'], ['eu-1'], []])
    assert.ok(says(twin, 'Remote server has a duplicate name: \\"eu-2\\"'), twin.log.text())
  })

  it('are refused to the first of two processes with one identity, and do not flap', async () => {
    const identity = ServerIdentity.create(new SeededRandom(SEED))
    const a = await net.start('eu-1')
    const b = await net.start('eu-2', { routes: ['eu-1:6222'], identity, boot: 'one' })
    await net.until(() => b.peers.length === 1, 'the first')
    const options = { on: 'eu-9', host: 'eu-9', routes: ['eu-1:6222'], identity, boot: 'two' }
    const copy = await net.start('eu-2', options)
    await net.until(() => copy.peers.length === 1 && b.peers.length === 0, 'the second')
    await net.pass(20_000)
    assert.deepEqual([copy.peers, b.peers], [['eu-1'], []])
    assert.ok(says(b, 'Two processes use the identity'), b.log.text())
    const attached = a.log.lines.filter((it) => it.message === 'linked with a hub').length
    assert.equal(attached, 2)
  })

  it('are not made with oneself', async () => {
    const a = await net.start('eu-1', { routes: ['eu-1:6222'], gateways: { eu: ['eu-1:7222'] } })
    await net.pass(5_000)
    assert.deepEqual(a.peers, [])
    assert.ok(!a.log.lines.some(({ level }) => level === 'warn' || level === 'error'))
  })

  it('are not dialled for ever where nobody configured them', async () => {
    const a = await net.start('eu-1')
    const b = await net.start('eu-2', { routes: ['eu-1:6222'] })
    await net.linked()
    net.crash(b, 'kill')
    await net.until(() => a.peers.length === 0, 'the loss')
    const dials = (): number => a.log.lines.length
    await net.pass(15 * 60_000)
    const before = dials()
    const events = net.world.events
    await net.pass(60 * 60_000)
    assert.equal(dials(), before)
    assert.ok(net.world.events - events < 10, 'nothing happens any more')
  })

  it('that are too slow are cut, and the others do not notice', async () => {
    const limits = { pendingBytesMax: 256 * 1024, writeDeadlineMs: 2_000 }
    const a = await net.start('eu-1', { limits })
    const b = await net.start('eu-2', { routes: ['eu-1:6222'] })
    const c = await net.start('eu-3', { routes: ['eu-1:6222'] })
    await net.linked()
    const [slow, fast] = [b.subscriber('x'), c.subscriber('x')]
    await net.pass(100)
    net.world.partition(net.world.node('eu-1'), net.world.node('eu-2'))
    const payload = 'y'.repeat(10_000)
    for (let i = 0; i < 100; i++) {
      a.publish('x', payload)
      await net.pass(5)
    }
    assert.ok(says(a, 'Slow Consumer'), a.log.text())
    assert.ok(!says(a, 'too large'), a.log.text())
    assert.equal(fast.got.length, 100)
    net.world.heal()
    await net.linked()
    a.publish('x', 'again')
    await net.pass(200)
    assert.ok(slow.got.some((it) => it.payload === 'again'))
  })

  it('say of an overflow within one turn what it was, and nothing else', async () => {
    const a = await net.start('eu-1', { limits: { pendingBytesMax: 64 * 1024 } })
    const b = await net.start('eu-2', { routes: ['eu-1:6222'] })
    await net.linked()
    b.subscriber('x')
    await net.pass(100)
    for (let i = 0; i < 200; i++) a.publish('x', 'y'.repeat(1_024))
    await net.until(() => says(a, 'Slow Consumer'), 'the cut')
    assert.ok(!says(a, 'too large'), a.log.text())
  })

  it('that take nothing for the write deadline are cut, however little waits', async () => {
    const a = await net.start('eu-1', { limits: { writeDeadlineMs: 2_000 } })
    const b = await net.start('eu-2', { routes: ['eu-1:6222'] })
    await net.linked()
    b.subscriber('x')
    await net.pass(100)
    net.world.blockOneWay(net.world.node('eu-1'), net.world.node('eu-2'))
    for (let i = 0; i < 60; i++) a.publish('x', 'y'.repeat(10_000))
    await net.until(() => says(a, 'has taken none of'), 'the deadline', 4_000)
  })

  it('carry interest of any amount, also where it comes at once', async () => {
    const limits = { pendingBytesMax: 64 * 1024 }
    const a = await net.start('eu-1', { limits })
    for (let i = 0; i < 20_000; i++) a.subscriber(`plant.${i}.temp`)
    const b = await net.start('eu-2', { routes: ['eu-1:6222'], limits })
    await net.linked()
    await net.until(() => b.mesh.routes[0]?.subscriptions === 20_000, 'all of it')
    net.cut(a, b)
    await net.until(() => b.peers.length === 0, 'the loss')
    await net.until(() => b.space('$G').subscriptionCount === 0, 'no interest', 1_000)
    await net.until(() => b.mesh.routes[0]?.subscriptions === 20_000, 'all of it again')
  })

  it('tell where clients and leaves of the region can go, until a hub is about to stop', async () => {
    const [a, b, c] = await net.three()
    const urls = (name: string) => ({
      client: [`${name}:4222`],
      webSocket: ['0.0.0.0:8443'],
      leafnode: [],
    })
    for (const hub of [a, b, c]) hub.mesh.tell(urls(hub.name))
    await net.pass(200)
    assert.deepEqual(a.announced.at(-1), {
      client: ['eu-1:4222', 'eu-2:4222'],
      webSocket: ['0.0.0.0:8443', 'eu-2:8443'],
      leafnode: [],
    })
    assert.deepEqual(c.announced.at(-1)?.client, ['us-1:4222'], 'not those of other regions')
    b.mesh.lameDuck()
    await net.pass(200)
    assert.deepEqual(a.announced.at(-1)?.client, ['eu-1:4222'])
    assert.deepEqual(b.announced.at(-1)?.client, ['eu-1:4222'])
    assert.deepEqual(a.peers, ['eu-2', 'us-1'], 'it is still linked')
  })

  it('end in order when a hub stops', async () => {
    const [a, b, c] = await net.three()
    const peer = b.subscriber('x')
    await net.pass(100)
    a.publish('x', 'last words')
    const stopped = a.mesh.drain()
    await net.until(() => b.peers.length === 1 && c.peers.length === 1, 'its end')
    await stopped
    await net.pass(1_000)
    assert.deepEqual(
      peer.got.map((it) => it.payload),
      ['last words'],
    )
    assert.deepEqual(a.interestOfPeers(), [])
    a.subscriber('y')
    await a.mesh.drain()
  })
})
