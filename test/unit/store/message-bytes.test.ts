/** What a stream counts its messages for is its owner's word, whatever lies on disk and however often it is read again. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, bytes, noLimits } from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const OVERHEAD = { always: 30, withHeaders: 4 }
const LINE = 'Kind: a header that compresses well, a header that compresses well\r\n'

describe('store, what messages count', () => {
  const clock = new StoreClock()
  let disk: SimDisk
  let store: Store
  let stream: StreamStore
  const counted = new Map<number, number>()

  beforeEach(() => {
    disk = new SimDisk({ random: new SeededRandom(1) })
  })

  async function open(): Promise<void> {
    const random = new SeededRandom(2)
    const parts = { directory: '/data', clock, random, disk, log: silentLog }
    store = await openStore({ ...parts, segmentBytes: 4096 })
  }

  async function publish(subject: string, payloadBytes: number, lines: number): Promise<void> {
    const headers = lines === 0 ? '' : `NATS/1.0\r\n${LINE.repeat(lines)}\r\n`
    const payload = 'x'.repeat(payloadBytes)
    const seq = await appendDurably(stream, subject, payload, headers)
    const withHeaders = lines === 0 ? 0 : OVERHEAD.withHeaders + headers.length
    counted.set(seq, OVERHEAD.always + subject.length + withHeaders + payloadBytes)
  }

  function sum(): number {
    return [...counted.values()].reduce((total, one) => total + one, 0)
  }

  async function reopen(): Promise<void> {
    await store.drain()
    await open()
    stream = store.streams.get('s') as StreamStore
  }

  for (const compression of ['none', 's2'] as const) {
    it(`is what its owner says, of those with headers too, after rewrites and starts (${compression})`, async () => {
      counted.clear()
      await open()
      const limits = { ...noLimits, overhead: OVERHEAD }
      stream = store.createStream('s', bytes(''), limits, undefined, { compression })
      for (let i = 0; i < 120; i++) await publish(`s.${i}`, (i * 37) % 400, i % 3)
      assert.equal(stream.state.bytes, sum())
      for (let seq = 1; seq <= 120; seq++) {
        if (seq % 4 === 0) continue
        stream.remove(seq)
        counted.delete(seq)
      }
      for (let i = 0; i < 10; i++) {
        clock.advance(60_000)
        await settle(80)
      }
      assert.equal(stream.state.bytes, sum())
      await reopen()
      assert.equal(stream.state.bytes, sum())
      for (const name of await disk.list('/data/journal')) {
        if (name.endsWith('.idx')) await disk.remove(`/data/journal/${name}`)
      }
      await reopen()
      assert.equal(stream.state.bytes, sum())
      await store.destroy()
    })
  }

  it('binds it, and may be said anew of what is there', async () => {
    await open()
    stream = store.createStream('t', bytes(''), { ...noLimits, overhead: OVERHEAD, bytesMax: 1000 })
    for (let i = 0; i < 40; i++) await appendDurably(stream, 't', '0123456789')
    assert.equal(stream.state.messages, Math.floor(1000 / 41))
    const limits = { ...noLimits, overhead: { always: 16, withHeaders: 0 } }
    await new Promise((resolve) => stream.configure(bytes(''), limits, resolve))
    assert.equal(stream.state.bytes, 24 * 27)
    await store.destroy()
  })
})
