import assert from 'node:assert/strict'
import { FigureBook, SysTopics } from '../../../../bridge-mqtt/sys-topics/index.ts'
import { Tallies } from '../../../../bridge-mqtt/tallies.ts'
import { StaticAccountBook } from '../../../../shared/account/index.ts'
import type { Message, Peer, Subscription } from '../../../../shared/broker/index.ts'
import { SubjectFilter } from '../../../../shared/subject/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { MqttCore } from '../../../support/mqtt-core.ts'
import { accountConfig } from '../../account/setup.ts'

const NO_TRAFFIC = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 }

/** Whoever subscribes, and what it was told: by subject, and how often. */
class Listener implements Peer {
  readonly echo = true
  readonly kind: 'mqtt' | 'client'
  readonly id: number
  readonly told = new Map<string, string>()
  deliveries = 0
  readonly serials = new Set<number>()

  constructor(id: number, kind: 'mqtt' | 'client' = 'mqtt') {
    this.id = id
    this.kind = kind
  }

  deliver(_subscription: Subscription, message: Message): void {
    this.deliveries++
    assert.equal(message.takeCommitted(), undefined)
    this.told.set(message.subject, Buffer.from(message.payload).toString())
  }
}

describe('$SYS topics', () => {
  let clock: ManualClock
  let core: MqttCore
  let book: StaticAccountBook
  let tallies: Tallies
  let topics: SysTopics
  let intervalMs: number
  let rounds: number
  let nextId: number

  beforeEach(() => {
    clock = new ManualClock()
    intervalMs = 10_000
    rounds = 0
    nextId = 1
    book = new StaticAccountBook(
      ['$G', 'A', 'B', 'SYS'].map((name) => accountConfig(name)),
      'SYS',
    )
    core = new MqttCore({ accounts: book })
    tallies = new Tallies()
    const figures = new FigureBook({
      clock,
      tallies,
      clients: () => {
        rounds++
        return []
      },
      kept: () => [],
      sessions: () => [],
      dropped: () => 7,
      heapBytes: () => 1_000,
    })
    topics = new SysTopics({
      ...{ clock, book, figures, version: '1.2.3', peerId: 9 },
      space: (account) => core.space(account),
      intervalMs: () => intervalMs,
      seesProcess: (account) => account !== 'A',
    })
    topics.start()
  })

  afterEach(async () => {
    topics.stop()
    await core.close()
  })

  function listen(account: string, subject: string, queue = ''): [Listener, () => void] {
    const listener = new Listener(nextId++)
    const space = core.space(account)
    const subscription = space.subscribe(listener, { subject, queue })
    return [listener, () => space.unsubscribe(subscription)]
  }

  /** One interval, and what is made in it. */
  async function pass(): Promise<void> {
    clock.advance(intervalMs)
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }

  const all = () => [new SubjectFilter('$SYS.>')]

  it('cost nothing while nobody listens, and nothing again when the last one is gone', async () => {
    const [, leaveOther] = listen('A', 'a.>')
    listen('A', '>')
    listen('A', '$SYS.ACCOUNT.>')
    listen('A', '$SYSTEM.x')
    assert.equal(clock.timers, 0)
    const [listener, leave] = listen('A', '$SYS.broker.clients.*')
    assert.equal(clock.timers, 1)
    await pass()
    assert.ok(listener.deliveries > 0)
    leave()
    leaveOther()
    await pass()
    assert.equal(clock.timers, 0)
    assert.equal(rounds, 1)
  })

  it('tell each account of itself, the system account of all, and nobody of the other', async () => {
    for (const account of ['A', 'A', 'B']) tallies.entered(account)
    tallies.left('A', { inMessages: 3, inBytes: 30, outMessages: 4, outBytes: 40 })
    tallies.left('B', { ...NO_TRAFFIC, inMessages: 100 })
    const [a] = listen('A', '$SYS.>')
    const [b] = listen('B', '$SYS.broker.>')
    const [sys] = listen('SYS', '$SYS.broker.>')
    await pass()
    const seen = (listener: Listener) =>
      ['clients.connected', 'clients.maximum', 'publish.messages.received', 'bytes.sent'].map(
        (name) => listener.told.get(`$SYS.broker.${name}`),
      )
    assert.deepEqual(seen(a), ['1', '2', '3', '40'])
    assert.deepEqual(seen(b), ['0', '1', '100', '0'])
    assert.deepEqual(seen(sys), ['1', '3', '103', '40'])
    assert.equal(a.told.get('$SYS.broker.version'), 'petiole version 1.2.3')
    assert.equal(a.told.get('$SYS.broker.retained/%20messages.count'), '0')
    assert.equal(sys.told.get('$SYS.broker.publish.messages.dropped'), '7')
    assert.equal(a.told.get('$SYS.broker.publish.messages.dropped'), undefined)
    assert.equal(a.told.get('$SYS.broker.heap.current'), undefined)
    assert.equal(sys.told.get('$SYS.broker.heap.current'), '1000')
    assert.equal(sys.told.get('$SYS.broker.uptime'), '10 seconds')
    assert.equal(
      a.told.get('$SYS.broker.load.publish.received.1min'),
      (18 * (1 - Math.exp(-1 / 6))).toFixed(2),
    )
  })

  it('tell an account what was dropped while it has all the clients', async () => {
    const [a] = listen('A', '$SYS.broker.publish.messages.dropped')
    const [load] = listen('A', '$SYS.broker.load.publish.dropped.1min')
    tallies.entered('A')
    await pass()
    assert.equal(a.told.get('$SYS.broker.publish.messages.dropped'), '7')
    tallies.entered('B')
    await pass()
    assert.deepEqual([a.deliveries, load.deliveries], [1, 1])
  })

  it('are no message of the router: other protocols do not get them', async () => {
    const nats = new Listener(nextId++, 'client')
    core.space('SYS').subscribe(nats, { subject: '$SYS.>' })
    core.space('SYS').subscribe(nats, { subject: '>', isCapture: true })
    const [device] = listen('SYS', '$SYS.broker.version')
    await pass()
    assert.deepEqual([...device.told.keys()], ['$SYS.broker.version'])
    assert.equal(nats.deliveries, 0)
  })

  it('are told again when they have changed only', async () => {
    tallies.entered('A')
    const [listener] = listen('A', '$SYS.broker.clients.>')
    await pass()
    const before = listener.deliveries
    await pass()
    assert.equal(listener.deliveries, before)
    tallies.entered('A')
    await pass()
    assert.deepEqual(
      [listener.deliveries - before, listener.told.get('$SYS.broker.clients.connected')],
      [4, '2'],
    )
  })

  it('come at once to who subscribes, and a value that came back reaches him too', async () => {
    tallies.entered('A')
    const [early] = listen('A', '$SYS.broker.clients.connected')
    await pass()
    tallies.entered('A')
    clock.advance(2_000)
    const messages = await topics.replay('A', all())
    const replayed = new Map(
      messages.map(({ subjectBytes, payload }) => [String(subjectBytes), String(payload)]),
    )
    assert.equal(replayed.get('$SYS.broker.clients.connected'), '2')
    assert.equal(replayed.get('$SYS.broker.version'), 'petiole version 1.2.3')
    assert.equal(early.told.get('$SYS.broker.clients.connected'), '1')
    tallies.left('A', undefined)
    const before = early.deliveries
    await pass()
    assert.equal(early.deliveries, before + 1)
    const few = await topics.replay('A', [new SubjectFilter('$SYS.broker.clients.*')])
    assert.equal(few.length, 7)
    assert.deepEqual(await topics.replay('A', [new SubjectFilter('$SYS.broker.nothing')]), [])
    assert.deepEqual(await topics.replay('nobody', all()), [])
  })

  it('cost one round of the clients for all who subscribe at a time', async () => {
    await Promise.all(Array.from({ length: 50 }, () => topics.replay('A', all())))
    assert.equal(rounds, 1)
    clock.advance(500)
    await topics.replay('B', all())
    assert.equal(rounds, 1)
    clock.advance(500)
    await topics.replay('B', all())
    assert.equal(rounds, 2)
  })

  it('go to one member of a group', async () => {
    const members = Array.from({ length: 3 }, () => listen('A', '$SYS.broker.version', 'g')[0])
    await pass()
    assert.equal(
      members.reduce((sum, { deliveries }) => sum + deliveries, 0),
      1,
    )
  })

  it('stop and go with the interval of a reload', async () => {
    const [listener] = listen('A', '$SYS.broker.clients.*')
    intervalMs = 0
    topics.reconfigure()
    assert.equal(clock.timers, 0)
    assert.deepEqual(await topics.replay('A', all()), [])
    intervalMs = 1_000
    topics.reconfigure()
    assert.equal(clock.timers, 1)
    await pass()
    assert.ok(listener.deliveries > 0)
    // A reload while figures are made begins no second round of its own.
    clock.advance(intervalMs)
    topics.reconfigure()
    for (let i = 0; i < 20; i++) await Promise.resolve()
    assert.equal(clock.timers, 1)
  })

  it('go with accounts that come and go', async () => {
    book.update(
      ['$G', 'B', 'C', 'SYS'].map((name) => accountConfig(name)),
      'SYS',
      0,
    )
    listen('A', '$SYS.broker.>')
    assert.equal(clock.timers, 0)
    const [listener] = listen('C', '$SYS.broker.>')
    await pass()
    assert.ok(listener.deliveries > 0)
    topics.stop()
    assert.equal(clock.timers, 0)
  })
})

describe('figures for $SYS topics', () => {
  it('are counted some at a time, and sums never shrink for it', async () => {
    const clock = new ManualClock()
    const tallies = new Tallies()
    const moved = { ...NO_TRAFFIC, inMessages: 2 }
    const facts = { ...moved, account: 'A', subscriptions: 3 }
    const clients = Array.from({ length: 5_000 }, () => ({ facts }))
    for (const _ of clients) tallies.entered('A')
    const present = new Set(clients)
    const book = new FigureBook({
      ...{
        clock,
        tallies,
        sessions: () => [],
        kept: () => [],
        dropped: () => 0,
        heapBytes: () => 0,
      },
      clients: () => present,
    })
    async function figures() {
      clock.advance(5_000)
      const asked = book.figuresOf('A')
      for (let i = 0; i < 10; i++) {
        await Promise.resolve()
        clock.advance(0)
      }
      return asked
    }
    const first = await figures()
    assert.deepEqual([first.receivedMessages, first.subscriptions], [10_000, 15_000])
    const asked = figures()
    // In the middle of the round the last one goes.
    const last = clients.at(-1)
    assert.ok(last !== undefined)
    present.delete(last)
    tallies.left('A', moved)
    const second = await asked
    assert.equal(second.receivedMessages, 10_000)
    assert.deepEqual([second.clientsConnected, second.clientsMaximum], [4_999, 5_000])
    assert.equal((await figures()).receivedMessages, 10_000)
  })
})
