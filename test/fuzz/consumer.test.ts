/**
 * A pull consumer against a model, through crashes: `SEED=… ` reruns one history.
 *
 * What must hold: first deliveries come in stream order and miss nothing; the delivery count is one
 * more each time and never above max_deliver; pending never exceeds max_ack_pending; what was
 * acknowledged is not delivered again, and over a crash that holds for every confirmed double ack.
 */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { StreamWorld } from '../support/stream-world.ts'

const RUNS = Number(process.env['RUNS'] ?? 80)
const STEPS = 150

interface Entry {
  /** `unsure`: a crash may have lost what we knew about it. */
  state: 'new' | 'pending' | 'done' | 'unsure'
  deliveries: number
  isConfirmed: boolean
  ackSubject: string
}

class Run {
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #world: StreamWorld
  readonly #policy: 'explicit' | 'all'
  readonly #ackPendingMax: number
  readonly #deliverMax: number
  readonly #entries: Entry[] = []
  #hasCrashed = false
  #inbox = ''

  private constructor(seed: number, world: StreamWorld) {
    this.#seed = seed
    this.#world = world
    this.#random = new SeededRandom(seed)
    this.#policy = this.#random.below(3) === 0 ? 'all' : 'explicit'
    this.#ackPendingMax = 1 + this.#random.below(8)
    this.#deliverMax = this.#random.below(2) === 0 ? -1 : 2 + this.#random.below(3)
  }

  static async play(seed: number): Promise<void> {
    const run = new Run(seed, await StreamWorld.start(seed))
    await run.#create()
    for (let step = 0; step < STEPS; step++) await run.#step()
    await run.#finish()
  }

  async #create(): Promise<void> {
    await this.#world.engine.ensure({ name: 'S', subjects: ['s.>'] })
    const config = {
      durable_name: 'c',
      ack_policy: this.#policy,
      ack_wait: 1e9,
      max_deliver: this.#deliverMax,
      max_ack_pending: this.#ackPendingMax,
    }
    const answer = await this.#world.port.api('CONSUMER.CREATE.S.c', { stream_name: 'S', config })
    assert.equal(answer.error, undefined)
    this.#inbox = this.#world.port.newInbox()
  }

  async #step(): Promise<void> {
    const choice = this.#random.below(100)
    if (choice < 30) await this.#publish()
    else if (choice < 55) await this.#pull(1 + this.#random.below(4))
    else if (choice < 85) await this.#settle()
    else if (choice < 96) await this.#world.pass(this.#random.below(700))
    else if (choice < 98) await this.#crash()
    await this.#world.pass(0)
    this.#receive()
    await this.#check()
  }

  async #publish(): Promise<void> {
    await this.#world.port.send('s.a', String(this.#entries.length + 1))
    this.#entries.push({ state: 'new', deliveries: 0, isConfirmed: false, ackSubject: '' })
  }

  async #pull(batch: number): Promise<void> {
    const reply = this.#inbox
    const request = JSON.stringify({ batch, expires: 500e6 })
    await this.#world.port.send('$JS.API.CONSUMER.MSG.NEXT.S.c', request, { reply })
  }

  /** Acknowledges one of what is pending, in one of the ways. */
  async #settle(): Promise<void> {
    const pending = this.#entries.flatMap((entry, i) =>
      entry.state === 'pending' && entry.ackSubject !== '' ? [i] : [],
    )
    const i = pending[this.#random.below(Math.max(1, pending.length))]
    if (i === undefined) return
    const entry = this.#entries[i]!
    const { port } = this.#world
    const kind = this.#random.below(6)
    if (kind === 0) await port.send(entry.ackSubject, '-NAK')
    else if (kind === 1) await port.send(entry.ackSubject, '-NAK {"delay": 300000000}')
    else if (kind === 2) await port.send(entry.ackSubject, '+WPI')
    else if (kind === 3) {
      // With ack_policy all it settles what is before it as well, as in nats-server.
      await port.send(entry.ackSubject, '+TERM')
      const done = this.#policy === 'all' ? this.#entries.slice(0, i + 1) : [entry]
      for (const ended of done) if (ended.state === 'pending') ended.state = 'done'
    } else {
      const reply = kind === 4 ? port.newInbox() : ''
      await port.send(entry.ackSubject, '+ACK', { reply })
      const done = this.#policy === 'all' ? this.#entries.slice(0, i + 1) : [entry]
      const settled = done.filter(({ state }) => state === 'pending')
      for (const acked of settled) acked.state = 'done'
      if (reply === '') return
      await this.#world.loop.run({ until: () => port.inboxes.has(reply), forMs: 1_000 })
      for (const acked of settled) acked.isConfirmed = true
    }
    if (kind < 2 && this.#deliverMax > 0 && entry.deliveries >= this.#deliverMax) {
      // Whether it is dropped now or when the delay is over: it never comes again.
      entry.state = kind === 0 ? 'done' : entry.state
    }
  }

  async #crash(): Promise<void> {
    this.#hasCrashed = true
    await this.#world.crash()
    this.#inbox = this.#world.port.newInbox()
    for (const entry of this.#entries) {
      if (entry.state !== 'new' && !entry.isConfirmed) entry.state = 'unsure'
    }
  }

  #receive(): void {
    const arrived = this.#world.port.inboxes.get(this.#inbox) ?? []
    this.#world.port.inboxes.delete(this.#inbox)
    for (const { reply, payload, headers } of arrived) {
      if (reply === '') {
        assert.match(headers, /^NATS\/1\.0 408 /, this.#where())
        continue
      }
      const tokens = reply.split('.')
      const seq = Number(tokens[5])
      const deliveries = Number(tokens[4])
      const entry = this.#entries[seq - 1]!
      assert.equal(payload, String(seq), this.#where())
      this.#delivered(seq, entry, deliveries)
      entry.ackSubject = reply
    }
  }

  #delivered(seq: number, entry: Entry, deliveries: number): void {
    const where = `${this.#where()} message ${seq} delivery ${deliveries}`
    assert.notEqual(entry.state, 'done', `delivered after it was done with: ${where}`)
    if (entry.state === 'new') {
      assert.equal(deliveries, 1, where)
      const next = this.#entries.findIndex(({ state }) => state === 'new') + 1
      assert.equal(seq, next, `out of order: ${where}`)
    } else if (entry.state === 'pending') assert.equal(deliveries, entry.deliveries + 1, where)
    if (this.#deliverMax > 0) assert.ok(deliveries <= this.#deliverMax, where)
    entry.state = 'pending'
    entry.deliveries = deliveries
  }

  async #check(): Promise<void> {
    const info = await this.#world.port.api<{
      readonly num_ack_pending: number
      readonly num_pending: number
      readonly ack_floor: { readonly stream_seq: number }
    }>('CONSUMER.INFO.S.c')
    this.#receive()
    const where = `${this.#where()} ${JSON.stringify(info)}`
    assert.ok(info.num_ack_pending <= this.#ackPendingMax, where)
    const confirmed = this.#entries.findIndex(({ isConfirmed }) => !isConfirmed)
    const floorMin = confirmed < 0 ? this.#entries.length : confirmed
    assert.ok(info.ack_floor.stream_seq >= floorMin, `floor under what was confirmed: ${where}`)
    if (this.#hasCrashed || this.#deliverMax > 0) return
    const pending = this.#entries.filter(({ state }) => state === 'pending').length
    const fresh = this.#entries.filter(({ state }) => state === 'new').length
    assert.deepEqual([info.num_ack_pending, info.num_pending], [pending, fresh], where)
  }

  /** Consumes all that is left: nothing may be missing. */
  async #finish(): Promise<void> {
    for (let round = 0; round < 400; round++) {
      await this.#pull(8)
      await this.#world.pass(50)
      this.#receive()
      for (const entry of this.#entries) {
        if (entry.state !== 'pending' || entry.ackSubject === '') continue
        await this.#world.port.send(entry.ackSubject, '+ACK')
        entry.state = 'done'
      }
      await this.#world.pass(0)
      const info = await this.#world.port.api('CONSUMER.INFO.S.c')
      if (info['num_pending'] === 0 && info['num_ack_pending'] === 0) break
    }
    this.#receive()
    const missing = this.#entries.findIndex(({ state }) => state === 'new')
    assert.equal(missing, -1, `never delivered: ${this.#where()}`)
    const info = await this.#world.port.api('CONSUMER.INFO.S.c')
    assert.deepEqual([info['num_pending'], info['num_ack_pending']], [0, 0], this.#where())
  }

  #where(): string {
    return `SEED=${this.#seed}`
  }
}

describe('consumer against a model', () => {
  const base = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))

  it(`${RUNS} histories from seed ${base}`, async () => {
    for (let run = 0; run < RUNS; run++) await Run.play(base + run)
  })
})
