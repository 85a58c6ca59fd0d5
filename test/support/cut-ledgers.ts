/**
 * Streams that take one thing after the other while the power goes: what they hold afterwards is what a
 * model holds after some first part of what was sent, with all of it that was answered. Each thing is done
 * whole or not at all: a roll-up with what it takes, a batch with all its messages.
 */
import assert from 'node:assert/strict'
import type { SeededRandom } from '../../shared/runtime/index.ts'
import type { CutMachine } from './cut-machine.ts'

/** Of one kind of records: what is done with it, and what must be so afterwards. */
export interface CutScene {
  readonly streams: readonly { readonly name: string }[]
  /** How much was answered, over all crashes. */
  readonly answered: number
  prepare?(machine: CutMachine): Promise<void>
  act(machine: CutMachine): void
  /** Of the store as it was found, before anything goes on with it. */
  found?(machine: CutMachine, what: string): Promise<void>
  check(machine: CutMachine, what: string): Promise<void>
}

interface Kept {
  readonly seq: number
  readonly subject: string
  readonly value: string
}

/** What a stream holds. */
export class Held {
  readonly messages: readonly Kept[]
  readonly lastSeq: number
  readonly ids: ReadonlySet<string>

  constructor(messages: readonly Kept[] = [], lastSeq = 0, ids: ReadonlySet<string> = new Set()) {
    this.messages = messages
    this.lastSeq = lastSeq
    this.ids = ids
  }

  add(subject: string, value: string, { id = '', historyMax = Infinity } = {}): Held {
    const seq = this.lastSeq + 1
    const own = this.messages.filter((message) => message.subject === subject)
    const evicted = own.slice(0, Math.max(0, own.length + 1 - historyMax))
    const left = this.messages.filter((message) => !evicted.includes(message))
    const ids = id === '' ? this.ids : new Set([...this.ids, id])
    return new Held([...left, { seq, subject, value }], seq, ids)
  }

  /** Without what a roll-up takes: a subject, or everything. */
  without(subject?: string): Held {
    const left = this.messages.filter((one) => subject !== undefined && one.subject !== subject)
    return new Held(left, this.lastSeq, this.ids)
  }

  newestOn(subject: string): Kept | undefined {
    return this.messages.findLast((message) => message.subject === subject)
  }
}

export interface Message {
  readonly subject: string
  readonly value: string
  readonly headers?: Record<string, string>
}

/** Something that is sent, and what comes of it. */
export interface Deed {
  readonly messages: readonly Message[]
  readonly after: (held: Held) => Held
}

/** Draws what is sent next, given what is held when all of before is done. */
export type Draw = (random: SeededRandom, name: string, held: Held) => Deed

export class CutLedger implements CutScene {
  readonly streams: readonly { readonly name: string }[]
  answered = 0
  readonly #name: string
  readonly #draw: Draw
  readonly #random: SeededRandom
  #base = new Held()
  #sent: { readonly after: Held; isAnswered: boolean }[] = []
  #serial = 0

  constructor(config: { readonly name: string }, draw: Draw, random: SeededRandom) {
    this.streams = [config]
    this.#name = config.name
    this.#draw = draw
    this.#random = random
  }

  act(machine: CutMachine): void {
    const before = this.#sent.at(-1)?.after ?? this.#base
    const name = `${this.#name}${++this.#serial}`
    const { messages, after } = this.#draw(this.#random, name, before)
    const sent = { after: after(before), isAnswered: false }
    this.#sent.push(sent)
    for (const [i, { subject, value, headers }] of messages.entries()) {
      const answered = (): void => {
        if (i < messages.length - 1 || sent.isAnswered) return
        sent.isAnswered = true
        this.answered++
      }
      machine.ask(subject, value, answered, headers)
    }
  }

  /** Limits took it before: nobody finds it again, also not for a moment. */
  async found(machine: CutMachine, what: string): Promise<void> {
    const least = this.#sent.findLastIndex(({ isAnswered }) => isAnswered)
    this.#base = await this.checkWhole(machine, `${what}, as found`, least + 1)
    this.#sent = []
  }

  async check(machine: CutMachine, what: string): Promise<void> {
    await this.checkWhole(machine, what)
  }

  /** That it is what comes of a first part of all that was sent, from `least` on. */
  async checkWhole(machine: CutMachine, what: string, least = 0): Promise<Held> {
    const there = (await machine.messagesIn(this.#name)).map(wordOf)
    const lastSeq = machine.store.streams.get(`A/${this.#name}`)?.state.lastSeq ?? 0
    const possible = [this.#base, ...this.#sent.map(({ after }) => after)].slice(least)
    const held = possible.find((one) => {
      return one.lastSeq === lastSeq && one.messages.map(wordOf).join() === there.join()
    })
    if (held === undefined) {
      const known = possible.map(({ messages }) => messages.map(wordOf).join())
      assert.fail(`${what}: ${this.#name} holds ${there} at ${lastSeq}, not ${known.join(' or ')}`)
    }
    return held
  }
}

function wordOf({ seq, subject, value }: Kept): string {
  return `${seq}:${subject}=${value.replace(/\.+$/, '')}`
}

/** Long enough, often, that a commit lies in more than one sector. */
export function padded(random: SeededRandom, value: string): string {
  return value.padEnd(random.below(3) === 0 ? 0 : random.below(700), '.')
}

export const drawRollUp: Draw = (random, name) => {
  const value = padded(random, name)
  const subject = `r.${random.below(3)}`
  const draw = random.below(10)
  const rollUp = draw === 0 ? 'all' : draw < 4 ? 'sub' : undefined
  const headers = rollUp === undefined ? {} : { 'Nats-Rollup': rollUp }
  const after = (held: Held): Held => {
    const left = rollUp === undefined ? held : held.without(rollUp === 'sub' ? subject : undefined)
    return left.add(subject, value)
  }
  return { messages: [{ subject, value, headers }], after }
}

/** As the clients write it: put, delete, purge, create and update. */
export const drawKeyValue: Draw = (random, name, held) => {
  const subject = `$KV.b.k${random.below(3)}`
  const value = padded(random, name)
  const put = (now: Held): Held => now.add(subject, value, { historyMax: 2 })
  const draw = random.below(10)
  if (draw < 3) return { messages: [{ subject, value }], after: put }
  if (draw < 5) {
    const headers = { 'KV-Operation': 'DEL' }
    const after = (now: Held): Held => now.add(subject, '', { historyMax: 2 })
    return { messages: [{ subject, value: '', headers }], after }
  }
  if (draw < 7) {
    const headers = { 'KV-Operation': 'PURGE', 'Nats-Rollup': 'sub' }
    const after = (now: Held): Held => now.without(subject).add(subject, '')
    return { messages: [{ subject, value: '', headers }], after }
  }
  const expected = draw < 8 ? 0 : (held.newestOn(subject)?.seq ?? 0)
  const headers = { 'Nats-Expected-Last-Subject-Sequence': String(expected) }
  const after = (now: Held): Held =>
    (now.newestOn(subject)?.seq ?? 0) === expected ? put(now) : now
  return { messages: [{ subject, value, headers }], after }
}

export const drawBatch: Draw = (random, name) => {
  const count = 1 + random.below(8)
  const messages = Array.from({ length: count }, (_, i) => ({
    subject: `b.${i % 3}`,
    value: padded(random, `${name}-${i}`),
    headers: {
      'Nats-Batch-Id': name,
      'Nats-Batch-Sequence': String(i + 1),
      ...(i + 1 === count ? { 'Nats-Batch-Commit': '1' } : {}),
    },
  }))
  const after = (held: Held): Held =>
    messages.reduce((now, { subject, value }) => now.add(subject, value), held)
  return { messages, after }
}

export const drawCount: Draw = (random) => {
  const subject = `c.${random.below(2)}`
  const by = random.below(9) - 3
  const after = (held: Held): Held => {
    const { val } = JSON.parse(held.newestOn(subject)?.value ?? '{"val":"0"}') as { val: string }
    return held.add(subject, JSON.stringify({ val: String(Number(val) + by) }))
  }
  return { messages: [{ subject, value: '', headers: { 'Nats-Incr': String(by) } }], after }
}

/** Some of it twice: the second is answered, and not stored. */
export const drawIdentified: Draw = (random, name, held) => {
  const ids = [...held.ids]
  const isAgain = ids.length > 0 && random.below(3) === 0
  const id = isAgain ? (ids[random.below(ids.length)] ?? '') : name
  const value = padded(random, name)
  const after = (now: Held): Held => (now.ids.has(id) ? now : now.add('n.a', value, { id }))
  return { messages: [{ subject: 'n.a', value, headers: { 'Nats-Msg-Id': id } }], after }
}
