import assert from 'node:assert/strict'
import { jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { StoredHub } from '../support/stored-hub.ts'

const ROUNDS = 6
const SCHEDULES = 20
const LASTING = 30

/** Each due time publishes once, and each end of a lifetime is marked once, whenever the server is killed. */
describe('schedules and lifetimes on a server that is killed', function () {
  this.timeout(120_000)
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const random = new SeededRandom(seed)
  let hub: StoredHub

  before(async () => {
    hub = await StoredHub.create()
  })
  after(() => hub.remove())

  async function client(): Promise<NatsConnection> {
    return connect({ servers: `127.0.0.1:${hub.port}`, reconnect: false })
  }

  async function publish(nc: NatsConnection, subject: string, given: Record<string, string>) {
    const block = headers()
    for (const [name, value] of Object.entries(given)) block.append(name, value)
    const answer = await nc.request(subject, subject, { headers: block, timeout: 10_000 })
    assert.equal(answer.json<{ error?: unknown }>().error, undefined)
  }

  async function begin(): Promise<void> {
    await hub.start()
    const nc = await client()
    const streams = {
      S: { allow_msg_schedules: true },
      T: { allow_msg_ttl: true, subject_delete_marker_ttl: 3_600e9, max_msgs_per_subject: 1 },
    }
    for (const [name, config] of Object.entries(streams)) {
      const request = JSON.stringify({ name, subjects: [`${name}.>`], ...config })
      const answer = await nc.request(`$JS.API.STREAM.CREATE.${name}`, request)
      assert.equal(answer.json<{ error?: unknown }>().error, undefined)
    }
    for (let i = 0; i < SCHEDULES; i++) {
      const target = { 'Nats-Schedule-Target': `S.made.${i}` }
      await publish(nc, `S.every.${i}`, { 'Nats-Schedule': '* * * * * *', ...target })
    }
    for (let i = 0; i < LASTING; i++) {
      await publish(nc, `T.${i}`, { 'Nats-TTL': `${1 + (i % 8)}s` })
    }
    await nc.close()
  }

  /** Until it has published again, some of what is due together. */
  async function ticked(): Promise<void> {
    const nc = await client()
    const jsm = await jetstreamManager(nc)
    const lastSeq = async () => (await jsm.streams.info('S')).state.last_seq
    const goal = (await lastSeq()) + 1 + random.below(SCHEDULES)
    const deadline = Date.now() + DEADLINE_MS
    while ((await lastSeq()) < goal) assert.ok(Date.now() < deadline, hub.lastWords())
    await nc.close()
  }

  it(`publishes and marks once: SEED=${seed}`, async () => {
    await begin()
    for (let round = 0; round < ROUNDS; round++) {
      // Nothing says when it is in the middle of a commit: some of the rounds are.
      if (round > 0) await hub.start()
      await ticked()
      await hub.kill()
    }
    await hub.start()
    const nc = await client()
    const jsm = await jetstreamManager(nc)
    const count = async (name: string): Promise<number> =>
      (await jsm.streams.info(name)).state.messages
    const atStart = await count('S')
    const deadline = Date.now() + DEADLINE_MS
    while ((await count('S')) < atStart + 2 * SCHEDULES)
      assert.ok(Date.now() < deadline, 'it goes on')
    while (!(await areMarked(nc))) assert.ok(Date.now() < deadline, 'all are marked')
    const times = await nextTimes(
      nc,
      await jsm.streams.info('S').then(({ state }) => state.last_seq),
    )
    assert.equal(times.size, SCHEDULES)
    for (const [subject, each] of times) {
      assert.deepEqual(each, [...new Set(each)].sort(), `SEED=${seed} ${subject} once, in order`)
    }
    const { state } = await jsm.streams.info('T', { subjects_filter: '>' })
    assert.equal(state.messages, LASTING)
    assert.equal(state.last_seq, 2 * LASTING, `SEED=${seed} one marker each`)
    await nc.close()
  })
})

async function areMarked(nc: NatsConnection): Promise<boolean> {
  for (let i = 0; i < LASTING; i++) {
    const request = JSON.stringify({ last_by_subj: `T.${i}` })
    const answer = await nc.request('$JS.API.STREAM.MSG.GET.T', request)
    const { message } = answer.json<{ message?: { hdrs?: string } }>()
    const text = Buffer.from(message?.hdrs ?? '', 'base64').toString()
    if (!text.includes('Nats-Marker-Reason: MaxAge')) return false
  }
  return true
}

/** Of each schedule the times that its messages name. */
async function nextTimes(nc: NatsConnection, lastSeq: number): Promise<Map<string, string[]>> {
  const times = new Map<string, string[]>()
  for (let seq = 1; seq <= lastSeq; seq++) {
    const answer = await nc.request('$JS.API.STREAM.MSG.GET.S', JSON.stringify({ seq }))
    const { message } = answer.json<{ message?: { subject: string; hdrs?: string } }>()
    const text = Buffer.from(message?.hdrs ?? '', 'base64').toString()
    const next = /Nats-Schedule-Next: (.*)\r\n/.exec(text)?.[1]
    if (message === undefined || next === undefined) continue
    times.set(message.subject, [...(times.get(message.subject) ?? []), next])
  }
  return times
}
