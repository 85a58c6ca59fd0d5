import assert from 'node:assert/strict'
import type { StoredFilter } from '../../../../bridge-mqtt/durable/index.ts'
import { COMPARED_FILTERS_MAX, SUBJECT_BYTES_MAX } from '../../../../bridge-mqtt/limits.ts'
import { ClientFilters } from '../../../../bridge-mqtt/session/client-filters.ts'
import type { Grant } from '../../../../bridge-mqtt/session/filter-overlaps.ts'
import { SessionGuard } from '../../../../bridge-mqtt/session/session-guard.ts'
import { topicToSubject } from '../../../../bridge-mqtt/topic-map.ts'
import {
  AccountSpace,
  type Message,
  type Peer,
  type Subscription,
} from '../../../../shared/broker/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { RecordingPeer } from '../../../support/recording-peer.ts'

const LEVELS = ['a', 'b', '$x', '']
const FILTER_LEVELS = [...LEVELS, '+']
const LIMITS = { payloadBytesMax: 1, filtersMax: 1, expiresMs: Number.POSITIVE_INFINITY }
const GUARD = new SessionGuard({ user: '', account: '$G' }, () => LIMITS, new ManualClock())
const NOTHING = new Uint8Array(0)

describe('client filters', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

  for (const { filters: count, rounds } of [
    { filters: 6, rounds: 300 },
    { filters: COMPARED_FILTERS_MAX + 50, rounds: 5 },
  ]) {
    it(`deliver once, with what all that match say, of ${count} (seed ${seed})`, () => {
      const random = new SeededRandom(seed)
      const space = new AccountSpace(random, '$G')
      let several = 0
      for (let round = 0; round < rounds; round++) {
        const client = new Client(space, round)
        const wanted = subscribeAtRandom(random, client.filters, count)
        for (let i = 0; i < 40; i++) {
          const topic = randomTopic(random)
          const isOwn = random.below(2) === 0
          const matching = [...wanted.values()].filter(
            (it) => matches(it.filter, topic) && !(isOwn && it.isNoLocal),
          )
          if (matching.length > 1) several++
          publish(space, isOwn ? client : new RecordingPeer('client'), topic)
          const message = `${topic}, own ${isOwn}, of ${JSON.stringify([...wanted.values()])}`
          assert.deepEqual(client.deliveries.splice(0), expected(matching), message)
        }
        const leaveNext = client.filters.leave()
        while (leaveNext());
      }
      assert.deepEqual([...space.subscriptions()], [])
      assert.ok(several > 2, `only ${several} messages matched several filters`)
    })
  }

  it('refuse what is malformed, and subscribe to nothing for it', () => {
    const space = new AccountSpace(new SeededRandom(1), '$G')
    const filters = new ClientFilters(space, new RecordingPeer('mqtt'), GUARD, false)
    const tooLong = 'x/'.repeat(SUBJECT_BYTES_MAX / 2)
    for (const filter of ['a/#/b', 'a+', '$share', '$share/g', '$share/g/', '$share//a', tooLong]) {
      assert.equal(filters.set(stored(filter)), 'invalid', filter)
    }
    assert.equal(filters.set(stored(`$share/${'g'.repeat(SUBJECT_BYTES_MAX)}/a`)), 'invalid')
    assert.equal(filters.size, 0)
    assert.deepEqual([...space.subscriptions()], [])
  })

  it('are members of queue groups when they are shared [MQTT-4.8.2-1]', () => {
    const space = new AccountSpace(new SeededRandom(1), '$G')
    const client = new Client(space, 1)
    client.filters.set(stored('$share/my group/a/#', { qos: 1, subscriptionId: 7 }))
    client.filters.set(stored('a/b', { subscriptionId: 8 }))
    const members = [...space.subscriptions()].map(({ subject, queue }) => `${subject} ${queue}`)
    assert.deepEqual(members, ['a.> my/%20group', 'a my/%20group', 'a.b '])
    publish(space, new RecordingPeer('client'), 'a/b')
    assert.deepEqual(
      client.deliveries.map(({ subscriptionIds }) => subscriptionIds).sort(),
      [[7], [8]],
      'a shared and a plain filter are two deliveries',
    )
  })

  it('of a durable session leave the shared ones to its log', () => {
    const space = new AccountSpace(new SeededRandom(1), '$G')
    const filters = new ClientFilters(space, new RecordingPeer('mqtt'), GUARD, true)
    assert.ok(typeof filters.set(stored('$share/g/a')) === 'object')
    assert.equal(filters.size, 1)
    assert.deepEqual([...space.subscriptions()], [])
  })
})

class Client implements Peer {
  readonly kind = 'mqtt'
  readonly id: number
  readonly echo = true
  readonly deliveries: Grant[] = []
  readonly filters: ClientFilters

  constructor(space: AccountSpace, id: number) {
    this.id = id
    this.filters = new ClientFilters(space, this, GUARD, false)
  }

  deliver(subscription: Subscription, message: Message): void {
    const isOwn = message.origin === this
    const grant = this.filters.grantOf(subscription, message.subjectBytes, isOwn)
    if (grant === undefined) return
    const { qos, isRetainAsPublished, subscriptionIds } = grant
    this.deliveries.push({ qos, isRetainAsPublished, subscriptionIds: [...subscriptionIds].sort() })
  }
}

function stored(filter: string, options: Partial<StoredFilter> = {}): StoredFilter {
  return {
    filter,
    qos: 0,
    isNoLocal: false,
    isRetainAsPublished: false,
    subscriptionId: 0,
    retainHandling: 0,
    ...options,
  }
}

function publish(space: AccountSpace, origin: Peer, topic: string): void {
  const subject = topicToSubject(Buffer.from(topic))!
  space.publish(origin, { subject, reply: NOTHING, headers: NOTHING, payload: NOTHING })
}

function expected(matching: readonly StoredFilter[]): Grant[] {
  if (matching.length === 0) return []
  const ids = matching.map(({ subscriptionId }) => subscriptionId).filter((id) => id > 0)
  return [
    {
      qos: Math.max(...matching.map(({ qos }) => qos)),
      isRetainAsPublished: matching.some((it) => it.isRetainAsPublished),
      subscriptionIds: ids.sort(),
    },
  ]
}

/** Also replaces and removes some, as clients do. */
function subscribeAtRandom(
  random: SeededRandom,
  filters: ClientFilters,
  countMax: number,
): Map<string, StoredFilter> {
  const wanted = new Map<string, StoredFilter>()
  const count = countMax - random.below(Math.min(countMax, 6))
  for (let i = 0; i < count; i++) {
    const levels = randomLevels(random, FILTER_LEVELS)
    // The many are for topics of their own as well, or they would be few.
    const own = i > 20 ? `/${i}` : ''
    const filter = stored(levels + own + (random.below(3) === 0 ? '/#' : ''), {
      qos: random.below(3),
      isNoLocal: random.below(3) === 0,
      isRetainAsPublished: random.below(3) === 0,
      subscriptionId: random.below(4),
    })
    wanted.set(filter.filter, filter)
    assert.ok(typeof filters.set(filter) === 'object')
    if (random.below(5) === 0) {
      wanted.delete(filter.filter)
      assert.ok(filters.delete(filter.filter))
    }
  }
  if (random.below(3) === 0) {
    wanted.set('#', stored('#'))
    filters.set(stored('#'))
  }
  assert.equal(
    filters.hasNoLocal,
    [...wanted.values()].some(({ isNoLocal }) => isNoLocal),
  )
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
