import assert from 'node:assert/strict'
import { PetioleError, SeededRandom } from '../../../shared/runtime/index.ts'
import {
  CARRY_BYTES_MAX,
  type Channel,
  END_LINGER_MS,
  slotsInUse,
} from '../../../shared/transport/index.ts'
import { SimWorld } from '../../sim/index.ts'
import { ChannelProbe } from '../../support/channel-probe.ts'

const END = Buffer.from('the end')
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** The rules of closing and carrying, on a clock that a test can let run for seconds. */
describe('wired channel', () => {
  let world: SimWorld
  let left: ChannelProbe
  let right: ChannelProbe

  beforeEach(async () => {
    world = new SimWorld({ seed })
    ;({ left, right } = await connect(1))
  })

  afterEach(() => {
    world.destroy()
    assert.equal(slotsInUse(), 0, `seed=${seed}`)
  })

  it('an ended channel does not wait for ever for a peer that does not read', async () => {
    right.channel.pause()
    left.channel.write(new Uint8Array(5_000_000))
    left.channel.end()
    await world.run({ forMs: END_LINGER_MS - 10 })
    assert.equal(left.isClosed, false)
    await world.run({ forMs: 20 })
    assert.equal(left.isClosed, true)
    assert.equal(left.error?.code, 'PETIOLE_END_TIMEOUT')
  })

  it('an ended channel whose bytes are all sent closes in order, even if the peer never does', async () => {
    right.channel.pause()
    left.channel.write(new Uint8Array(1_000))
    left.channel.end()
    await world.run({ forMs: END_LINGER_MS + 10 })
    assert.equal(left.isClosed, true)
    assert.equal(left.error, undefined)
  })

  for (const close of ['end', 'destroy'] as const) {
    it(`reads nothing more after ${close}, also in the middle of a chunk`, async () => {
      right.use = (start) => {
        right.channel[close]()
        return start
      }
      left.channel.write(Buffer.alloc(500_000))
      await world.run({ until: () => right.isClosed, forMs: 20_000 })
      assert.equal(right.chunks, 1)
      assert.equal(right.error, undefined)
    })
  }

  it('carries a tail up to the limit and refuses a longer one', async () => {
    right.use = (start, end) => (end - start >= CARRY_BYTES_MAX ? end : start)
    left.channel.write(Buffer.alloc(CARRY_BYTES_MAX, 'a'))
    await world.run({ until: () => right.size === CARRY_BYTES_MAX, forMs: 1_000 })
    right.use = (start) => start
    left.channel.write(Buffer.alloc(CARRY_BYTES_MAX + 1, 'b'))
    await world.run({ until: () => right.isClosed, forMs: 1_000 })
    assert.equal(right.error?.code, 'PETIOLE_CARRY_OVERFLOW')
  })

  it('keeps what a paused handler left, however long, and brings it again without new input', async () => {
    right.use = (start) => {
      right.channel.pause()
      return start
    }
    left.channel.write(Buffer.alloc(200_000, 'a'))
    await world.run({ until: () => right.chunks === 1, forMs: 1_000 })
    await world.run({ forMs: 100 })
    assert.deepEqual([right.chunks, right.size], [1, 0])

    right.channel.resume()
    await world.run({ until: () => right.chunks === 2, forMs: 1_000 })
    assert.equal(right.size, 0)
    right.use = (_start, end) => end
    right.channel.resume()
    left.channel.write(Buffer.from('the end'))
    await world.run({ until: () => right.size === 200_007, forMs: 1_000 })
    assert.ok(
      right.bytes.equals(Buffer.concat([Buffer.alloc(200_000, 'a'), Buffer.from('the end')])),
    )
    assert.equal(right.error, undefined)
  })

  it('a tail that is taken in parts stays in order, and new input follows it', async () => {
    right.use = (start, end) => {
      right.channel.pause()
      return Math.min(end, start + 70_000)
    }
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251))
    left.channel.write(sent)
    for (let turn = 0; turn < 100 && right.size < sent.length; turn++) {
      await world.run({ forMs: 10 })
      right.channel.resume()
    }
    assert.ok(right.bytes.equals(sent), `${right.size} bytes, seed=${seed}`)
  })

  it('carries the tails of many channels, whoever reads in between', async () => {
    const random = new SeededRandom(seed)
    const pairs = [{ left, right }]
    while (pairs.length < 6) pairs.push(await connect(pairs.length + 1))
    const sent = pairs.map((_, i) => {
      return Buffer.from(Array.from({ length: 400_000 }, (_, at) => (at * (i + 3)) % 251))
    })
    for (const { right } of pairs) {
      right.use = (start, end) => {
        if (random.below(4) === 0) right.channel.pause()
        return end - random.below(Math.min(end - start, CARRY_BYTES_MAX) + 1)
      }
    }
    const isAllThere = (): boolean =>
      pairs.every(({ right }, i) => right.size === sent[i]!.length + END.length)
    for (let turn = 0; turn < 5_000 && !isAllThere(); turn++) {
      for (const [i, { left, right }] of pairs.entries()) {
        left.channel.write(sent[i]!.subarray(turn * 10_000, (turn + 1) * 10_000))
        if (random.below(2) === 0) right.channel.resume()
        // What is left unused at the last is brought again only with more behind it.
        if (turn > 60) right.use = (_start, end) => end
        if (turn === 61) left.channel.write(END)
      }
      await world.run({ forMs: 5 })
    }
    for (const [i, { right }] of pairs.entries()) {
      assert.ok(
        right.bytes.equals(Buffer.concat([sent[i]!, END])),
        `${i}: ${right.size} bytes, seed=${seed}`,
      )
    }
  })

  it('calls no handler from within a call, and keeps the first reason', async () => {
    const why = new PetioleError('PETIOLE_TEST', 'enough')
    left.channel.write(new Uint8Array(9_000_000))
    left.channel.resume()
    left.channel.destroy(why)
    left.channel.destroy(new PetioleError('PETIOLE_TEST', 'too late'))
    left.channel.end()
    assert.deepEqual([left.isClosed, left.chunks, left.drains], [false, 0, 0])
    await world.run({ until: () => left.isClosed, forMs: 1_000 })
    assert.equal(left.error, why)
  })

  async function connect(port: number): Promise<{ left: ChannelProbe; right: ChannelProbe }> {
    const [a, b] = [world.node('a').machine.network, world.node('b').machine.network]
    const accepted: Channel[] = []
    const options = { protocol: 'tcp', port } as const
    await b.listen({ ...options, host: '' }, (channel) => accepted.push(channel))
    const dial = { ...options, host: 'b', path: '', timeoutMs: 1_000 }
    let dialled: Channel | undefined
    void a.dial(dial, new AbortController().signal).then((channel) => {
      dialled = channel
    })
    await world.run({ until: () => dialled !== undefined && accepted.length === 1, forMs: 1_000 })
    return { left: new ChannelProbe(dialled!), right: new ChannelProbe(accepted[0]!) }
  }
})
