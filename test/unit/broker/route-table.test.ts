import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AccountSpace } from '../../../shared/broker/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { SubjectFilter } from '../../../shared/subject/index.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const ROUNDS = 20_000
const SUBJECTS = 70_000

function publish(space: AccountSpace, origin: RecordingPeer, subject: string): number {
  const empty = new Uint8Array(0)
  return space.publish(origin, {
    subject: Buffer.from(subject),
    reply: empty,
    headers: empty,
    payload: empty,
  })
}

describe('remembered routes', () => {
  it(`never differ from what the subscriptions say, seed=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    const space = new AccountSpace(random.fork(), '$G')
    const origin = new RecordingPeer('mqtt')
    const tokens = ['a', 'b', 'cc', 'ddd', 'eeee']
    const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T
    const subject = (): string =>
      Array.from({ length: 1 + random.below(3) }, () => pick(tokens)).join('.')
    const live: { stop: () => void; filter: SubjectFilter }[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const choice = random.below(10)
      if (choice === 0) {
        const shapes = [`${subject()}.>`, `*.${subject()}`, `${subject()}.*`, subject(), subject()]
        const text = pick(shapes)
        const subscription = space.subscribe(new RecordingPeer('local'), { subject: text })
        live.push({ stop: () => space.unsubscribe(subscription), filter: new SubjectFilter(text) })
      } else if (choice === 1 && live.length > 20) {
        live.splice(random.below(live.length), 1)[0]?.stop()
      } else {
        // Half of them are inboxes: seen once, and known by what precedes their last token.
        const to = random.below(2) === 0 ? subject() : `${subject()}.${round}`
        const expected = live.filter(({ filter }) => filter.matchesText(to)).length
        assert.equal(publish(space, origin, to), expected, `seed=${SEED} round=${round} ${to}`)
      }
    }
  })

  it(`know who hears acknowledgements, each of which is another, seed=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    const space = new AccountSpace(random.fork(), '$G')
    const origin = new RecordingPeer('mqtt')
    const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T
    const consumer = (): string => `$JS.ACK.${pick(['S', 'T'])}.${pick(['c', 'd'])}`
    const shapes = [
      () => '$JS.ACK.*.*.*.*.*.*.*',
      () => pick(['$JS.ACK.>', '$JS.>', '>', `${consumer()}.>`, '*.*.*.*.*.*.*.*.*']),
      () => `${consumer()}.${pick(['1', '*'])}.${random.below(4)}.*.*.*`,
      () => `${consumer()}.1.${random.below(4)}.${random.below(4)}.0.0`,
      () => `${consumer()}.1.2.3.4${pick(['', '.0.0'])}`,
    ]
    const live: { stop: () => void; filter: SubjectFilter }[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const choice = random.below(20)
      if (choice === 0) {
        const text = pick(shapes)()
        const subscription = space.subscribe(new RecordingPeer('local'), { subject: text })
        live.push({ stop: () => space.unsubscribe(subscription), filter: new SubjectFilter(text) })
      } else if (choice === 1 && live.length > 5) {
        live.splice(random.below(live.length), 1)[0]?.stop()
      } else {
        const end = pick(['0.0', '0.0', '0.0', `${round}.0`, '0', '0.0.more', '.0', '0.'])
        const to = `${consumer()}.1.${random.below(4)}.${random.below(4)}.${end}`
        const expected = to.split('.').includes('')
          ? 0
          : live.filter(({ filter }) => filter.matchesText(to)).length
        assert.equal(publish(space, origin, to), expected, `seed=${SEED} round=${round} ${to}`)
      }
    }
    assert.ok(space.routes.size < 50, `${space.routes.size} remembered`)
  })

  it('begin anew when there are too many, and stay right', () => {
    const space = new AccountSpace(new SeededRandom(SEED), '$G')
    const origin = new RecordingPeer('mqtt')
    const even = new RecordingPeer('local')
    space.subscribe(even, { subject: 's.*.even' })
    for (let pass = 0; pass < 3; pass++) {
      for (let i = 0; i < SUBJECTS; i++) {
        const parity = i % 2 === 0 ? 'even' : 'odd'
        assert.equal(
          publish(space, origin, `s.${i}.${parity}`),
          1 - (i % 2),
          `${i} in pass ${pass}`,
        )
      }
    }
    assert.ok(
      space.routes.size > 0 && space.routes.size <= 65_536,
      `${space.routes.size} remembered`,
    )
  })

  it('do not fill with subjects that are seen once', () => {
    const space = new AccountSpace(new SeededRandom(SEED), '$G')
    const origin = new RecordingPeer('mqtt')
    for (let i = 0; i < 10_000; i++) publish(space, origin, `_INBOX.${i}.${i * 7}`)
    assert.ok(space.routes.size < 200, `${space.routes.size} remembered`)
  })

  it('take subjects of any length and any letters', () => {
    const space = new AccountSpace(new SeededRandom(SEED), '$G')
    const peer = new RecordingPeer('local')
    for (const length of [1, 2, 3, 4, 5, 7, 8, 100, 509, 510, 511, 512, 513, 2000]) {
      const subject = 'ü'.repeat(length >> 1) + 'x'.repeat(length & 1)
      const other = `${subject.slice(0, -1)}y`
      space.subscribe(peer, { subject })
      for (let i = 0; i < 3; i++) {
        assert.equal(publish(space, peer, subject), 1, `${length} bytes`)
        assert.equal(publish(space, peer, other), 0, `${length} bytes, another`)
      }
    }
    assert.equal(new Set(peer.got.map((message) => message.subject)).size, 14)
  })

  it('let go of who is gone, whether or not anybody publishes to it again', async () => {
    const space = new AccountSpace(new SeededRandom(SEED), '$G')
    const origin = new RecordingPeer('mqtt')
    const gone: WeakRef<RecordingPeer>[] = []
    for (let i = 0; i < 200; i++) {
      const peer = new RecordingPeer('local')
      gone.push(new WeakRef(peer))
      const filter = [`s.${i}`, `s.${i}.*`, `*.${i}.x`][i % 3] ?? ''
      const subscription = space.subscribe(peer, { subject: filter })
      for (let sight = 0; sight < 3; sight++) {
        for (const subject of [`s.${i}`, `s.${i}.x`, `s.${i}.${sight}`]) {
          publish(space, origin, subject)
        }
      }
      space.unsubscribe(subscription)
    }
    // Others come and go, elsewhere.
    for (let i = 0; i < 100; i++) {
      space.unsubscribe(space.subscribe(new RecordingPeer('local'), { subject: `other.${i}` }))
    }
    // A weak reference holds until the turn that made it is over.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    const kept = gone.filter((peer) => peer.deref() !== undefined).length
    assert.ok(kept <= 1, `${kept} of ${gone.length} are still remembered`)
  })
})
