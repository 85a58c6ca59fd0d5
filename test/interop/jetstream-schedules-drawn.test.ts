import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { createInbox, headers, type NatsConnection } from '@nats-io/transport-node'
import { type Random, SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** Whatever is scheduled, a real nats-server and we refuse the same, and put the same into the stream when it is time. */
const SCHEDULES = 60
const SOURCES = 6
const DUE_MS = 2_000
const PATIENT = { timeout: DEADLINE_MS }

interface Scheduled {
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

describe('drawn schedules beside a real nats-server', function () {
  this.timeout(120_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())
  afterEach(() => clearStreams(clients))

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`bring the same messages, ${SCHEDULES} of them: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    const config = {
      name: 'S',
      subjects: ['s.>', 't.>', 'from.>'],
      storage: pick(random, ['file', 'memory']),
      allow_direct: true,
      allow_msg_schedules: true,
      allow_msg_ttl: random.below(4) > 0,
      max_msgs_per_subject: random.below(3) === 0 ? 1 : undefined,
    }
    const drawn = Array.from({ length: SCHEDULES }, (_, i) => drawSchedule(random, i))
    const sides = await Promise.all(
      clients.map(async (client) => {
        await client.request('$JS.API.STREAM.CREATE.S', JSON.stringify(config), PATIENT)
        for (let i = 0; i < SOURCES; i++) {
          await publish(client, {
            subject: `from.${i}`,
            payload: `source ${i}`,
            headers: { Own: '1' },
          })
        }
        return client
      }),
    )
    const dueMs = Date.now() + DUE_MS
    for (const schedule of drawn) {
      const timed = withTime(schedule, dueMs)
      const [theirs, ours] = await Promise.all(sides.map((side) => publish(side, timed)))
      assert.deepEqual(ours, theirs, `SEED=${seed} ${JSON.stringify([config, timed])}`)
    }
    const endMs = dueMs + DEADLINE_MS / 3
    for (;;) {
      const [theirs, ours] = await Promise.all(sides.map(stored))
      const isDue = Date.now() > dueMs + 1_000
      if (isDue && isDeepStrictEqual(ours, theirs)) {
        assert.match(JSON.stringify(ours), /Nats-Scheduler/)
        break
      }
      const title = `SEED=${seed} ${JSON.stringify(config)}\n${drawn.map((one) => JSON.stringify(one)).join('\n')}`
      if (Date.now() > endMs) assert.deepEqual(ours, theirs, title)
    }
  })
})

async function publish(client: NatsConnection, scheduled: Scheduled): Promise<unknown> {
  const block = headers()
  for (const [name, value] of Object.entries(scheduled.headers)) block.set(name, value)
  const options = { ...PATIENT, headers: block }
  const answer = (await client.request(scheduled.subject, scheduled.payload, options)).json()
  return (answer as { error?: object }).error ?? 'stored'
}

/** Of each subject, what kinds of messages it has: how often one that comes every second came is no fact. */
async function stored(client: NatsConnection): Promise<unknown> {
  const inbox = createInbox()
  const bySubject = new Map<string, Set<string>>()
  await new Promise<void>((resolve) => {
    const subscription = client.subscribe(inbox, {
      callback: (_error, { headers: block, data }) => {
        if ((block?.code ?? 0) !== 0) {
          subscription.unsubscribe()
          resolve()
          return
        }
        const subject = block?.get('Nats-Subject') ?? ''
        const kinds = bySubject.get(subject) ?? new Set()
        bySubject.set(subject, kinds)
        kinds.add(
          JSON.stringify([
            [...(block ?? [])].flatMap(comparable).sort(),
            String(Buffer.from(data)),
          ]),
        )
      },
    })
    client.publish('$JS.API.DIRECT.GET.S', '{"seq":1,"batch":10000}', { reply: inbox })
  })
  return [...bySubject].map(([subject, kinds]) => [subject, [...kinds].sort()]).sort()
}

const OWN = new Set(['Nats-Time-Stamp', 'Nats-Sequence', 'Nats-Num-Pending', 'Nats-Last-Sequence'])

function comparable([name, values]: [string, string[]]): string[] {
  if (OWN.has(name)) return []
  return [`${name}: ${values.map((value) => (/^20\d\d-/.test(value) ? 'a time' : value)).join()}`]
}

function withTime(schedule: Scheduled, dueMs: number): Scheduled {
  const timed = Object.entries(schedule.headers).map(([name, value]) => [
    name,
    value.replace('soon', new Date(dueMs).toISOString()),
  ])
  return { ...schedule, headers: Object.fromEntries(timed) }
}

function drawSchedule(random: Random, i: number): Scheduled {
  const drawn: Record<string, string> = {
    'Nats-Schedule': pick(random, [
      '@at soon',
      '@at soon',
      '@at soon',
      '@at soon',
      '@at 2020-01-01T00:00:00Z',
      '@at 2099-01-01T00:00:00+02:00',
      '@at tomorrow',
      '@every 1s',
      '@every 1500ms',
      '@every 10ms',
      '@every',
      '@daily',
      '* * * * * *',
      '*/2 * * * * *',
      '0 0 5 31 2 *',
      '* * * *',
      '@reboot',
    ]),
    'Nats-Schedule-Target': pick(random, [
      `t.${i}`,
      `t.${i}`,
      `t.${i}`,
      `t.${i}`,
      's.*',
      `s.${i}`,
      'else',
    ]),
  }
  const some = (share: number, name: string, values: readonly string[]): void => {
    if (random.below(100) < share) drawn[name] = pick(random, values)
  }
  some(25, 'Nats-Schedule-TTL', ['1h', '90', 'never', '1ms', 'x', '5m'])
  some(25, 'Nats-Schedule-Source', ['from.0', 'from.1', 'from.none', 'from.*', 'else'])
  some(20, 'Nats-Schedule-Rollup', ['sub', 'all', 'x'])
  some(20, 'Nats-Schedule-Time-Zone', ['UTC', 'Europe/Berlin', 'Nowhere/Else', ''])
  some(10, 'Nats-TTL', ['1h', 'never'])
  some(10, 'Nats-Rollup', ['sub'])
  some(30, 'Other', ['kept'])
  // What takes all others with it leaves them in no order.
  if (drawn['Nats-Schedule-Rollup'] === 'all') drawn['Nats-Schedule'] = '@daily'
  return { subject: `s.${i}`, headers: drawn, payload: 'x'.repeat(random.below(10)) }
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T
}
