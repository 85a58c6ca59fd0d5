import assert from 'node:assert/strict'
import { ClientFilters } from '../../../../bridge-mqtt/session/client-filters.ts'
import { SessionGuard } from '../../../../bridge-mqtt/session/session-guard.ts'
import { topicToSubject } from '../../../../bridge-mqtt/topic-map.ts'
import { AccountSpace, type Message, type Peer } from '../../../../shared/broker/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { RecordingPeer } from '../../../support/recording-peer.ts'

const LEVELS = ['a', 'b', '$x', '']
const FILTER_LEVELS = [...LEVELS, '+']
const GUARD = new SessionGuard({ user: '', account: '$G' }, () => ({
  payloadBytesMax: 1,
  filtersMax: 1,
  expiresMs: Number.POSITIVE_INFINITY,
}))
const NOTHING = new Uint8Array(0)

describe('client filters', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

  it(`deliver once, at the highest QoS of those that match (seed ${seed})`, () => {
    const random = new SeededRandom(seed)
    const space = new AccountSpace(random, '$G')
    const publisher = new RecordingPeer('client')
    let several = 0
    for (let round = 0; round < 300; round++) {
      const deliveries: number[] = []
      const peer: Peer = {
        kind: 'mqtt',
        id: round,
        echo: true,
        deliver(subscription, message: Message) {
          const qos = filters.grantedQos(subscription, message.subjectBytes)
          if (qos >= 0) deliveries.push(qos)
        },
      }
      const filters = new ClientFilters(space, peer, GUARD)
      const wanted = subscribeAtRandom(random, filters)
      for (let i = 0; i < 20; i++) {
        const topic = randomTopic(random)
        const matching = [...wanted].filter(([filter]) => matches(filter, topic))
        if (matching.length > 1) several++
        space.publish(publisher, {
          subject: topicToSubject(Buffer.from(topic))!,
          reply: NOTHING,
          headers: NOTHING,
          payload: NOTHING,
        })
        const best = matching.length === 0 ? [] : [Math.max(...matching.map(([, qos]) => qos))]
        assert.deepEqual(deliveries.splice(0), best, `${topic} of ${JSON.stringify([...wanted])}`)
      }
      filters.clear()
    }
    assert.deepEqual([...space.subscriptions()], [])
    assert.ok(several > 100, `only ${several} messages matched several filters`)
  })

  it('refuses what it cannot serve, and subscribes to nothing for it', () => {
    const space = new AccountSpace(new SeededRandom(1), '$G')
    const filters = new ClientFilters(space, new RecordingPeer('mqtt'), GUARD)
    for (const filter of ['a/#/b', 'a+', '$share', '$share/g/a']) {
      assert.equal(filters.set(filter, 1), false)
    }
    assert.equal(filters.size, 0)
    assert.deepEqual([...space.subscriptions()], [])
  })
})

/** Also replaces and removes some, as clients do. */
function subscribeAtRandom(random: SeededRandom, filters: ClientFilters): Map<string, number> {
  const wanted = new Map<string, number>()
  const count = random.below(6) + 1
  for (let i = 0; i < count; i++) {
    const filter = randomLevels(random, FILTER_LEVELS) + (random.below(3) === 0 ? '/#' : '')
    const qos = random.below(2)
    wanted.set(filter, qos)
    assert.ok(filters.set(filter, qos))
    if (random.below(5) === 0) {
      wanted.delete(filter)
      assert.ok(filters.delete(filter))
    }
  }
  if (random.below(3) === 0) {
    wanted.set('#', 0)
    filters.set('#', 0)
  }
  return wanted
}

function randomTopic(random: SeededRandom): string {
  return randomLevels(random, LEVELS) || 'a'
}

function randomLevels(random: SeededRandom, from: readonly string[]): string {
  const levels = Array.from({ length: random.below(3) + 1 }, () => from[random.below(from.length)])
  return levels.join('/') || 'b'
}

function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  const want = filter.split('/')
  const have = topic.split('/')
  for (const [i, level] of want.entries()) {
    if (level === '#') return have.length >= i
    if (i >= have.length || (level !== '+' && level !== have[i])) return false
  }
  return want.length === have.length
}
