import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { NatsConnection } from '@nats-io/transport-node'
import { ConfigTwins, clearStreams } from '../support/config-twins.ts'
import { Late, Scene, seconds } from '../support/consumer-scene.ts'
import { INTEREST, type Script, WORKQUEUE } from './retention-scripts.ts'

/**
 * Consumers: the same script acted out at a real nats-server and at ours, and everything that is
 * answered, delivered and advised the same.
 */
const PULLS: Readonly<Record<string, Script>> = {
  'answers requests that make no sense': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', {
      max_batch: 5,
      max_expires: seconds(90),
      max_bytes: 1_000,
      max_waiting: 1,
    })
    const requests = [
      { batch: 6 },
      { batch: 1, expires: seconds(91) },
      { batch: 1, max_bytes: 1_001 },
      { batch: 1, expires: seconds(1), idle_heartbeat: seconds(0.6) },
      { batch: 1, idle_heartbeat: 1 },
      { batch: 1, min_pending: 1 },
      { batch: 1, min_ack_pending: 1 },
      { batch: 1, id: 'x' },
      { batch: 1, priority: 10 },
      { batch: 1, priority: -1 },
      { batch: 1, expires: -1 },
      { batch: 'x' },
      { no_wait: 1 },
      '{"batch":',
      '{"batch":1}}',
    ]
    for (const request of requests) await scene.pull(['S', 'c'], request, 1)
    scene.send(['S', 'c'], { batch: 1, expires: seconds(60), unknown: true }, scene.newInbox())
    await scene.pull(['S', 'c'], { batch: 1, expires: seconds(60) }, 1)
  },
  'tells how a request ends': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    await scene.pull(['S', 'c'], { batch: 3, no_wait: true }, 1)
    await scene.pull(['S', 'c'], { batch: 3, expires: seconds(0.2), max_bytes: 100 }, 1)
    await scene.pullNothing(['S', 'c'], { batch: 2, expires: seconds(0.5), idle_heartbeat: 2e8 })
    for (let i = 0; i < 6; i++) await scene.publish('S.a', 'payload')
    await scene.pull(['S', 'c'], { batch: 1, max_bytes: 10_000 }, 2)
    await scene.pull(['S', 'c'], { batch: 10, max_bytes: 10 }, 1)
    await scene.pull(['S', 'c'], { batch: 2, no_wait: true, expires: seconds(1) }, 2)
    await scene.pull(['S', 'c'], '2', 2)
    await scene.untilKnown('S', 'c', 1)
    await scene.pull(['S', 'c'], { batch: 5, no_wait: true }, 2)
    await scene.pull(['S', 'c'], { batch: 2, no_wait: true, expires: seconds(0.2) }, 1)
    await scene.info('S', 'c')
  },
  'does not wait long for acknowledgements': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { max_ack_pending: 2, ack_wait: seconds(60) })
    for (let i = 0; i < 4; i++) await scene.publish('S.a')
    await scene.pull(['S', 'c'], { batch: 4, no_wait: true, expires: 9e9, idle_heartbeat: 2e8 }, 3)
  },
  'takes a batch of nothing for one': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    await scene.pull(['S', 'c'], { expires: seconds(0.1) }, 1)
    await scene.pull(['S', 'c'], { batch: -4, expires: seconds(0.1) }, 1)
    for (let i = 0; i < 8; i++) await scene.publish('S.a')
    for (const request of ['', '0', '-3', '+2', 'nonsense', {}, { batch: -4 }]) {
      await scene.pull(['S', 'c'], request, request === '+2' ? 2 : 1)
    }
    await scene.info('S', 'c')
  },
  'ends with the consumer and with the stream': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    await scene.consumer('S', 'd')
    const inboxes = [scene.newInbox(), scene.newInbox()] as const
    scene.send(['S', 'c'], { batch: 3, expires: seconds(60) }, inboxes[0])
    scene.send(['S', 'd'], { batch: 3, expires: seconds(60), max_bytes: 77 }, inboxes[1])
    await scene.untilWaiting('S', 'c', 1)
    await scene.untilWaiting('S', 'd', 1)
    await scene.api('CONSUMER.DELETE.S.c')
    await scene.take(inboxes[0], 1)
    await scene.api('STREAM.DELETE.S')
    await scene.take(inboxes[1], 1)
  },
  'forgets who does not listen any more': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    const [gone, there] = [scene.newInbox(), scene.newInbox()]
    scene.send(['S', 'c'], { batch: 1, expires: seconds(60) }, gone)
    scene.send(['S', 'c'], { batch: 1, expires: seconds(60) }, there)
    scene.leave(gone)
    await scene.publish('S.a')
    await scene.take(there, 1)
    await scene.info('S', 'c')
  },
  'serves in turn': async (scene) => {
    scene.hidePending()
    await scene.stream('S')
    await scene.consumer('S', 'c')
    const inboxes = [scene.newInbox(), scene.newInbox(), scene.newInbox()]
    for (const inbox of inboxes) scene.send(['S', 'c'], { batch: 2, expires: seconds(60) }, inbox)
    for (let i = 0; i < 6; i++) await scene.publish('S.a')
    for (const inbox of inboxes) await scene.take(inbox, 2)
  },
}

const ACKS: Readonly<Record<string, Script>> = {
  'tells who asks that it was heard': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    for (let i = 0; i < 6; i++) await scene.publish('S.a')
    const [a, b, c, d] = await scene.pull(['S', 'c'], { batch: 4 }, 4)
    assert.ok(a && b && c && d)
    await scene.ack(a)
    await scene.ack(a)
    await scene.ack(b, '+WPI')
    await scene.ack(b, '-NAK {"delay":60000000000}')
    await scene.ack(c, '+TERM')
    await scene.ack(c, '+TERM')
    await scene.ack(d, '+OK')
    const ahead = { ...a, reply: a.reply.replace(/\.1\.1\.1\./, '.1.6.6.') }
    await scene.ack(ahead)
    await scene.ack({ ...a, reply: a.reply.replace(/\.1\.1\.1\./, '.1.99.99.') })
    await scene.ack(ahead, '+TERM')
    await scene.ack(ahead, '-NAK')
    await scene.info('S', 'c')
  },
  'delivers again what is asked for again': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    await scene.watch('$JS.EVENT.ADVISORY.CONSUMER.*.S.c')
    for (let i = 0; i < 3; i++) await scene.publish('S.a')
    const [a, b, c] = await scene.pull(['S', 'c'], { batch: 3 }, 3)
    assert.ok(a && b && c)
    // The last of them is due before the one that is told first.
    await scene.inTime(900, async () => {
      await scene.ack(b, '-NAK')
      await scene.ack(a, '-NAK {"delay": 1000000000}')
      await scene.ack(c, '-NAK 50ms')
    })
    await scene.events(3)
    const again = await scene.pull(['S', 'c'], { batch: 3, expires: seconds(60) }, 3)
    await scene.info('S', 'c')
    const [first] = again
    assert.ok(first)
    await scene.ack(first, '+TERM it is bad')
    await scene.events(1)
    await scene.info('S', 'c')
  },
  'delivers again what is not acknowledged, each time later': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { backoff: [1e8, 2e8, 3e8] })
    await scene.publish('S.a')
    await scene.publish('S.b')
    await scene.pull(['S', 'c'], { batch: 8, expires: seconds(60) }, 8)
    await scene.info('S', 'c', 'ack_floor', 'num_waiting')
  },
  'gives up on what is not acknowledged': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ack_wait: 2e8, max_deliver: 2 })
    await scene.watch('$JS.EVENT.ADVISORY.CONSUMER.*.S.c')
    await scene.publish('S.a')
    await scene.publish('S.b')
    await scene.pull(['S', 'c'], { batch: 4, expires: seconds(60) }, 4)
    // A real server notices when somebody asks for more.
    await scene.pull(['S', 'c'], { batch: 1, expires: seconds(0.5) }, 1)
    await scene.events(2)
    await scene.info('S', 'c', 'ack_floor', 'num_waiting')
  },
  'acknowledges all below with one': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ack_policy: 'all', ack_wait: seconds(60) })
    for (let i = 0; i < 6; i++) await scene.publish('S.a')
    const [, b, c, d] = await scene.pull(['S', 'c'], { batch: 5 }, 5)
    assert.ok(b && c && d)
    await scene.ack(d, '-NAK')
    await scene.ack(b)
    await scene.info('S', 'c')
    const [again] = await scene.pull(['S', 'c'], { batch: 1 }, 1)
    assert.ok(again)
    await scene.ack(c)
    await scene.ack(b)
    await scene.info('S', 'c')
    await scene.ack(again)
    await scene.info('S', 'c', 'ack_floor')
  },
  'asks for the next with an acknowledgement': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    for (let i = 0; i < 6; i++) await scene.publish('S.a')
    const [a] = await scene.pull(['S', 'c'], '', 1)
    assert.ok(a)
    const inbox = scene.newInbox()
    scene.next(a, '+NXT', inbox)
    const [b] = await scene.take(inbox, 1)
    assert.ok(b)
    scene.next(b, '+NXT 2', inbox)
    const [c] = await scene.take(inbox, 2)
    assert.ok(c)
    await scene.untilKnown('S', 'c', 2)
    scene.next(c, '+NXT {"batch": 9, "no_wait": true}', inbox)
    await scene.take(inbox, 3)
    await scene.info('S', 'c')
  },
  'are heard by nobody where none is asked for': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ack_policy: 'none' })
    await scene.publish('S.a')
    const [message] = await scene.pull(['S', 'c'], '', 1)
    assert.ok(message)
    for (const text of ['', '+TERM', '-NAK', '+WPI']) await scene.ack(message, text)
    await scene.info('S', 'c')
  },
  'samples acknowledgements': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { sample_freq: '100%', ack_wait: seconds(60) })
    await scene.watch('$JS.EVENT.METRIC.>')
    await scene.publish('S.a')
    await scene.publish('S.b')
    const [a, b] = await scene.pull(['S', 'c'], { batch: 2 }, 2)
    assert.ok(a && b)
    await scene.ack(a, '+TERM')
    await scene.ack(b)
    await scene.events(1)
  },
  'forgets what is removed from the stream': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    for (const subject of ['S.a', 'S.b', 'S.a', 'S.b']) await scene.publish(subject)
    await scene.pull(['S', 'c'], { batch: 3 }, 3)
    await scene.api('STREAM.MSG.DELETE.S', { seq: 2 })
    await scene.untilPending('S', 'c', 2)
    await scene.info('S', 'c')
    await scene.api('STREAM.PURGE.S', { seq: 2 })
    await scene.untilPending('S', 'c', 1)
    await scene.api('STREAM.PURGE.S')
    await scene.untilPending('S', 'c', 0)
    await scene.info('S', 'c', 'ack_floor', 'delivered')
  },
}

const STARTS: Readonly<Record<string, Script>> = Object.fromEntries(
  [-1, 1, 2].map((max_msgs_per_subject) => [
    `where a subject has ${max_msgs_per_subject} messages`,
    async (scene) => {
      await scene.stream('S', { max_msgs_per_subject })
      for (const subject of ['S.a', 'S.b', 'S.a', 'S.c']) await scene.publish(subject)
      for (const policy of ['all', 'last', 'last_per_subject', 'new']) {
        for (const filter of ['S.a', 'S.b', 'S.c', 'S.*', 'S.none']) {
          const name = `${policy}-${filter.slice(2).replace('*', 'any')}`
          await scene.consumer('S', name, { deliver_policy: policy, filter_subject: filter })
          await scene.info('S', name)
          await scene.pull(['S', name], { batch: 1, no_wait: true }, 1)
        }
      }
    },
  ]),
)

const LATER = new Date(Date.now() + 3_600_000).toISOString()

const PAUSES: Readonly<Record<string, Script>> = {
  'hold messages back, and let them go': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    await scene.watch('$JS.EVENT.ADVISORY.CONSUMER.PAUSE.>')
    await scene.api('CONSUMER.PAUSE.S.c', { pause_until: LATER })
    await scene.info('S', 'c')
    await scene.publish('S.a')
    await scene.untilKnown('S', 'c', 1)
    await scene.pullNothing(['S', 'c'], { batch: 1, expires: seconds(0.4), idle_heartbeat: 1e8 })
    await scene.pull(['S', 'c'], { batch: 1, no_wait: true }, 1)
    const inbox = scene.newInbox()
    scene.send(['S', 'c'], { batch: 1, expires: seconds(60) }, inbox)
    await scene.quiet('S', inbox)
    await scene.api('CONSUMER.PAUSE.S.c')
    // A real server goes on when something else happens only.
    await scene.pull(['S', 'c'], { batch: 1, no_wait: true }, 1)
    await scene.take(inbox, 1)
    await scene.info('S', 'c')
    await scene.events(2)
  },
  'end by themselves': async (scene) => {
    await scene.stream('S')
    await scene.watch('$JS.EVENT.ADVISORY.CONSUMER.PAUSE.>')
    await scene.publish('S.a')
    const until = new Date(Date.now() + 400).toISOString()
    await scene.inTime(400, () => scene.consumer('S', 'c', { pause_until: until }))
    await scene.pull(['S', 'c'], { batch: 1, expires: seconds(60) }, 1)
    await scene.events(2)
    await scene.info('S', 'c')
  },
  'are refused for who is not there, and for no time': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    await scene.api('CONSUMER.PAUSE.S.x', {})
    await scene.api('CONSUMER.PAUSE.X.x', {})
    await scene.api('CONSUMER.PAUSE.S.c', {})
    await scene.api('CONSUMER.PAUSE.S.c', { pause_until: 'soon' })
    await scene.api('CONSUMER.PAUSE.S.c', { until: 1 })
    await scene.api('CONSUMER.PAUSE.S.c', '[]')
    await scene.api('CONSUMER.PAUSE.S.c', 'later')
    await scene.api('CONSUMER.PAUSE.S.c', { pause_until: '2001-01-01T00:00:00Z' })
    await scene.info('S', 'c')
  },
}

const group = (policy: string): object => ({ priority_groups: ['g'], priority_policy: policy })

const GROUPS: Readonly<Record<string, Script>> = {
  'refuse requests that are not for them': async (scene) => {
    await scene.stream('S')
    for (const policy of ['overflow', 'pinned_client', 'prioritized']) {
      await scene.consumer('S', policy, group(policy))
      for (const request of [
        { batch: 1 },
        { batch: 1, group: 'h' },
        { batch: 1, group: 'g', id: 'x' },
        { batch: 1, group: 'g', min_pending: 1, expires: 1e8 },
        { batch: 1, group: 'g', min_ack_pending: 1, expires: 1e8 },
        { batch: 1, group: 'g', priority: 10 },
        { batch: 1, group: 'g', priority: 9, expires: 1e8 },
        { batch: 1, group: 'g', no_wait: true },
      ]) {
        await scene.pull(['S', policy], { expires: 1e8, ...request }, 1)
      }
      await scene.info('S', policy)
    }
  },
  'overflow when much is pending or unacknowledged': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', { ...group('overflow'), ack_wait: seconds(60) })
    const [pending, acks, all] = [scene.newInbox(), scene.newInbox(), scene.newInbox()]
    const more = { group: 'g', batch: 2, expires: seconds(60) }
    scene.send(['S', 'c'], { ...more, min_pending: 3 }, pending)
    scene.send(['S', 'c'], { ...more, min_ack_pending: 2 }, acks)
    await scene.publish('S.a')
    await scene.publish('S.a')
    await scene.quiet('S', pending)
    await scene.publish('S.a')
    await scene.take(pending, 1)
    await scene.quiet('S', acks)
    scene.send(['S', 'c'], { group: 'g', batch: 1, expires: seconds(60) }, all)
    await scene.take(all, 1)
    await scene.take(acks, 1)
    await scene.info('S', 'c')
  },
  'pin one client': async (scene) => {
    scene.hidePending()
    await scene.stream('S')
    const config = { ...group('pinned_client'), ack_wait: seconds(60), priority_timeout: 2e9 }
    await scene.consumer('S', 'c', config)
    await scene.watch('$JS.EVENT.ADVISORY.CONSUMER.*.S.c')
    const [one, two] = [scene.newInbox(), scene.newInbox()]
    const ask = { group: 'g', batch: 2, expires: seconds(60) }
    const pin = await scene.inTime(2_000, async () => {
      scene.send(['S', 'c'], ask, one)
      scene.send(['S', 'c'], ask, two)
      for (let i = 0; i < 3; i++) await scene.publish('S.a')
      await scene.take(one, 2)
      await scene.quiet('S', two)
      await scene.info('S', 'c')
      await scene.pull(['S', 'c'], { ...ask, id: 'wrong' }, 1)
      await scene.pull(['S', 'c'], { ...ask, batch: 1, id: scene.pins[0] }, 1)
      return scene.pins[0]
    })
    await scene.publish('S.a')
    // The pinned one is silent: the other takes over.
    await scene.take(two, 1)
    await scene.events(3)
    const old = scene.newInbox()
    scene.send(['S', 'c'], { ...ask, id: pin }, old)
    await scene.take(old, 1)
    await scene.api('CONSUMER.UNPIN.S.c', { group: 'g' })
    await scene.publish('S.a')
    await scene.take(two, 1)
    await scene.events(1)
    await scene.info('S', 'c', 'num_waiting')
  },
  'can be unpinned by name only': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c', group('pinned_client'))
    for (const request of [{ group: 'g' }, { group: 'h' }, { group: 'a b' }, {}, '', '{', '[]']) {
      await scene.api('CONSUMER.UNPIN.S.c', request)
    }
    await scene.api('CONSUMER.UNPIN.S.x', { group: 'g' })
    await scene.api('CONSUMER.UNPIN.X.c', { group: 'g' })
  },
  'serve the lowest level first': async (scene) => {
    scene.hidePending()
    await scene.stream('S')
    await scene.consumer('S', 'c', { ...group('prioritized'), ack_wait: seconds(60) })
    const inboxes = [2, 1, 2, 1].map((priority) => [priority, scene.newInbox()] as const)
    for (const [priority, inbox] of inboxes) {
      const request = { group: 'g', batch: 2, expires: seconds(60), priority }
      scene.send(['S', 'c'], request, inbox)
    }
    await scene.untilWaiting('S', 'c', 4)
    for (let i = 0; i < 8; i++) await scene.publish('S.a', `${i}`)
    for (const [, inbox] of inboxes) await scene.take(inbox, 2)
  },
}

const TRIES_MAX = 10

/**
 * nats-server tells a consumer of new messages beside its answers to their publishers: what is pending may
 * be told without the last ones, and where two differ in nothing else the script is acted out again.
 */
function withoutPending(facts: readonly unknown[]): unknown {
  const text = JSON.stringify(facts, (key, value) => {
    if (key === 'num_pending') return undefined
    return key === 'reply' && typeof value === 'string' ? value.replace(/ \d+$/, '') : value
  })
  return JSON.parse(text)
}

describe('consumers beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins
  let clients: readonly [theirs: NatsConnection, ours: NatsConnection]

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  afterEach(() => clearStreams(clients))
  after(() => twins?.stop())

  const parts = {
    'a work queue': WORKQUEUE,
    interest: INTEREST,
    'a pull': PULLS,
    'an acknowledgement': ACKS,
    'a start': STARTS,
    pauses: PAUSES,
    'priority groups': GROUPS,
  }
  for (const [part, scripts] of Object.entries(parts)) {
    describe(part, () => {
      for (const [title, script] of Object.entries(scripts)) it(title, () => compare(script))
    })
  }

  async function compare(script: Script, tries = 1): Promise<void> {
    const [theirs, ours] = clients.map((client) => new Scene(client)) as [Scene, Scene]
    const ends = await Promise.allSettled([script(theirs), script(ours)])
    const isLate = ends.some((end) => end.status === 'rejected' && end.reason instanceof Late)
    const isBehind =
      !isDeepStrictEqual(ours.facts, theirs.facts) &&
      isDeepStrictEqual(withoutPending(ours.facts), withoutPending(theirs.facts))
    if ((isLate || isBehind) && tries < TRIES_MAX) {
      await clearStreams(clients)
      return compare(script, tries + 1)
    }
    if (process.env['SHOW']) console.log(JSON.stringify([ours.facts, theirs.facts], null, 1))
    assert.deepEqual(ours.facts, theirs.facts)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
})
