import assert from 'node:assert/strict'
import { PeerWorld } from '../../../support/peer-world.ts'
import type { RecordingPeer } from '../../../support/recording-peer.ts'
import { RecordingLink } from '../../../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

describe(`what passes between hubs (SEED=${SEED})`, () => {
  let net: PeerWorld

  beforeEach(() => {
    net = new PeerWorld(SEED)
  })

  afterEach(() => net.destroy())

  const payloads = (peer: RecordingPeer): readonly string[] => peer.got.map((it) => it.payload)

  it('a message crosses by interest, with reply and headers, in its account only', async () => {
    const [a, b, c] = await net.three()
    const atB = b.subscriber('plant.>')
    const atC = c.subscriber('plant.*')
    const stranger = c.subscriber('plant.>', '', 'other')
    await net.pass(100)
    assert.equal(a.publish('plant.1', 'hello', '$G', 'back'), 2)
    assert.equal(a.publish('nobody', 'x', '$G', 'back'), 0, 'a request without responders')
    await net.pass(100)
    const [got] = atB.got
    assert.deepEqual([got?.subject, got?.reply, got?.payload], ['plant.1', 'back', 'hello'])
    assert.deepEqual(payloads(atC), ['hello'])
    assert.deepEqual(stranger.got, [])
  })

  it('what a consumer delivers arrives under the subject it was stored with', async () => {
    const [a, b] = await net.three()
    const inbox = b.subscriber('_INBOX.1')
    await net.pass(100)
    a.space('$G').publish(a.subscriber('unused'), {
      subject: Buffer.from('_INBOX.1'),
      shownSubject: Buffer.from('plant.7'),
      reply: Buffer.from('$JS.ACK.d.h.s.c.1.1.1.1.0'),
      headers: Buffer.from('NATS/1.0\r\na: b\r\n\r\n'),
      payload: Buffer.from('stored'),
    })
    await net.pass(100)
    const [got] = inbox.got
    assert.equal(got?.subject, '_INBOX.1')
    assert.equal(got?.shown, 'plant.7')
    assert.equal(got?.reply, '$JS.ACK.d.h.s.c.1.1.1.1.0')
    assert.equal(got?.headers, 'NATS/1.0\r\na: b\r\n\r\n')
    assert.equal(got?.payload, 'stored')
  })

  it('an account whose name has blanks is an account like any other', async () => {
    const [a, b] = await net.three()
    const peer = b.subscriber('x', '', 'two words 100%')
    await net.pass(100)
    a.publish('x', 'hello', 'two words 100%')
    a.publish('x', 'wrong', 'two')
    await net.pass(100)
    assert.deepEqual(payloads(peer), ['hello'])
  })

  it('interest comes and goes with the last subscription', async () => {
    const [a, b] = await net.three()
    const peers = [b.subscriber('x'), b.subscriber('x'), b.subscriber('x', 'q')]
    await net.pass(100)
    assert.deepEqual(a.interestOfPeers(), ['$G x ', '$G x q'])
    for (const peer of peers) {
      const found = [...b.space('$G').subscriptions()].find((it) => it.peer === peer)
      if (found !== undefined) b.space('$G').unsubscribe(found)
    }
    await net.pass(100)
    assert.deepEqual(a.interestOfPeers(), [])
    assert.equal(a.publish('x', 'nobody'), 0)
  })

  it('a queue group is served here first, then in the region, then in the nearest one', async () => {
    const [a, b, c] = await net.three()
    const d = await net.start('ap-1', { gateways: { eu: ['eu-1:7222'] } })
    net.distance(a, c, 80)
    net.distance(a, d, 20)
    await net.linked()
    await net.pass(30_000)
    const near = { c: c.subscriber('job', 'q'), d: d.subscriber('job', 'q') }
    await net.pass(500)
    for (let i = 0; i < 20; i++) a.publish('job', `far ${i}`)
    await net.pass(500)
    assert.equal(near.c.got.length, 0)
    assert.equal(near.d.got.length, 20, 'the nearest region')
    const beside = b.subscriber('job', 'q')
    await net.pass(500)
    for (let i = 0; i < 20; i++) a.publish('job', `region ${i}`)
    await net.pass(500)
    assert.equal(beside.got.length, 20, 'the own region')
    const here = a.subscriber('job', 'q')
    for (let i = 0; i < 20; i++) a.publish('job', `here ${i}`)
    await net.pass(500)
    assert.equal(here.got.length, 20, 'this hub')
    assert.equal(near.c.got.length + near.d.got.length + beside.got.length, 40)
  })

  it('members of a region share the work by their number', async () => {
    const [a, b] = await net.three()
    const e = await net.start('eu-3', { routes: ['eu-1:6222'] })
    await net.linked()
    b.subscriber('job', 'q')
    const many = [e.subscriber('job', 'q'), e.subscriber('job', 'q'), e.subscriber('job', 'q')]
    await net.pass(100)
    for (let i = 0; i < 400; i++) a.publish('job', `${i}`)
    await net.pass(500)
    const share = many.reduce((sum, peer) => sum + peer.got.length, 0)
    assert.ok(share > 240 && share < 360, `${share} of 400 for three of four members`)
  })

  it('a hub that has gone takes nothing from those who live, while its interest is forgotten', async () => {
    const [a, b, c] = await net.three()
    // More than is forgotten in one turn.
    for (let i = 0; i < 6_000; i++) b.subscriber(`sensor.${i}`)
    for (const hub of [b, c]) hub.capture('kept')
    const living = c.subscriber('job', 'q')
    for (const queue of ['q', 'alone']) b.subscriber('job', queue)
    const isKnown = (): boolean => a.interestOfPeers().includes('$G job alone')
    await net.until(isKnown, 'all interest')
    await net.pass(500)
    const space = a.space('$G')
    const taken: number[] = []
    const stop = space.observe({
      subscriptionAdded: () => {},
      // From within the forgetting of the first piece, when what is forgotten last is there.
      subscriptionRemoved: ({ subject }) => {
        if (subject !== 'sensor.9') return
        const rest = [...space.subscriptions()].map(({ subject }) => subject)
        assert.ok(
          ['kept', 'sensor.5999'].every((it) => rest.includes(it)),
          'it is one piece of several',
        )
        for (const to of ['job', 'kept', 'sensor.5999']) taken.push(a.publish(to, 'late'))
      },
    })
    net.crash(b, 'kill')
    await net.until(() => taken.length > 0, 'the end of the link')
    stop()
    assert.deepEqual(taken, [1, 1, 0])
    await net.pass(500)
    assert.deepEqual(payloads(living), ['late'])
  })

  it('a message for a group that has just left goes to a leaf there, and to no other hub', async () => {
    const [a, b, c] = await net.three()
    const gone = b.subscriber('job', 'q')
    const leaf = new RecordingLink('leaf')
    b.space('$G').subscribe(leaf, { subject: 'job', queue: 'q', weight: 1 })
    const elsewhere = c.subscriber('job', 'q')
    await net.pass(200)
    const member = [...b.space('$G').subscriptions()].find((it) => it.peer === gone)
    assert.ok(member !== undefined)
    b.space('$G').unsubscribe(member)
    a.publish('job', 'raced')
    await net.pass(200)
    assert.deepEqual(
      leaf.got.map(({ payload, queues }) => [payload, queues]),
      [['raced', ['q']]],
    )
    assert.equal(elsewhere.got.length, 0)
  })

  it('a leaf is asked for and heard through its hub, whichever hub one is at', async () => {
    const [a, b] = await net.three()
    const leaf = new RecordingLink('leaf')
    b.space('$G').subscribe(leaf, { subject: 'site.7.>' })
    const atA = a.subscriber('plant.>')
    await net.pass(100)
    a.publish('site.7.valve', 'open')
    b.space('$G').publish(leaf, {
      subject: Buffer.from('plant.1'),
      reply: new Uint8Array(0),
      headers: new Uint8Array(0),
      payload: Buffer.from('21 C'),
    })
    await net.pass(100)
    assert.deepEqual(
      leaf.got.map(({ payload }) => payload),
      ['open'],
    )
    assert.deepEqual(payloads(atA), ['21 C'])
  })

  it('a message is stored once: here when a stream takes it, else at one other hub', async () => {
    const [a, b, c] = await net.three()
    const [atB, atC] = [b.capture('plant.>'), c.capture('plant.>')]
    const listener = c.subscriber('plant.>')
    await net.pass(100)
    assert.equal(a.publish('plant.1', 'far'), 2, 'the stream in the region, and the listener')
    await net.pass(200)
    assert.deepEqual([payloads(atB), payloads(atC)], [['far'], []], 'the stream of the own region')
    assert.deepEqual(payloads(listener), ['far'])
    const atA = a.capture('plant.>')
    a.publish('plant.1', 'near')
    c.publish('plant.1', 'there')
    await net.pass(200)
    assert.deepEqual(payloads(atA), ['near'])
    assert.deepEqual(payloads(atB), ['far'])
    assert.deepEqual(payloads(atC), ['there'])
  })

  it('what is stored already is stored nowhere else', async () => {
    const [a, b] = await net.three()
    const stream = b.capture('plant.>')
    const listener = b.subscriber('plant.>')
    await net.pass(100)
    const message = {
      subject: Buffer.from('plant.1'),
      reply: Buffer.from(''),
      headers: Buffer.from(''),
      payload: Buffer.from('x'),
    }
    a.space('$G').publish(a.subscriber('unused'), message, { capture: false })
    await net.pass(100)
    assert.equal(stream.got.length, 0)
    assert.equal(listener.got.length, 1)
  })

  it('services without a home or a domain stay at their hub', async () => {
    const [a, b] = await net.three()
    const confined = [
      '$JS.API.>',
      '$FLEET.STATUS',
      '$FLEET.REPORT',
      '$FLEET.SYNC.HELLO',
      '$FLEET.RELEASE',
      '$JS.ACK.*.*.*.*.*.*.*',
    ]
    const open = ['$JS.hub.API.>', '$FLEET.SYNC.hub.HELLO', '$SYS.REQ.SERVER.PING', '_INBOX.1.*']
    for (const subject of [...confined, ...open]) b.capture(`unused.${subject}`)
    const { RecordingPeer } = await import('../../../support/recording-peer.ts')
    const service = new RecordingPeer('local')
    for (const subject of [...confined, ...open]) b.space('svc').subscribe(service, { subject })
    b.space('svc').subscribe(service, { subject: 'import.shadow', isConfined: true })
    await net.pass(100)
    const lines = a.interestOfPeers().filter((line) => line.startsWith('svc '))
    assert.deepEqual(lines, open.map((subject) => `svc ${subject} `).sort())
  })

  it('more queue groups than a line holds are served each once, and do not end the link', async () => {
    const [a, b] = await net.three()
    const members = Array.from({ length: 1_000 }, (_, i) =>
      b.subscriber('job', `group-${'x'.repeat(100)}-${i}`),
    )
    const plain = b.subscriber('job')
    await net.pass(1_000)
    a.publish('job', 'x')
    await net.pass(1_000)
    assert.deepEqual([...new Set(members.map((peer) => peer.got.length))], [1])
    assert.equal(plain.got.length, 1)
    assert.deepEqual(a.peers, ['eu-2', 'us-1'])
    assert.ok(!a.log.text().includes('lost'), a.log.text())
  })
})
