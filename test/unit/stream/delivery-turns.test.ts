import assert from 'node:assert/strict'
import type { Clock } from '../../../shared/runtime/index.ts'
import { DeliveryShare } from '../../../shared/stream/consumer/delivery-turns.ts'
import { DELIVERY_SHARE_BYTES, DELIVERY_TURN_BYTES } from '../../../shared/stream/limits.ts'

const MESSAGE_BYTES = 1024

/** A loop whose turns are taken one by one. */
class Loop implements Clock {
  #soon: (() => void)[] = []

  wallMs(): number {
    return 0
  }

  monotonicMs(): number {
    return 0
  }

  after(): () => void {
    return assert.fail('no timers are needed')
  }

  soon(fn: () => void): void {
    this.#soon.push(fn)
  }

  get isIdle(): boolean {
    return this.#soon.length === 0
  }

  async turn(): Promise<void> {
    const due = this.#soon
    this.#soon = []
    for (const fn of due) fn()
    await Promise.resolve()
    await Promise.resolve()
  }
}

/** Delivers as long as it may, and waits for its turn then. */
class Reader {
  delivered = 0
  readonly #share: DeliveryShare

  constructor(loop: Loop) {
    this.#share = new DeliveryShare(loop)
  }

  async deliver(messages: number): Promise<void> {
    for (let i = 0; i < messages; i++) {
      while (this.#share.isOver) await this.#share.next()
      this.#share.spend(MESSAGE_BYTES)
      this.delivered += MESSAGE_BYTES
    }
  }
}

describe('turns of deliveries', () => {
  it('are one for each in line, however many there are', async () => {
    const loop = new Loop()
    const readers = Array.from({ length: 50 }, () => new Reader(loop))
    const done = Promise.all(readers.map((reader) => reader.deliver(1_000)))
    const total = (): number => readers.reduce((sum, { delivered }) => sum + delivered, 0)
    // The first has a turn of its own, and each that is woken a little.
    assert.ok(
      total() <= DELIVERY_TURN_BYTES + readers.length * (DELIVERY_SHARE_BYTES + MESSAGE_BYTES),
    )
    let before = total()
    for (let turn = 0; turn < 50; turn++) {
      await loop.turn()
      assert.ok(total() - before <= DELIVERY_TURN_BYTES, `turn ${turn}: ${total() - before} bytes`)
      before = total()
    }
    const shares = readers.map(({ delivered }) => delivered)
    assert.ok(Math.min(...shares) >= DELIVERY_TURN_BYTES, 'each had its turn')
    while (!loop.isIdle) await loop.turn()
    await done
    assert.equal(total(), 50 * 1_000 * MESSAGE_BYTES)
  })

  it('leave a little for who has a message now and then', async () => {
    const loop = new Loop()
    const heavy = Array.from({ length: 50 }, () => new Reader(loop).deliver(1_000))
    const light = new Reader(loop)
    for (let turn = 0; turn < 20; turn++) {
      await loop.turn()
      // It does not wait: all of it is delivered before anybody has another turn.
      light.deliver(1).catch(assert.fail)
      assert.equal(light.delivered, (turn + 1) * MESSAGE_BYTES)
    }
    while (!loop.isIdle) await loop.turn()
    await Promise.all(heavy)
  })

  it('end when nobody delivers any more', async () => {
    const loop = new Loop()
    await new Reader(loop).deliver(3)
    assert.equal(loop.isIdle, false)
    await loop.turn()
    assert.equal(loop.isIdle, true)
  })
})
