import assert from 'node:assert/strict'
import { AccountSpace, type LinkKind } from '../../../shared/broker/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { RecordingLink, RecordingPeer } from '../../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

class Gateway extends RecordingLink {
  readonly region: string
  readonly roundTripMs: number | undefined

  constructor(region: string, roundTripMs: number | undefined) {
    super('gateway')
    this.region = region
    this.roundTripMs = roundTripMs
  }
}

class RefusingLink extends RecordingLink {
  refuses(): boolean {
    return true
  }
}

describe(`who serves a group that has no member here (SEED=${SEED})`, () => {
  let space: AccountSpace
  const client = new RecordingPeer('mqtt')

  beforeEach(() => {
    space = new AccountSpace(new SeededRandom(SEED), '$G')
  })

  function ask(link: RecordingLink, weight = 1): RecordingLink {
    space.subscribe(link, { subject: 'job', queue: 'q', weight })
    return link
  }

  /** How many took each message. */
  function publish(origin: RecordingPeer | RecordingLink = client, times = 60): readonly number[] {
    const empty = new Uint8Array(0)
    return Array.from({ length: times }, () => {
      const publication = {
        subject: Buffer.from('job'),
        reply: empty,
        headers: empty,
        payload: empty,
      }
      return space.publish(origin, publication, { queues: ['q'] })
    })
  }

  const shares = (links: readonly RecordingLink[]): readonly number[] =>
    links.map((link) => link.got.length)

  it('own leaves and hubs of the region by weight, before the hub above and other regions', () => {
    const links = [
      ask(new RecordingLink('leaf')),
      ask(new RecordingLink('route'), 2),
      ask(new RecordingLink('uplink')),
      ask(new Gateway('us', 1)),
    ]
    publish(client, 300)
    const [leaf = 0, route = 0, ...others] = shares(links)
    assert.equal(leaf + route, 300)
    assert.ok(leaf > 50 && leaf < 150, `${leaf} of 300 at one of three`)
    assert.deepEqual(others, [0, 0])
  })

  it('the hub above before other regions', () => {
    const links = [ask(new Gateway('us', 1)), ask(new RecordingLink('uplink'))]
    publish()
    assert.deepEqual(shares(links), [0, 60])
  })

  it('of other regions the one with the shortest round trip, all of its hubs in their turn', () => {
    const links = [
      ask(new Gateway('ap', undefined)),
      ask(new Gateway('us', 80)),
      ask(new Gateway('sa', 70)),
      ask(new Gateway('us', 60)),
    ]
    publish()
    const [ap, first = 0, sa, second = 0] = shares(links)
    assert.deepEqual([ap, sa, first + second], [0, 0, 60])
    assert.ok(first > 0 && second > 0)
  })

  it('one that was not measured, when there is no other', () => {
    const links = [ask(new Gateway('ap', undefined))]
    publish()
    assert.deepEqual(shares(links), [60])
  })

  it('the one that is up, however near those are that have ended and are not forgotten yet', () => {
    const links = [
      ask(new RecordingLink('leaf'), 50),
      ask(new Gateway('ap', 1)),
      ask(new Gateway('us', 80)),
    ] as const
    const [leaf, gateway, alive] = links
    leaf.isUp = false
    gateway.isUp = false
    assert.deepEqual(publish(), new Array(60).fill(1))
    assert.deepEqual(shares(links), [0, 0, 60])
    alive.isUp = false
    assert.deepEqual(publish(), new Array(60).fill(0), 'nobody took it: a request has its 503')
    assert.deepEqual(shares(links), [0, 0, 60])
  })

  it('one that takes the message, in place of one whose rules refuse it, though it is nearer', () => {
    const links = [
      ask(new RefusingLink('leaf'), 50),
      ask(new RecordingLink('uplink')),
      ask(new RefusingLink('uplink'), 50),
    ]
    assert.deepEqual(publish(), new Array(60).fill(1))
    assert.deepEqual(shares(links), [0, 60, 0])
  })

  it('nobody, when all refuse: not a group, not a plain subscriber, not a stream', () => {
    const links = [ask(new RefusingLink('leaf')), ask(new RefusingLink('route'))]
    for (const link of links) {
      space.subscribe(link, { subject: 'job' })
      space.subscribe(link, { subject: 'job', isCapture: true })
    }
    assert.deepEqual(publish(), new Array(60).fill(0), 'a request has its 503')
    assert.deepEqual(shares(links), [0, 0])
  })

  it('the hub that is up stores a message, and a link that has ended takes none of it', () => {
    const [dead, alive] = [new RecordingLink('route'), new RecordingLink('route')]
    for (const link of [dead, alive]) space.subscribe(link, { subject: 'job', isCapture: true })
    space.subscribe(dead, { subject: 'job' })
    dead.isUp = false
    assert.deepEqual(publish(), new Array(60).fill(1))
    assert.deepEqual(shares([dead, alive]), [0, 60])
    alive.isUp = false
    assert.deepEqual(publish(client, 1), [0])
    assert.equal(space.hasInterest('job'), false)
  })

  for (const from of ['uplink', 'route', 'gateway'] as const) {
    it(`nobody but leaves, when the message came over the ${from}`, () => {
      const hubs = (['uplink', 'route', 'gateway'] satisfies LinkKind[]).map((kind) =>
        ask(new RecordingLink(kind)),
      )
      publish(new RecordingLink(from))
      assert.deepEqual(shares(hubs), [0, 0, 0])
      const leaf = ask(new RecordingLink('leaf'))
      publish(new RecordingLink(from))
      assert.deepEqual(shares([...hubs, leaf]), [0, 0, 0, 60])
    })
  }
})
