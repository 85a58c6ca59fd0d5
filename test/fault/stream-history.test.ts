/**
 * Clients publish, expect, roll up, batch, remove and read, all at once, while their server is killed
 * and stopped; afterwards every answer must fit one order of things. See test/support/stream-history.ts.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { until } from '../support/fleet-harness.ts'
import { UndecidedError } from '../support/linear-search.ts'
import { connect } from '../support/patience.ts'
import {
  type Read,
  type Removal,
  type Stored,
  StreamHistory,
  type Write,
} from '../support/stream-history.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const ROUNDS = Number(process.env['ROUNDS'] ?? 5)
const CLIENTS = 8
const ROUND_OPERATIONS = 500
const SUBJECTS = 5
const ANSWER_MS = 20_000
const ROUND_DEADLINE_MS = 30_000
const HISTORIES_MAX = 5
/** Pairs of kills of a server that is wrong, until one of them shows it. */
const KILLED_MAX = 30

class Server {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'petiole-history-'))
  readonly #mutation: string
  #child: ChildProcess | undefined
  port = 0

  constructor(mutation: string) {
    this.#mutation = mutation
  }

  async start(): Promise<void> {
    const script = 'test/support/jetstream-process.ts'
    const args = ['--import=tsx', script, this.directory, String(this.port), this.#mutation]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    for await (const line of createInterface({ input: child.stdout })) {
      this.port = Number(line)
      break
    }
    assert.ok(this.port > 0, 'the server is there')
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

interface PubAnswer {
  readonly seq: number
  readonly error?: { readonly err_code: number; readonly description: string }
}

/** One client: one operation after the other, until its server is gone. */
class Client {
  readonly #connection: NatsConnection
  readonly #history: StreamHistory
  readonly #random: SeededRandom
  readonly #name: string
  /** Sequences it has heard of. */
  #seqs: number[] = [1]
  #values = 0

  constructor(
    connection: NatsConnection,
    parts: { history: StreamHistory; random: SeededRandom; name: string },
  ) {
    this.#connection = connection
    this.#history = parts.history
    this.#random = parts.random
    this.#name = parts.name
  }

  async work(): Promise<void> {
    while (!this.#connection.isClosed()) {
      const draw = this.#random.below(10)
      if (draw < 5) await this.#write()
      else if (draw < 6) await this.#remove()
      else await this.#read()
    }
  }

  async #write(): Promise<void> {
    const kind = this.#random.below(6)
    const count = kind === 5 ? 2 + this.#random.below(30) : 1
    const messages = Array.from({ length: count }, () => this.#message())
    const write: Write = {
      messages,
      isRollup: kind === 4,
      startMs: performance.now(),
      endMs: Infinity,
      ...(kind === 2 ? { expectedOnSubject: await this.#lastOf(messages[0]!.subject) } : {}),
      ...(kind === 3 ? { expectedLast: Math.max(...this.#seqs) } : {}),
    }
    this.#history.writes.push(write)
    const answer = await this.#publish(write, kind === 5 ? messages[0]!.value : undefined)
    if (answer === undefined) return
    const { error, seq } = answer.json<PubAnswer>()
    write.endMs = performance.now()
    write.seq = error === undefined ? seq : 0
    if (error === undefined) this.#learn(seq)
    // A server that ends tells so: what it has not stored it may have taken all the same.
    else if (error.err_code !== 10071) write.endMs = Infinity
    else {
      write.actual = Number(/\d+$/.exec(error.description)?.[0])
      this.#learn(write.actual)
    }
    if (error !== undefined && error.err_code !== 10071) delete write.seq
  }

  async #publish(write: Write, batch: string | undefined): Promise<Msg | undefined> {
    const { messages, isRollup, expectedOnSubject, expectedLast } = write
    for (const [i, { subject, value }] of messages.entries()) {
      const own = headers()
      if (isRollup) own.set('Nats-Rollup', 'sub')
      if (expectedLast !== undefined) own.set('Nats-Expected-Last-Sequence', `${expectedLast}`)
      if (expectedOnSubject !== undefined) {
        own.set('Nats-Expected-Last-Subject-Sequence', `${expectedOnSubject}`)
      }
      const isLast = i === messages.length - 1
      if (batch !== undefined) {
        own.set('Nats-Batch-Id', batch)
        own.set('Nats-Batch-Sequence', `${i + 1}`)
        if (isLast) own.set('Nats-Batch-Commit', '1')
      }
      if (isLast) return this.#ask(subject, value, { headers: own })
      if (this.#connection.isClosed()) return undefined
      this.#connection.publish(subject, value, { headers: own })
    }
    return undefined
  }

  async #remove(): Promise<void> {
    const seq = this.#seqs[this.#random.below(this.#seqs.length)]!
    const removal: Removal = { seq, startMs: performance.now(), endMs: Infinity }
    this.#history.removals.push(removal)
    const answer = await this.#ask('$JS.API.STREAM.MSG.DELETE.H', JSON.stringify({ seq }))
    const told = answer?.json<{ success?: boolean; error?: { err_code: number } }>()
    if (told === undefined) return
    if (told.success !== true && told.error?.err_code !== 10043) return
    removal.endMs = performance.now()
    removal.outcome = told.success === true ? 'done' : 'missing'
  }

  async #read(): Promise<void> {
    const isBySubject = this.#random.below(2) === 0
    if (isBySubject) await this.#lastOf(this.#subject())
    else await this.#get({ askedSeq: this.#seqs[this.#random.below(this.#seqs.length)]! })
  }

  async #lastOf(subject: string): Promise<number> {
    const found = await this.#get({ subject })
    return typeof found === 'object' ? found.seq : 0
  }

  async #get(what: { subject: string } | { askedSeq: number }): Promise<Read['found']> {
    const read: Read = { ...what, startMs: performance.now(), endMs: Infinity }
    this.#history.reads.push(read)
    const request = 'subject' in what ? { last_by_subj: what.subject } : { seq: what.askedSeq }
    const answer = await this.#ask('$JS.API.STREAM.MSG.GET.H', JSON.stringify(request))
    if (answer === undefined) return undefined
    const { message, error } = answer.json<{
      message?: { seq: number; subject: string; data: string }
      error?: { err_code: number }
    }>()
    read.endMs = performance.now()
    if (message !== undefined) {
      const { seq, subject, data } = message
      read.found = { seq, subject, value: Buffer.from(data, 'base64').toString() }
      this.#learn(seq)
    } else if (error?.err_code === 10037) read.found = 'nothing'
    return read.found
  }

  /** undefined: there was no answer. */
  async #ask(subject: string, payload: string, more = {}): Promise<Msg | undefined> {
    try {
      return await this.#connection.request(subject, payload, { timeout: ANSWER_MS, ...more })
    } catch {
      return undefined
    }
  }

  #message(): Stored {
    return { subject: this.#subject(), value: `${this.#name}.${++this.#values}` }
  }

  #subject(): string {
    return `h.${this.#random.below(SUBJECTS)}`
  }

  #learn(seq: number): void {
    this.#seqs.push(seq)
    if (this.#seqs.length > 30) this.#seqs = this.#seqs.slice(-20)
  }
}

/** All that is stored, by its sequence. */
async function storedIn(connection: NatsConnection): Promise<Map<number, Stored>> {
  const found = new Map<number, Stored>()
  for (let seq = 1; ; ) {
    const request = JSON.stringify({ seq, next_by_subj: '>' })
    const answer = await connection.request('$JS.API.STREAM.MSG.GET.H', request)
    const { message } = answer.json<{ message?: { seq: number; subject: string; data: string } }>()
    if (message === undefined) return found
    const value = Buffer.from(message.data, 'base64').toString()
    found.set(message.seq, { subject: message.subject, value })
    seq = message.seq + 1
  }
}

/** What was found wrong, in the first history that can be judged. */
async function findings(mutation: string, rounds: number): Promise<string[]> {
  const random = new SeededRandom(seed)
  for (let tries = 1; ; tries++) {
    try {
      return await findingsOf(mutation, rounds, random.fork())
    } catch (error) {
      if (!(error instanceof UndecidedError) || tries === HISTORIES_MAX) throw error
    }
  }
}

/** What was found wrong with a server that is killed and stopped under load. */
async function findingsOf(
  mutation: string,
  rounds: number,
  random: SeededRandom,
): Promise<string[]> {
  const history = new StreamHistory()
  const server = new Server(mutation)
  const open = async (count: number): Promise<NatsConnection[]> => {
    const to = { servers: `127.0.0.1:${server.port}`, reconnect: false }
    return Promise.all(Array.from({ length: count }, () => connect(to)))
  }
  try {
    await server.start()
    const config = { name: 'H', subjects: ['h.>'], allow_rollup_hdrs: true, allow_atomic: true }
    const [maker] = await open(1)
    await maker!.request('$JS.API.STREAM.CREATE.H', JSON.stringify(config))
    await maker!.close()
    for (let round = 0; round < rounds; round++) {
      const connections = await open(CLIENTS)
      const goal = history.size + ROUND_OPERATIONS
      const work = connections.map((connection, i) =>
        new Client(connection, {
          history,
          random: random.fork(),
          name: `${round}.${i}`,
        }).work(),
      )
      const size = (): number => history.size
      await until('operations', size, (now) => now >= goal, ROUND_DEADLINE_MS)
      // They are all at work.
      await server.end(round % 3 === 2 ? 'SIGTERM' : 'SIGKILL')
      await Promise.all(work)
      history.serverGone(performance.now())
      await server.start()
    }
    const [reader] = await open(1)
    const final = await storedIn(reader!)
    await reader!.close()
    return history.check(final)
  } finally {
    await server.remove()
  }
}

describe('one order of all things', function () {
  this.timeout(180_000)

  it(`fits every answer, through kills and stops (SEED=${seed})`, async () => {
    assert.deepEqual(await findings('', ROUNDS), [], `SEED=${seed}`)
  })

  it(`does not fit a server that acknowledges before the disk has it (SEED=${seed})`, async () => {
    // A kill must meet what is acknowledged and not on disk yet, which not every one does.
    let found: readonly unknown[] = []
    for (let i = 0; i < KILLED_MAX && found.length === 0; i++)
      found = await findings('early-ack', 2)
    assert.notDeepEqual(found, [])
  })
})
