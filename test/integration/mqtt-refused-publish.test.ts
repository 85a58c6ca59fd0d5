import assert from 'node:assert/strict'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type Packet, parser } from 'mqtt-packet'
import { MqttHub } from '../support/mqtt-hub.ts'
import { MqttLine } from '../support/mqtt-line.ts'
import { connectPacket, publishPacket } from '../support/mqtt-packets.ts'
import { connect } from '../support/patience.ts'

const PUBREC = '5002'
const PUBCOMP = '7002'

/** PUBLISH at QoS 2, as 3.1.1 has it. */
function exactlyOnce(packetId: number, payload: string, dup = false): Buffer {
  const packet = publishPacket('full/x', payload, { packetId, dup })
  packet[0] = ((packet[0] ?? 0) & ~0x06) | 0x04
  return packet
}

function idOf(packetId: number): string {
  return packetId.toString(16).padStart(4, '0')
}

describe('a QoS 2 publish that a stream refuses', function () {
  this.timeout(30_000)

  let hub: MqttHub
  let nats: NatsConnection

  beforeEach(async () => {
    hub = await MqttHub.start()
    nats = await connect({ port: hub.running.ports.client.port })
    const manager = await jetstreamManager(nats)
    await manager.streams.add({ name: 'FULL', subjects: ['full.>'], max_msgs: 2, discard: 'new' })
  })

  afterEach(async () => {
    await nats.close()
    await hub.remove()
  })

  async function stored(): Promise<number> {
    return (await (await jetstreamManager(nats)).streams.info('FULL')).state.messages
  }

  async function purge(): Promise<void> {
    await (await jetstreamManager(nats)).streams.purge('FULL')
  }

  async function pass(line: MqttLine, packetId: number, payload: string, dup = false) {
    line.send(exactlyOnce(packetId, payload, dup))
    assert.equal(await line.take(4), PUBREC + idOf(packetId))
    line.send(`6202${idOf(packetId)}`)
    assert.equal(await line.take(4), PUBCOMP + idOf(packetId))
  }

  it('is sent again by a client of 3.1.1 until it is stored: it is no repetition', async () => {
    const session = connectPacket('device', { clean: false })
    const line = await MqttLine.client(hub.port, session)
    await pass(line, 1, 'one')
    await pass(line, 2, 'two')
    line.send(exactlyOnce(3, 'three'))
    assert.equal(await line.rest(), '', 'neither acknowledged nor kept waiting for ever')
    const again = await MqttLine.open(hub.port)
    again.send(session)
    assert.equal(await again.take(4), '20020100')
    again.send(exactlyOnce(3, 'three', true))
    assert.equal(await again.rest(), '', 'it is refused as before')
    await purge()
    const last = await MqttLine.open(hub.port)
    last.send(session)
    assert.equal(await last.take(4), '20020100')
    await pass(last, 3, 'three', true)
    assert.equal(await stored(), 1)
    last.destroy()
  })

  it('frees its packet identifier for another message in MQTT 5 [MQTT-4.3.3-9]', async () => {
    const line = await MqttLine.open(hub.port)
    // Clean start 0, session expiry for ever.
    line.send('10 18 0004 4d515454 05 00 0000 05 11 ffffffff 0006 646576696365'.replaceAll(' ', ''))
    const packets = packetsOf(line)
    assert.equal((await packets.next()).cmd, 'connack')
    for (const [packetId, reason] of [
      [1, 0],
      [2, 0],
      [3, 0x97],
    ] as const) {
      line.send(exactlyOnceOf5(packetId, `${packetId}`))
      const pubrec = await packets.next()
      assert.deepEqual([pubrec.cmd, codeOf(pubrec)], ['pubrec', reason])
      if (reason !== 0) continue
      line.send(`6202${idOf(packetId)}`)
      assert.equal((await packets.next()).cmd, 'pubcomp')
    }
    await purge()
    line.send(exactlyOnceOf5(3, 'another'))
    assert.equal(codeOf(await packets.next()), 0)
    assert.equal(await stored(), 1)
    line.destroy()
  })
})

function exactlyOnceOf5(packetId: number, payload: string): Buffer {
  const body = Buffer.concat([
    Buffer.from('000666756c6c2f78', 'hex'),
    Buffer.from(idOf(packetId), 'hex'),
    Buffer.of(0),
    Buffer.from(payload),
  ])
  return Buffer.concat([Buffer.of(0x34, body.length), body])
}

function codeOf(packet: Packet): number {
  return 'reasonCode' in packet ? (packet.reasonCode ?? 0) : 0
}

/** One packet after the other, byte by byte from the line. */
function packetsOf(line: MqttLine): { next(): Promise<Packet> } {
  const found: Packet[] = []
  const reading = parser({ protocolVersion: 5 })
  reading.on('packet', (packet: Packet) => found.push(packet))
  return {
    next: async () => {
      while (found.length === 0) {
        const byte = await line.take(1)
        if (byte === '') throw new Error('the server closed the connection')
        reading.parse(Buffer.from(byte, 'hex'))
      }
      return found.shift() as Packet
    },
  }
}
