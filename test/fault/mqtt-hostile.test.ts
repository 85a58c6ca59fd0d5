import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import { NOTICE_INTERVAL_MS } from '../../bridge-mqtt/limits.ts'
import { packetOf } from '../support/mqtt-codec.ts'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { ScramClient } from '../support/scram-client.ts'

const FILTERS_MAX = 2_000
const CROWD = 50
/** A few seconds, where nothing else runs. */
const MILLION_MS = 300_000
/** They have their turns alike, so that the first of them is answered, or gone, when nearly all of them are. */
const CROWD_MS = MILLION_MS / 3
/** Two of its length, four of a name, one of options. */
const FILTER_BYTES = 7
/** A test is about one or two ways to do harm: what is logged of it has few kinds. */
const KINDS_MAX = 3

/**
 * Clients that want to do harm, each beside one that does not: what that one publishes comes back to it all the
 * time, and when the others are gone nothing of them is left.
 */
describe('hostile MQTT 5 clients', () => {
  let hub: MqttHub
  let bystander: PacketClient
  let count = 0
  let lastMs = 0

  before(async () => {
    hub = await MqttHub.start(
      {
        max_subscriptions: FILTERS_MAX,
        max_queued_messages: 100,
        max_connections: 3_000,
        no_auth_user: 'anybody',
      },
      {
        authorization: {
          users: [
            { user: 'anybody', password: 'x1' },
            { user: 'ada', password: 'x2' },
          ],
        },
      },
    )
    bystander = await PacketClient.client(hub.port, { clientId: 'bystander' })
    await bystander.subscribe(1, ['bystander/#'])
    lastMs = hub.clock.monotonicMs()
  })

  after(() => hub.remove())

  afterEach('the bystander goes on', async () => {
    await isServed()
    const nowMs = hub.clock.monotonicMs()
    // Each kind once, and once more for each interval that went by.
    const most = 2 + Math.floor((nowMs - lastMs) / NOTICE_INTERVAL_MS)
    lastMs = nowMs
    const kinds = new Map<string, number>()
    for (const { level, message } of hub.log.lines.splice(0)) {
      if (level !== 'info') kinds.set(message, (kinds.get(message) ?? 0) + 1)
    }
    for (const [kind, lines] of kinds) assert.ok(lines <= most, `${lines} lines of: ${kind}`)
    assert.ok(kinds.size <= KINDS_MAX, [...kinds.keys()].join())
  })

  async function isServed(): Promise<void> {
    count++
    bystander.publish('bystander/a', `${count}`, { messageId: 1 })
    const message = await bystander.whenever('publish', count)
    assert.equal(`${message.payload}`, `${count}`)
    bystander.ack('puback', count)
    await bystander.whenever('puback', 1)
  }

  async function client(packet: Partial<IConnectPacket> = {}): Promise<PacketClient> {
    return PacketClient.client(hub.port, { clientId: 'hostile', ...packet })
  }

  async function until(
    isTrue: () => boolean | Promise<boolean>,
    what: string,
    deadlineMs = DEADLINE_MS,
  ): Promise<void> {
    const endMs = Date.now() + deadlineMs
    while (!(await isTrue())) {
      assert.ok(Date.now() < endMs, `waited for ${what}`)
      await isServed()
    }
  }

  /** What it is when it was the same over twenty turns of the bystander. */
  async function settled(value: () => number): Promise<number> {
    let last = value()
    let same = 0
    await until(() => {
      same = value() === last ? same + 1 : 0
      last = value()
      return same >= 20
    }, 'it to settle')
    return last
  }

  it('who sends a CONNECT byte by byte has no longer for it than others', async () => {
    const connect = packetOf('10', '0004 4d515454 05 02 0000 00 0001 61')
    const slow = await Promise.all(Array.from({ length: 100 }, () => PacketClient.open(hub.port)))
    // Connections are accepted in their order: those before are, when this one is.
    await (await client({ clientId: 'last' })).disconnect()
    for (const byte of connect.subarray(0, -1)) {
      for (const each of slow) each.raw(Buffer.of(byte))
      await isServed()
      hub.clock.skip(500)
    }
    hub.clock.skip(10_000)
    for (const each of slow) assert.deepEqual(await each.end(), [])
  })

  it('a million filters of one client: so many as are allowed, 0x97 for each of the others', async () => {
    const hostile = await client()
    const perPacket = 100_000
    let granted = 0
    for (let packet = 0; packet < 10; packet++) {
      hostile.raw(subscribeTo(packet * perPacket, perPacket))
      const suback = await hostile.next('suback')
      const codes = suback.granted as number[]
      assert.equal(codes.length, perPacket)
      granted += codes.filter((code) => code === 0).length
      assert.ok(codes.every((code) => code === 0 || code === 0x97))
      await isServed()
    }
    assert.equal(granted, FILTERS_MAX)
    await hostile.destroy()
    const nats = hub.running.client()
    await until(() => !nats.hasInterest('0000'), 'the filters to be gone')
  }).timeout(MILLION_MS)

  it('a hundred thousand of many clients: each is granted, and all go with them', async () => {
    const crowd = await Promise.all(
      Array.from({ length: CROWD }, (_, n) => client({ clientId: `crowd-${n}` })),
    )
    for (const [n, one] of crowd.entries()) one.raw(subscribeTo(n * FILTERS_MAX, FILTERS_MAX))
    for (const one of crowd) {
      const { granted } = await one.next('suback', CROWD_MS)
      assert.equal(granted.length, FILTERS_MAX)
      assert.ok((granted as number[]).every((code) => code === 0))
      await isServed()
    }
    for (const one of crowd) await one.destroy()
    const nats = hub.running.client()
    for (let n = 0; n < CROWD * FILTERS_MAX; n += FILTERS_MAX) {
      await until(() => !nats.hasInterest(nameOf(n)), 'the filters to be gone', CROWD_MS)
    }
  }).timeout(MILLION_MS)

  it('a PUBLISH of a hundred thousand tiny user properties is refused with 0x97', async () => {
    const hostile = await client()
    const pairs = Array.from({ length: 100_000 }, () => '2600000000').join('')
    const length = varint(pairs.length / 2)
    for (let n = 1; n <= 5; n++) {
      hostile.raw(packetOf('32', '0001 61', hex16(n), length, pairs))
      const packets = await hostile.answered()
      assert.equal(packets.length, 1)
      assert.ok(packets[0]?.cmd === 'puback' && packets[0].reasonCode === 0x97)
      await isServed()
    }
    await hostile.destroy()
  })

  it('a CONNECT of so many user properties as fit, and more', async () => {
    for (const size of [20_000, 200_000]) {
      const hostile = await PacketClient.open(hub.port)
      const pairs = Array.from({ length: size / 5 }, () => '2600000000').join('')
      const length = varint(pairs.length / 2)
      hostile.raw(packetOf('10', '0004 4d515454 05 02 0000', length, pairs, '0001 61'))
      if (size === 20_000) assert.equal((await hostile.next('connack')).reasonCode, 0)
      else assert.deepEqual(await hostile.end(), [])
      await hostile.destroy()
    }
  })

  it('who publishes and never reads is read no further, and the others are', async () => {
    const hostile = await client()
    hostile.pause()
    const ping = Buffer.alloc(2_000_000, Buffer.from('c000', 'hex'))
    const publishes = Buffer.concat(
      Array.from({ length: 5_000 }, () => packetOf('32', '0001 61 0001 00 78')),
    )
    // The kernel's buffers are of many sizes: as much as it takes until they are full both ways.
    for (let n = 0; (await settled(() => hostile.unsent)) === 0; n++) {
      assert.ok(n < 100, 'the input is never paused')
      hostile.raw(ping)
      hostile.raw(publishes)
    }
    const unsent = hostile.unsent
    await isServed()
    assert.equal(hostile.unsent, unsent)
    await hostile.destroy()
  })

  it('who subscribes and never reads gets no more than a bounded part', async () => {
    const hostile = await client()
    await hostile.subscribe(1, ['flood/#'])
    hostile.pause()
    const payload = 'x'.repeat(10_000)
    for (let n = 0; n < 1_000; n++) {
      bystander.publish('flood/a', payload, n % 10 === 0 ? { messageId: 2 } : {})
      if (n % 10 === 0) await bystander.whenever('puback', 2)
    }
    await isServed()
    hostile.resume()
    const packets = await hostile.beforePong()
    assert.ok(packets.length > 0 && packets.length < 1_000, `${packets.length}`)
    await hostile.destroy()
  })

  it('who never acknowledges gets as many as it takes, and what waits is bounded', async () => {
    const hostile = await client({ properties: { receiveMaximum: 5 } })
    await hostile.subscribe(1, ['acks'])
    for (let n = 0; n < 300; n++) {
      bystander.publish('acks', `${n}`, { messageId: 2 })
      await bystander.whenever('puback', 2)
    }
    const got: string[] = []
    for (let n = 0; n < 5; n++) got.push(await hostile.message())
    assert.deepEqual(await hostile.beforePong(), [])
    // It has changed its mind: what has waited comes, and no more than that.
    for (let id = 1; id <= 5; id++) hostile.ack('puback', id)
    for (let n = 0; n < 100; n++) {
      const { messageId = 0, payload } = await hostile.next('publish')
      got.push(`acks ${payload}`)
      hostile.ack('puback', messageId)
    }
    assert.deepEqual(await hostile.beforePong(), [])
    assert.deepEqual(
      got,
      Array.from({ length: 105 }, (_, n) => `acks ${n}`),
    )
    await hostile.destroy()
  })

  it('two thousand who come and go leave nothing', async () => {
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({ length: 100 }, async (_, n) => {
        const one = await PacketClient.open(hub.port)
        one.sendConnect({ clientId: `swarm-${n}`, ...(n % 2 === 0 ? { will: WILL } : {}) })
        if (n % 3 === 0) one.raw('82 08 0001 00 0002 612f 00')
        if (n % 5 !== 0) await one.next('connack')
        await one.destroy()
      })
      await Promise.all(clients)
      await isServed()
    }
    const nats = hub.running.client()
    await until(() => !nats.hasInterest('a./'), 'the subscriptions to be gone')
    const again = await client({ clientId: 'swarm-1' })
    assert.deepEqual(await again.beforePong(), [])
    await again.destroy()
  })

  it('a hundred who fight for one identifier: one is left', async () => {
    const fighters = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const one = await PacketClient.open(hub.port)
        one.sendConnect({ clientId: 'fought-for' })
        return one
      }),
    )
    for (const fighter of fighters) await fighter.next('connack')
    await until(() => fighters.filter(({ isClosed }) => !isClosed).length === 1, 'one to be left')
    for (const fighter of fighters) await fighter.destroy()
  })

  it('who guesses passwords by SCRAM is refused, each time', async () => {
    const authenticationMethod = 'SCRAM-SHA-256'
    for (let n = 0; n < 200; n++) {
      const guesser = await PacketClient.open(hub.port)
      const scram = new ScramClient(n % 2 === 0 ? 'ada' : `ada${n}`, `guess ${n}`)
      const first = { authenticationMethod, authenticationData: scram.first }
      guesser.sendConnect({ clientId: 'guesser', properties: first })
      const { properties } = await guesser.next('auth')
      const authenticationData = scram.final(properties?.authenticationData ?? Buffer.alloc(0))
      const final = { authenticationMethod, authenticationData }
      guesser.send({ cmd: 'auth', reasonCode: 0x18, properties: final })
      assert.equal((await guesser.next('connack')).reasonCode, 0x86)
      assert.deepEqual(await guesser.end(), [])
    }
  })

  it('who begins to log in and does not go on is let go in time', async () => {
    const authenticationMethod = 'SCRAM-SHA-256'
    const waiting: PacketClient[] = []
    for (let n = 0; n < 100; n++) {
      const one = await PacketClient.open(hub.port)
      const authenticationData = new ScramClient(`nobody ${n}`, 'x').first
      one.sendConnect({ clientId: '', properties: { authenticationMethod, authenticationData } })
      await one.next('auth')
      waiting.push(one)
    }
    hub.clock.skip(11_000)
    for (const one of waiting) await one.end()
  })

  it('who is silent longer than his keep alive is let go, though his end is never heard of', async () => {
    const silent = await Promise.all(
      Array.from({ length: 50 }, (_, n) => client({ clientId: `silent-${n}`, keepalive: 30 })),
    )
    for (const one of silent) one.pause()
    hub.clock.skip(46_000)
    await isServed()
    for (const one of silent) {
      one.resume()
      assert.equal(await one.disconnected(), 0x8d)
    }
  })
})

const WILL = { topic: 'swarm', payload: 'gone', qos: 0, retain: false } as const

function hex16(n: number): string {
  return n.toString(16).padStart(4, '0')
}

function varint(n: number): string {
  const bytes: number[] = []
  for (let rest = n; rest > 0 || bytes.length === 0; rest >>>= 7) {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  }
  return Buffer.from(bytes).toString('hex')
}

function nameOf(n: number): string {
  return n.toString(36).padStart(4, '0')
}

/** A SUBSCRIBE at QoS 0 with the filters from that number on. */
function subscribeTo(from: number, count: number): Buffer {
  const body = Buffer.alloc(3 + count * FILTER_BYTES)
  body[1] = 1
  for (let n = 0; n < count; n++) {
    const at = 3 + n * FILTER_BYTES
    body.writeUInt16BE(4, at)
    body.write(nameOf(from + n), at + 2, 'latin1')
  }
  return Buffer.concat([Buffer.from(`82${varint(body.length)}`, 'hex'), body])
}
