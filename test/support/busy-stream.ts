/**
 * One stream under everything at once: publishes, batches, lifetimes, removals, purges, changes of its
 * configuration, consumers, acknowledgements, keys and a stream that copies it. What was asked and what
 * was answered is written down here; `check` holds a server that was started again against it.
 */
import assert from 'node:assert/strict'
import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type { SeededRandom } from '../../shared/runtime/index.ts'

export const STREAM = 'S'
const COPY = 'T'
const BUCKET = 'KV_K'
const BATCH = 5
const KEYS = 4
const TTL_S = 1
/** A server that was just started has its hands full before it looks for what has expired. */
const EXPIRY_SLACK_MS = 4_000
const PAGE = 500

/** Whether something is so: it was asked for, and perhaps answered. */
interface Change {
  isAnswered: boolean
}

interface Sent extends Change {
  seq: number | undefined
  /** Of one batch; whole or not at all. */
  readonly batch: string | undefined
  /** When it may have gone by itself. */
  expiresMs: number
  gone: Change | undefined
}

export type Kind = 'publish' | 'batch' | 'remove' | 'purge' | 'config' | 'consumer' | 'ack' | 'key'

export class BusyStream {
  readonly #random: SeededRandom
  /** What was answered, over all rounds. */
  readonly answered: Record<Kind, number> = {
    publish: 0,
    batch: 0,
    remove: 0,
    purge: 0,
    config: 0,
    consumer: 0,
    ack: 0,
    key: 0,
  }
  /** By payload, of which each is sent once. */
  readonly #sent = new Map<string, Sent>()
  /** Was gone at a check, and must never be seen again. */
  readonly #buried = new Set<string>()
  readonly #consumers = new Map<string, { readonly made: Change; gone?: Change }>()
  #versions = [0]
  #floor = 0
  /** By key: what the last answer says, then what was asked since. */
  readonly #keys = new Map<string, (string | undefined)[]>()
  #serial = 0
  #total = 0
  #waiting: { readonly count: number; readonly done: () => void } | undefined

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** Resolves when so many more operations were answered. */
  more(count: number): Promise<void> {
    return new Promise((done) => {
      this.#waiting = { count: this.#total + count, done }
    })
  }

  async make(connection: NatsConnection): Promise<void> {
    await ask(connection, `STREAM.CREATE.${STREAM}`, configOf(0))
    const copy = {
      name: COPY,
      allow_direct: true,
      sources: [{ name: STREAM, filter_subject: 's.keep.>' }],
    }
    await ask(connection, `STREAM.CREATE.${COPY}`, copy)
    await ask(connection, `STREAM.CREATE.${BUCKET}`, {
      name: BUCKET,
      subjects: ['$KV.K.>'],
      max_msgs_per_subject: 3,
      allow_rollup_hdrs: true,
      allow_direct: true,
      deny_delete: true,
      discard: 'new',
    })
    await ask(connection, `CONSUMER.CREATE.${STREAM}.main`, consumerOf('main'))
  }

  /** Works until the connection is gone, or somebody says that it is over. */
  async work(connection: NatsConnection, isOver: () => boolean): Promise<void> {
    const loops = [
      () => this.#publish(connection),
      () => this.#batch(connection),
      () => (this.#random.below(4) === 0 ? this.#purge(connection) : this.#remove(connection)),
      () =>
        this.#random.below(3) === 0 ? this.#configure(connection) : this.#consumer(connection),
      () => this.#consume(connection),
      () => this.#key(connection),
    ]
    await Promise.all(
      loops.map(async (once) => {
        while (!isOver() && !connection.isClosed()) {
          try {
            await once()
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error
            // Nobody answers any more: what was asked is so, or not.
            if (connection.isClosed() || isOver()) return
            throw error
          }
        }
      }),
    )
  }

  /** A server that was started again keeps every promise. What was not answered is known from here on. */
  async check(connection: NatsConnection, what: string): Promise<void> {
    const askedMs = Date.now()
    const there = await valuesOf(connection, STREAM)
    assert.equal(
      new Set(there.map(({ value }) => value)).size,
      there.length,
      `${what}: nothing twice`,
    )
    const seqs = new Map(there.map(({ value, seq }) => [value, seq]))
    for (const { value } of there) {
      assert.ok(!this.#buried.has(value), `${what}: ${value} came back`)
      assert.ok(this.#sent.has(value), `${what}: nobody sent ${value}`)
    }
    this.#checkBatches(seqs, what)
    for (const [value, sent] of this.#sent)
      this.#checkSent(value, sent, seqs.get(value), askedMs, what)
    await this.#checkAssets(connection, what)
    await this.#checkKeys(connection, what)
  }

  /** The copy has all that is to be copied, each once, in order. */
  async checkCopy(connection: NatsConnection, what: string): Promise<void> {
    const expected = (await valuesOf(connection, STREAM)).filter(({ subject }) =>
      subject.startsWith('s.keep'),
    )
    const deadlineMs = Date.now() + 15_000
    let copied = await valuesOf(connection, COPY)
    while (copied.length < expected.length && Date.now() < deadlineMs)
      copied = await valuesOf(connection, COPY)
    const texts = (list: readonly Value[]): string[] => list.map(({ value }) => value)
    assert.deepEqual(texts(copied), texts(expected), `${what}: the copy`)
  }

  #checkBatches(seqs: ReadonlyMap<string, number>, what: string): void {
    const batches = new Map<string, { count: number; lost: number; isAnswered: boolean }>()
    for (const [value, { batch, gone, isAnswered }] of this.#sent) {
      if (batch === undefined || gone !== undefined) continue
      const known = batches.get(batch) ?? { count: 0, lost: 0, isAnswered }
      known.count++
      if (!seqs.has(value)) known.lost++
      batches.set(batch, known)
    }
    for (const [batch, { count, lost, isAnswered }] of batches) {
      const isWhole = lost === 0 || (lost === count && !isAnswered)
      assert.ok(isWhole, `${what}: ${lost} of ${count} of batch ${batch} are lost`)
    }
  }

  #checkSent(
    value: string,
    sent: Sent,
    seq: number | undefined,
    nowMs: number,
    what: string,
  ): void {
    const { isAnswered, gone, expiresMs } = sent
    if (seq !== undefined) {
      assert.ok(gone?.isAnswered !== true, `${what}: ${value} was removed, and is there`)
      assert.ok(nowMs < expiresMs + EXPIRY_SLACK_MS, `${what}: ${value} has not expired`)
      assert.ok(
        sent.seq === undefined || sent.seq === seq,
        `${what}: ${value} was ${sent.seq}, is ${seq}`,
      )
      sent.seq = seq
      sent.isAnswered = true
      sent.gone = undefined
      return
    }
    const mayBeGone = gone !== undefined || !isAnswered || nowMs >= expiresMs - TTL_S * 1_000
    assert.ok(mayBeGone, `${what}: ${value}, sequence ${sent.seq}, is lost`)
    this.#sent.delete(value)
    this.#buried.add(value)
  }

  async #checkAssets(connection: NatsConnection, what: string): Promise<void> {
    const { config } = await ask<{ config: { description?: string } }>(
      connection,
      `STREAM.INFO.${STREAM}`,
    )
    const version = Number(config.description ?? 0)
    assert.ok(this.#versions.includes(version), `${what}: version ${version} of ${this.#versions}`)
    this.#versions = [version]
    const { consumers } = await ask<{ consumers: string[] }>(connection, `CONSUMER.NAMES.${STREAM}`)
    for (const [name, { made, gone }] of this.#consumers) {
      const isThere = consumers.includes(name)
      if (gone === undefined && made.isAnswered) assert.ok(isThere, `${what}: ${name} is lost`)
      if (gone?.isAnswered) assert.ok(!isThere, `${what}: ${name} came back`)
      if (isThere) this.#consumers.set(name, { made: { isAnswered: true } })
      else this.#consumers.delete(name)
    }
    const info = await ask<{ ack_floor: { stream_seq: number } }>(
      connection,
      `CONSUMER.INFO.${STREAM}.main`,
    )
    const floor = info.ack_floor.stream_seq
    assert.ok(floor >= this.#floor, `${what}: floor ${floor}, was ${this.#floor}`)
  }

  async #checkKeys(connection: NatsConnection, what: string): Promise<void> {
    for (const [key, possible] of this.#keys) {
      const answer = await connection.request(`$JS.API.DIRECT.GET.${BUCKET}.$KV.K.${key}`)
      const value = answer.headers?.code === 404 ? undefined : answer.string()
      assert.ok(possible.includes(value), `${what}: ${key} is ${value}, not of ${possible}`)
      this.#keys.set(key, [value])
    }
  }

  #heard(kind: Kind): void {
    this.answered[kind]++
    if (++this.#total >= (this.#waiting?.count ?? Infinity)) this.#waiting?.done()
  }

  #value(): string {
    return `v${++this.#serial}`
  }

  #note(value: string, batch?: string): Sent {
    const sent: Sent = {
      isAnswered: false,
      seq: undefined,
      batch,
      expiresMs: Infinity,
      gone: undefined,
    }
    this.#sent.set(value, sent)
    return sent
  }

  /** Some at once, to any of the subjects; some of them for a second. */
  async #publish(connection: NatsConnection): Promise<void> {
    const count = 1 + this.#random.below(12)
    await Promise.all(
      Array.from({ length: count }, async () => {
        const value = this.#value()
        const sent = this.#note(value)
        const isShort = this.#random.below(6) === 0
        const block = headers()
        if (isShort) {
          block.set('Nats-TTL', `${TTL_S}s`)
          sent.expiresMs = Date.now() + TTL_S * 1_000
        }
        const group = isShort ? 'short' : ['keep', 'some', 'purge'][this.#random.below(3)]
        const subject = `s.${group}.${this.#random.below(9)}`
        const { seq } = answerOf<{ seq: number }>(
          await connection.request(subject, value, { timeout: 20_000, headers: block }),
        )
        sent.seq = seq
        sent.isAnswered = true
        if (isShort) sent.expiresMs = Date.now() + TTL_S * 1_000
        this.#heard('publish')
      }),
    )
  }

  async #batch(connection: NatsConnection): Promise<void> {
    const id = `b${++this.#serial}`
    const all = Array.from({ length: BATCH }, () => this.#value()).map(
      (value) => [value, this.#note(value, id)] as const,
    )
    for (const [i, [value]] of all.entries()) {
      const block = headers()
      block.set('Nats-Batch-Id', id)
      block.set('Nats-Batch-Sequence', String(i + 1))
      const subject = `s.keep.${this.#random.below(9)}`
      if (i < all.length - 1) {
        connection.publish(subject, value, { headers: block })
        continue
      }
      block.set('Nats-Batch-Commit', '1')
      const answer = await connection.request(subject, value, { timeout: 20_000, headers: block })
      const { seq, count } = answerOf<{ seq: number; count: number }>(answer)
      assert.equal(count, BATCH)
      for (const [at, [, sent]] of all.entries()) {
        sent.seq = seq - BATCH + 1 + at
        sent.isAnswered = true
      }
      this.#heard('batch')
    }
  }

  async #remove(connection: NatsConnection): Promise<void> {
    const some = [...this.#sent.values()].filter(
      (it) => it.isAnswered && it.gone === undefined && it.batch === undefined,
    )
    const sent = some[this.#random.below(some.length || 1)]
    // What is copied stays, so that the copy can be held against it.
    if (sent?.seq === undefined || sent.expiresMs !== Infinity)
      return await this.#publish(connection)
    const stored = await ask<{ message?: { subject: string } }>(
      connection,
      `STREAM.MSG.GET.${STREAM}`,
      {
        seq: sent.seq,
      },
    )
    if (stored.message?.subject.startsWith('s.some') !== true) return
    sent.gone = { isAnswered: false }
    await ask(connection, `STREAM.MSG.DELETE.${STREAM}`, { seq: sent.seq })
    sent.gone.isAnswered = true
    this.#heard('remove')
  }

  /** Up to a message that is known, so that what comes meanwhile is not meant. */
  async #purge(connection: NatsConnection): Promise<void> {
    const known = (await valuesFrom(connection, STREAM, 1, 's.purge.*')).slice(0, -2)
    const last = known.at(-1)
    if (last === undefined) return await this.#publish(connection)
    const values = new Set(known.map(({ value }) => value))
    const meant = [...this.#sent].filter(([value]) => values.has(value)).map(([, sent]) => sent)
    const gone: Change = { isAnswered: false }
    for (const sent of meant) sent.gone ??= gone
    await ask(connection, `STREAM.PURGE.${STREAM}`, { filter: 's.purge.*', seq: last.seq + 1 })
    gone.isAnswered = true
    this.#heard('purge')
  }

  async #configure(connection: NatsConnection): Promise<void> {
    const version = ++this.#serial
    this.#versions.push(version)
    await ask(connection, `STREAM.UPDATE.${STREAM}`, configOf(version))
    this.#versions = this.#versions.filter((other) => other >= version)
    this.#heard('config')
  }

  async #consumer(connection: NatsConnection): Promise<void> {
    const [oldest] = [...this.#consumers].filter(([, { made, gone }]) => made.isAnswered && !gone)
    if (this.#consumers.size > 8 && oldest !== undefined) {
      const [name, known] = oldest
      known.gone = { isAnswered: false }
      await ask(connection, `CONSUMER.DELETE.${STREAM}.${name}`)
      known.gone.isAnswered = true
    } else {
      const name = `c${++this.#serial}`
      const made: Change = { isAnswered: false }
      this.#consumers.set(name, { made })
      await ask(connection, `CONSUMER.CREATE.${STREAM}.${name}`, consumerOf(name))
      made.isAnswered = true
    }
    this.#heard('consumer')
  }

  /** The next message, acknowledged so that the server says that it has heard it. */
  async #consume(connection: NatsConnection): Promise<void> {
    const inbox = createInbox()
    const subscription = connection.subscribe(inbox, { max: 1 })
    const asked = JSON.stringify({ batch: 1, expires: 2_000_000_000 })
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${STREAM}.main`, asked, { reply: inbox })
    for await (const { reply = '' } of subscription) {
      if (!reply.startsWith('$JS.ACK.')) return
      const seq = Number(reply.split('.')[5])
      assert.ok(seq > this.#floor, `${seq} came again, behind ${this.#floor}`)
      await connection.request(reply, '+ACK', { timeout: 20_000 })
      this.#floor = Math.max(this.#floor, seq)
      this.#heard('ack')
    }
  }

  async #key(connection: NatsConnection): Promise<void> {
    const key = `k${this.#random.below(KEYS)}`
    const value = this.#value()
    const possible = this.#keys.get(key) ?? [undefined]
    this.#keys.set(key, [...possible, value])
    answerOf(await connection.request(`$KV.K.${key}`, value, { timeout: 20_000 }))
    this.#keys.set(key, [value])
    this.#heard('key')
  }
}

function configOf(version: number): object {
  return {
    name: STREAM,
    subjects: ['s.>'],
    description: String(version),
    allow_atomic: true,
    allow_direct: true,
    allow_msg_ttl: true,
  }
}

function consumerOf(name: string): object {
  const config = { durable_name: name, ack_policy: 'explicit', max_ack_pending: 1, ack_wait: 1e9 }
  return { stream_name: STREAM, config }
}

interface Value {
  readonly seq: number
  readonly subject: string
  readonly value: string
}

async function valuesOf(connection: NatsConnection, stream: string): Promise<Value[]> {
  const all: Value[] = []
  for (;;) {
    const page = await valuesFrom(connection, stream, (all.at(-1)?.seq ?? 0) + 1, '>')
    all.push(...page)
    if (page.length < PAGE) return all
  }
}

/** One page of direct reads, which end with a status. */
async function valuesFrom(
  connection: NatsConnection,
  stream: string,
  seq: number,
  filter: string,
): Promise<Value[]> {
  const all: Value[] = []
  const inbox = createInbox()
  const subscription = connection.subscribe(inbox)
  const request = JSON.stringify({ seq, batch: PAGE, next_by_subj: filter })
  connection.publish(`$JS.API.DIRECT.GET.${stream}`, request, { reply: inbox })
  for await (const message of subscription) {
    if (message.headers?.code) break
    all.push({
      seq: Number(message.headers?.get('Nats-Sequence')),
      subject: message.headers?.get('Nats-Subject') ?? '',
      value: message.string(),
    })
  }
  subscription.unsubscribe()
  return all
}

async function ask<Answer = unknown>(
  connection: NatsConnection,
  subject: string,
  request: object | string = '',
): Promise<Answer> {
  const text = typeof request === 'string' ? request : JSON.stringify(request)
  return answerOf(await connection.request(`$JS.API.${subject}`, text, { timeout: 20_000 }))
}

/** An error is no answer, but for what may have gone meanwhile. */
function answerOf<Answer>(message: Msg): Answer {
  const answer = message.json<Answer & { error?: { err_code: number; description: string } }>()
  const { error } = answer
  if (error !== undefined && error.err_code !== 10037)
    assert.fail(`${message.subject}: ${error.description}`)
  return answer
}
