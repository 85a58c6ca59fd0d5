import assert from 'node:assert/strict'
import type { MqttHub } from '../support/mqtt-hub.ts'
import { mqttSuite } from '../support/mqtt-suite.ts'
import { PacketClient } from '../support/packet-client.ts'

describe('MQTT 5: SUBSCRIBE and UNSUBSCRIBE', () => {
  let hub: MqttHub
  let publisher: PacketClient
  let client: PacketClient

  const suite = mqttSuite((started) => {
    hub = started
  })

  beforeEach(async () => {
    publisher = await suite.client('publisher')
    client = await suite.client('subscriber')
  })

  /** What the client has got of all that was published before, as `topic payload`. */
  async function got(of: PacketClient = client): Promise<string[]> {
    await publisher.beforePong()
    const packets = await of.beforePong()
    return packets.map((packet) => {
      assert.equal(packet.cmd, 'publish')
      return packet.cmd === 'publish' ? `${packet.topic} ${packet.payload}` : ''
    })
  }

  it('[MQTT-3.8.4-1, 3.8.4-2, 2.2.1-6] SUBACK answers, with the identifier', async () => {
    const suback = await client.subscribe(54_321, ['a'])
    assert.equal(suback.messageId, 54_321)
    const unsuback = await client.unsubscribe(12_345, 'a')
    assert.equal(unsuback.messageId, 12_345)
  })

  it('[MQTT-3.8.4-5, 3.8.4-6, 3.8.4-7, 3.9.3-1] a code for each of many filters, in order', async () => {
    const suback = await client.subscribe(1, [
      { topic: 'zero', qos: 0 },
      { topic: 'two', qos: 2 },
      { topic: 'one', qos: 1 },
      { topic: 'zero', qos: 1 },
    ])
    assert.deepEqual([...suback.granted], [0, 2, 1, 1])
    for (const topic of ['zero', 'one', 'two']) {
      await publisher.publish2(topic, 'x')
    }
    const qos = [await client.next('publish'), await client.next('publish')]
    qos.push(await client.next('publish'))
    assert.deepEqual(
      qos.map((packet) => packet.qos),
      [1, 1, 2],
    )
  })

  it('[MQTT-3.8.4-8] a delivery has the lower QoS of the two', async () => {
    for (const granted of [0, 1, 2] as const) {
      await client.subscribe(1, [{ topic: 'lower', qos: granted }])
      for (const qos of [0, 1, 2] as const) {
        if (qos === 2) await publisher.publish2('lower', 'x')
        else publisher.publish('lower', 'x', qos === 0 ? {} : { messageId: qos, qos })
        if (qos === 1) await publisher.next('puback')
        const packet = await client.next('publish')
        assert.equal(packet.qos, Math.min(qos, granted), `${qos} at ${granted}`)
      }
    }
  })

  it('[MQTT-3.8.4-3] the same filter replaces the subscription', async () => {
    await client.subscribe(1, [{ topic: 'same/+', qos: 2 }], 5)
    await client.subscribe(2, [{ topic: 'same/+', qos: 0 }])
    publisher.publish('same/a', 'x', { messageId: 1 })
    const { properties, qos } = await client.next('publish')
    assert.deepEqual([qos, properties?.subscriptionIdentifier], [0, undefined])
    assert.deepEqual(await got(), [], 'once')
  })

  it('[MQTT-3.8.3-3] no local: the own messages are not sent back', async () => {
    await client.subscribe(1, [{ topic: 'local/+', qos: 1, nl: true }])
    client.publish('local/a', 'mine', { messageId: 1 })
    await client.next('puback')
    publisher.publish('local/a', 'other')
    assert.equal(await client.message(), 'local/a other')
    await client.subscribe(2, [{ topic: 'local/+', qos: 0, nl: false }])
    client.publish('local/a', 'mine')
    assert.equal(await client.message(), 'local/a mine')
  })

  it('[MQTT-3.3.1-12, 3.3.1-13] retain as published', async () => {
    const other = await PacketClient.client(hub.port, { clientId: 'as-published' })
    await client.subscribe(1, [{ topic: 'r', qos: 0, rap: false }])
    await other.subscribe(1, [{ topic: 'r', qos: 0, rap: true }])
    publisher.publish('r', 'x', { retain: true })
    assert.equal((await client.next('publish')).retain, false)
    assert.equal((await other.next('publish')).retain, true)
    publisher.publish('r', 'y')
    assert.equal((await other.next('publish')).retain, false)
    publisher.publish('r', '', { retain: true })
    await other.next('publish')
    await other.destroy()
  })

  it('[MQTT-3.3.4-2, 3.3.4-3, 3.3.4-4] overlapping filters: the highest QoS, all identifiers', async () => {
    await client.subscribe(1, [{ topic: 'over/#', qos: 0 }], 1)
    await client.subscribe(2, [{ topic: 'over/+', qos: 2 }], 268_435_455)
    await client.subscribe(3, [{ topic: 'over/a', qos: 1 }])
    await publisher.publish2('over/a', 'x')
    const packets = [await client.next('publish')]
    for (const packet of await client.beforePong()) {
      if (packet.cmd === 'publish') packets.push(packet)
    }
    assert.ok(packets.some(({ qos }) => qos === 2))
    const ids = packets.flatMap(({ properties }) => properties?.subscriptionIdentifier ?? [])
    assert.deepEqual(
      ids.toSorted((a, b) => a - b),
      [1, 268_435_455],
    )
  })

  it('[MQTT-3.3.4-5] a message of one filter has the identifier of that one only', async () => {
    await client.subscribe(1, ['one/#'], 7)
    await client.subscribe(2, ['two/#'], 8)
    publisher.publish('two/a', 'x')
    assert.equal((await client.next('publish')).properties?.subscriptionIdentifier, 8)
  })

  it('[MQTT-3.10.4-1, 3.10.4-2, 3.10.4-4] filters are compared by their characters', async () => {
    await client.subscribe(1, ['un/+', 'un/a'])
    const { granted } = await client.unsubscribe(2, 'un/#', 'un/+', 'Un/a')
    assert.deepEqual(granted, [0x11, 0, 0x11])
    publisher.publish('un/b', 'x')
    publisher.publish('un/a', 'y')
    assert.deepEqual(await got(), ['un/a y'])
  })

  it('[MQTT-3.10.4-5, 3.10.4-6, 3.11.3-1] a code for each filter, also for one twice', async () => {
    await client.subscribe(1, ['a', 'b'])
    const { granted } = await client.unsubscribe(9, 'b', 'x', 'a', 'b')
    assert.deepEqual(granted, [0, 0x11, 0, 0x11])
  })

  it('[MQTT-3.10.4-3] what has begun is finished', async () => {
    await client.subscribe(1, ['begun'])
    await publisher.publish2('begun', 'x')
    const { messageId = 0 } = await client.next('publish')
    await client.unsubscribe(2, 'begun')
    client.ack('pubrec', messageId)
    assert.equal((await client.next('pubrel')).messageId, messageId)
    client.ack('pubcomp', messageId)
    assert.deepEqual(await client.beforePong(), [])
  })

  it('[MQTT-4.7.2-1] wildcards in front do not match topics that begin with $', async () => {
    await client.subscribe(1, ['#', '+/monitor/+', '$other/monitor/+'])
    publisher.publish('$other/monitor/a', 'x')
    assert.deepEqual(await got(), ['$other/monitor/a x'])
  })

  it('[MQTT-4.7.3-4] topics are not normalized', async () => {
    const forms = ['nf/\u00e5', 'nf/A\u030a', 'nf/a\u030a', 'nf/Å', 'nf//', 'nf/', '/nf']
    for (const [i, filter] of forms.entries()) await client.subscribe(i + 1, [filter])
    for (const topic of forms) publisher.publish(topic, 'x')
    assert.deepEqual(
      await got(),
      forms.map((topic) => `${topic} x`),
    )
  })

  it('[MQTT-4.7.1-1, 4.7.1-2] misplaced wildcards are refused', async () => {
    for (const filter of ['a#', 'a/#/b', '#/a', 'a+', '+a/b', 'a/b+/c']) {
      const other = await PacketClient.client(hub.port, { clientId: 'misplaced' })
      other.send({
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [{ topic: filter, qos: 0 }],
      })
      const [packet] = await other.answered()
      const codes = packet?.cmd === 'suback' ? [...packet.granted] : [0x8f]
      assert.deepEqual(codes, [0x8f], filter)
      if (packet?.cmd === 'disconnect') assert.ok([0x81, 0x82].includes(packet.reasonCode ?? 0))
      await other.destroy()
    }
  })

  describe('shared', () => {
    let members: PacketClient[]

    beforeEach(async () => {
      const names = [1, 2, 3].map((n) => ({ clientId: `member-${suite.count}-${n}` }))
      members = await Promise.all(names.map((name) => PacketClient.client(hub.port, name)))
    })

    afterEach(async () => {
      for (const member of members) await member.destroy()
    })

    async function sharesOf(): Promise<string[][]> {
      return Promise.all(members.map((member) => got(member)))
    }

    it('[MQTT-4.8.2-1, 4.8.2-2] names of a character or more without wildcards, and a filter', async () => {
      for (const filter of ['$share//a', '$share/g', '$share/g/', '$share/+/a', '$share/g#/a']) {
        const other = await PacketClient.client(hub.port, { clientId: 'no-share' })
        other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos: 0 }] })
        const [packet] = await other.answered()
        const isGranted = packet?.cmd === 'suback' && Number(packet.granted[0]) < 0x80
        assert.equal(isGranted, false, filter)
        await other.destroy()
      }
    })

    it('[MQTT-4.8.2-3] each message goes to one member, at the QoS of that one', async () => {
      const granted = [0, 1, 2] as const
      for (const [i, member] of members.entries()) {
        const subscription = { topic: '$share/g/shared/+', qos: granted[i] ?? 0 }
        await member.subscribe(1, [subscription])
      }
      for (let n = 0; n < 30; n++) publisher.publish(`shared/${n}`, 'x', { messageId: n + 1 })
      for (let n = 0; n < 30; n++) await publisher.next('puback')
      const all: string[] = []
      for (const [i, member] of members.entries()) {
        for (const packet of await member.beforePong()) {
          if (packet.cmd !== 'publish') continue
          all.push(packet.topic)
          assert.equal(packet.qos, Math.min(1, granted[i] ?? 0))
        }
      }
      assert.equal(all.length, 30)
      assert.equal(new Set(all).size, 30)
    })

    it('a group is no subscription of another group, nor of who shares nothing', async () => {
      await members[0]!.subscribe(1, ['$share/one/groups'])
      await members[1]!.subscribe(1, ['$share/two/groups'])
      await members[2]!.subscribe(1, ['groups'])
      publisher.publish('groups', 'x')
      assert.deepEqual(await sharesOf(), [['groups x'], ['groups x'], ['groups x']])
    })

    it('[MQTT-4.8.2-6] what a member refuses goes to nobody else', async () => {
      await members[0]!.subscribe(1, ['$share/g/refused'])
      publisher.publish('refused', 'x', { messageId: 1 })
      const { messageId = 0 } = await members[0]!.next('publish')
      await members[1]!.subscribe(1, ['$share/g/refused'])
      members[0]!.ack('puback', messageId, 0x80)
      assert.deepEqual(await sharesOf(), [[], [], []])
    })
  })
})
