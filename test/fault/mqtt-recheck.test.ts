import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'
import { DEADLINE_MS } from '../support/patience.ts'

const FILTERS = 250_000
const FILTERS_PER_PACKET = 50_000
const LASTING_FILTERS = 20_000
const CROWD = 1_000
const CROWD_FILTERS = 250
/** Answers that somebody else gets in between: all at once would be one. */
const TURNS_MIN = 8

/**
 * What a user may be subscribed to changes while his clients have very many filters: nothing that he may not have
 * any more is sent from that moment on, and others are served while the filters are looked at one by one.
 */
describe('permissions that change under a quarter of a million filters', function () {
  this.timeout(4 * DEADLINE_MS)
  let hub: MqttHub
  let bystander: PacketClient

  beforeEach(async () => {
    hub = await MqttHub.start({ max_subscriptions: 300_000, max_connections: 2_000 }, mayHave('>'))
    bystander = await PacketClient.client(hub.port, { ...USER.other, clientId: 'bystander' })
  })

  afterEach(() => hub.remove())

  async function client(packet: Partial<IConnectPacket> = {}): Promise<PacketClient> {
    return PacketClient.client(hub.port, { clientId: 'long', ...USER.device, ...packet })
  }

  async function subscribe(to: PacketClient, filters: readonly string[], qos = 0): Promise<void> {
    for (let at = 0; at < filters.length; at += FILTERS_PER_PACKET) {
      to.raw(subscribeTo(filters.slice(at, at + FILTERS_PER_PACKET), qos))
      const { granted } = await to.next('suback')
      assert.ok(granted.every((code) => code === qos))
    }
  }

  /** How often the bystander is answered until nobody listens to the subject. */
  async function answeredUntilGone(subject: string): Promise<number> {
    const nats = hub.running.client()
    const endMs = Date.now() + 2 * DEADLINE_MS
    let count = 0
    for (; nats.hasInterest(subject); count++) {
      assert.ok(Date.now() < endMs, `${subject} is still there`)
      await bystander.beforePong()
    }
    return count
  }

  function payloadsOf(packets: readonly { cmd: string }[]): string[] {
    return packets.flatMap((it) => ('payload' in it ? [String(it.payload)] : []))
  }

  it('end one by one, and none of them has a message meanwhile', async () => {
    const long = await client()
    const names = namesOf(FILTERS)
    await subscribe(long, ['a/#', ...names])
    await long.subscribe(9, ['+/x'], 7)
    await hub.reload(mayHave('*.x'))
    const { running } = hub
    const nats = running.client()
    assert.ok(nats.hasInterest(subjectOf(names.at(-1))), 'all was done in one step')
    // Its eldest filter that matches would deliver it, with the identifiers of all.
    nats.publish('a.x', Buffer.from('allowed'))
    for (const name of names.slice(-100)) nats.publish(subjectOf(name), Buffer.from('denied'))
    const packets = await long.beforePong()
    assert.deepEqual(payloadsOf(packets), ['allowed'])
    const [first] = packets
    assert.ok(first?.cmd === 'publish')
    assert.equal(first.properties?.subscriptionIdentifier, 7)
    const served = await answeredUntilGone(subjectOf(names.at(-1)))
    assert.ok(served >= TURNS_MIN, `${served} answers`)
    nats.publish('a.x', Buffer.from('still'))
    assert.deepEqual(payloadsOf(await long.beforePong()), ['still'])
    const again = await long.subscribe(10, ['a/#'])
    assert.deepEqual(again.granted, [0x87])
  })

  it('of a session that lasts they are removed from the disk as well', async () => {
    const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
    const names = namesOf(LASTING_FILTERS)
    const long = await client(lasting)
    await subscribe(long, [...names, 'b/#'], 1)
    await hub.reload(mayHave('b', 'b.>'))
    assert.ok(hub.running.client().hasInterest(subjectOf(names.at(-1))), 'all in one step')
    for (const name of names.slice(-100))
      bystander.publish(name, 'denied', { messageId: 1, qos: 1 })
    bystander.publish('b/1', 'allowed', { messageId: 2, qos: 1 })
    for (let n = 0; n <= 100; n++) await bystander.next('puback')
    const message = await long.next('publish')
    assert.equal(String(message.payload), 'allowed')
    long.ack('puback', message.messageId ?? 0)
    await answeredUntilGone(subjectOf(names.at(-1)))
    assert.deepEqual(await long.beforePong(), [])
    await long.destroy()
    await hub.reload(mayHave('>'))
    const back = await client(lasting)
    hub.running.client().publish(subjectOf(names.at(-1)), Buffer.from('gone'))
    hub.running.client().publish('b.2', Buffer.from('kept'))
    assert.deepEqual(payloadsOf(await back.beforePong()), ['kept'])
  })

  it('of a client that was away have nothing of what waits for it', async () => {
    const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
    const names = namesOf(LASTING_FILTERS)
    const long = await client(lasting)
    await subscribe(long, [...names, 'b/#'], 1)
    await long.destroy()
    for (const [n, topic] of [names.at(-1) ?? '', 'b/1'].entries()) {
      bystander.publish(topic, topic, { messageId: n + 1, qos: 1 })
      await bystander.next('puback')
    }
    await hub.reload(mayHave('b', 'b.>'))
    const back = await client(lasting)
    assert.equal(await back.message(), 'b/1 b/1')
    await answeredUntilGone(subjectOf(names.at(-1)))
    back.ack('puback', 1)
    assert.deepEqual(await back.beforePong(), [])
  })

  it('of a group leave what waits for their member to nobody who may not have it', async () => {
    const lasting = { clean: false, properties: { sessionExpiryInterval: 600, receiveMaximum: 1 } }
    const long = await client(lasting)
    await long.subscribe(1, ['$share/g/a/#', 'b/#'])
    for (const [n, topic] of ['a/1', 'a/2', 'b/1'].entries()) {
      bystander.publish(topic, topic, { messageId: n + 1 })
      await bystander.next('puback')
    }
    const { messageId = 0 } = await long.next('publish')
    await hub.reload(mayHave('b', 'b.>'))
    await answeredUntilGone('a.1')
    long.ack('puback', messageId)
    assert.equal(await long.message(), 'b/1 b/1')
  })

  it('of a thousand clients end in turns too', async () => {
    const names = namesOf(CROWD_FILTERS)
    const crowd: PacketClient[] = []
    for (let n = 0; n < CROWD; n++) crowd.push(await client({ clientId: `c${n}` }))
    await Promise.all(crowd.map((one) => subscribe(one, [...names, 'b/#'])))
    await hub.reload(mayHave('b', 'b.>'))
    const nats = hub.running.client()
    assert.ok(nats.hasInterest(subjectOf(names.at(-1))), 'all was done in one step')
    nats.publish(subjectOf(names.at(-1)), Buffer.from('denied'))
    nats.publish('b.1', Buffer.from('allowed'))
    const served = await answeredUntilGone(subjectOf(names.at(-1)))
    assert.ok(served >= TURNS_MIN, `${served} answers`)
    for (const one of crowd) assert.deepEqual(payloadsOf(await one.beforePong()), ['allowed'])
  })
})

const USER = {
  device: { username: 'device', password: Buffer.from('x1') },
  other: { username: 'other', password: Buffer.from('x2') },
}

/** What the device may be subscribed to. */
function mayHave(...allow: string[]): object {
  return {
    authorization: {
      users: [
        { user: 'device', password: 'x1', permissions: { subscribe: { allow } } },
        { user: 'other', password: 'x2' },
      ],
    },
  }
}

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `a/${n.toString(36).padStart(4, '0')}`)
}

function subjectOf(topic = ''): string {
  return topic.replace('/', '.')
}

function subscribeTo(filters: readonly string[], qos: number): Buffer {
  const fields = filters.flatMap((filter) => [
    Buffer.of(filter.length >> 8, filter.length & 0xff),
    Buffer.from(filter),
    Buffer.of(qos),
  ])
  const body = Buffer.concat([Buffer.of(0, 1, 0), ...fields])
  const length: number[] = []
  for (let rest = body.length; rest > 0; rest >>>= 7) {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  }
  return Buffer.concat([Buffer.of(0x82, ...length), body])
}
