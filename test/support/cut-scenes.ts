/** What does more than one thing after the other while the power goes: sources, times of messages, consumers. */
import assert from 'node:assert/strict'
import type { SeededRandom } from '../../shared/runtime/index.ts'
import { decodePlace, placeKey } from '../../shared/stream/sourcing/source-intake.ts'
import { type CutScene, padded } from './cut-ledgers.ts'
import type { CutMachine, CutMessage } from './cut-machine.ts'
import type { Published } from './memory-port.ts'

interface Sent {
  isAnswered: boolean
}

function errorOf({ payload }: Published): unknown {
  return (JSON.parse(payload) as { error?: unknown }).error
}

/** One stream is copied into another: how far it was, is never ahead of the copies, nor behind. */
export class SourceScene implements CutScene {
  readonly streams = [
    { name: 'O', subjects: ['o.>'] },
    { name: 'S', sources: [{ name: 'O' }] },
    { name: 'M', mirror: { name: 'O' } },
  ]
  answered = 0
  readonly #random: SeededRandom
  readonly #values = new Set<string>()
  #serial = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  act(machine: CutMachine): void {
    const value = padded(this.#random, `o${++this.#serial}`)
    this.#values.add(value)
    machine.ask('o.a', value, () => {})
  }

  async found(machine: CutMachine, what: string): Promise<void> {
    const copies = await machine.messagesIn('S')
    const origins = copies.map(originOf)
    const states = machine.store.streams.get('A/S')?.states
    const { seq } = decodePlace(states?.get(placeKey({ name: 'O' })))
    assert.equal(seq, Math.max(0, ...origins), `${what}: as far as was copied`)
    assert.equal(new Set(origins).size, origins.length, `${what}: nothing copied twice`)
    this.answered += copies.length
  }

  async check(machine: CutMachine, what: string): Promise<void> {
    const origin = new Map((await machine.messagesIn('O')).map((one) => [one.seq, one.value]))
    for (const { value } of await machine.messagesIn('O')) assert.ok(this.#values.has(value), what)
    for (const copy of await machine.messagesIn('S')) {
      assert.equal(copy.value, origin.get(originOf(copy)), `${what}: ${copy.seq} in S`)
    }
    for (const { seq, value } of await machine.messagesIn('M')) {
      assert.equal(value, origin.get(seq), `${what}: ${seq} in M`)
    }
  }
}

function originOf({ headers }: CutMessage): number {
  return Number(/Nats-Stream-Source: \S+ (\d+)/.exec(headers)?.[1])
}

/** Each on a subject of its own: there, or the one that its time makes of it is, once. */
export class DueScene implements CutScene {
  readonly streams = [
    {
      name: 'T',
      subjects: ['t.>'],
      allow_msg_ttl: true,
      allow_msg_schedules: true,
      subject_delete_marker_ttl: 3_600_000_000_000,
    },
  ]
  answered = 0
  readonly #random: SeededRandom
  readonly #sent = new Map<string, Sent>()
  #serial = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  act(machine: CutMachine): void {
    const name = String(++this.#serial)
    const sent: Sent = { isAnswered: false }
    const value = padded(this.#random, name)
    const inMs = 1_000 + this.#random.below(4) * 1_000
    const draw = this.#random.below(3)
    const at = new Date(machine.clock.wallMs() + inMs).toISOString()
    const [subject, headers] =
      draw === 0
        ? [`t.ttl.${name}`, { 'Nats-TTL': `${inMs / 1_000}s` }]
        : [
            `t.${draw === 1 ? 'at' : 'every'}.${name}`,
            {
              'Nats-Schedule': draw === 1 ? `@at ${at}` : '@every 1s',
              'Nats-Schedule-Target': `t.due.${name}`,
            },
          ]
    this.#sent.set(subject, sent)
    const answered = (answer: Published): void => {
      assert.equal(errorOf(answer), undefined, answer.payload)
      sent.isAnswered = true
      this.answered++
    }
    machine.ask(subject, value, answered, headers)
  }

  async check(machine: CutMachine, what: string): Promise<void> {
    const all = await machine.messagesIn('T')
    for (const [subject, sent] of this.#sent) {
      const [, kind, name] = subject.split('.')
      const own = all.filter((one) => one.subject === subject)
      const made = all.filter((one) => one.subject === `t.due.${name}`)
      const count = own.length + (kind === 'at' ? made.length : 0)
      assert.ok(count <= 1, `${what}: ${subject} is there, and what comes of it`)
      assert.ok(count === 1 || !sent.isAnswered, `${what}: ${subject} is lost`)
      if (count === 0) this.#sent.delete(subject)
      else sent.isAnswered = true
      if (kind === 'every' && own.length === 0) assert.equal(made.length, 0, `${what}: ${subject}`)
    }
  }
}

/** What a flow acknowledged of a fast batch is there, and nothing behind a message that is not. */
export class FastBatchScene implements CutScene {
  readonly streams = [{ name: 'F', subjects: ['f.>'], allow_batched: true }]
  answered = 0
  readonly #random: SeededRandom
  readonly #batches = new Map<string, { sent: number; told: number; isOpen: boolean }>()
  #serial = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  act(machine: CutMachine): void {
    const open = [...this.#batches].filter(([, { isOpen }]) => isOpen)
    const [known] = open
    const id = known?.[0] ?? `f${++this.#serial}`
    const batch = known?.[1] ?? { sent: 0, told: 0, isOpen: true }
    this.#batches.set(id, batch)
    const seq = ++batch.sent
    const operation = seq === 1 ? 0 : this.#random.below(6) === 0 ? 2 : 1
    if (operation === 2) batch.isOpen = false
    const reply = `in.${id}.2.fail.${seq}.${operation}.$FI`
    const heard = ({ payload }: Published): void => {
      const told = JSON.parse(payload) as { type?: string; seq: number; count?: number }
      batch.told = Math.max(batch.told, told.type === 'ack' ? told.seq : (told.count ?? 0))
      this.answered += told.count ?? 0
    }
    machine.port.next(reply).then(heard, assert.fail)
    machine.port.send('f.a', padded(this.#random, `${id}/${seq}/`), { reply }).catch(assert.fail)
  }

  async check(machine: CutMachine, what: string): Promise<void> {
    const there = new Map<string, number[]>()
    for (const { value } of await machine.messagesIn('F')) {
      const [id = '', seq] = value.split('/')
      there.set(id, [...(there.get(id) ?? []), Number(seq)])
    }
    for (const [id, batch] of this.#batches) {
      const seqs = there.get(id) ?? []
      const first = seqs.map((_, i) => i + 1)
      assert.deepEqual(seqs, first, `${what}: batch ${id} without a hole`)
      assert.ok(seqs.length >= batch.told, `${what}: ${batch.told} of ${id} were acknowledged`)
      assert.ok(seqs.length <= batch.sent, what)
      batch.told = seqs.length
      batch.isOpen = false
    }
  }
}

/** What was acknowledged, and that confirmed, is gone from a work queue; nothing else is. */
export class WorkScene implements CutScene {
  readonly streams: readonly { readonly name: string }[]
  answered = 0
  readonly #random: SeededRandom
  readonly #sent = new Map<string, Sent & { isTaken: boolean; isDone: boolean }>()
  readonly #name: string
  #serial = 0

  constructor(retention: 'workqueue' | 'interest', random: SeededRandom) {
    this.#name = retention === 'workqueue' ? 'W' : 'I'
    this.streams = [
      { name: this.#name, subjects: [`${this.#name}.>`], retention } as { name: string },
    ]
    this.#random = random
  }

  async prepare(machine: CutMachine): Promise<void> {
    const config = {
      durable_name: 'w',
      ack_policy: 'explicit',
      filter_subject: `${this.#name}.a`,
    }
    await machine.api(`CONSUMER.CREATE.${this.#name}.w`, { stream_name: this.#name, config })
  }

  act(machine: CutMachine): void {
    const draw = this.#random.below(12)
    if (draw === 0) this.#visit(machine)
    else if (draw < 6) this.#publish(machine)
    else this.#work(machine)
  }

  /** Another consumer comes and goes: of interest, and what is owed to it. */
  #visit(machine: CutMachine): void {
    const name = `v${++this.#serial}`
    const config = {
      durable_name: name,
      ack_policy: 'explicit',
      filter_subject: `${this.#name}.none`,
    }
    const request = JSON.stringify({ stream_name: this.#name, config })
    if (this.#name === 'W') return
    machine.ask(`$JS.API.CONSUMER.CREATE.I.${name}`, request, () => {
      machine.ask(`$JS.API.CONSUMER.DELETE.I.${name}`, '', () => {})
    })
  }

  #publish(machine: CutMachine): void {
    // What nobody wants is not stored, and has a sequence.
    if (this.#name === 'I') machine.ask('I.nobody', '', () => {})
    const value = `${this.#name}${++this.#serial}`
    const sent = { isAnswered: false, isTaken: false, isDone: false }
    this.#sent.set(value, sent)
    machine.ask(`${this.#name}.a`, value, () => {
      sent.isAnswered = true
    })
  }

  #work(machine: CutMachine): void {
    const next = `$JS.API.CONSUMER.MSG.NEXT.${this.#name}.w`
    machine.ask(next, '{"batch":1,"no_wait":true}', ({ reply, payload }) => {
      const sent = this.#sent.get(payload)
      if (!reply.startsWith('$JS.ACK.') || sent === undefined) return
      assert.ok(!sent.isDone, `${payload} again`)
      sent.isTaken = true
      machine.ask(reply, '+ACK', () => {
        sent.isDone = true
        this.answered++
      })
    })
  }

  async check(machine: CutMachine, what: string): Promise<void> {
    const there = new Set((await machine.messagesIn(this.#name)).map(({ value }) => value))
    for (const [value, sent] of this.#sent) {
      const isThere = there.has(value)
      if (sent.isDone) assert.ok(!isThere, `${what}: ${value} came back`)
      else if (sent.isAnswered && !sent.isTaken) assert.ok(isThere, `${what}: ${value} is lost`)
      if (isThere) Object.assign(sent, { isAnswered: true, isTaken: false })
      else this.#sent.delete(value)
    }
  }
}

/** Streams come and go, are changed, purged, and lose messages. */
export class ComingScene implements CutScene {
  readonly streams = []
  answered = 0
  readonly #random: SeededRandom
  readonly #made = new Map<string, { made: Sent; gone?: Sent }>()
  #serial = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  act(machine: CutMachine): void {
    const all = [...this.#made].filter(([, { made, gone }]) => made.isAnswered && !gone)
    const [name = '', known] = all[this.#random.below(all.length || 1)] ?? []
    const draw = this.#random.below(6)
    if (known === undefined || draw === 0) this.#make(machine)
    else if (draw === 1) this.#drop(machine, name, known)
    else if (draw === 2) machine.ask(`$JS.API.STREAM.MSG.DELETE.${name}`, '{"seq":1}', () => {})
    else if (draw === 3) machine.ask(`$JS.API.STREAM.PURGE.${name}`, '', () => {})
    else machine.ask(`x.${name}`, padded(this.#random, name), () => {})
  }

  #make(machine: CutMachine): void {
    const name = `X${++this.#serial}`
    const made: Sent = { isAnswered: false }
    this.#made.set(name, { made })
    const config = JSON.stringify({ name, subjects: [`x.${name}`] })
    machine.ask(`$JS.API.STREAM.CREATE.${name}`, config, (answer) => {
      assert.equal(errorOf(answer), undefined, answer.payload)
      made.isAnswered = true
    })
  }

  #drop(machine: CutMachine, name: string, { made }: { made: Sent }): void {
    const gone: Sent = { isAnswered: false }
    this.#made.set(name, { made, gone })
    machine.ask(`$JS.API.STREAM.DELETE.${name}`, '', () => {
      gone.isAnswered = true
      this.answered++
    })
  }

  async check(machine: CutMachine, what: string): Promise<void> {
    for (const [name, { made, gone }] of this.#made) {
      const isThere = machine.store.streams.has(`A/${name}`)
      if (made.isAnswered && !gone) assert.ok(isThere, `${what}: ${name} is lost`)
      if (gone?.isAnswered) assert.ok(!isThere, `${what}: ${name} came back`)
      if (isThere) this.#made.set(name, { made: { isAnswered: true } })
      else this.#made.delete(name)
    }
  }
}
