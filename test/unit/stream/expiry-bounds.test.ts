import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import type { RetentionClock } from '../../../shared/store/index.ts'
import type { StreamConfig } from '../../../shared/stream/config/stream-config.ts'
import { Expiry } from '../../../shared/stream/publish/expiry.ts'
import { LASTING_KEPT_MAX } from '../../../shared/stream/publish/limits.ts'
import { NEVER } from '../../../shared/stream/publish/message-ttl.ts'
import { SimClock, SimLoop, SimWallClock } from '../../sim/index.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { noLimits } from '../../support/opened-store.ts'

const LASTS = Buffer.from('NATS/1.0\r\nNats-TTL: never\r\n\r\n')
const NOTHING = new Uint8Array(0)

describe('expiry', () => {
  it('goes by what is stored, and knows so many by heart that last', async () => {
    const loop = new SimLoop(1)
    const wall = new SimWallClock(loop)
    const clock = new SimClock(loop, wall, 'expiry')
    const store = new MemoryStore(() => wall.nowMs).createStream('S', NOTHING, noLimits)
    const config = { max_age: 1e9, allow_msg_ttl: true } as StreamConfig
    const removed: [number, number][] = []
    const consumers = { removed: (first: number, last: number) => removed.push([first, last]) }
    const retentionClock = { nowMs: () => wall.nowMs } as RetentionClock
    const expiry = new Expiry(
      { config, store, consumers },
      { clock, retentionClock, log: silentLog, isLast: () => true, publish: () => assert.fail() },
    )
    const append = (headers: Uint8Array): number =>
      store.append(Buffer.from('s.a'), headers, NOTHING)
    expiry.recovered()
    assert.deepEqual([append(LASTS), append(NOTHING)], [1, 2])
    expiry.add(1, NEVER, wall.nowMs)
    for (let seq = 3; seq < LASTING_KEPT_MAX + 10; seq++) expiry.add(seq, NEVER, wall.nowMs)
    // Who counted from one to the next would not come to the end of this test.
    store.skipTo(2 ** 52)
    const last = append(LASTS)
    expiry.add(last, NEVER, wall.nowMs)
    append(NOTHING)
    expiry.stored()
    await loop.run({ forMs: 5_000 })
    assert.deepEqual(
      [1, 2, last, last + 1].map((seq) => store.has(seq)),
      [true, false, true, false],
    )
    assert.deepEqual(removed, [[2, last + 1]])
    expiry.close()
  })
})
