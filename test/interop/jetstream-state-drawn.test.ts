import assert from 'node:assert/strict'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type Random, SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins, clearStreams, normalized, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** Whatever is done to a stream, what it says of its state is what a real nats-server says: every byte of it. */
const STREAMS = 8
const STEPS = 30
const PATIENT = { timeout: DEADLINE_MS }
const SUBJECTS = ['s.a', 's.b', 's.c', 's.longer-than-the-others', 's.a.b', 's.c.d'] as const

interface Step {
  readonly subject: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

describe('the state of a stream beside a real nats-server', function () {
  this.timeout(120_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`is the same after whatever is done to it: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    for (let i = 0; i < STREAMS; i++) {
      const config = drawConfig(random)
      const done = [JSON.stringify(config)]
      await both({ subject: '$JS.API.STREAM.CREATE.S', body: JSON.stringify(config) }, done)
      for (let step = 0; step < STEPS; step++) {
        const asked = drawStep(random, config, step)
        const shown = `${asked.subject} ${asked.body} ${JSON.stringify(asked.headers ?? {})}`
        done.push(shown.replace(/x+/g, (run) => `${run.length}x`))
        await both(asked, done)
        const body = JSON.stringify({ deleted_details: true, subjects_filter: '>' })
        await both({ subject: '$JS.API.STREAM.INFO.S', body }, done)
        await both({ subject: '$JS.API.INFO', body: '' }, done)
      }
      await clearStreams(clients)
    }
  })

  async function both(step: Step, done: readonly string[]): Promise<void> {
    const [theirs, ours] = await Promise.all(clients.map((client) => ask(client, step)))
    assert.deepEqual(ours, theirs, `SEED=${seed}\n${done.join('\n')}\n${step.subject}`)
  }
})

async function ask(client: NatsConnection, step: Step): Promise<unknown> {
  const block = headers()
  for (const [name, value] of Object.entries(step.headers ?? {})) block.append(name, value)
  const options = step.headers === undefined ? PATIENT : { ...PATIENT, headers: block }
  const answer = (await client.request(step.subject, step.body, options)).json()
  const { state, api } = answer as { state?: Record<string, unknown>; api?: object }
  if (api !== undefined) return normalized({ ...(answer as object), api: undefined })
  if (state === undefined) return normalized(answer)
  const { first_seq, last_seq, first_ts, last_ts } = state
  // Of a stream that never had a message nats-server's files say, to who asks for details, that message 0 is deleted.
  if (last_seq === 0) for (const key of ['deleted', 'num_deleted']) delete state[key]
  const told = [
    ['first', await timeOf(client, first_seq, first_ts)],
    ['last', await timeOf(client, last_seq, last_ts)],
  ]
  return [normalized({ ...(answer as object), state: { ...state, first_ts: '' } }), told]
}

/** Times differ, but whether they are those of the messages that they should be does not. */
async function timeOf(client: NatsConnection, seq: unknown, time: unknown): Promise<string> {
  if (String(time).startsWith('0001')) return 'none'
  const { data } = await client.request('$JS.API.STREAM.MSG.GET.S', `{"seq":${seq}}`, PATIENT)
  const { message } = JSON.parse(Buffer.from(data).toString()) as { message?: { time: string } }
  if (message === undefined) return 'of a message that is gone'
  return message.time === time ? "its message's" : 'of another'
}

interface Config {
  readonly name: string
  readonly [key: string]: unknown
}

function drawConfig(random: Random): Config {
  const some = <T>(share: number, value: () => T): T | undefined =>
    random.below(100) < share ? value() : undefined
  const perSubject = some(40, () => 1 + random.below(3))
  const isNew = random.below(2) === 0
  return {
    name: 'S',
    subjects: ['s.>'],
    storage: pick(random, ['file', 'memory']),
    discard: isNew ? 'new' : 'old',
    discard_new_per_subject: isNew && perSubject !== undefined ? random.below(2) === 0 : undefined,
    max_msgs: some(40, () => 1 + random.below(12)),
    max_bytes: some(60, () => 100 + random.below(1_500)),
    max_msgs_per_subject: perSubject,
    max_msg_size: some(20, () => 50 + random.below(200)),
    first_seq: some(30, () => 1 + random.below(20)),
    allow_rollup_hdrs: true,
    allow_direct: true,
  }
}

/** What is raised now would be lowered, with another limit, by the next update. */
function atMost(limit: unknown, wanted: number): number {
  return typeof limit === 'number' ? Math.min(limit, wanted) : wanted
}

const BODY_BYTES = 200

function drawStep(random: Random, config: Config, step: number): Step {
  const seq = 1 + random.below(step + 4)
  switch (random.below(20)) {
    case 0:
      return api('STREAM.PURGE.S', {})
    case 1:
      return api('STREAM.PURGE.S', drawPurge(random, seq))
    case 2:
      return api('STREAM.PURGE.S', drawPurge(random, seq))
    case 3:
    case 4:
    case 5:
      return api('STREAM.MSG.DELETE.S', { seq, no_erase: random.below(2) === 0 })
    case 6:
      return api('CONSUMER.CREATE.S.c', {
        stream_name: 'S',
        config: { name: 'c', durable_name: 'c', ack_policy: 'explicit' },
      })
    case 7:
      return api('CONSUMER.DELETE.S.c', {})
    case 8:
      // One limit at a time is lowered, and none raised for what the next lowers: of several, the order in
      // which they take messages is each server's own.
      return api('STREAM.UPDATE.S', {
        ...config,
        ...pick<object>(random, [
          { max_msgs_per_subject: 1 },
          { max_msgs: atMost(config['max_msgs'], pick(random, [5, 3])) },
          { max_bytes: atMost(config['max_bytes'], pick(random, [600, 300])) },
        ]),
      })
    default:
      return drawPublish(random, config)
  }
}

function drawPublish(random: Random, config: Config): Step {
  const drawn: Record<string, string> = {}
  if (random.below(3) === 0) drawn['Kind'] = 'x'.repeat(random.below(60))
  // What rolls up goes before what a limit takes here; there it is taken first: see docs/conformance.md.
  const isLimited = config['max_msgs'] !== undefined || config['max_bytes'] !== undefined
  if (!isLimited && random.below(10) === 0) drawn['Nats-Rollup'] = pick(random, ['sub', 'all'])
  const body = 'x'.repeat(random.below(BODY_BYTES))
  const subject = pick(random, SUBJECTS)
  return Object.keys(drawn).length === 0 ? { subject, body } : { subject, body, headers: drawn }
}

function drawPurge(random: Random, seq: number): object {
  const filter = pick(random, [undefined, 's.a', 's.*', 's.>', 's.c.>', 'other'])
  return pick(random, [{ filter, seq }, { filter, keep: random.below(4) }, { filter }])
}

function api(route: string, request: object): Step {
  const body = Object.keys(request).length === 0 ? '' : JSON.stringify(request)
  return { subject: `$JS.API.${route}`, body }
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T
}
