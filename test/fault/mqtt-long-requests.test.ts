import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'
import { DEADLINE_MS } from '../support/patience.ts'

const FILTERS_MAX = 20_000
const PACKET_BYTES = 1_000_000
const NAME_CHARS = 4
/** Answers in between: when all is done at once there is one, whose question was there before. */
const TURNS_MIN = 8
const TURNS_OF_RETURN_MIN = 4
/** In each the server reads what there is of the other connection: a packet of a megabyte has come long before. */
const ROUNDS_TO_ARRIVE = 64

/** Packets as long as they may be: whoever sends one waits, and nobody else. What is counted is turns, not time. */
describe('SUBSCRIBE and UNSUBSCRIBE of a hundred thousand filters', () => {
  let hub: MqttHub
  let bystander: PacketClient

  before(async () => {
    hub = await MqttHub.start({ max_subscriptions: FILTERS_MAX })
    bystander = await PacketClient.client(hub.port, { clientId: 'bystander' })
  })

  after(() => hub.remove())

  function client(packet: Partial<IConnectPacket> = {}): Promise<PacketClient> {
    return PacketClient.client(hub.port, { clientId: 'long', ...packet })
  }

  /** Sends all but the last byte, and that when the server has the others. */
  async function sendLong(long: PacketClient, packet: Buffer): Promise<void> {
    long.raw(packet.subarray(0, -1))
    while (long.unsent > 0) await bystander.beforePong()
    for (let n = 0; n < ROUNDS_TO_ARRIVE; n++) await bystander.beforePong()
    long.raw(packet.subarray(-1))
  }

  async function untilGone(filter: string): Promise<void> {
    const nats = hub.running.client()
    const endMs = Date.now() + DEADLINE_MS
    while (nats.hasInterest(filter)) {
      assert.ok(Date.now() < endMs, `${filter} is still there`)
      await bystander.beforePong()
    }
  }

  it('others are served in between; the answers are whole, and what was sent behind comes behind', async () => {
    const long = await client()
    const names = namesOf(PACKET_BYTES / (NAME_CHARS + 3))
    await sendLong(long, subscribeTo(names))
    // In the order in which they are answered if nothing overtakes anything.
    long.raw('c000')
    long.publish(names[0] ?? '', 'mine')
    const suback = long.next('suback')
    const whileSubscribing = await bystander.answeredDuring(suback)
    const codes = (await suback).granted as number[]
    assert.equal(codes.length, names.length)
    assert.ok(codes.every((code, at) => code === (at < FILTERS_MAX ? 0 : 0x97)))
    await long.next('pingresp')
    assert.equal(await long.message(), `${names[0]} mine`)

    await sendLong(long, unsubscribeFrom(names))
    long.raw('c000')
    const unsuback = long.next('unsuback')
    const whileUnsubscribing = await bystander.answeredDuring(unsuback)
    const gone = (await unsuback).granted as number[]
    assert.equal(gone.length, names.length)
    assert.ok(gone.every((code, at) => code === (at < FILTERS_MAX ? 0 : 0x11)))
    await long.next('pingresp')
    assert.equal(hub.running.client().hasInterest(names[0] ?? ''), false)
    await long.destroy()
    const counts = `${whileSubscribing} and ${whileUnsubscribing} answers`
    assert.ok(whileSubscribing >= TURNS_MIN && whileUnsubscribing >= TURNS_MIN, counts)
  })

  it('of a session that lasts all is on disk, and when it is back others are served as well', async () => {
    const lasting = {
      clientId: 'lasting',
      clean: false,
      properties: { sessionExpiryInterval: 600 },
    }
    const names = namesOf(FILTERS_MAX)
    const first = await client(lasting)
    first.raw(subscribeTo(names))
    assert.ok((await first.next('suback')).granted.every((code) => code === 0))
    await first.destroy()
    await hub.crash()
    bystander = await PacketClient.client(hub.port, { clientId: 'bystander' })

    const again = await PacketClient.open(hub.port)
    again.sendConnect(lasting)
    again.publish(names.at(-1) ?? '', 'mine')
    assert.equal((await again.next('connack')).sessionPresent, true)
    const message = again.message()
    const served = await bystander.answeredDuring(message)
    assert.equal(await message, `${names.at(-1)} mine`)
    await again.disconnect({ properties: { sessionExpiryInterval: 0 } })
    await untilGone(names.at(-1) ?? '')
    assert.ok(served >= TURNS_OF_RETURN_MIN, `${served} answers`)
  })

  it('one that breaks a rule at its end does nothing, and says what was wrong', async () => {
    const long = await client()
    const names = namesOf(PACKET_BYTES / (NAME_CHARS + 3))
    long.raw(subscribeTo([...names, 'a/#/b']))
    long.raw('c000')
    assert.equal(await long.disconnected(), 0x81)
    const cut = await client()
    const packet = subscribeTo(names)
    // The options of the last filter are reserved ones.
    packet[packet.length - 1] = 0xc0
    cut.raw(packet)
    assert.equal(await cut.disconnected(), 0x81)
    assert.equal(hub.running.client().hasInterest(names[0] ?? ''), false)
  })

  it('who goes in the middle of it leaves nothing', async () => {
    const long = await client()
    const names = namesOf(PACKET_BYTES / (NAME_CHARS + 3))
    await sendLong(long, subscribeTo(names))
    const nats = hub.running.client()
    const endMs = Date.now() + DEADLINE_MS
    while (!nats.hasInterest(names[0] ?? '')) {
      assert.ok(Date.now() < endMs, 'nothing is subscribed')
      await bystander.beforePong()
    }
    await long.destroy()
    await untilGone(names[0] ?? '')
    await untilGone(names[FILTERS_MAX - 1] ?? '')
  })

  it('retained messages of ten thousand filters come, and others are served in between', async () => {
    const names = namesOf(10_000)
    for (const [at, name] of names.entries()) {
      if (at % 100 === 0) bystander.publish(name, 'kept', { retain: true })
    }
    await bystander.beforePong()
    const long = await client()
    long.raw(subscribeTo(names))
    await long.next('suback')
    const got = (async () => {
      const topics: string[] = []
      for (let n = 0; n < 100; n++) topics.push((await long.next('publish')).topic)
      return topics
    })()
    const served = await bystander.answeredDuring(got)
    assert.deepEqual(
      await got,
      names.filter((_, at) => at % 100 === 0),
    )
    assert.ok(served >= TURNS_MIN, `${served} answers`)
    await long.destroy()
  })
})

function namesOf(count: number): string[] {
  return Array.from({ length: Math.floor(count) }, (_, n) =>
    n.toString(36).padStart(NAME_CHARS, '0'),
  )
}

function subscribeTo(filters: readonly string[]): Buffer {
  return requestOf(0x82, filters, [0])
}

function unsubscribeFrom(filters: readonly string[]): Buffer {
  return requestOf(0xa2, filters, [])
}

/** @param options what stands behind each filter */
function requestOf(first: number, filters: readonly string[], options: readonly number[]): Buffer {
  const fields = filters.flatMap((filter) => [
    Buffer.of(filter.length >> 8, filter.length & 0xff),
    Buffer.from(filter),
    Buffer.from(options),
  ])
  const body = Buffer.concat([Buffer.of(0, 1, 0), ...fields])
  const length: number[] = []
  for (let rest = body.length; rest > 0; rest >>>= 7) {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  }
  return Buffer.concat([Buffer.of(first, ...length), body])
}
