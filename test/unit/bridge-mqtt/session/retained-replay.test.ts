import assert from 'node:assert/strict'
import { LEVEL } from '../../../../bridge-mqtt/codec/index.ts'
import type { StoredFilter } from '../../../../bridge-mqtt/durable/index.ts'
import { headersOf } from '../../../../bridge-mqtt/headers/index.ts'
import {
  DELIVERY_PENDING_BYTES_MAX,
  RETAINED_PAGE_MESSAGES,
  RETAINED_RETRY_MS,
} from '../../../../bridge-mqtt/limits.ts'
import { type RetainedMessage, RetainedStores } from '../../../../bridge-mqtt/retained/index.ts'
import { SendWindow } from '../../../../bridge-mqtt/send-window.ts'
import {
  type ReplayParts,
  RetainedReplays,
} from '../../../../bridge-mqtt/session/retained-replay.ts'
import type {
  RetainedSource,
  SubscriberLog,
} from '../../../../bridge-mqtt/session/subscriber-ports.ts'
import { compilePermissions } from '../../../../shared/account/index.ts'
import { eventually } from '../../../support/link-node.ts'
import { type SubscribedClient, SubscriberScene } from '../../../support/subscriber-scene.ts'

describe('retained replay', () => {
  let scene: SubscriberScene
  let stores: RetainedStores
  /** What was asked of the store. */
  let asked: number
  let source: RetainedSource

  beforeEach(async () => {
    scene = new SubscriberScene({ ackPendingMax: 300 })
    stores = await RetainedStores.open({ store: undefined, clock: scene.clock })
    asked = 0
    source = {
      replay(filters, skipsDollar) {
        const replay = stores.of('$G').replay(filters, skipsDollar)
        return {
          next: (max) => {
            asked++
            return replay.next(max)
          },
          isNewest: (seq, subject) => replay.isNewest(seq, subject),
        }
      },
    }
  })

  afterEach(() => {
    stores.close()
    scene.close()
  })

  function retain(subject: string, payload: string, qos = 0, messageExpirySeconds?: number): void {
    const properties = messageExpirySeconds === undefined ? undefined : { messageExpirySeconds }
    const headers = headersOf(qos, properties)
    assert.ok(!('rule' in headers))
    stores.of('$G').set(Buffer.from(subject), headers, Buffer.from(payload))
  }

  /** Lets go on what waits for a turn of its own. */
  async function turn(): Promise<void> {
    scene.clock.advance(0)
    await new Promise((resolve) => setImmediate(resolve))
  }

  async function payloadsOf(client: SubscribedClient, count: number): Promise<string[]> {
    const got: string[] = []
    await eventually(() => {
      scene.clock.advance(0)
      got.push(...client.acknowledgeAll().map(({ payload }) => payload))
      return got.length >= count
    }, `${count} messages`)
    await turn()
    got.push(...client.payloads())
    return got
  }

  it('follows SUBACK, with RETAIN, the lower QoS, and what is left of the time [MQTT-3.3.1-8]', async () => {
    retain('a.1', 'one', 2, 60)
    retain('a.2', 'two', 0)
    retain('b', 'not for it')
    scene.clock.advance(10_500)
    const client = scene.client('c', { retained: source })
    client.subscribe({ 'a/+': 1 }, { subscriptionIds: [5] })
    const got: object[] = []
    await eventually(() => {
      got.push(...client.take())
      return got.length === 3
    }, 'SUBACK and two messages')
    assert.deepEqual(
      got.map((packet) => ('codes' in packet ? 'suback' : packet)),
      [
        'suback',
        {
          topic: 'a/1',
          payload: Buffer.from('one').toString('hex'),
          qos: 1,
          isDup: false,
          isRetain: true,
          packetId: 1,
          topicAlias: 0,
          messageExpiry: 50,
          properties: { messageExpirySeconds: 50, subscriptionIds: [5] },
        },
        {
          topic: 'a/2',
          payload: Buffer.from('two').toString('hex'),
          qos: 0,
          isDup: false,
          isRetain: true,
          packetId: 0,
          topicAlias: 0,
          messageExpiry: -1,
          properties: { subscriptionIds: [5] },
        },
      ],
    )
  })

  it('is as its retain handling says, and not for shared subscriptions [MQTT-3.3.1-9 to 11]', async () => {
    retain('a', 'x')
    const client = scene.client('c', { retained: source })
    const handlings = [
      ['always', { a: { retainHandling: 0 } }, 1],
      ['again', { a: { retainHandling: 0 } }, 1],
      ['when new, and it is not', { a: { retainHandling: 1 } }, 0],
      ['never', { '+': { retainHandling: 2 } }, 0],
      ['when new, and it is', { '#': { retainHandling: 1 } }, 1],
      ['shared', { '$share/g/a': { retainHandling: 0 } }, 0],
    ] as const
    for (const [what, filters, expected] of handlings) {
      client.subscribe(filters)
      assert.equal((await payloadsOf(client, expected)).length, expected, what)
    }
    const three = scene.client('3', { retained: source, level: LEVEL.v311 })
    for (let i = 0; i < 2; i++) {
      three.subscribe({ a: 0 })
      assert.deepEqual(await payloadsOf(three, 1), ['x'])
    }
  })

  it('keeps the pace of a client that acknowledges, however many there are', async () => {
    const count = 1_000
    const wanted = Array.from({ length: count }, (_, i) => `${i}`)
    for (const payload of wanted) retain(`a.${payload}`, payload, 1)
    const client = scene.client('c', { retained: source, receiveMaximum: 10 })
    client.subscribe({ 'a/#': 1 })
    for (let i = 0; i < 20; i++) await turn()
    assert.equal(client.channel.written.length, 1 + 10, 'no more than its window')
    assert.equal(asked, 1)
    assert.deepEqual((await payloadsOf(client, count)).sort(), wanted.sort())
  })

  it('reads nothing for a client that is behind, and goes on when it is not', async () => {
    for (let i = 0; i < 1_000; i++) retain(`a.${i}`, `${i}`)
    const client = scene.client('c', { retained: source })
    client.subscribe({ 'a/#': 1, 'a/1': 0 })
    client.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    for (let i = 0; i < 20; i++) await turn()
    const before = client.publishes().length
    assert.ok(before <= RETAINED_PAGE_MESSAGES)
    client.channel.pendingBytes = 0
    client.subscriber.flushQueue()
    assert.equal((await payloadsOf(client, 1_001 - before)).length, 1_001 - before)
    assert.equal(scene.counters.droppedQos0, 0)
  })

  it('holds what was read for a client that fell behind meanwhile, and leaves out what was replaced', async () => {
    for (let i = 0; i < 100; i++) retain(`a.${i}`, `${i}`)
    retain('a.short', 'short', 0, 10)
    retain('a.long', 'long', 0, 60)
    const client = scene.client('c', { retained: source })
    client.subscribe({ 'a/#': 0, b: 0 })
    client.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    for (let i = 0; i < 50; i++) scene.publish('b', 'waits')
    for (let i = 0; i < 5; i++) await turn()
    assert.deepEqual(client.payloads(), [], 'nothing is written to an output that is behind')
    for (const payload of ['new', '']) {
      const subject = payload === '' ? 'a.6' : 'a.5'
      retain(subject, payload)
      scene.publish(subject, payload)
    }
    scene.clock.advance(20_000)
    client.channel.pendingBytes = 0
    client.subscriber.flushQueue()
    const publishes = client.publishes()
    const payloads = publishes.map(({ payload }) => payload)
    assert.deepEqual(payloads.slice(0, 52), [...Array(50).fill('waits'), 'new', ''])
    const rest = Array.from({ length: 100 }, (_, i) => `${i}`).filter(
      (it) => !['5', '6'].includes(it),
    )
    assert.deepEqual(payloads.slice(52).sort(), [...rest, 'long'].sort())
    const long = publishes.find(({ payload }) => payload === 'long')
    assert.equal(long?.properties.messageExpirySeconds, 40)
    assert.equal(scene.counters.droppedQos0, 0)
  })

  it('sends what is published meanwhile in between, and no value behind the one that replaced it', async () => {
    const count = 3 * RETAINED_PAGE_MESSAGES
    for (let i = 0; i < count; i++) retain(`a.${i}`, 'old')
    const client = scene.client('c', { retained: source })
    client.subscribe({ 'a/#': 0 })
    await turn()
    const last = `a.${count - 1}`
    retain(last, 'new')
    scene.publish(last, 'new')
    const got: { topic: string; payload: string; isRetain: boolean }[] = []
    await eventually(() => {
      scene.clock.advance(0)
      got.push(...client.publishes())
      return got.length >= count
    }, 'all of them')
    await turn()
    got.push(...client.publishes())
    const ofLast = got.filter(({ topic }) => topic === `a/${count - 1}`)
    assert.deepEqual(
      ofLast.map(({ payload, isRetain }) => [payload, isRetain]),
      [['new', false]],
    )
    assert.ok(got.findIndex(({ payload }) => payload === 'new') < count - RETAINED_PAGE_MESSAGES)
  })

  it('ends with UNSUBSCRIBE and with the connection', async () => {
    for (let i = 0; i < 3 * RETAINED_PAGE_MESSAGES; i++) retain(`a.${i}`, 'x')
    const client = scene.client('c', { retained: source })
    client.subscribe({ 'a/#': 0 })
    client.unsubscribe('a/#')
    for (let i = 0; i < 5; i++) await turn()
    assert.deepEqual(client.payloads(), [])
    client.subscribe({ 'a/#': 0 })
    client.subscriber.close()
    for (let i = 0; i < 5; i++) await turn()
    assert.deepEqual(client.payloads(), [])
  })

  it('leaves out what the user may not receive', async () => {
    retain('a.secret', 'x')
    retain('a.open', 'y')
    const permissions = compilePermissions({
      publish: { allow: undefined, deny: [] },
      subscribe: { allow: undefined, deny: ['a.secret'] },
      allow_responses: undefined,
    })
    const identity = { user: 'u', account: '$G', permissions }
    const client = scene.client('c', { retained: source, identity })
    client.subscribe({ 'a/#': 0 })
    assert.deepEqual(await payloadsOf(client, 1), ['y'])
  })

  it('says where to go on for what was sent, not for what was read', async () => {
    const outbound = { isBehind: false, windowRoom: 1, queued: 0 }
    const at = (seenSeq: number) => ({ throughSeq: 9, scan: -1, scannedSeq: 0, seenSeq })
    const pages = {
      position: at(0),
      next: () => {
        pages.position = at(pages.position.seenSeq + 1)
        return pages.position.seenSeq === 1 ? read : Promise.resolve([])
      },
    }
    let arrived = (_page: readonly RetainedMessage[]): void => {}
    const read = new Promise<readonly RetainedMessage[]>((resolve) => {
      arrived = resolve
    })
    const parts = { context: { clock: scene.clock }, outbound, source: { replay: () => pages } }
    const replays = new RetainedReplays(parts as unknown as ReplayParts)
    const filter = { filter: 'a', compiled: () => [], skipsDollar: false, qos: 1 }
    replays.add(filter as unknown as Parameters<RetainedReplays['add']>[0])
    replays.goOn()
    await turn()
    assert.deepEqual([...replays.unfinished], [['a', at(0)]])
    arrived([])
    await turn()
    assert.deepEqual([...replays.unfinished], [])
    replays.close()
  })

  it('goes on for no filter of an earlier connection that did not get to the disk', async () => {
    const filters = new Map<string, StoredFilter>()
    const log: Partial<SubscriberLog> = {
      window: new SendWindow(10),
      filters,
      hasCaughtUp: true,
      subscribe: ([stored], committed) => {
        if (stored !== undefined) filters.set(stored.filter, stored)
        committed(undefined)
      },
      attach: () => {},
      detach: () => {},
      wake: () => {},
    }
    const position = { throughSeq: 9, scan: -1, scannedSeq: 0, seenSeq: 3 }
    const begun: unknown[] = []
    let page: Promise<readonly RetainedMessage[]> = new Promise(() => {})
    const retained: RetainedSource = {
      replay: (_filters, _skipsDollar, from) => {
        begun.push(from)
        return { position, next: () => page, isNewest: () => true }
      },
    }
    const connect = () => scene.client('c', { retained, durable: log as SubscriberLog })
    const first = connect()
    first.subscribe({ a: 0 })
    first.subscriber.close()
    filters.clear()
    page = Promise.resolve([])
    const second = connect()
    second.subscribe({ a: 0 })
    await turn()
    second.subscriber.close()
    connect().subscriber.close()
    assert.deepEqual(begun, [undefined, undefined])
  })

  it('goes on where it was when the disk could not be read', async () => {
    retain('a', 'x')
    let failures = 2
    const { replay } = source
    source.replay = (filters, skipsDollar) => {
      const whole = replay(filters, skipsDollar)
      return {
        ...whole,
        next: (max) => (failures-- > 0 ? Promise.reject(new Error('no disk')) : whole.next(max)),
      }
    }
    const client = scene.client('c', { retained: source })
    client.subscribe({ a: 0 })
    for (let i = 0; i < 2; i++) {
      await turn()
      assert.deepEqual(client.payloads(), [])
      scene.clock.advance(RETAINED_RETRY_MS)
    }
    assert.deepEqual(await payloadsOf(client, 1), ['x'])
    assert.deepEqual(scene.log.messages(), ['retained messages cannot be read'])
  })
})
