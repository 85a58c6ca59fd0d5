import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { collectGarbage } from '../../shared/runtime/index.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { connectPacket, subscribePacket } from '../support/mqtt-packets.ts'
import { DEADLINE_MS } from '../support/patience.ts'

const WARM_UP = 200
const CLIENTS = 600

/**
 * What one idle client holds: its connection, session and filter, and the socket at its own end, which is in this
 * process too (some 1.2 kB). Measured, 6 kB; with a map, a set or a timer for whatever may come it was 14.
 */
const HEAP_BYTES_MAX = 8_000

describe('MQTT: memory of idle clients', () => {
  let door: MqttFrontDoor
  let sockets: Socket[]

  beforeEach(async () => {
    sockets = []
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(new MqttCore())
  })

  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await door.destroy()
  })

  /** Resolves when the client has its SUBACK. */
  async function open(protocolVersion: 4 | 5, keepalive: number): Promise<void> {
    const index = sockets.length
    const socket = connect({ port: door.port, host: '127.0.0.1' })
    sockets.push(socket)
    socket.write(connectPacket(`idle-${index}`, { protocolVersion, keepalive }))
    socket.write(subscribe(protocolVersion, index))
    const before = door.counters.filters
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no SUBACK')), DEADLINE_MS)
      socket.on('data', () => {
        if (door.counters.filters <= before) return
        clearTimeout(timer)
        socket.removeAllListeners('data')
        resolve()
      })
    })
  }

  /** MQTT 5 has a length of properties behind the packet identifier. */
  function subscribe(protocolVersion: 4 | 5, index: number): Buffer {
    const packet = subscribePacket(1, [`idle/${index}/command`, 1])
    if (protocolVersion === 4) return packet
    const begin = Buffer.of(packet.readUInt8(0), packet.readUInt8(1) + 1)
    return Buffer.concat([begin, packet.subarray(2, 4), Buffer.of(0), packet.subarray(4)])
  }

  /** Behind a turn of the loop, in which what was destroyed is let go of. */
  async function heapBytes(): Promise<number> {
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }

  for (const [protocolVersion, keepalive] of [
    [4, 0],
    [4, 60],
    [5, 60],
  ] as const) {
    it(`is bounded: MQTT level ${protocolVersion}, keep alive ${keepalive} s`, async () => {
      for (let i = 0; i < WARM_UP; i++) await open(protocolVersion, keepalive)
      const before = await heapBytes()
      for (let i = 0; i < CLIENTS; i++) await open(protocolVersion, keepalive)
      const each = ((await heapBytes()) - before) / CLIENTS
      assert.equal(door.counters.clients, WARM_UP + CLIENTS)
      assert.equal(door.counters.filters, WARM_UP + CLIENTS)
      assert.ok(each < HEAP_BYTES_MAX, `${Math.round(each)} bytes each`)
    })
  }
})
