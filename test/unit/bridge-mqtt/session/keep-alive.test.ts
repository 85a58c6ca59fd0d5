import assert from 'node:assert/strict'
import { KEEP_ALIVE_GRACE } from '../../../../bridge-mqtt/limits.ts'
import { KeepAlive } from '../../../../bridge-mqtt/session/keep-alive.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

const STEP_MS = 250

/** A client as a plain model: when it was heard of last, and when it was found silent. */
class Client {
  readonly keepAlive: KeepAlive
  readonly limitMs: number
  lastMs: number
  expiredMs: number | undefined
  hasGone = false

  constructor(clock: ManualClock, seconds: number) {
    this.limitMs = seconds * 1_000 * KEEP_ALIVE_GRACE
    this.lastMs = clock.monotonicMs()
    const keepAliveExpired = (): void => {
      assert.equal(this.expiredMs, undefined, 'told once')
      this.expiredMs = clock.monotonicMs()
    }
    this.keepAlive = new KeepAlive(clock, seconds, { keepAliveExpired })
    this.keepAlive.start()
  }
}

describe('keep alive', () => {
  const first = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

  for (let seed = first; seed < first + 10; seed++) {
    it(`finds each silent client at its time, with one timer for all (seed ${seed})`, () => {
      const random = new SeededRandom(seed)
      const clock = new ManualClock()
      const clients: Client[] = []
      for (let step = 0; step < 400; step++) {
        if (step < 200) clients.push(new Client(clock, 1 + random.below(30)))
        for (const client of clients) {
          if (client.expiredMs !== undefined || client.hasGone) continue
          const choice = random.below(40)
          if (choice === 0) {
            client.hasGone = true
            client.keepAlive.stop()
            client.keepAlive.stop()
          } else if (choice < 3) {
            client.lastMs = clock.monotonicMs()
            client.keepAlive.noteActivity()
          }
        }
        assert.ok(clock.timers <= 1, `${clock.timers} timers`)
        clock.advance(STEP_MS)
        for (const { expiredMs, hasGone, lastMs, limitMs } of clients) {
          const dueMs = lastMs + limitMs
          const isDue = !hasGone && dueMs <= clock.monotonicMs()
          assert.equal(expiredMs, isDue ? dueMs : undefined)
        }
      }
      assert.ok(clients.some(({ expiredMs }) => expiredMs !== undefined))
      for (const { keepAlive } of clients) keepAlive.stop()
      assert.equal(clock.timers, 0)
    })
  }

  it('begins anew for who was silent because nobody read', () => {
    const clock = new ManualClock()
    let silences = 0
    const owner = {
      keepAliveExpired: () => {
        if (++silences < 3) keepAlive.start()
      },
    }
    const keepAlive = new KeepAlive(clock, 2, owner)
    keepAlive.start()
    clock.advance(8_999)
    assert.equal(silences, 2)
    clock.advance(1)
    assert.equal(silences, 3)
    clock.advance(60_000)
    assert.equal(silences, 3)
  })
})
