import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { PetioleError, SeededRandom } from '../../../shared/runtime/index.ts'
import {
  arenaBytes,
  type Channel,
  OUTPUT_HIGH_WATER_BYTES,
  OUTPUT_SLOT_BYTES,
  slotsInUse,
  type TcpRoads,
  type TransportProtocol,
} from '../../../shared/transport/index.ts'
import { ChannelPairs } from '../../support/channel-pair.ts'
import { ChannelProbe, eventually } from '../../support/channel-probe.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

interface Road {
  readonly name: string
  readonly protocol: TransportProtocol
  readonly roads: TcpRoads
}

const roads: readonly Road[] = [
  {
    name: 'shared reads, direct writes',
    protocol: 'tcp',
    roads: { read: 'shared', write: 'direct' },
  },
  {
    name: 'shared reads, socket writes',
    protocol: 'tcp',
    roads: { read: 'shared', write: 'socket' },
  },
  {
    name: 'data events, direct writes',
    protocol: 'tcp',
    roads: { read: 'events', write: 'direct' },
  },
  {
    name: 'data events, socket writes',
    protocol: 'tcp',
    roads: { read: 'events', write: 'socket' },
  },
  { name: 'WebSocket', protocol: 'websocket', roads: { read: 'shared', write: 'direct' } },
]

for (const { name, protocol, roads: tcpRoads } of roads) {
  describe(`channel over ${name}`, () => {
    const pairs = new ChannelPairs(protocol, tcpRoads)

    before(() => pairs.open())
    after(() => pairs.close())
    afterEach(() => eventually('all slots are free', () => slotsInUse() === 0))

    it('keeps every byte in order under random chunking, both ways at once', async () => {
      const { dialled, accepted } = await pairs.pair()
      const random = new SeededRandom(seed)
      const there = random.bytes(3_000_000)
      const back = random.bytes(3_000_000)
      const left = new ChannelProbe(dialled)
      const right = new ChannelProbe(accepted)
      for (const probe of [left, right]) probe.use = useSome(random.fork())
      await Promise.all([
        sendInParts(dialled, there, random.fork()),
        sendInParts(accepted, back, random.fork()),
      ])
      await right.until('all arrived', () => right.size + CARRIED >= there.length)
      await left.until('all arrived', () => left.size + CARRIED >= back.length)
      dialled.end()
      await Promise.all([left.closed(), right.closed()])
      assertPrefix(right.bytes, there, `seed=${seed}`)
      assertPrefix(left.bytes, back, `seed=${seed}`)
    })

    it('gives the unused tail again in front of the next chunk', async () => {
      const { dialled, accepted } = await pairs.pair()
      const right = new ChannelProbe(accepted)
      right.use = (start, end) => {
        const newline = arenaBytes.lastIndexOf(10, end - 1)
        return newline < start ? start : newline + 1
      }
      for (const text of ['on', 'e\ntw', 'o\nthree\n']) {
        const chunks = right.chunks
        dialled.write(Buffer.from(text))
        await right.until('the part arrived', () => right.chunks > chunks)
      }
      assert.equal(right.bytes.toString(), 'one\ntwo\nthree\n')
      new ChannelProbe(dialled)
      dialled.destroy()
      await right.closed()
    })

    it('sends all that was written before end, however much, and then closes both sides', async () => {
      const { dialled, accepted } = await pairs.pair()
      const bytes = new SeededRandom(seed).bytes(20 * 1024 * 1024)
      const left = new ChannelProbe(dialled)
      const right = new ChannelProbe(accepted)
      dialled.write(bytes)
      assert.ok(dialled.pendingBytes > 0)
      dialled.end()
      assert.equal(dialled.isClosed, true)
      dialled.write(Buffer.from('too late'))
      assert.equal(dialled.reserve(8), -1)
      await Promise.all([left.closed(), right.closed()])
      assert.equal(left.error, undefined)
      assert.equal(right.error, undefined)
      assert.ok(right.bytes.equals(bytes), `seed=${seed}`)
    })

    it('tells the writer when a slow reader has caught up', async () => {
      const { dialled, accepted } = await pairs.pair()
      const left = new ChannelProbe(dialled)
      const right = new ChannelProbe(accepted)
      accepted.pause()
      const part = new SeededRandom(seed).bytes(100_000)
      let written = 0
      while (dialled.pendingBytes < 2 * OUTPUT_HIGH_WATER_BYTES) {
        dialled.write(part)
        written += part.length
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.equal(left.drains, 0)
      accepted.resume()
      await left.until('drained', () => left.drains === 1)
      await right.until('all arrived', () => right.size === written)
      for (let at = 0; at < written; at += part.length) {
        assert.ok(right.bytes.subarray(at, at + part.length).equals(part), `at ${at} seed=${seed}`)
      }
      dialled.end()
      await Promise.all([left.closed(), right.closed()])
      assert.equal(left.drains, 1)
    })

    it('destroy in the middle of a blocked write frees everything and tells why', async () => {
      const { dialled, accepted } = await pairs.pair()
      const left = new ChannelProbe(dialled)
      const right = new ChannelProbe(accepted)
      accepted.pause()
      for (let i = 0; i < 40; i++) dialled.write(new Uint8Array(OUTPUT_SLOT_BYTES))
      await eventually('slots are held', () => slotsInUse() > 0)
      const why = new PetioleError('PETIOLE_SLOW_CONSUMER', 'too slow')
      dialled.destroy(why)
      assert.equal(left.isClosed, false, 'onClose comes later, never from within destroy')
      assert.equal(dialled.reserve(1), -1)
      await left.closed()
      assert.equal(left.error, why)
      accepted.destroy()
      await right.closed()
    })

    it('reports its addresses', async () => {
      const { dialled, accepted } = await pairs.pair('/leafnode?x=1')
      assert.equal(dialled.kind, protocol)
      assert.equal(dialled.remotePort, pairs.port)
      assert.equal(accepted.localPort, pairs.port)
      assert.equal(accepted.remotePort, dialled.localPort)
      assert.equal(accepted.remoteAddress, '127.0.0.1')
      assert.equal(accepted.path, protocol === 'tcp' ? '' : '/leafnode')
      const probes = [new ChannelProbe(dialled), new ChannelProbe(accepted)]
      accepted.end()
      await Promise.all(probes.map((probe) => probe.closed()))
    })

    it('tells a handler that starts after the close', async () => {
      const { dialled, accepted } = await pairs.pair()
      const right = new ChannelProbe(accepted)
      dialled.destroy()
      await right.closed()
      await new ChannelProbe(dialled).closed()
    })

    if (protocol === 'tcp') {
      it('a peer that resets is an error of that channel only', async () => {
        const accepting = pairs.accept()
        const socket = connect(pairs.port, '127.0.0.1').on('error', () => {})
        const accepted = await accepting
        const right = new ChannelProbe(accepted)
        socket.resetAndDestroy()
        await right.closed()
        assert.equal(right.error?.code, 'PETIOLE_CONNECTION_RESET')
        accepted.write(Buffer.from('after the close'))
        accepted.end()
        accepted.destroy()
      })
    }
  })
}

describe('channel, many at a time', () => {
  it('leaves no slot and no file descriptor behind after 1,000 connections', async () => {
    const pairs = new ChannelPairs('tcp')
    await pairs.open()
    const before = socketHandles()
    for (let round = 0; round < 20; round++) {
      const opened = await Promise.all(Array.from({ length: 50 }, () => pairs.pair()))
      const probes: ChannelProbe[] = []
      for (const [i, { dialled, accepted }] of opened.entries()) {
        probes.push(new ChannelProbe(dialled), new ChannelProbe(accepted))
        accepted.write(Buffer.from('INFO {}\r\n'))
        if (i % 3 === 0) accepted.destroy()
        else if (i % 3 === 1) dialled.end()
        else accepted.end()
      }
      await Promise.all(probes.map((probe) => probe.closed()))
    }
    assert.equal(slotsInUse(), 0)
    await eventually('all sockets are gone', () => socketHandles() === before)
    await pairs.close()
  })

  it('delivers to more receivers than there are slots', async () => {
    const pairs = new ChannelPairs('tcp')
    await pairs.open()
    const opened = await Promise.all(Array.from({ length: 300 }, () => pairs.pair()))
    const probes = opened.map(({ dialled }) => new ChannelProbe(dialled))
    const message = Buffer.alloc(1_000, 'm')
    for (let i = 0; i < 30; i++) {
      for (const { accepted } of opened) {
        const at = accepted.output.reserve(message.length)
        assert.ok(at > 0)
        arenaBytes.set(message, at)
        accepted.output.commit(at + message.length)
      }
    }
    for (const probe of probes) await probe.until('30 messages', () => probe.size === 30_000)
    const servers = opened.map(({ accepted }) => new ChannelProbe(accepted))
    for (const { accepted } of opened) accepted.end()
    await Promise.all([...probes, ...servers].map((probe) => probe.closed()))
    assert.equal(slotsInUse(), 0)
    await pairs.close()
  })

  it('frozen receivers move to the heap and leave slots to the others', async () => {
    const pairs = new ChannelPairs('tcp')
    await pairs.open()
    const frozen = await Promise.all(Array.from({ length: 100 }, () => pairs.pair()))
    for (const { accepted } of frozen) accepted.write(new Uint8Array(5_000_000))
    assert.ok(slotsInUse() < 64, `${slotsInUse()} slots are held`)
    const { dialled, accepted } = await pairs.pair()
    const reader = new ChannelProbe(dialled)
    assert.ok(accepted.reserve(OUTPUT_SLOT_BYTES) > 0)
    accepted.write(new Uint8Array(4_000_000))
    await reader.until('all arrived', () => reader.size === 4_000_000)
    for (const { accepted } of frozen) accepted.destroy()
    accepted.destroy()
    const all = [...frozen.flatMap(({ dialled, accepted }) => [dialled, accepted]), accepted]
    const probes = all.map((channel) => new ChannelProbe(channel))
    await Promise.all([reader, ...probes].map((probe) => probe.closed()))
    await eventually('all slots are free', () => slotsInUse() === 0)
    await pairs.close()
  })
})

/** What a probe may hold back as a tail. */
const CARRIED = 4_096

function useSome(random: SeededRandom): (start: number, end: number) => number {
  return (start, end) => Math.max(start, end - random.below(CARRIED))
}

async function sendInParts(
  channel: Channel,
  bytes: Uint8Array,
  random: SeededRandom,
): Promise<void> {
  let at = 0
  while (at < bytes.length) {
    const size = Math.min(
      1 + random.below(random.below(10) === 0 ? 500_000 : 3_000),
      bytes.length - at,
    )
    const part = bytes.subarray(at, at + size)
    const start = random.below(2) === 0 ? channel.reserve(size) : -1
    if (start < 0) channel.write(part)
    else {
      arenaBytes.set(part, start)
      channel.commit(start + size)
    }
    at += size
    if (random.below(20) === 0) await new Promise((resolve) => setImmediate(resolve))
    if (random.below(200) === 0) channel.pause()
    if (random.below(50) === 0) channel.resume()
  }
  channel.resume()
}

/** The end may be missing: a tail that its handler never used. */
function assertPrefix(actual: Buffer, expected: Uint8Array, message: string): void {
  assert.ok(actual.length >= expected.length - CARRIED, `${actual.length} bytes, ${message}`)
  assert.ok(actual.equals(expected.subarray(0, actual.length)), message)
}

function socketHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}
