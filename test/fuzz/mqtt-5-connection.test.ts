import assert from 'node:assert/strict'
import { generate, type Packet } from 'mqtt-packet'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { FROM_CLIENT } from '../conformance/mqtt-normative/packets-5.ts'
import { packetOf } from '../support/mqtt-codec.ts'
import { MqttHub } from '../support/mqtt-hub.ts'
import { connect5, PacketClient } from '../support/packet-client.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { ScramClient } from '../support/scram-client.ts'

const SEEDS = 10
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 40)
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const METHOD = 'SCRAM-SHA-256'

describe(`MQTT 5 connections under random input (seed ${seed})`, () => {
  let hub: MqttHub
  let witness: PacketClient
  let count = 0

  before(async () => {
    const users = [
      { user: 'anybody', password: 'x1' },
      { user: 'ada', password: 'x2' },
    ]
    hub = await MqttHub.start(
      { no_auth_user: 'anybody' },
      { authorization: { users }, max_payload: 4_096 },
    )
    witness = await PacketClient.client(hub.port, { clientId: 'witness' })
    await witness.subscribe(1, ['witness'])
  })

  after(() => hub.remove())

  async function isServed(): Promise<void> {
    count++
    witness.publish('witness', `${count}`, { messageId: 1 })
    const { payload } = await witness.whenever('publish', count)
    assert.equal(`${payload}`, `${count}`)
    witness.ack('puback', count)
    await witness.whenever('puback', 1)
  }

  for (let n = 0; n < SEEDS; n++) {
    it(`whatever comes ends that connection at most (seed ${seed + n})`, async () => {
      const random = new SeededRandom(seed + n)
      for (let round = 0; round < ROUNDS; round++) {
        const client = await PacketClient.open(hub.port)
        if (random.below(4) > 0) client.send(drawnConnect(random))
        const packets = random.below(12) + 1
        for (let i = 0; i < packets; i++) client.raw(drawn(random))
        // What it has sent so far may be the beginning of a long packet: nobody can wait for answers to that.
        if (random.below(2) === 0) await isServed()
        await client.destroy()
      }
      await isServed()
    })
  }

  it('nothing was broken, and nothing is left of who is gone', async () => {
    for (let session = 0; session < 4; session++) {
      const clientId = `fuzz-${session}`
      await (await PacketClient.client(hub.port, { clientId, clean: true })).disconnect()
    }
    const nats = hub.running.client()
    const endMs = Date.now() + DEADLINE_MS
    while (nats.hasInterest('a.b')) {
      assert.ok(Date.now() < endMs, 'interest is left')
      await isServed()
    }
    const levels = new Set(hub.log.lines.map(({ level }) => level))
    assert.ok(!levels.has('error') && !levels.has('fatal'), JSON.stringify(hub.log.lines))
  })

  it('a stream of packets means the same in whatever pieces it comes', async () => {
    for (let n = 0; n < SEEDS; n++) {
      const random = new SeededRandom(seed + n)
      const bytes = Buffer.concat(legalStream(random))
      const whole = await answersTo([bytes])
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; ) {
        const size = random.below(random.below(2) === 0 ? 4 : 500) + 1
        pieces.push(bytes.subarray(at, at + size))
        at += size
      }
      assert.deepEqual(await answersTo(pieces), whole, `seed ${seed + n}`)
      assert.ok(whole.length > 100)
    }
  })

  /** Acknowledgements and deliveries, each in their order: which comes first of both is free. */
  async function answersTo(pieces: readonly Buffer[]): Promise<string[]> {
    const client = await PacketClient.client(hub.port, { clientId: 'pieces' })
    await client.subscribe(1, [{ topic: 'pieces/#', qos: 0 }])
    for (const [i, piece] of pieces.entries()) {
      client.raw(piece)
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const packets = await client.beforePong()
    await client.disconnect()
    const isDelivery = ({ cmd }: Packet): boolean => cmd === 'publish'
    const sorted = packets.toSorted((a, b) => Number(isDelivery(a)) - Number(isDelivery(b)))
    return sorted.map((packet) =>
      packet.cmd === 'publish'
        ? `${packet.topic} ${packet.payload}`
        : `${packet.cmd} ${'messageId' in packet ? packet.messageId : ''}`,
    )
  }
})

function pick<Item>(random: SeededRandom, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item
}

function drawnConnect(random: SeededRandom): Packet {
  const authenticates = random.below(4) === 0
  const scram = new ScramClient(pick(random, ['ada', 'eve', 'anybody']), 'x2').first
  return connect5({
    clientId: `fuzz-${random.below(4)}`,
    clean: random.below(2) === 0,
    ...(random.below(3) === 0
      ? { will: { topic: 'a/b', payload: 'w', qos: pick(random, [0, 1, 2]), retain: false } }
      : {}),
    properties: {
      sessionExpiryInterval: pick(random, [0, 1, 3_600]),
      receiveMaximum: random.below(5) + 1,
      topicAliasMaximum: random.below(3),
      ...(random.below(3) === 0 ? { maximumPacketSize: random.below(100) + 10 } : {}),
      ...(authenticates ? { authenticationMethod: METHOD, authenticationData: scram } : {}),
    },
  })
}

/** Packets of all kinds, right, wrong by a rule, or damaged. */
function drawn(random: SeededRandom): Buffer {
  if (random.below(12) === 0) return Buffer.from(random.bytes(random.below(200) + 1))
  const [, , first = '', body = ''] = pick(random, FROM_CLIENT)
  const bytes = random.below(4) === 0 ? packetOf(first, body) : legal(random)
  const flips = random.below(4) === 0 ? random.below(3) + 1 : 0
  for (let i = 0; i < flips; i++) bytes[random.below(bytes.length)] = random.below(256)
  return random.below(20) === 0 ? bytes.subarray(0, random.below(bytes.length) + 1) : bytes
}

function legal(random: SeededRandom): Buffer {
  const messageId = random.below(4) + 1
  const packets: readonly Packet[] = [
    ...([0, 1, 2] as const).map((qos) => ({
      cmd: 'publish' as const,
      topic: pick(random, ['a/b', 'a', '$x/y', 'retained/a']),
      payload: 'x'.repeat(random.below(300)),
      qos,
      dup: false,
      retain: random.below(4) === 0,
      properties: random.below(2) === 0 ? { topicAlias: random.below(12) + 1 } : {},
      ...(qos === 0 ? {} : { messageId }),
    })),
    { cmd: 'pubrel', messageId },
    { cmd: 'puback', messageId },
    { cmd: 'pubrec', messageId },
    { cmd: 'pubcomp', messageId },
    {
      cmd: 'subscribe',
      messageId,
      subscriptions: [
        { topic: pick(random, ['a/+', '#', '$share/g/a/b', 'retained/+']), qos: 2, nl: false },
      ],
      properties: random.below(2) === 0 ? { subscriptionIdentifier: random.below(9) + 1 } : {},
    },
    { cmd: 'unsubscribe', messageId, unsubscriptions: [pick(random, ['a/+', '#', 'x'])] },
    { cmd: 'pingreq' },
    {
      cmd: 'auth',
      reasonCode: pick(random, [0x18, 0x19]),
      properties: {
        authenticationMethod: METHOD,
        authenticationData: Buffer.from(pick(random, ['n,,n=ada,r=x', 'c=biws,r=x,p=x', ''])),
      },
    },
    { cmd: 'disconnect', reasonCode: pick(random, [0, 4]) },
  ]
  return generate(pick(random, packets), { protocolVersion: 5 })
}

/** Publishes of each QoS with their PUBRELs, aliases and pings, as one client may send them in a row. */
function legalStream(random: SeededRandom): Buffer[] {
  const stream: Packet[] = []
  for (let id = 1; id <= 60; id++) {
    const qos = pick(random, [0, 1, 2] as const)
    const topic = `pieces/${random.below(3)}`
    stream.push({
      cmd: 'publish',
      topic,
      payload: 'p'.repeat(random.below(400)) + id,
      qos,
      dup: false,
      retain: false,
      properties: { userProperties: { n: `${id}` } },
      ...(qos === 0 ? {} : { messageId: id }),
    })
    if (qos === 2) stream.push({ cmd: 'pubrel', messageId: id })
    stream.push({ cmd: 'unsubscribe', messageId: id, unsubscriptions: [`no/${id}`] })
  }
  return stream.map((packet) => generate(packet, { protocolVersion: 5 }))
}
