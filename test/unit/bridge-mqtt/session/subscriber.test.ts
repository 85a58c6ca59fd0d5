import assert from 'node:assert/strict'
import { LEVEL, VIOLATIONS } from '../../../../bridge-mqtt/codec/index.ts'
import {
  DEFAULT_LIMITS,
  DELIVERY_PENDING_BYTES_MAX,
  FILTER_LEVELS_MAX,
} from '../../../../bridge-mqtt/limits.ts'
import { compilePermissions } from '../../../../shared/account/index.ts'
import { type SubscribedClient, SubscriberScene } from '../../../support/subscriber-scene.ts'

const ACK_PENDING_MAX = 10

describe('subscriber', () => {
  let scene: SubscriberScene

  beforeEach(() => {
    scene = new SubscriberScene({ ackPendingMax: ACK_PENDING_MAX })
  })

  afterEach(() => scene.close())

  describe('answers', () => {
    const permissions = compilePermissions({
      publish: { allow: undefined, deny: [] },
      subscribe: { allow: undefined, deny: ['secret.>'] },
      allow_responses: undefined,
    })
    const identity = { user: 'u', account: '$G', permissions }
    const asked = { a: 0, b: 1, c: 2, 'secret/#': 1, '$share/x': 1, '$share/g/x': 1 }

    it('SUBSCRIBE of MQTT 5 with a code for each filter, and why one failed [MQTT-3.8.4-6]', () => {
      const client = scene.client('c', { identity })
      client.subscribe(asked)
      assert.deepEqual(client.take(), [
        {
          packetId: 1,
          codes: [0, 1, 2, 0x87, 0x8f, 1],
          properties: { reasonString: 'no permission to subscribe' },
        },
      ])
    })

    it('says how many filters there may be: 0x97', () => {
      const client = scene.client('c', { filtersMax: 2 })
      client.subscribe({ a: 0, b: 0, c: 0 })
      client.subscribe({ a: 1, b: 2 })
      const codes = client.take().map((packet) => (packet as { codes: number[] }).codes)
      assert.deepEqual(codes, [
        [0, 0, 0x97],
        [1, 2],
      ])
      assert.equal(scene.counters.filters, 2)
    })

    for (const [owner, failures] of [
      [{ wantsReasons: false }, [0x87, 0x8f]],
      [{ hidesReasons: true, wantsReasons: false }, [0x80, 0x80]],
      [{ level: LEVEL.v311 }, [0x80, 0x80]],
    ] as const) {
      it(`says no more than it may: ${JSON.stringify(owner)}`, () => {
        const client = scene.client('c', { identity, ...owner })
        client.subscribe(asked)
        const codes = [0, 1, 2, ...failures, 1]
        assert.deepEqual(client.take(), [{ packetId: 1, codes, properties: {} }])
      })
    }

    it('leaves out the words for a client that takes no packet so long [MQTT-3.9.2-1]', () => {
      const client = scene.client('c', { identity, packetBytesMax: 20 })
      client.subscribe({ 'secret/a': 0 })
      assert.deepEqual(client.take(), [{ packetId: 1, codes: [0x87], properties: {} }])
    })

    it('UNSUBSCRIBE with 0x11 for what was not there', () => {
      const client = scene.client('c')
      client.subscribe({ a: 0 })
      client.unsubscribe('a', 'b')
      assert.deepEqual(client.take()[1], { packetId: 2, codes: [0, 0x11], properties: {} })
      assert.equal(scene.publish('a', 'x'), 0)
      assert.equal(scene.counters.filters, 0)
    })

    it('ends on misplaced wildcards and too many levels, and subscribes to none of a packet', () => {
      const { subscriber } = scene.client('c')
      const options = { qos: 0, isNoLocal: false, isRetainAsPublished: false, retainHandling: 0 }
      const subscribe = (filter: string) =>
        subscriber.subscribe({
          packetId: 1,
          filters: [
            { filter: 'good', ...options },
            { filter, ...options },
          ],
          properties: {},
        })
      assert.equal(subscribe('#/a'), VIOLATIONS.filterWildcard)
      assert.equal(subscribe('$share/g/a+'), VIOLATIONS.filterWildcard)
      assert.equal(subscribe('/'.repeat(FILTER_LEVELS_MAX)), VIOLATIONS.filterLevels)
      assert.equal(subscriber.subscriptionCount, 0)
      assert.equal(subscribe('/'.repeat(FILTER_LEVELS_MAX - 1)), undefined)
      const properties = {}
      assert.equal(
        subscriber.unsubscribe({ packetId: 1, filters: ['a#'], properties }),
        VIOLATIONS.filterWildcard,
      )
    })
  })

  describe('delivers', () => {
    it('properties to MQTT 5, in their order, and none before', () => {
      const five = scene.client('5')
      const four = scene.client('4', { level: LEVEL.v311 })
      for (const client of [five, four]) client.subscribe({ 'a/#': 1 })
      const properties = {
        contentType: 'text',
        userProperties: [
          { name: 'k', value: '1' },
          { name: 'k', value: '0' },
        ],
      }
      scene.publish('a.b', 'x', { qos: 1, properties, reply: '_INBOX.1' })
      const [toFive] = five.publishes()
      assert.deepEqual(toFive?.properties, { ...properties, responseTopic: '_INBOX/1' })
      const [toFour] = four.publishes()
      assert.deepEqual([toFour?.topic, toFour?.payload, toFour?.qos], ['a/b', 'x', 1])
    })

    it('the same message to many, each with its own packet identifier and options', () => {
      const clients = [0, 1, 2, 3, 4, 5].map((i) => {
        const client = scene.client(`${i}`, { level: i < 3 ? LEVEL.v311 : LEVEL.v5 })
        client.subscribe({ [`own/${i}`]: 1 })
        for (let n = 0; n < i; n++) scene.publish(`own.${i}`, '', { qos: 1 })
        client.subscribe({ t: { qos: i % 3 } }, i === 5 ? { subscriptionIds: [9] } : {})
        client.take()
        return client
      })
      for (const [n, payload] of ['one', 'two', 'three'.repeat(2_000)].entries()) {
        scene.publish('t', payload, { qos: 2 })
        const got = clients.map((client) => client.publishes())
        assert.deepEqual(
          got.map((publishes) => publishes.map((it) => [it.payload, it.qos, it.packetId])),
          [0, 1, 2, 0, 1, 2].map((qos, i) => [[payload, qos, qos === 0 ? 0 : i + n + 1]]),
        )
        assert.deepEqual(got[5]?.[0]?.properties, { subscriptionIds: [9] })
        assert.deepEqual(got[4]?.[0]?.properties, {})
      }
    })

    it('once, with the identifiers of all that match, and to a shared one apart', () => {
      const client = scene.client('c')
      client.subscribe({ 'a/+': 1 }, { subscriptionIds: [1] })
      client.subscribe({ 'a/#': 2 }, { subscriptionIds: [2] })
      client.subscribe({ 'b/#': 2 }, { subscriptionIds: [3] })
      client.subscribe({ '$share/g/a/b': 0 }, { subscriptionIds: [4] })
      scene.publish('a.b', 'x', { qos: 2 })
      const got = client.publishes().map(({ qos, properties }) => [qos, properties.subscriptionIds])
      assert.deepEqual(
        got.sort((x, y) => Number(y[0]) - Number(x[0])),
        [
          [2, [1, 2]],
          [0, [4]],
        ],
      )
    })

    it('by the options of the last SUBSCRIBE [MQTT-3.8.4-3]', () => {
      const client = scene.client('c')
      client.subscribe({ a: 2 }, { subscriptionIds: [1] })
      client.subscribe({ a: 0 })
      scene.publish('a', 'x', { qos: 2 })
      const [got] = client.publishes()
      assert.deepEqual([got?.qos, got?.properties], [0, {}])
    })

    it('not what the client itself published, with no local [MQTT-3.8.3-3]', () => {
      const client = scene.client('c')
      client.subscribe({ 'a/+': { isNoLocal: true }, 'a/b': {} })
      assert.equal(client.subscriber.hasNoLocal, true)
      assert.equal(scene.publish('a.c', 'own', { origin: client }), 1, 'somebody is subscribed')
      scene.publish('a.b', 'own too', { origin: client })
      scene.publish('a.c', 'theirs')
      assert.deepEqual(client.payloads(), ['own too', 'theirs'])
      client.unsubscribe('a/+')
      assert.equal(client.subscriber.hasNoLocal, false)
    })

    it('RETAIN as it was published, when the subscription says so [MQTT-3.3.1-12, 3.3.1-13]', () => {
      const publisher = scene.client('p')
      const bridge = scene.client('bridge', { isBridge: true })
      const plain = scene.client('plain')
      for (const client of [bridge, plain]) client.subscribe({ a: 0 })
      publisher.publishingRetain = true
      scene.publish('a', 'x', { origin: publisher })
      assert.equal(bridge.publishes()[0]?.isRetain, true)
      assert.equal(plain.publishes()[0]?.isRetain, false)
    })

    it('what NATS clients publish at QoS 2 where it is stored', () => {
      const isStored = (subject: Uint8Array) => Buffer.from(subject).toString() === 'kept'
      const client = scene.client('c', { isStored })
      client.subscribe({ '#': 2 })
      scene.publish('kept', 'x')
      scene.publish('passing', 'x')
      assert.deepEqual(
        client.publishes().map(({ qos }) => qos),
        [2, 0],
      )
    })

    it('what waited with the time that is left, and nothing that has none [MQTT-3.3.2-5, 3.3.2-6]', () => {
      const client = scene.client('c', { receiveMaximum: 1 })
      client.subscribe({ a: 1 })
      for (const seconds of [10, 2, 10, 0xffff_ffff]) {
        scene.publish('a', `${seconds}`, {
          qos: 1,
          properties: { messageExpirySeconds: seconds },
        })
      }
      scene.publish('a', 'for ever', { qos: 1 })
      scene.clock.advance(2_001)
      const got = client.acknowledgeAll()
      assert.deepEqual(
        got.map(({ payload, properties }) => [payload, properties.messageExpirySeconds]),
        [
          ['10', 10],
          ['10', 8],
          [`${0xffff_ffff}`, 0xffff_ffff - 2],
          ['for ever', undefined],
        ],
      )
      assert.equal(scene.counters.expired, 1)
    })
  })

  describe('shared subscriptions', () => {
    function members(): [SubscribedClient, SubscribedClient] {
      const pair = [scene.client('1'), scene.client('2')] as const
      for (const client of pair) {
        client.subscribe({ '$share/g/a': 1 })
        client.take()
      }
      return [pair[0], pair[1]]
    }

    it('give each message to one of the group in turn', () => {
      const [one, two] = members()
      const sent = Array.from({ length: 40 }, (_, i) => `${i}`)
      for (const payload of sent) scene.publish('a', payload)
      const isEven = (payload: string) => Number(payload) % 2 === 0
      assert.deepEqual(one.payloads(), sent.filter(isEven))
      assert.deepEqual(
        two.payloads(),
        sent.filter((payload) => !isEven(payload)),
      )
      one.unsubscribe('$share/g/a')
      two.take()
      for (const payload of sent) scene.publish('a', payload)
      assert.deepEqual(two.payloads(), sent)
    })

    it('pass over who is behind, until all are', () => {
      const [one, two] = members()
      one.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
      for (let i = 0; i < 10; i++) scene.publish('a', `${i}`)
      assert.equal(two.payloads().length, 10)
      assert.equal(scene.counters.droppedQos0, 0)
      two.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
      assert.equal(scene.publish('a', 'waits for either'), 1)
      const queuedMax = DEFAULT_LIMITS.queuedMessagesMax + ACK_PENDING_MAX
      let taken = 0
      for (let i = 0; i < 3 * queuedMax; i++) {
        taken += scene.publish('a', `${i}`, { qos: 1 })
      }
      assert.equal(taken, 2 * queuedMax)
      assert.equal(scene.counters.droppedQos1, 0)
      two.channel.pendingBytes = 0
      two.subscriber.flushQueue()
      one.channel.pendingBytes = 0
      one.subscriber.flushQueue()
      const late = [...one.acknowledgeAll(), ...two.acknowledgeAll()]
      assert.equal(late.length, 2 * queuedMax + 1)
    })
  })
})
