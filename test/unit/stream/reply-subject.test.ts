import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { ReplySubject } from '../../../shared/stream/consumer/reply-subject.ts'

describe('reply subjects of a consumer', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

  /** As one writes it who does not mind how long that takes. */
  function naive(fields: readonly [number, number, number, number, number]): string {
    const [deliveries, streamSeq, consumerSeq, timeMs, pending] = fields
    const wholeMs = Math.floor(timeMs)
    const nanos = Math.floor((timeMs - wholeMs) * 1e6)
    const time = `${wholeMs}${String(nanos).padStart(6, '0')}`
    return `$JS.ACK.s.c.${deliveries}.${streamSeq}.${consumerSeq}.${time}.${pending}`
  }

  it('say their five numbers, whatever the ones before were', () => {
    const random = new SeededRandom(seed)
    const reply = new ReplySubject('$JS.ACK.s.c.')
    let fields: [number, number, number, number, number] = [1, 0, 0, 1_763_000_000_000, 0]
    for (let i = 0; i < 200_000; i++) {
      let [deliveries, streamSeq, consumerSeq, timeMs, pending] = fields
      streamSeq++
      consumerSeq++
      pending--
      if (random.below(3) === 0) timeMs += random.below(2_000) / 1_024
      if (random.below(500) === 0) deliveries = 1 + random.below(12)
      if (random.below(500) === 0) streamSeq = 10 ** random.below(15) - random.below(2)
      if (random.below(500) === 0) consumerSeq = 10 ** random.below(10) - random.below(2)
      if (pending < 0 || random.below(500) === 0) pending = 10 ** random.below(7) + random.below(20)
      fields = [deliveries, streamSeq, consumerSeq, timeMs, pending]
      const text = Buffer.from(reply.write(...fields)).toString()
      if (text !== naive(fields)) assert.equal(text, naive(fields), `seed=${seed}`)
    }
  })

  it('count over every number of digits, up and down', () => {
    const reply = new ReplySubject('$JS.ACK.s.c.')
    for (let i = 0; i <= 100_100; i++) {
      const fields = [1, i + 1, i + 9, 1_763_000_000_000, 100_100 - i] as const
      const text = Buffer.from(reply.write(...fields)).toString()
      if (text !== naive([...fields])) assert.equal(text, naive([...fields]))
    }
  })
})
