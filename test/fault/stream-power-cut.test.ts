/**
 * The power goes, or the process, while a stream takes publishes, batches, removals, purges, changes of
 * its configuration, consumers and their acknowledgements, all of them in flight. What was answered is
 * so afterwards; what was not is so or not, and a batch is so as a whole.
 */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { CutMachine } from '../support/cut-machine.ts'
import type { Published } from '../support/memory-port.ts'
import { settle } from '../support/store-clock.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 30)
const ROUNDS = 6
const OPERATIONS = 60

/** Whether something is so: it was begun, and perhaps answered. */
interface Change {
  isAnswered: boolean
}

interface Sent extends Change {
  readonly values: readonly string[]
}

/** What was done to one stream, over all its crashes. */
class Promises {
  readonly sent: Sent[] = []
  /** By the value that goes. */
  readonly removed = new Map<string, Change>()
  readonly consumers = new Map<string, { readonly made: Change; readonly gone?: Change }>()
  /** Of the configuration: versions that were begun since the last answer, and that one. */
  versions: number[] = [0]
  /** The newest message whose acknowledgement was confirmed to the consumer. */
  floor = 0
}

class Work {
  readonly #machine: CutMachine
  readonly #promises: Promises
  readonly #random: SeededRandom
  #serial = 0
  /** Where values lie, as far as it was told. */
  readonly #places = new Map<number, string>()

  constructor(machine: CutMachine, promises: Promises) {
    this.#machine = machine
    this.#promises = promises
    this.#random = machine.random.fork()
  }

  async one(): Promise<void> {
    const draw = this.#random.below(100)
    if (draw < 40) this.#publish()
    else if (draw < 50) this.#batch()
    else if (draw < 60) this.#remove()
    else if (draw < 62) this.#purge()
    else if (draw < 66) this.#configure()
    else if (draw < 71) this.#makeConsumer()
    else if (draw < 74) this.#dropConsumer()
    else this.#consume()
    if (this.#random.below(3) === 0) await settle(this.#random.below(8))
    if (this.#random.below(10) === 0) this.#machine.clock.advance(300)
  }

  #sent(count: number): Sent {
    const values = Array.from({ length: count }, () => `v${++this.#serial}`)
    const sent = { values, isAnswered: false }
    this.#promises.sent.push(sent)
    return sent
  }

  #stored(sent: Sent, { payload }: Published): void {
    const { seq, error } = JSON.parse(payload) as { seq: number; error?: object }
    assert.equal(error, undefined, payload)
    sent.isAnswered = true
    for (const [i, value] of sent.values.entries()) {
      this.#places.set(seq - sent.values.length + 1 + i, value)
    }
  }

  #publish(): void {
    const sent = this.#sent(1)
    const subject = `d.${this.#random.below(4)}`
    this.#machine.ask(subject, sent.values[0] ?? '', (answer) => this.#stored(sent, answer))
  }

  #batch(): void {
    const sent = this.#sent(2 + this.#random.below(20))
    const last = sent.values.length
    for (const [i, value] of sent.values.entries()) {
      const headers = {
        'Nats-Batch-Id': sent.values[0] ?? '',
        'Nats-Batch-Sequence': String(i + 1),
        ...(i + 1 === last ? { 'Nats-Batch-Commit': '1' } : {}),
      }
      const answered = (answer: Published): void => {
        if (i + 1 === last) this.#stored(sent, answer)
      }
      this.#machine.ask(`d.${i % 4}`, value, answered, headers)
    }
  }

  #remove(): void {
    const seqs = [...this.#places.keys()]
    const seq = seqs[this.#random.below(seqs.length || 1)]
    if (seq === undefined) return
    this.#gone('STREAM.MSG.DELETE.D', { seq }, [seq])
  }

  #purge(): void {
    const seqs = [...this.#places.keys()].sort((a, b) => a - b)
    const through = seqs[this.#random.below(Math.ceil(seqs.length / 3) || 1)]
    if (through === undefined) return
    const gone = seqs.filter((seq) => seq <= through)
    this.#gone('STREAM.PURGE.D', { seq: through + 1 }, gone)
  }

  #gone(subject: string, request: object, seqs: readonly number[]): void {
    const change: Change = { isAnswered: false }
    for (const seq of seqs) {
      const value = this.#places.get(seq) ?? ''
      this.#places.delete(seq)
      this.#promises.removed.set(value, change)
    }
    this.#machine.ask(`$JS.API.${subject}`, JSON.stringify(request), ({ payload }) => {
      change.isAnswered = (JSON.parse(payload) as { success?: boolean }).success === true
    })
  }

  #configure(): void {
    const version = ++this.#serial
    this.#promises.versions.push(version)
    const config = { ...CONFIG, description: String(version) }
    this.#machine.ask('$JS.API.STREAM.UPDATE.D', JSON.stringify(config), ({ payload }) => {
      const { error } = JSON.parse(payload) as { error?: object }
      assert.equal(error, undefined, payload)
      const { versions } = this.#promises
      this.#promises.versions = versions.filter((other) => other >= version)
    })
  }

  #makeConsumer(): void {
    const name = `c${++this.#serial}`
    const made: Change = { isAnswered: false }
    this.#promises.consumers.set(name, { made })
    this.#machine.ask(`$JS.API.CONSUMER.CREATE.D.${name}`, consumerOf(name), () => {
      made.isAnswered = true
    })
  }

  #dropConsumer(): void {
    const { consumers } = this.#promises
    const all = [...consumers].filter(([, { made, gone }]) => made.isAnswered && !gone)
    const [name, known] = all[this.#random.below(all.length || 1)] ?? []
    if (name === undefined || known === undefined) return
    const gone: Change = { isAnswered: false }
    consumers.set(name, { made: known.made, gone })
    this.#machine.ask(`$JS.API.CONSUMER.DELETE.D.${name}`, '', () => {
      gone.isAnswered = true
    })
  }

  /** Takes the next message, and asks that its acknowledgement be confirmed. */
  #consume(): void {
    const next = '$JS.API.CONSUMER.MSG.NEXT.D.main'
    this.#machine.ask(next, '{"batch":1,"no_wait":true}', ({ reply }) => {
      const seq = Number(reply.split('.')[5])
      if (!reply.startsWith('$JS.ACK.')) return
      assert.ok(seq > this.#promises.floor, `${seq} again, behind ${this.#promises.floor}`)
      this.#machine.ask(reply, '+ACK', () => {
        this.#promises.floor = Math.max(this.#promises.floor, seq)
      })
    })
  }
}

const CONFIG = { name: 'D', subjects: ['d.>'], allow_atomic: true }

function consumerOf(name: string): string {
  const config = { durable_name: name, ack_policy: 'explicit', max_ack_pending: 1 }
  return JSON.stringify({ stream_name: 'D', config })
}

/** What is so after a crash is what was answered, and nothing that was never asked. */
async function check(machine: CutMachine, promises: Promises, what: string): Promise<void> {
  const values = (await machine.messagesIn('D')).map(({ value }) => value)
  const there = new Set(values)
  assert.equal(there.size, values.length, `${what}: nothing twice`)
  for (const { values: own, isAnswered } of promises.sent) {
    const kept = own.filter((value) => !promises.removed.has(value))
    const found = kept.filter((value) => there.has(value))
    const isWhole = found.length === kept.length
    assert.ok(isWhole || (found.length === 0 && !isAnswered), `${what}: ${own[0]} of ${own.length}`)
  }
  for (const [value, { isAnswered }] of promises.removed) {
    assert.ok(!(isAnswered && there.has(value)), `${what}: ${value} came back`)
  }
  const known = new Set(promises.sent.flatMap((sent) => sent.values))
  for (const value of values) assert.ok(known.has(value), `${what}: nobody sent ${value}`)
  await checkAssets(machine, promises, what)
}

async function checkAssets(machine: CutMachine, promises: Promises, what: string): Promise<void> {
  const { config } = await machine.api<{ config: { description?: string } }>('STREAM.INFO.D')
  const version = Number(config.description ?? 0)
  assert.ok(
    promises.versions.includes(version),
    `${what}: version ${version} of ${promises.versions}`,
  )
  promises.versions = [version]
  const { consumers } = await machine.api<{ consumers: string[] }>('CONSUMER.NAMES.D')
  for (const [name, { made, gone }] of promises.consumers) {
    const isThere = consumers.includes(name)
    if (gone === undefined && made.isAnswered) assert.ok(isThere, `${what}: ${name} is lost`)
    if (gone?.isAnswered) assert.ok(!isThere, `${what}: ${name} came back`)
    if (isThere) promises.consumers.set(name, { made: { isAnswered: true } })
    else promises.consumers.delete(name)
  }
  const info = await machine.api<{ ack_floor: { stream_seq: number } }>('CONSUMER.INFO.D.main')
  const floor = info.ack_floor.stream_seq
  assert.ok(floor >= promises.floor, `${what}: floor ${floor}, was ${promises.floor}`)
}

/** Returns what of it was answered, by kind. */
async function crashes(runSeed: number): Promise<Promises> {
  const machine = new CutMachine(new SeededRandom(runSeed))
  const promises = new Promises()
  await machine.start()
  await machine.api('STREAM.CREATE.D', CONFIG)
  await machine.api('CONSUMER.CREATE.D.main', JSON.parse(consumerOf('main')))
  const work = new Work(machine, promises)
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = machine.random.below(OPERATIONS); i > 0; i--) await work.one()
    await settle(machine.random.below(30))
    machine.crash()
    await machine.start()
    await check(machine, promises, `round ${round}`)
  }
  await machine.end()
  return promises
}

describe('streams and power cuts', function () {
  this.timeout(180_000)

  it(`keep every promise (SEED=${seed})`, async () => {
    const answered = { messages: 0, batches: 0, removals: 0, consumers: 0, acks: 0 }
    for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
      const done = await crashes(runSeed).catch((cause: unknown) => {
        throw new Error(`SEED=${runSeed} failed`, { cause })
      })
      const sent = done.sent.filter(({ isAnswered }) => isAnswered)
      answered.messages += sent.length
      answered.batches += sent.filter(({ values }) => values.length > 1).length
      answered.removals += [...done.removed.values()].filter((it) => it.isAnswered).length
      answered.consumers += done.consumers.size
      answered.acks += done.floor
    }
    for (const [kind, count] of Object.entries(answered)) assert.ok(count > 0, `no ${kind}`)
  })
})
