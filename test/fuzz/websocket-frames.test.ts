import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { deflateRawSync } from 'node:zlib'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { slotsInUse } from '../../shared/transport/index.ts'
import { ChannelPairs } from '../support/channel-pair.ts'
import { ChannelProbe, eventually } from '../support/channel-probe.ts'

const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 300)
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const MESSAGE_BYTES_MAX = 64 * 1024
const HEAP_GROWTH_BYTES_MAX = 64 * 1024 * 1024

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Extensions: permessage-deflate',
  '',
  '',
].join('\r\n')

/** [RFC 6455, 5.2], with each rule kept, or broken in one way. */
const CORPUS: readonly Buffer[] = [
  frame(0x82, Buffer.from('PING\r\n')),
  frame(0x81, Buffer.from('text')),
  Buffer.concat([frame(0x02, Buffer.from('frag')), frame(0x80, Buffer.from('mented'))]),
  frame(0xc2, deflateRawSync(Buffer.alloc(10_000, 'x'))),
  frame(0xc2, deflateRawSync(Buffer.alloc(5_000_000))),
  frame(0xc2, Buffer.from('not deflated at all')),
  frame(0x89, Buffer.from('are you there')),
  frame(0x8a, Buffer.alloc(0)),
  frame(0x88, Buffer.from([3, 232])),
  frame(0x88, Buffer.from([0, 1])),
  frame(0x88, Buffer.from([3])),
  frame(0x89, Buffer.alloc(126)),
  frame(0x09, Buffer.alloc(1)),
  frame(0x80, Buffer.from('continues nothing')),
  frame(0xa2, Buffer.from('reserved bit')),
  frame(0x83, Buffer.from('reserved opcode')),
  frame(0x82, Buffer.alloc(MESSAGE_BYTES_MAX + 1)),
  Buffer.from([0x82, 5, 1, 2, 3, 4, 5]),
  Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
  Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
]

describe(`WebSocket frames under random damage (seed ${seed})`, () => {
  const pairs = new ChannelPairs('websocket')

  before(() =>
    pairs.open({
      webSocket: {
        isCompressed: true,
        isSameOrigin: false,
        allowedOrigins: [],
        headers: {},
        handshakeTimeoutMs: 5_000,
        messageBytesMax: MESSAGE_BYTES_MAX,
        serves: () => true,
      },
    }),
  )
  after(() => pairs.close())

  /** A connection that is open, and the end of it that the listener made. */
  async function opened(): Promise<{ socket: Socket; probe: ChannelProbe }> {
    const accepting = pairs.accept()
    const socket = connect(pairs.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(UPGRADE)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 101 /)
    socket.resume()
    return { socket, probe: new ChannelProbe(await accepting) }
  }

  async function checkUnharmed(): Promise<void> {
    const { socket, probe } = await opened()
    socket.write(frame(0x82, Buffer.from('witness')))
    await probe.until('the witness', () => probe.bytes.toString() === 'witness')
    socket.destroy()
    await probe.closed()
  }

  it('close that connection at most, and leave nothing behind', async () => {
    const random = new SeededRandom(seed)
    const heapBefore = process.memoryUsage().rss
    const probes: ChannelProbe[] = []
    let refused = 0
    for (let round = 0; round < ROUNDS; round++) {
      const { socket, probe } = await opened()
      probes.push(probe)
      for (let count = 1 + random.below(4); count > 0; count--) {
        socket.write(damaged(random, CORPUS[random.below(CORPUS.length)]!))
      }
      probe.channel.write(Buffer.from('-ERR'))
      if (random.below(2) === 0) socket.end()
      else socket.write(frame(0x88, Buffer.from([3, 232])))
      await Promise.race([probe.closed(), turns(20)])
      socket.destroy()
      await probe.closed()
      if (probe.error !== undefined) refused++
      if (round % 50 === 0) await checkUnharmed()
    }
    await checkUnharmed()
    await eventually('all slots back', () => slotsInUse() === 0)
    assert.ok(refused > ROUNDS / 10, `${refused} refused, seed=${seed}`)
    for (const probe of probes) assert.ok(probe.size <= 4 * MESSAGE_BYTES_MAX, `seed=${seed}`)
    const grown = process.memoryUsage().rss - heapBefore
    assert.ok(grown < HEAP_GROWTH_BYTES_MAX * 2, `${grown} bytes more, seed=${seed}`)
  })

  it('mean the same in whatever pieces they come', async () => {
    const random = new SeededRandom(seed + 1)
    for (let round = 0; round < 20; round++) {
      const { socket, probe } = await opened()
      socket.setNoDelay(true)
      const words = Array.from(
        { length: 5 },
        (_, i) => `${round}-${i}-${'x'.repeat(random.below(300))} `,
      )
      const bytes = Buffer.concat(words.map((word) => frame(0x82, Buffer.from(word))))
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random.below(200)
        socket.write(bytes.subarray(at, at + size))
        at += size
        await turns(1)
      }
      const all = words.join('')
      await probe.until('all words', () => probe.size === all.length)
      assert.equal(probe.bytes.toString(), all, `seed=${seed} round=${round}`)
      socket.destroy()
      await probe.closed()
    }
  })
})

/** A masked frame, as a client sends it. */
function frame(head: number, payload: Buffer): Buffer {
  const mask = Buffer.from([1, 2, 3, 4])
  const masked = Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)))
  const size =
    payload.length < 126
      ? Buffer.from([head, 0x80 | payload.length])
      : Buffer.from([head, 0xff, 0, 0, 0, 0, 0, 0, 0, 0])
  if (payload.length >= 126) size.writeUInt32BE(payload.length, 6)
  return Buffer.concat([size, mask, masked])
}

function damaged(random: SeededRandom, original: Buffer): Buffer {
  const bytes = Buffer.from(original)
  if (random.below(3) === 0) return bytes
  const flips = 1 + random.below(3)
  for (let i = 0; i < flips; i++) {
    bytes[random.below(Math.min(bytes.length, 40))] = random.below(256)
  }
  return random.below(5) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
