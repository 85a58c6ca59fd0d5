/**
 * What consumers of all kinds have read ahead, while messages leave their stream in every way: `SEED=…` reruns
 * one history. A pull brings the first messages that are in the stream at that moment, match, and lie behind
 * what came before: nothing live is passed over, nothing that is gone is delivered, and the counts say so.
 */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { StreamWorld } from '../support/stream-world.ts'

const RUNS = Number(process.env['RUNS'] ?? 40)
const STEPS = 120
const SUBJECTS = ['s.a', 's.b', 's.c', 's.d']
const DEFAULTS = {
  name: 'S',
  subjects: ['s.>'],
  allow_msg_ttl: true,
  allow_rollup_hdrs: true,
  max_msgs: -1,
  max_msgs_per_subject: -1,
}

interface Reader {
  readonly name: string
  readonly filters: readonly string[]
  /** The last sequence that came, or that before its start. */
  at: number
  /** Of a `last_per_subject` start that is not over. */
  listed: number[]
  resume: number
}

class Run {
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #world: StreamWorld
  readonly #retention: string
  readonly #log: string[] = []
  #config: Record<string, unknown>
  #readers: Reader[] = []

  private constructor(seed: number, world: StreamWorld) {
    this.#seed = seed
    this.#world = world
    this.#random = new SeededRandom(seed)
    this.#retention = this.#pick(['limits', 'limits', 'interest', 'workqueue'])
    const max_age = this.#random.below(2) * 4e9
    this.#config = { ...DEFAULTS, retention: this.#retention, max_age }
  }

  static async play(seed: number): Promise<void> {
    const run = new Run(seed, await StreamWorld.start(seed))
    await run.#api('STREAM.CREATE.S', run.#config)
    await run.#newReader('all', [])
    for (let step = 0; step < STEPS; step++) await run.#step()
    for (const reader of run.#readers) await run.#pull(reader, 1_000)
  }

  get #store() {
    return this.#world.engine.stream('S')!.store
  }

  get #where(): string {
    return `SEED=${this.#seed}: ${this.#log.slice(-8).join(' | ')}`
  }

  async #step(): Promise<void> {
    const roll = this.#random.below(100)
    if (roll < 40) await this.#publish(1 + this.#random.below(6))
    else if (roll < 66) await this.#pull(this.#pick(this.#readers), 1 + this.#random.below(4))
    else if (roll < 74) await this.#delete()
    else if (roll < 78) await this.#purge()
    else if (roll < 81) await this.#limit()
    else if (roll < 91) await this.#pass(this.#random.below(1_500))
    else if (roll < 96) await this.#draw()
    else if (roll < 98) await this.#check()
    else await this.#crash()
  }

  async #publish(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const ttl = this.#pick(['', '', '1s', '2s', 'never'])
      const isRollup = this.#random.below(20) === 0
      const headers = {
        ...(ttl === '' ? {} : { 'Nats-TTL': ttl }),
        ...(isRollup ? { 'Nats-Rollup': this.#pick(['sub', 'sub', 'all']) } : {}),
      }
      const subject = this.#pick(SUBJECTS)
      this.#note(`publish ${subject} ${JSON.stringify(headers)}`)
      await this.#world.port.send(subject, 'x', { headers })
    }
  }

  async #pull(reader: Reader, batch: number): Promise<void> {
    const expected = this.#ahead(reader).slice(0, batch)
    const inbox = this.#world.port.newInbox()
    const request = JSON.stringify({ batch, no_wait: true })
    const subject = `$JS.API.CONSUMER.MSG.NEXT.S.${reader.name}`
    await this.#world.port.send(subject, request, { reply: inbox })
    await this.#world.pass(0)
    const came = (this.#world.port.inboxes.get(inbox) ?? []).filter(({ reply }) => reply !== '')
    this.#world.port.inboxes.delete(inbox)
    const seqs = came.map(({ reply }) => Number(reply.split('.')[5]))
    this.#note(`pull ${reader.name} ${batch}: ${seqs}`)
    assert.deepEqual(seqs, expected, this.#where)
    for (const [i, { reply }] of came.entries()) {
      this.#passed(reader, seqs[i]!)
      if (this.#retention !== 'limits') await this.#world.port.send(reply, '+ACK')
    }
  }

  #passed(reader: Reader, seq: number): void {
    reader.at = seq
    if (seq >= (reader.listed.at(-1) ?? 0)) reader.listed = []
  }

  /** What is to come, of what is there now. */
  #ahead({ filters, at, listed, resume }: Reader): number[] {
    const store = this.#store
    const seqs = listed.filter((seq) => seq > at && store.has(seq))
    const from = listed.length === 0 ? at + 1 : resume
    for (let seq = Math.max(from, store.state.firstSeq); seq <= store.state.lastSeq; seq++) {
      const subject = store.subjectOf(seq)
      if (subject === undefined) continue
      if (filters.length === 0 || filters.includes(subject)) seqs.push(seq)
    }
    return seqs
  }

  async #delete(): Promise<void> {
    const { firstSeq, lastSeq } = this.#store.state
    const seq = firstSeq + this.#random.below(lastSeq - firstSeq + 1)
    this.#note(`delete ${seq}`)
    await this.#world.port.api('STREAM.MSG.DELETE.S', { seq })
  }

  async #purge(): Promise<void> {
    const { firstSeq, lastSeq } = this.#store.state
    const request = this.#pick<object>([
      { seq: firstSeq + this.#random.below(lastSeq - firstSeq + 2) },
      { filter: this.#pick(SUBJECTS) },
      { filter: this.#pick(SUBJECTS), keep: 1 },
      { keep: this.#random.below(10) },
    ])
    this.#note(`purge ${JSON.stringify(request)}`)
    await this.#api('STREAM.PURGE.S', request)
  }

  async #limit(): Promise<void> {
    this.#config = {
      ...this.#config,
      max_msgs: this.#pick([-1, 5, 20]),
      max_msgs_per_subject: this.#pick([-1, -1, 1, 4]),
    }
    this.#note(`limit ${this.#config['max_msgs']} ${this.#config['max_msgs_per_subject']}`)
    await this.#api('STREAM.UPDATE.S', this.#config)
  }

  async #draw(): Promise<void> {
    if (this.#readers.length === 6 || this.#retention === 'workqueue') return
    const policy = this.#pick(['all', 'last_per_subject', 'last_per_subject', 'new'])
    await this.#newReader(policy, this.#pick([SUBJECTS, ['s.a'], ['s.b', 's.c']]))
  }

  async #newReader(policy: string, filters: readonly string[]): Promise<void> {
    const name = `c${this.#readers.length}`
    const { firstSeq, lastSeq } = this.#store.state
    const reader = { name, filters, at: firstSeq - 1, listed: [] as number[], resume: lastSeq + 1 }
    if (policy === 'new') reader.at = lastSeq
    if (policy === 'last_per_subject') {
      const wanted = filters.length === 0 ? SUBJECTS : filters
      const listed = wanted
        .map((subject) => this.#store.lastSeqOf(subject))
        .filter((seq) => seq > 0)
      reader.listed = listed.sort((a, b) => a - b)
      reader.at = reader.listed.length === 0 ? lastSeq : 0
    }
    this.#note(`consumer ${name} ${policy} ${filters}: ${reader.listed}`)
    const config = { durable_name: name, ack_policy: 'explicit', ack_wait: 3_600e9 }
    const filtered = { ...config, deliver_policy: policy, filter_subjects: filters }
    await this.#api(`CONSUMER.CREATE.S.${name}`, { stream_name: 'S', config: filtered })
    this.#readers.push(reader)
  }

  async #check(): Promise<void> {
    // A count may be as old as that.
    await this.#pass(200)
    for (const reader of this.#readers) {
      const { num_pending } = await this.#api(`CONSUMER.INFO.S.${reader.name}`)
      assert.equal(num_pending, this.#ahead(reader).length, `${reader.name} ${this.#where}`)
    }
  }

  async #crash(): Promise<void> {
    await this.#pass(1_000)
    this.#note('crash')
    await this.#world.crash()
    await this.#world.pass(100)
    // No restart knows a list; where nothing of it was delivered, it is from its first message on.
    for (const reader of this.#readers) {
      reader.at = Math.max(reader.at, (reader.listed[0] ?? 1) - 1)
      reader.listed = []
    }
  }

  async #pass(ms: number): Promise<void> {
    this.#note(`pass ${ms}`)
    await this.#world.pass(ms)
  }

  async #api(subject: string, request: object | string = ''): Promise<Record<string, unknown>> {
    const answer = await this.#world.port.api(subject, request)
    assert.equal(answer.error, undefined, `${subject} ${JSON.stringify(answer)} ${this.#where}`)
    return answer
  }

  #pick<Value>(values: readonly Value[]): Value {
    return values[this.#random.below(values.length)]!
  }

  #note(what: string): void {
    this.#log.push(what)
  }
}

describe('what consumers have read ahead', function () {
  this.timeout(120_000)

  it('is what their stream has when they are asked for it', async () => {
    const given = process.env['SEED']
    const first = given === undefined ? Date.now() % 1_000_000 : Number(given)
    for (let run = 0; run < (given === undefined ? RUNS : 1); run++) await Run.play(first + run)
  })
})
