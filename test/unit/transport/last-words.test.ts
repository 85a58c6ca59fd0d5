import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { WebSocket } from 'ws'
import {
  CARRY_BYTES_MAX,
  type Channel,
  READ_BYTES,
  slotsInUse,
  TlsSettings,
} from '../../../shared/transport/index.ts'
import { SimWorld } from '../../sim/index.ts'
import { CertificateAuthority, tlsConfig } from '../../support/certificates.ts'
import { ChannelPairs } from '../../support/channel-pair.ts'
import { ChannelProbe } from '../../support/channel-probe.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** Takes `share` bytes of each chunk and pauses, as a handler does that others must have their turn beside. */
function takesInParts(probe: ChannelProbe, share: number): void {
  probe.use = (start, end) => {
    probe.channel.pause()
    setImmediate(() => probe.channel.resume())
    return Math.min(end, start + share)
  }
}

/** All that is sent comes in one read, as far as it fits. */
function inOneSegment(socket: WebSocket, send: () => void): void {
  const { _socket: wire } = socket as unknown as { _socket: Socket }
  wire.cork()
  send()
  wire.uncork()
}

const SENT = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251))

/** What was sent before an orderly end is read, however the reader pauses. */
describe('last words', () => {
  const authority = new CertificateAuthority()
  let pairs: ChannelPairs

  after(() => authority.remove())
  afterEach(async () => {
    await pairs.close()
    assert.equal(slotsInUse(), 0)
  })

  async function readInParts(say: () => void | Promise<void>): Promise<void> {
    const accepting = pairs.accept()
    const saying = say()
    const probe = new ChannelProbe(await accepting)
    takesInParts(probe, 3_000)
    await saying
    await probe.closed()
    assert.ok(probe.bytes.equals(SENT), `${probe.size} bytes`)
    assert.equal(probe.error, undefined)
  }

  it('over TCP', async () => {
    pairs = new ChannelPairs('tcp')
    await pairs.open()
    await readInParts(() => {
      const socket = connectTcp(pairs.port, '127.0.0.1').resume()
      socket.end(SENT)
    })
  })

  it('over TCP, but not of who broke the connection off meanwhile', async () => {
    pairs = new ChannelPairs('tcp')
    await pairs.open()
    const accepting = pairs.accept()
    const socket = connectTcp(pairs.port, '127.0.0.1')
    socket.write(SENT)
    const probe = new ChannelProbe(await accepting)
    const paused = new Promise<void>((resolve) => {
      probe.use = (start) => {
        probe.channel.pause()
        resolve()
        return start + 3_000
      }
    })
    await paused
    socket.resetAndDestroy()
    await once(socket, 'close')
    probe.channel.resume()
    await probe.closed()
    assert.deepEqual([probe.chunks, probe.size], [1, 3_000])
    assert.equal(probe.error?.code, 'PETIOLE_CONNECTION_RESET')
  })

  it('over TLS', async () => {
    pairs = new ChannelPairs('tcp')
    const settings = new TlsSettings(tlsConfig({ certs: [authority.server()] }), 'server')
    await pairs.open({ tls: { settings, allowPlain: false } })
    await readInParts(async () => {
      const socket = connectTcp(pairs.port, '127.0.0.1')
      await once(socket, 'connect')
      const secured = connect({ socket, rejectUnauthorized: false }).resume()
      await once(secured, 'secureConnect')
      secured.end(SENT)
    })
  })

  it('over a WebSocket', async () => {
    pairs = new ChannelPairs('websocket')
    await pairs.open()
    await readInParts(async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${pairs.port}`)
      await once(socket, 'open')
      inOneSegment(socket, () => {
        for (let at = 0; at < SENT.length; at += 50_000) socket.send(SENT.subarray(at, at + 50_000))
        socket.close()
      })
    })
  })

  it('over a WebSocket, of which nothing is left unread when it is destroyed', async () => {
    pairs = new ChannelPairs('websocket')
    await pairs.open()
    const accepting = pairs.accept()
    const socket = new WebSocket(`ws://127.0.0.1:${pairs.port}`)
    await once(socket, 'open')
    const probe = new ChannelProbe(await accepting)
    probe.use = (start) => {
      probe.channel.pause()
      return start
    }
    inOneSegment(socket, () => {
      socket.send('read, and left unused')
      socket.send('unread')
      socket.close()
    })
    await once(socket, 'close')
    assert.deepEqual([probe.chunks, probe.isClosed], [1, false])
    probe.channel.destroy()
    await probe.closed()
    assert.equal(probe.size, 0)
  })
})

describe('a channel that is held', () => {
  let world: SimWorld
  let left: ChannelProbe
  let right: ChannelProbe

  beforeEach(async () => {
    world = new SimWorld({ seed })
    const [a, b] = [world.node('a').machine.network, world.node('b').machine.network]
    const accepted: Channel[] = []
    const options = { protocol: 'tcp', port: 1 } as const
    await b.listen({ ...options, host: '' }, (channel) => accepted.push(channel))
    const dial = { ...options, host: 'b', path: '', timeoutMs: 1_000 }
    let dialled: Channel | undefined
    void a.dial(dial, new AbortController().signal).then((channel) => {
      dialled = channel
    })
    await world.run({ until: () => dialled !== undefined && accepted.length === 1, forMs: 1_000 })
    left = new ChannelProbe(dialled!)
    right = new ChannelProbe(accepted[0]!)
    right.use = (start) => {
      right.channel.hold()
      return start
    }
  })

  afterEach(() => {
    world.destroy()
    assert.equal(slotsInUse(), 0, `seed=${seed}`)
  })

  const takeAll = (): void => {
    right.use = (_start, end) => end
    right.channel.resume()
  }

  it('knows that the other side has ended, and still presents what came before', async () => {
    left.channel.write(Buffer.from('first '))
    await world.run({ until: () => right.chunks === 1, forMs: 1_000 })
    assert.equal(right.channel.hasEnded, false)
    left.channel.write(Buffer.from('last'))
    left.channel.end()
    await world.run({ until: () => right.channel.hasEnded, forMs: 1_000 })
    assert.deepEqual([right.channel.isClosed, right.size, right.chunks], [false, 0, 1])
    takeAll()
    await world.run({ until: () => right.isClosed, forMs: 1_000 })
    assert.equal(right.bytes.toString(), 'first last', `seed=${seed}`)
    assert.equal(right.error, undefined)
  })

  it('presents what comes when all before it was used', async () => {
    right.use = (_start, end) => {
      right.channel.hold()
      return end
    }
    left.channel.write(Buffer.from('first '))
    await world.run({ until: () => right.chunks === 1, forMs: 1_000 })
    left.channel.write(Buffer.from('last'))
    await world.run({ forMs: 100 })
    assert.equal(right.chunks, 1)
    left.channel.end()
    takeAll()
    await world.run({ until: () => right.isClosed, forMs: 1_000 })
    assert.equal(right.bytes.toString(), 'first last', `seed=${seed}`)
  })

  it('knows that the other side is gone', async () => {
    left.channel.write(Buffer.from('first'))
    await world.run({ until: () => right.chunks === 1, forMs: 1_000 })
    left.channel.destroy()
    await world.run({ until: () => right.channel.hasEnded, forMs: 1_000 })
    assert.ok(right.channel.hasEnded, `seed=${seed}`)
    right.channel.destroy()
    await world.run({ until: () => right.isClosed, forMs: 1_000 })
    assert.equal(right.isClosed, true)
  })

  it('reads no more than it may keep, and all of it in order when it goes on', async () => {
    const sent = Buffer.from(Array.from({ length: 4_000_000 }, (_, i) => i % 251))
    left.channel.write(sent)
    await world.run({ forMs: 1_000 })
    assert.equal(right.chunks, 1)
    const kept = 2 * (CARRY_BYTES_MAX + READ_BYTES)
    assert.ok(left.channel.pendingBytes > sent.length - kept - SOCKET_BYTES, `seed=${seed}`)
    takeAll()
    await world.run({ until: () => right.size === sent.length, forMs: 10_000 })
    assert.ok(right.bytes.equals(sent), `seed=${seed}`)
  })
})

/** What is on its way between two ends: more than any of the simulator's pipes holds. */
const SOCKET_BYTES = 1024 * 1024
