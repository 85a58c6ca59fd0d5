/**
 * The disk is full in the middle of each operation of a stream: whatever byte was the last that had room. Each is
 * answered, with success or with the error that nats-server has for it; what was answered with success is
 * so, what was refused is not, and all is well again when there is room.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store } from '../../shared/store/index.ts'
import { StreamEngine, UNLIMITED } from '../../shared/stream/index.ts'
import { SimDisk } from '../sim/index.ts'
import { assertWhole } from '../support/checked-store.ts'
import { type ApiAnswer, MemoryPort, type Published } from '../support/memory-port.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

const MESSAGES = 24
/** Of disks that have room for a few operations, each a little more than the one before. */
const ROOM_MAX = 5_000
const ROOM_STEP = 97
/** No room: insufficient resources, insufficient storage, and what a consumer and a restore are told. */
const FULL_CODES = [10023, 10047, 10077, 10012, 10062]
const NOTHING = new Uint8Array(0)

class Machine {
  disk: SimDisk
  clock = new StoreClock()
  port = new MemoryPort()
  store!: Store
  engine!: StreamEngine
  readonly #reserveBytes: number
  readonly #seed: number

  constructor(seed: number, reserveBytes: number) {
    this.#seed = seed
    this.#reserveBytes = reserveBytes
    this.disk = new SimDisk({ random: new SeededRandom(seed) })
  }

  async start(): Promise<void> {
    this.clock = new StoreClock()
    this.port = new MemoryPort()
    const parts = { clock: this.clock, random: new SeededRandom(this.#seed), log: silentLog }
    this.store = await openStore({
      ...parts,
      directory: '/data',
      disk: this.disk,
      segmentBytes: 2_500,
      reserveBytes: this.#reserveBytes,
    })
    this.engine = new StreamEngine({
      ...parts,
      account: 'A',
      store: this.store,
      port: this.port,
      domain: '',
      serverName: 'full',
      limits: UNLIMITED,
    })
    await this.engine.start()
  }

  async ask(
    subject: string,
    payload: string | Uint8Array = '',
    headers: Record<string, string> = {},
  ): Promise<Published> {
    const reply = this.port.newInbox()
    let answer: Published | undefined
    this.port.next(reply).then((one) => {
      answer = one
    }, assert.fail)
    // It resolves when the message is taken, which those of a batch are at its end.
    if (typeof payload === 'string') {
      this.port.send(subject, payload, { reply, headers }).catch(assert.fail)
    } else this.port.publish(subject, reply, NOTHING, payload)
    for (let i = 0; i < 40 && answer === undefined; i++) {
      await settle(5)
      if (i % 8 === 7) this.clock.advance(300)
    }
    assert.ok(answer, `${subject} is answered`)
    return answer
  }

  async api<Answer extends ApiAnswer = ApiAnswer>(subject: string, body: object | string = '') {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return JSON.parse((await this.ask(`$JS.API.${subject}`, text)).payload) as Answer
  }

  async backup(): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    const stop = this.port.subscribe('backup', ({ payload, reply }) => {
      pieces.push(payload)
      if (reply !== '') this.port.publish(reply, '', NOTHING, NOTHING)
    })
    const { error } = await this.api('STREAM.SNAPSHOT.D', { deliver_subject: 'backup' })
    assert.equal(error, undefined)
    for (let i = 0; i < 40; i++) await settle(5)
    stop()
    return Buffer.concat(pieces)
  }

  async crash(): Promise<void> {
    await this.engine.destroy()
    await this.store.destroy()
    this.disk = this.disk.powerCut()
  }

  async valuesOf(name: string): Promise<string[]> {
    const stream = this.store.streams.get(`A/${name}`)
    if (stream === undefined) return []
    const { messages } = await stream.read({ fromSeq: 1, messagesMax: 1_000, bytesMax: 1e8 })
    return messages.map(({ payload }) => Buffer.from(payload).toString())
  }
}

/** What was answered to the operations on a full disk. */
class Outcome {
  readonly stored = new Set<string>()
  readonly refused = new Set<string>()
  readonly removed = new Set<string>()
  readonly streams = new Map<string, boolean>()
  readonly consumers = new Map<string, boolean>()
  description = 'old'
  floor = 0
  refusals = 0

  /** Whether it was done. */
  took({ error }: ApiAnswer, what: string): boolean {
    if (error === undefined) return true
    assert.ok(FULL_CODES.includes(error.err_code), `${what}: ${JSON.stringify(error)}`)
    this.refusals++
    return false
  }
}

async function filled(machine: Machine): Promise<Outcome> {
  const outcome = new Outcome()
  await machine.start()
  await machine.api('STREAM.CREATE.D', CONFIG)
  await machine.api('CONSUMER.CREATE.D.main', consumerOf('main'))
  for (let i = 1; i <= MESSAGES; i++) {
    await machine.ask(`d.${i % 3}`, `old ${i}`)
    outcome.stored.add(`old ${i}`)
  }
  return outcome
}

async function operate(machine: Machine, outcome: Outcome, backup: Buffer): Promise<void> {
  for (let round = 1; round <= 3; round++) {
    await publish(machine, outcome, `new ${round}`)
    await acknowledge(machine, outcome)
    const consumer = `c${round}`
    const made = await machine.api(`CONSUMER.CREATE.D.${consumer}`, consumerOf(consumer))
    outcome.consumers.set(consumer, outcome.took(made, 'a consumer'))
    const update = { ...CONFIG, description: `${round}` }
    if (outcome.took(await machine.api('STREAM.UPDATE.D', update), 'an update')) {
      outcome.description = update.description
    }
    const stream = `E${round}`
    const created = await machine.api(`STREAM.CREATE.${stream}`, { name: stream })
    outcome.streams.set(stream, outcome.took(created, 'a stream'))
    await batch(machine, outcome, `batch ${round}`)
    await remove(machine, outcome, round)
    await restore(machine, outcome, `R${round}`, backup)
    // Indexes, rewritten segments and what else the store does by itself.
    machine.clock.advance(2_000)
    await settle(40)
  }
  const purged = await machine.api('STREAM.PURGE.D', { filter: 'd.2' })
  if (outcome.took(purged, 'a purge')) {
    for (const value of [...outcome.stored]) {
      if (Number(/^old (\d+)$/.exec(value)?.[1] ?? 0) % 3 === 2) outcome.removed.add(value)
    }
  }
  // What is read needs no room.
  assert.ok((await machine.backup()).length > 500, 'a snapshot is made on a full disk')
}

async function publish(machine: Machine, outcome: Outcome, value: string): Promise<void> {
  const answer = JSON.parse((await machine.ask('d.0', value)).payload) as ApiAnswer
  const isStored = outcome.took(answer, 'a publish')
  ;(isStored ? outcome.stored : outcome.refused).add(value)
}

async function batch(machine: Machine, outcome: Outcome, id: string): Promise<void> {
  const values = [1, 2, 3].map((i) => `${id} ${i}`)
  let answer: ApiAnswer | undefined
  for (const [i, value] of values.entries()) {
    const isLast = i === values.length - 1
    const headers = {
      'Nats-Batch-Id': id,
      'Nats-Batch-Sequence': String(i + 1),
      ...(isLast ? { 'Nats-Batch-Commit': '1' } : {}),
    }
    const { payload } = await machine.ask('d.1', value, headers)
    if (payload !== '') answer = JSON.parse(payload) as ApiAnswer
    if (answer?.error !== undefined) break
  }
  assert.ok(answer, 'a batch is answered')
  const isStored = outcome.took(answer, 'a batch')
  for (const value of values) (isStored ? outcome.stored : outcome.refused).add(value)
}

async function acknowledge(machine: Machine, outcome: Outcome): Promise<void> {
  const next = '$JS.API.CONSUMER.MSG.NEXT.D.main'
  const { reply } = await machine.ask(next, '{"batch":1,"no_wait":true}')
  if (!reply.startsWith('$JS.ACK.')) return
  const confirmed: Published[] = []
  const inbox = machine.port.newInbox()
  machine.port.next(inbox).then((one) => confirmed.push(one), assert.fail)
  machine.port.send(reply, '+ACK', { reply: inbox }).catch(assert.fail)
  for (let i = 0; i < 20 && confirmed.length === 0; i++) await settle(5)
  // An acknowledgement that cannot be written is not confirmed, and the message comes again.
  if (confirmed.length > 0) outcome.floor = Number(reply.split('.')[5])
}

async function remove(machine: Machine, outcome: Outcome, seq: number): Promise<void> {
  const answer = await machine.api('STREAM.MSG.DELETE.D', { seq })
  if (outcome.took(answer, 'a removal')) outcome.removed.add(`old ${seq}`)
}

async function restore(
  machine: Machine,
  outcome: Outcome,
  name: string,
  backup: Buffer,
): Promise<void> {
  const asked = { config: { ...CONFIG, name, subjects: [`${name}.>`] }, state: {} }
  const begun = await machine.api<ApiAnswer & { deliver_subject: string }>(
    `STREAM.RESTORE.${name}`,
    asked,
  )
  let isDone = outcome.took(begun, 'a restore')
  for (const piece of [backup, NOTHING]) {
    if (!isDone) break
    const { payload } = await machine.ask(begun.deliver_subject, piece)
    if (payload !== '') isDone = outcome.took(JSON.parse(payload) as ApiAnswer, 'a restore')
  }
  outcome.streams.set(name, isDone)
}

async function check(machine: Machine, outcome: Outcome, what: string): Promise<void> {
  const values = new Set(await machine.valuesOf('D'))
  for (const value of outcome.stored) {
    const isGone = outcome.removed.has(value)
    assert.equal(values.has(value), !isGone, `${what}: ${value}, ${isGone ? 'removed' : 'stored'}`)
  }
  for (const value of outcome.refused) assert.ok(!values.has(value), `${what}: ${value}, refused`)
  for (const [name, isThere] of outcome.streams) {
    const { error } = await machine.api(`STREAM.INFO.${name}`)
    assert.equal(error === undefined, isThere, `${what}: ${name}`)
    if (isThere && name.startsWith('R')) {
      assert.equal((await machine.valuesOf(name)).length, MESSAGES, `${what}: ${name}`)
    }
  }
  for (const [name, isThere] of outcome.consumers) {
    const { error } = await machine.api(`CONSUMER.INFO.D.${name}`)
    assert.equal(error === undefined, isThere, `${what}: ${name}`)
  }
  const info = await machine.api<ApiAnswer & { config: { description?: string } }>('STREAM.INFO.D')
  assert.equal(info.config.description, outcome.description, what)
  const main = await machine.api<ApiAnswer & { ack_floor: { stream_seq: number } }>(
    'CONSUMER.INFO.D.main',
  )
  assert.ok(main.ack_floor.stream_seq >= outcome.floor, `${what}: the floor went back`)
}

const CONFIG = { name: 'D', subjects: ['d.*'], description: 'old', allow_atomic: true }

function consumerOf(name: string): object {
  const config = { durable_name: name, ack_policy: 'explicit', max_ack_pending: 1 }
  return { stream_name: 'D', config }
}

describe('streams and a full disk', function () {
  this.timeout(120_000)

  for (const reserveBytes of [0, 1_500]) {
    it(`answer, keep and recover wherever room ends, with ${reserveBytes} bytes in reserve`, async () => {
      let refusals = 0
      const before = new Machine(1, reserveBytes)
      await filled(before)
      const backup = await before.backup()
      await before.crash()
      for (let room = 0; room <= ROOM_MAX; room += ROOM_STEP) {
        const what = `${room} bytes of room, ${reserveBytes} in reserve`
        const machine = new Machine(room, reserveBytes)
        const outcome = await filled(machine)
        machine.disk.quotaBytes = machine.disk.usedBytes() + room
        await operate(machine, outcome, backup)
        refusals += outcome.refusals
        machine.disk.quotaBytes = Number.POSITIVE_INFINITY
        // By itself, and soon: it looks at the disk again every second.
        let tries = 0
        while (!outcome.stored.has(`with room ${tries}`)) {
          assert.ok(++tries < 30, `${what}: ${machine.store.condition.name}`)
          machine.clock.advance(1_000)
          await settle(40)
          await publish(machine, outcome, `with room ${tries}`)
        }
        await check(machine, outcome, what)
        await machine.crash()
        await assertWhole(machine.disk, new StoreClock(), '/data', what)
        await machine.start()
        await check(machine, outcome, `${what}, after a power cut`)
        await machine.crash()
      }
      assert.ok(refusals > 50, `${refusals} operations met a full disk`)
    })
  }
})
