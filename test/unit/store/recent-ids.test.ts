import assert from 'node:assert/strict'
import type { StreamStore } from '../../../shared/store/index.ts'
import { eventually } from '../../support/link-node.ts'
import { bytes, noLimits, StoreFolder } from '../../support/opened-store.ts'

const SEGMENT_BYTES = 2048
const EPOCH_MS = Date.UTC(2026, 10, 21)
const MINUTE_MS = 60_000

describe('recent message ids', () => {
  let folder: StoreFolder

  beforeEach(() => {
    folder = new StoreFolder()
  })

  afterEach(() => folder.remove())

  /** One message a minute; every fifth of the later half has an id. */
  async function filled(stream: StreamStore): Promise<void> {
    for (let seq = 1; seq <= 200; seq++) {
      const isIdentified = seq > 100 && seq % 5 === 0
      const headers = `NATS/1.0\r\nPlant: x\r\n${isIdentified ? `Nats-Msg-Id: m${seq}\r\n` : ''}\r\n`
      await new Promise<void>((resolve, reject) => {
        stream.append(
          bytes('x'),
          bytes(headers),
          bytes('y'),
          (error) => (error === undefined ? resolve() : reject(error)),
          EPOCH_MS + seq * MINUTE_MS,
        )
      })
    }
  }

  async function idsSince(stream: StreamStore, seq: number): Promise<string[]> {
    return (await stream.recentIds(EPOCH_MS + seq * MINUTE_MS)).map(({ id }) => id)
  }

  it('are found in whatever segment they lie, written, indexed or rewritten', async () => {
    const store = await folder.open({ segmentBytes: SEGMENT_BYTES })
    const stream = store.createStream('a', bytes(''), noLimits)
    await filled(stream)
    const all = Array.from({ length: 20 }, (_, i) => `m${105 + i * 5}`)
    assert.deepEqual(await idsSince(stream, 0), all)
    assert.deepEqual(await idsSince(stream, 175), all.slice(-6))
    assert.deepEqual(await idsSince(stream, 201), [])
    await store.drain()

    const again = await folder.open({ segmentBytes: SEGMENT_BYTES })
    const indexed = again.streams.get('a')!
    assert.deepEqual(await idsSince(indexed, 0), all)
    const { diskBytes } = again.stats
    for (let seq = 1; seq <= 195; seq++) if (seq % 10 !== 0) indexed.remove(seq)
    const left = all.filter((id) => Number(id.slice(1)) % 10 === 0 || Number(id.slice(1)) > 195)
    await eventually(() => again.stats.diskBytes < diskBytes * 0.75, 'segments rewritten')
    assert.deepEqual(await idsSince(indexed, 0), left)
    await again.drain()
    const rewritten = await folder.open({ segmentBytes: SEGMENT_BYTES })
    assert.deepEqual(await idsSince(rewritten.streams.get('a')!, 0), left)
  })
})
