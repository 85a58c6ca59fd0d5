import assert from 'node:assert/strict'
import { once } from 'node:events'
import { generate, type Packet, parser } from 'mqtt-packet'
import { WebSocket } from 'ws'
import { MqttHub } from '../support/mqtt-hub.ts'
import { connect5 } from '../support/packet-client.ts'

const OPTIONS = { protocolVersion: 5 } as const

describe('MQTT 5 over WebSocket', () => {
  let hub: MqttHub
  let url: string

  before(async () => {
    hub = await MqttHub.start({}, { websocket: { host: '127.0.0.1', port: -1, no_tls: true } })
    url = `ws://127.0.0.1:${hub.running.ports.webSocket?.port}/mqtt`
  })

  after(() => hub.remove())

  async function open(): Promise<{ socket: WebSocket; next: () => Promise<Packet> }> {
    const socket = new WebSocket(url, ['mqtt'])
    const packets: Packet[] = []
    let changed = (): void => {}
    const reader = parser(OPTIONS)
    reader.on('packet', (packet) => {
      packets.push(packet)
      changed()
    })
    socket.on('message', (data, isBinary) => {
      assert.ok(isBinary, 'the server sends binary frames')
      reader.parse(data as Buffer)
    })
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    const next = async (): Promise<Packet> => {
      while (packets.length === 0) {
        await new Promise<void>((resolve) => {
          changed = resolve
        })
      }
      return packets.shift() as Packet
    }
    return { socket, next }
  }

  it('[MQTT-6.0.0-4] the server selects mqtt', async () => {
    const { socket } = await open()
    assert.equal(socket.protocol, 'mqtt')
    socket.terminate()
  })

  it('[MQTT-6.0.0-2] packets begin and end anywhere in frames', async () => {
    const { socket, next } = await open()
    const bytes = Buffer.concat([
      generate(connect5({ clientId: 'frames' }), OPTIONS),
      Buffer.from('c000c000', 'hex'),
    ])
    for (const byte of bytes) socket.send(Buffer.of(byte))
    assert.equal((await next()).cmd, 'connack')
    assert.equal((await next()).cmd, 'pingresp')
    assert.equal((await next()).cmd, 'pingresp')
    socket.send(Buffer.from('c000c000', 'hex'))
    assert.equal((await next()).cmd, 'pingresp')
    assert.equal((await next()).cmd, 'pingresp')
    socket.terminate()
  })

  it('[MQTT-6.0.0-1] a frame of text closes, whatever it holds', async () => {
    for (const isFirst of [true, false]) {
      const { socket, next } = await open()
      const answers: unknown[] = []
      if (!isFirst) {
        socket.send(generate(connect5({ clientId: 'text' }), OPTIONS))
        await next()
      }
      socket.on('message', (data) => answers.push(data))
      const closed = new Promise((resolve) => socket.once('close', resolve))
      const packet = isFirst
        ? generate(connect5({ clientId: 'text' }), OPTIONS)
        : Buffer.of(0xc0, 0)
      socket.send(packet, { binary: false })
      assert.equal(await closed, 1003)
      assert.deepEqual(answers, [])
    }
  })

  it('is refused on other paths, which NATS has', async () => {
    for (const path of ['/', '/mqtt/', '/ws']) {
      const socket = new WebSocket(new URL(path, url), ['mqtt'])
      const [refusal] = await once(socket, 'error')
      assert.match(String(refusal), /Unexpected server response: 404/, path)
    }
    assert.match(
      hub.log.lines.map(({ fields }) => String(fields['err'])).join(),
      /MQTT has the path/,
    )
  })

  it('is logged with the address that a proxy tells', async () => {
    const headers = { 'X-Forwarded-For': '198.51.100.7' }
    const socket = new WebSocket(url, ['mqtt'], { headers })
    await once(socket, 'open')
    socket.send(Buffer.of(0xff, 0))
    await once(socket, 'close')
    const line = hub.log.lines.find(({ message }) => message.startsWith('packet breaks'))
    assert.match(String(line?.fields['remote']), /^198\.51\.100\.7\/127\.0\.0\.1:\d+$/)
  })

  it('of MQTT 3.1 has a subprotocol of its own', async () => {
    const socket = new WebSocket(url, ['mqttv3.1'])
    await once(socket, 'open')
    assert.equal(socket.protocol, 'mqttv3.1')
    socket.terminate()
  })
})
