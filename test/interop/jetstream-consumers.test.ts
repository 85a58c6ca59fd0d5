import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { ConfigTwins, clearStreams } from '../support/config-twins.ts'
import { Scene, seconds } from '../support/consumer-scene.ts'

/**
 * Consumers: the same script acted out at a real nats-server and at ours, and everything that is
 * answered, delivered and advised the same.
 */
const CONFIG = `
server_name: test
jetstream { store_dir: "%DIR%/js" }
accounts {
  A {
    jetstream: enabled
    users: [{ user: a, password: a }]
  }
}
`

type Script = (scene: Scene) => Promise<void>

const WORKQUEUE: Readonly<Record<string, Script>> = {
  'removes what is acknowledged or ended': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    for (let i = 0; i < 4; i++) await scene.publish('S.a')
    const [a, b, c] = await scene.pull(['S', 'c'], { batch: 3, no_wait: true }, 3)
    assert.ok(a && b && c)
    await scene.ack(a)
    await scene.ack(b, '+TERM bad')
    await scene.ack(c, '-NAK {"delay": 60000000000}')
    await scene.until('S', 2)
    await scene.info('S', 'c')
    await scene.ack(a)
    await scene.ack(c, '+WPI')
    await scene.ack(c, '+OK')
    await scene.until('S', 1)
    await scene.info('S', 'c')
  },
  'keeps what was delivered too often': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'c', { ack_wait: seconds(0.2), max_deliver: 1 })
    await scene.watch('$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>')
    await scene.publish('S.a')
    await scene.publish('S.a')
    const [a] = await scene.pull(['S', 'c'], { batch: 1 }, 1)
    assert.ok(a)
    await scene.events(1)
    // Its floor stays where it is for a while: at the next restart it is where ours is.
    await scene.info('S', 'c', 'ack_floor')
    await scene.state('S')
    await scene.ack(a)
    await scene.until('S', 1)
    await scene.info('S', 'c', 'ack_floor')
  },
  'is for one consumer of each subject': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'a', { filter_subject: 'S.a' })
    await scene.consumer('S', 'b', { filter_subject: 'S.b' })
    await scene.consumer('S', 'c', { filter_subject: 'S.*' })
    await scene.consumer('S', 'd')
    for (const subject of ['S.a', 'S.b', 'S.c']) await scene.publish(subject)
    const [message] = await scene.pull(['S', 'a'], { batch: 5, no_wait: true }, 2)
    assert.ok(message)
    await scene.ack(message)
    await scene.until('S', 2)
    await scene.api('CONSUMER.DELETE.S.b')
    await scene.state('S')
  },
  'can be purged and deleted from while messages are pending': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    for (const subject of ['S.a', 'S.b', 'S.a', 'S.b', 'S.a']) await scene.publish(subject)
    const [a, b] = await scene.pull(['S', 'c'], { batch: 3, no_wait: true }, 3)
    assert.ok(a && b)
    await scene.api('STREAM.PURGE.S', { filter: 'S.b' })
    await scene.state('S')
    await scene.api('STREAM.PURGE.S')
    await scene.ack(a)
    await scene.state('S')
    await scene.publish('S.a')
    await scene.pull(['S', 'c'], '', 1)
  },
}

const INTEREST: Readonly<Record<string, Script>> = {
  'stores what somebody wants': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.publish('S.a')
    await scene.state('S')
    await scene.consumer('S', 'a', { filter_subject: 'S.a' })
    await scene.consumer('S', 'all')
    await scene.publish('S.a', 'x', { 'Nats-Msg-Id': 'one' })
    await scene.publish('S.b')
    await scene.state('S')
    const [a] = await scene.pull(['S', 'a'], { batch: 5, no_wait: true }, 2)
    assert.ok(a)
    await scene.ack(a)
    await scene.state('S')
    const [first, second] = await scene.pull(['S', 'all'], { batch: 5, no_wait: true }, 3)
    assert.ok(first && second)
    await scene.ack(second)
    await scene.until('S', 1)
    await scene.ack(first)
    await scene.until('S', 0)
    await scene.info('S', 'all')
  },
  'lets go of what a consumer that is deleted wanted': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.consumer('S', 'a', { filter_subject: 'S.a' })
    await scene.consumer('S', 'b', { filter_subject: 'S.b' })
    for (const subject of ['S.a', 'S.b', 'S.c', 'S.a']) await scene.publish(subject)
    await scene.state('S')
    await scene.api('CONSUMER.DELETE.S.a')
    await scene.until('S', 1)
    await scene.api('CONSUMER.DELETE.S.b')
    await scene.until('S', 0)
    await scene.publish('S.b')
    await scene.state('S')
  },
  'follows a filter that is updated': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.consumer('S', 'c', { filter_subject: 'S.a' })
    await scene.publish('S.a')
    await scene.publish('S.b')
    await scene.consumer('S', 'c', { filter_subject: 'S.b' })
    await scene.until('S', 0)
    await scene.publish('S.a')
    await scene.publish('S.b')
    await scene.until('S', 1)
    await scene.info('S', 'c')
  },
  'acknowledges all below': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.consumer('S', 'c', { ack_policy: 'all' })
    for (let i = 0; i < 5; i++) await scene.publish('S.a')
    const [, , third] = await scene.pull(['S', 'c'], { batch: 4 }, 4)
    assert.ok(third)
    await scene.ack(third)
    await scene.until('S', 2)
    await scene.info('S', 'c')
  },
  'can come from limits and go back': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    for (let i = 0; i < 3; i++) await scene.publish('S.a')
    const [first] = await scene.pull(['S', 'c'], { batch: 2 }, 2)
    assert.ok(first)
    await scene.ack(first)
    await scene.api('STREAM.UPDATE.S', { name: 'S', subjects: ['S.>'], retention: 'interest' })
    await scene.until('S', 2)
    await scene.api('STREAM.UPDATE.S', { name: 'S', subjects: ['S.>'], retention: 'workqueue' })
    await scene.api('STREAM.UPDATE.S', { name: 'S', subjects: ['S.>'] })
    await scene.publish('S.b')
    await scene.state('S')
  },
}

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
    await scene.pull(['S', 'c'], { batch: 2, expires: seconds(0.5), idle_heartbeat: 2e8 }, 3)
    for (let i = 0; i < 6; i++) await scene.publish('S.a', 'payload')
    await scene.pull(['S', 'c'], { batch: 1, max_bytes: 10_000 }, 2)
    await scene.pull(['S', 'c'], { batch: 10, max_bytes: 10 }, 1)
    await scene.pull(['S', 'c'], { batch: 2, no_wait: true, expires: seconds(1) }, 2)
    await scene.pull(['S', 'c'], '2', 2)
    await scene.pull(['S', 'c'], { batch: 5, no_wait: true }, 2)
    await scene.pull(['S', 'c'], { batch: 2, no_wait: true, expires: seconds(0.2) }, 1)
    await scene.info('S', 'c')
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
    await scene.stream('S')
    await scene.consumer('S', 'c')
    const inboxes = [scene.newInbox(), scene.newInbox(), scene.newInbox()]
    for (const inbox of inboxes) scene.send(['S', 'c'], { batch: 2, expires: seconds(60) }, inbox)
    for (let i = 0; i < 6; i++) await scene.publish('S.a')
    for (const inbox of inboxes) await scene.take(inbox, 2)
  },
}

describe('consumers beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins
  let clients: readonly [theirs: NatsConnection, ours: NatsConnection]

  before(async () => {
    twins = await ConfigTwins.start(CONFIG)
    clients = await twins.clients('a')
  })
  afterEach(() => clearStreams(clients))
  after(() => twins?.stop())

  const parts = { 'a work queue': WORKQUEUE, interest: INTEREST, 'a pull': PULLS }
  for (const [part, scripts] of Object.entries(parts)) {
    describe(part, () => {
      for (const [title, script] of Object.entries(scripts)) it(title, () => compare(script))
    })
  }

  async function compare(script: Script): Promise<void> {
    const [theirs, ours] = clients.map((client) => new Scene(client)) as [Scene, Scene]
    const ends = await Promise.allSettled([script(theirs), script(ours)])
    if (process.env['SHOW']) console.log(JSON.stringify([ours.facts, theirs.facts], null, 1))
    assert.deepEqual(ours.facts, theirs.facts)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
})
