import assert from 'node:assert/strict'
import { AccountSpace, type Peer, type PublishOptions } from '../../../shared/broker/index.ts'
import { codeOf, type PetioleError, SeededRandom } from '../../../shared/runtime/index.ts'
import { SubjectMappings } from '../../../shared/subject/index.ts'
import { RecordingLink, RecordingPeer } from '../../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? 7)

function text(value: string): Uint8Array {
  return Buffer.from(value)
}

function send(
  space: AccountSpace,
  origin: Peer,
  subject: string,
  options?: PublishOptions,
  reply = '',
): number {
  const publication = {
    subject: text(subject),
    reply: text(reply),
    headers: text(''),
    payload: text('hello'),
  }
  return space.publish(origin, publication, options)
}

describe('AccountSpace', () => {
  let space: AccountSpace
  let publisher: RecordingPeer

  beforeEach(() => {
    space = new AccountSpace(new SeededRandom(SEED), '$G')
    publisher = new RecordingPeer('mqtt')
  })

  it('delivers what was published to whoever subscribed', () => {
    const peer = new RecordingPeer('local')
    space.subscribe(peer, { subject: 'plant.*.temp', sid: '9' })
    assert.equal(send(space, publisher, 'plant.1.temp', undefined, 'back'), 1)
    assert.deepEqual(peer.got, [
      {
        subject: 'plant.1.temp',
        shown: 'plant.1.temp',
        reply: 'back',
        headers: '',
        payload: 'hello',
        sid: '9',
      },
    ])
  })

  it('sees a subscription and its end, whatever was remembered of the subject', () => {
    const peer = new RecordingPeer('local')
    for (const subject of ['a.b', 'a.*', '>']) {
      for (let i = 0; i < 3; i++) assert.equal(send(space, publisher, 'a.b'), 0)
      const subscription = space.subscribe(peer, { subject })
      for (let i = 0; i < 3; i++) assert.equal(send(space, publisher, 'a.b'), 1)
      space.unsubscribe(subscription)
      space.unsubscribe(subscription)
      assert.equal(send(space, publisher, 'a.b'), 0)
    }
  })

  it('refuses subjects that cannot be subscribed to', () => {
    for (const subject of ['', 'a..b', '.a', 'a.', 'a b', '>.a', 'a.>.b']) {
      assert.throws(() => space.subscribe(publisher, { subject }), {
        code: 'PETIOLE_SUBJECT_INVALID',
      })
    }
  })

  it('refuses to route a subject that would break the control line', () => {
    const errors: (PetioleError | undefined)[] = []
    const peer = new RecordingPeer('local')
    space.subscribe(peer, { subject: '>' })
    for (const subject of ['', 'a b', 'a\r\nPUB b 0']) {
      assert.equal(send(space, publisher, subject, { committed: (e) => errors.push(e) }), 0)
    }
    assert.deepEqual(errors.map(codeOf), Array(3).fill('PETIOLE_SUBJECT_INVALID'))
    assert.equal(peer.got.length, 0)
  })

  it('echoes to the publisher unless he asked for none', () => {
    const quiet = new RecordingPeer('mqtt', false)
    space.subscribe(quiet, { subject: 'a' })
    space.subscribe(publisher, { subject: 'a' })
    assert.equal(send(space, quiet, 'a'), 1)
    assert.equal(send(space, publisher, 'a'), 2)
    assert.equal(quiet.got.length, 1)
  })

  it('says what its mappings make of a subject, and publishes what it is given', () => {
    const mapped = new AccountSpace(new SeededRandom(1), '$G')
    const rule = (subject: string, to: string, weight: number) => ({
      subject,
      destinations: [{ subject: to, weight, cluster: '' }],
    })
    mapped.mappings = new SubjectMappings(
      [rule('in.*', 'out.$1', 100), rule('lost.1', 'lost.1', 0)],
      '',
    )
    const made = (subject: string): string =>
      Buffer.from(mapped.mappedSubject(text(subject))).toString()
    assert.deepEqual(['in.7', 'in', 'lost.1'].map(made), ['out.7', 'in', ''])
    const same = text('other')
    assert.equal(mapped.mappedSubject(same), same)
    const receiver = new RecordingPeer('local')
    mapped.subscribe(receiver, { subject: '>' })
    for (const kind of ['mqtt', 'leaf', 'local'] as const) {
      send(mapped, new RecordingPeer(kind), 'in.7')
    }
    assert.deepEqual(
      receiver.got.map(({ subject }) => subject),
      ['in.7', 'in.7', 'in.7'],
    )
  })

  describe('captures', () => {
    it('call committed at once when no capture took it', () => {
      const calls: unknown[] = []
      send(space, publisher, 'a', { committed: (error) => calls.push(error) })
      space.subscribe(new RecordingPeer('local'), { subject: 'a', isCapture: true })
      send(space, publisher, 'a', { committed: (error) => calls.push(error) })
      assert.deepEqual(calls, [undefined, undefined])
    })

    it('take the call of the one message, and only the first of them gets it', () => {
      const taken: unknown[] = []
      const calls: unknown[] = []
      for (let i = 0; i < 2; i++) {
        const capture = new RecordingPeer('local')
        capture.onDeliver = (_, message) => taken.push(message.takeCommitted())
        space.subscribe(capture, { subject: 'a', isCapture: true })
      }
      const committed = (error: unknown): void => void calls.push(error)
      send(space, publisher, 'a', { committed })
      assert.deepEqual(taken, [committed, undefined])
      assert.deepEqual(calls, [])
    })

    it('are passed over by what is stored already', () => {
      const capture = new RecordingPeer('local')
      const plain = new RecordingPeer('local')
      space.subscribe(capture, { subject: 'a', isCapture: true })
      space.subscribe(plain, { subject: 'a' })
      assert.equal(send(space, publisher, 'a', { capture: false }), 1)
      assert.equal(capture.got.length, 0)
      assert.equal(plain.got.length, 1)
    })
  })

  describe('links', () => {
    it('take a message once, however many subscriptions match', () => {
      const link = new RecordingLink('leaf')
      for (const subject of ['a.b', 'a.*', '>']) space.subscribe(link, { subject })
      space.subscribe(link, { subject: 'a.b', queue: 'q1' })
      space.subscribe(link, { subject: 'a.>', queue: 'q2' })
      assert.equal(send(space, publisher, 'a.b'), 1)
      assert.equal(link.got.length, 1)
      assert.equal(link.got[0]?.plain, true)
      assert.deepEqual([...(link.got[0]?.queues ?? [])].sort(), ['q1', 'q2'])
    })

    it('never get back what they sent, and an uplink nothing from another', () => {
      const leaves = [new RecordingLink('leaf'), new RecordingLink('leaf')]
      const uplinks = [new RecordingLink('uplink'), new RecordingLink('uplink')]
      const local = new RecordingPeer('local')
      for (const peer of [...leaves, ...uplinks, local]) space.subscribe(peer, { subject: 'a' })
      const counts = (): number[] => [...leaves, ...uplinks, local].map((peer) => peer.got.length)
      send(space, leaves[0]!, 'a', { queues: [] })
      assert.deepEqual(counts(), [0, 1, 1, 1, 1])
      send(space, uplinks[0]!, 'a', { queues: [] })
      assert.deepEqual(counts(), [1, 2, 1, 1, 2])
    })

    it('serve a queue group only when it has no member here', () => {
      const link = new RecordingLink('leaf')
      const local = new RecordingPeer('local')
      space.subscribe(link, { subject: 'a', queue: 'q', weight: 50 })
      const subscription = space.subscribe(local, { subject: 'a', queue: 'q' })
      for (let i = 0; i < 20; i++) send(space, publisher, 'a')
      assert.equal(local.got.length, 20)
      assert.equal(link.got.length, 0)
      space.unsubscribe(subscription)
      send(space, publisher, 'a')
      assert.deepEqual(
        link.got.map((message) => [message.plain, message.queues]),
        [[false, ['q']]],
      )
    })

    it('share a queue group by weight', () => {
      const light = new RecordingLink('leaf')
      const heavy = new RecordingLink('leaf')
      space.subscribe(light, { subject: 'a', queue: 'q' })
      const subscription = space.subscribe(heavy, { subject: 'a', queue: 'q' })
      space.reweigh(subscription, 9)
      for (let i = 0; i < 1000; i++) send(space, publisher, 'a')
      assert.equal(light.got.length + heavy.got.length, 1000)
      assert.ok(light.got.length > 50 && light.got.length < 160, `seed=${SEED} ${light.got.length}`)
    })

    it('name the groups to serve, and no others are', () => {
      const link = new RecordingLink('leaf')
      const one = new RecordingPeer('local')
      const two = new RecordingPeer('local')
      space.subscribe(one, { subject: 'a', queue: 'q1' })
      space.subscribe(two, { subject: 'a', queue: 'q2' })
      assert.equal(send(space, link, 'a', { queues: ['q2'] }), 1)
      assert.equal(send(space, link, 'a', { queues: [] }), 0)
      assert.equal(send(space, link, 'a'), 0)
      assert.deepEqual([one.got.length, two.got.length], [0, 1])
    })
  })

  it('gives one member of each queue group the message, all of them in their turn', () => {
    const members = Array.from({ length: 4 }, () => new RecordingPeer('local'))
    for (const member of members) space.subscribe(member, { subject: 'a.*', queue: 'workers' })
    const plain = new RecordingPeer('local')
    space.subscribe(plain, { subject: 'a.b' })
    for (let i = 0; i < 400; i++) assert.equal(send(space, publisher, 'a.b'), 2)
    const counts = members.map((member) => member.got.length)
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      400,
    )
    assert.ok(Math.min(...counts) > 60, `seed=${SEED} ${counts}`)
    assert.equal(plain.got.length, 400)
  })

  it('says who is interested', () => {
    assert.equal(space.hasInterest('a.b'), false)
    space.subscribe(publisher, { subject: 'a.*', queue: 'q' })
    assert.equal(space.hasInterest('a.b'), true)
    assert.equal(space.hasInterest('a.b', publisher), false)
    assert.equal(space.hasInterest('b'), false)
  })

  it('tells observers of each change, and nothing of the past', () => {
    const log: string[] = []
    space.subscribe(publisher, { subject: 'before' })
    const stop = space.observe({
      subscriptionAdded: (s) => log.push(`+${s.subject}`),
      subscriptionRemoved: (s) => log.push(`-${s.subject}`),
      subscriptionReweighed: (s, was) => log.push(`${s.subject} ${was}->${s.weight}`),
    })
    const subscription = space.subscribe(publisher, { subject: 'a', queue: 'q', weight: 2 })
    space.reweigh(subscription, 3)
    space.unsubscribe(subscription)
    stop()
    space.subscribe(publisher, { subject: 'after' })
    assert.deepEqual(log, ['+a', 'a 2->3', '-a'])
    assert.deepEqual(
      [...space.subscriptions()].map((s) => s.subject),
      ['before', 'after'],
    )
  })

  it('survives a receiver that publishes from within its delivery', () => {
    const first = new RecordingPeer('local')
    const second = new RecordingPeer('local')
    first.onDeliver = () => send(space, publisher, 'b')
    space.subscribe(first, { subject: 'a' })
    space.subscribe(second, { subject: '>' })
    send(space, publisher, 'a')
    assert.deepEqual(second.got.map((message) => message.subject).sort(), ['a', 'b'])
  })
})
