/**
 * Sequences that lie as far apart as a request can make them: by a purge up to one, a `first_seq`, mirrors and
 * backups of such streams. No request may take longer for it, neither may what the server does by itself.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { createInbox, headers, type NatsConnection } from '@nats-io/transport-node'
import { FIRST_SEQ_MAX } from '../../shared/stream/limits.ts'
import { backupOf, restoreTo } from '../support/backup-client.ts'
import { freePort } from '../support/free-ports.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

interface Answer {
  readonly error?: { readonly err_code: number; readonly description: string }
  readonly state?: {
    readonly messages: number
    readonly first_seq: number
    readonly last_seq: number
  }
  readonly [field: string]: unknown
}

const CONSUMERS: readonly object[] = [
  { ack_policy: 'explicit', max_deliver: 1, ack_wait: 100e6 },
  { ack_policy: 'all' },
  { ack_policy: 'explicit', deliver_policy: 'last_per_subject', filter_subject: 'o.>' },
  { ack_policy: 'none', deliver_policy: 'by_start_sequence', opt_start_seq: 2 },
  { ack_policy: 'explicit', filter_subjects: ['o.a', 'o.c'] },
]

describe('sequences far apart', function () {
  this.timeout(4 * DEADLINE_MS)
  let folder: string
  let server: PetioleProcess
  let client: NatsConnection
  let port: number

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'petiole-gaps-'))
    port = await freePort()
    const file = path.join(folder, 'server.conf')
    const store = path.join(folder, 'store')
    writeFileSync(file, `listen: 127.0.0.1:${port}\njetstream { store_dir: "${store}" }\n`)
    server = new PetioleProcess('server', ['nats-server', '-c', file])
    await begin()
  })

  afterEach(async () => {
    await client?.close()
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  async function begin(): Promise<void> {
    await server.start()
    client = await connect({ servers: `127.0.0.1:${port}`, reconnect: false })
  }

  /** A server that counts to the end of a gap answers nobody any more. */
  async function ask(subject: string, request: object | string = ''): Promise<Answer> {
    const text = typeof request === 'string' ? request : JSON.stringify(request)
    const reply = await client.request(`$JS.API.${subject}`, text, { timeout: DEADLINE_MS })
    return subject.startsWith('DIRECT.') ? {} : reply.json<Answer>()
  }

  async function well(subject: string, request: object | string = ''): Promise<Answer> {
    const answer = await ask(subject, request)
    assert.equal(answer.error, undefined, `${subject} ${JSON.stringify(answer)}`)
    return answer
  }

  async function publish(subject: string, ttl = ''): Promise<number> {
    const with_ = headers()
    if (ttl !== '') with_.set('Nats-TTL', ttl)
    const ack = await client.request(subject, 'x', { headers: with_, timeout: DEADLINE_MS })
    return ack.json<{ seq: number }>().seq
  }

  /** Until its status comes: how many messages. */
  async function pull(stream: string, consumer: string): Promise<number> {
    const inbox = createInbox()
    const subscription = client.subscribe(inbox)
    const request = JSON.stringify({ batch: 100, no_wait: true })
    client.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, request, { reply: inbox })
    let count = 0
    for await (const { headers: status } of subscription) {
      if (status?.code) break
      count++
    }
    return count
  }

  async function fill(gap: number): Promise<void> {
    const config = { allow_msg_ttl: true, allow_direct: true, allow_rollup_hdrs: true }
    await well('STREAM.CREATE.O', { name: 'O', subjects: ['o.>'], ...config })
    await well('STREAM.CREATE.M', { name: 'M', mirror: { name: 'O' }, ...config, max_age: 1e9 })
    await well('STREAM.CREATE.W', { name: 'W', sources: [{ name: 'O' }], ...config })
    const first = { name: 'F', subjects: ['f.>'], retention: 'interest', first_seq: gap }
    await well('STREAM.CREATE.F', { ...first, ...config })
    for (const name of ['O', 'M', 'F']) await consume(name)
    assert.equal(await publish('o.a', 'never'), 1)
    assert.equal(await publish('o.b'), 2)
    await held('M', 'last_seq', 2)
    for (let i = 0; i < CONSUMERS.length; i++) await pull('O', `c${i}`)
    await well('STREAM.PURGE.O', { seq: gap })
    assert.equal(await publish('o.a', 'never'), gap)
    assert.equal(await publish('o.c', '1h'), gap + 1)
    assert.equal(await publish('o.c'), gap + 2)
    await well('STREAM.MSG.DELETE.O', { seq: gap + 1 })
    await held('M', 'last_seq', gap + 2)
    const backup = await backupOf(client, 'O', {})
    const restored = await restoreTo(client, 'R', {
      ...backup,
      request: backup.request.replace('"name":"O"', '"name":"R"').replace('o.>', 'r.>'),
    })
    assert.equal(restored.error, undefined, JSON.stringify(restored))
  }

  async function consume(stream: string): Promise<void> {
    for (const [i, one] of CONSUMERS.entries()) {
      const config = { durable_name: `c${i}`, ...one }
      await well(`CONSUMER.CREATE.${stream}.c${i}`, { stream_name: stream, config })
    }
  }

  /** Asks until the stream is so, which is as good a sign of life as any. */
  async function held(stream: string, field: 'last_seq' | 'messages', is: number): Promise<void> {
    const endMs = Date.now() + DEADLINE_MS
    for (;;) {
      const { state } = await well(`STREAM.INFO.${stream}`)
      if (state?.[field] === is) return
      assert.ok(Date.now() < endMs, `${stream}: ${field} ${state?.[field]}, not ${is}`)
    }
  }

  /** Each request that there is, whatever it is answered. */
  async function askAll(stream: string, gap: number): Promise<void> {
    await ask('INFO')
    await ask('STREAM.LIST')
    await well(`STREAM.INFO.${stream}`, { subjects_filter: '>', deleted_details: false })
    await ask(`STREAM.INFO.${stream}`, { deleted_details: true })
    const gets = [
      { seq: 1 },
      { seq: gap },
      { seq: 3, next_by_subj: 'o.>' },
      { seq: 3, next_by_subj: 'o.c' },
      { last_by_subj: 'o.c' },
    ]
    for (const get of gets) {
      await ask(`STREAM.MSG.GET.${stream}`, get)
      await ask(`DIRECT.GET.${stream}`, get)
    }
    await ask(`DIRECT.GET.${stream}`, { seq: 1, batch: 10 })
    await ask(`DIRECT.GET.${stream}`, { multi_last: ['o.>'], up_to_seq: gap - 5 })
    await ask(`DIRECT.GET.${stream}`, { start_time: '2020-01-01T00:00:00Z', batch: 2 })
    await ask('CONSUMER.LIST.O')
    for (let i = 0; i < CONSUMERS.length; i++) {
      const { error } = await ask(`CONSUMER.INFO.${stream}.c${i}`)
      // Of a consumer that is not there nobody listens for these.
      if (error !== undefined) continue
      await pull(stream, `c${i}`)
      await ask(`CONSUMER.RESET.${stream}.c${i}`)
      await ask(`CONSUMER.RESET.${stream}.c${i}`, { seq: gap - 7 })
      await pull(stream, `c${i}`)
    }
    await ask(`STREAM.MSG.DELETE.${stream}`, { seq: gap - 1 })
    const { error, config } = await ask(`STREAM.INFO.${stream}`)
    assert.equal(error, undefined)
    for (const more of [{ max_msgs: 2 }, { max_msgs_per_subject: 1 }, { max_age: 3_600e9 }]) {
      await ask(`STREAM.UPDATE.${stream}`, { ...(config as object), ...more })
    }
    await ask(`STREAM.PURGE.${stream}`, { filter: 'o.a', keep: 1 })
    await ask(`STREAM.PURGE.${stream}`, { keep: 1 })
    await ask(`STREAM.PURGE.${stream}`, { filter: 'o.c', seq: gap + 1 })
    await backupOf(client, stream, { jsck: true })
    await well(`STREAM.INFO.${stream}`)
  }

  for (const gap of [1e11, FIRST_SEQ_MAX]) {
    it(`are ${gap} apart and cost nobody anything`, async () => {
      await fill(gap)
      for (const stream of ['O', 'M', 'W', 'F', 'R']) await well(`STREAM.INFO.${stream}`)
      // What lasts stays, the rest of the mirror is as old as it may become.
      await held('M', 'messages', 2)
      await client.close()
      await server.stop()
      await begin()
      for (const stream of ['O', 'M', 'W', 'F', 'R']) await askAll(stream, gap)
      await client.close()
      await server.kill()
      await begin()
      for (const stream of ['O', 'M', 'W', 'F', 'R']) await well(`STREAM.INFO.${stream}`)
    })
  }
})
