import assert from 'node:assert/strict'
import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { type Random, SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** Whatever is asked for of a stream directly, a real nats-server and we send the same. */
const DRAWN = 600
const MESSAGES = 24
const PATIENT = { timeout: DEADLINE_MS }
const STREAMS = ['F', 'M', 'E'] as const
const SUBJECTS = ['a', 'b', 'c.d', 'c.e', 'longer'] as const

interface DirectGet {
  readonly stream: string
  readonly subject: string
  readonly body: Readonly<Record<string, unknown>>
}

describe('drawn direct gets beside a real nats-server', function () {
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
  it(`are answered the same, ${DRAWN} of them: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    const sides = clients.map((client) => new Side(client))
    const gone = Array.from({ length: random.below(10) }, () => 1 + random.below(MESSAGES))
    const subjects = Array.from({ length: MESSAGES }, () => pick(random, SUBJECTS))
    await Promise.all(sides.map((side) => side.fill(subjects, gone)))
    for (let i = 0; i < DRAWN; i++) {
      const asked = drawGet(random)
      const [theirs, ours] = await Promise.all(sides.map((side) => side.get(asked)))
      const title = `SEED=${seed} gone ${gone} of ${subjects}\n${JSON.stringify(asked)}`
      assert.deepEqual(ours, theirs, title)
    }
  })
})

class Side {
  readonly #client: NatsConnection
  /** By stream and sequence: each server's own. */
  readonly #times = new Map<string, string>()

  constructor(client: NatsConnection) {
    this.#client = client
  }

  async fill(subjects: readonly string[], gone: readonly number[]): Promise<void> {
    for (const name of STREAMS) {
      const storage = name === 'F' ? 'file' : 'memory'
      const config = { name, subjects: [`${name}.>`], storage, allow_direct: true }
      await this.#api(`STREAM.CREATE.${name}`, config)
      if (name === 'E') continue
      for (const [i, subject] of subjects.entries()) await this.#publish(name, subject, i)
      for (const seq of gone) await this.#api(`STREAM.MSG.DELETE.${name}`, { seq, no_erase: true })
    }
  }

  /** All that comes, up to what ends it. */
  async get({ stream, subject, body }: DirectGet): Promise<unknown> {
    const inbox = createInbox()
    const came: Msg[] = []
    const isMany = Number(body['batch'] ?? 0) !== 0 || Array.isArray(body['multi_last'])
    await new Promise<void>((resolve) => {
      const subscription = this.#client.subscribe(inbox, {
        callback: (_error, message) => {
          came.push(message)
          if (isMany && (message.headers?.code ?? 0) === 0) return
          subscription.unsubscribe()
          resolve()
        },
      })
      const text = JSON.stringify(body, (_key, value) => this.#timed(stream, value))
      const to = `$JS.API.DIRECT.GET.${stream}${subject === '' ? '' : `.${subject}`}`
      this.#client.publish(to, text === '{}' ? '' : text, { reply: inbox })
    })
    return came.map(({ headers: block, data }) => [
      block?.code ?? 0,
      block?.description ?? '',
      [...(block ?? [])].filter(([name]) => name !== 'Nats-Time-Stamp'),
      Buffer.from(data).toString(),
    ])
  }

  /** Each at a time of its own, for whoever counts milliseconds. */
  async #publish(stream: string, subject: string, i: number): Promise<void> {
    const block = headers()
    if (i % 3 === 0) block.set('Kind', `${i}`)
    const payload = `${i}`.padEnd(i * 3, '.')
    await this.#client.request(`${stream}.${subject}`, payload, { ...PATIENT, headers: block })
    const { message } = await this.#api(`STREAM.MSG.GET.${stream}`, { seq: i + 1 })
    this.#times.set(`${stream} ${i + 1}`, (message as { time: string }).time)
    const nowMs = Date.now()
    while (Date.now() <= nowMs + 1) await this.#client.flush()
  }

  /** `time of 5` stands for when that message was stored. */
  #timed(stream: string, value: unknown): unknown {
    if (typeof value !== 'string' || !value.startsWith('time of ')) return value
    return this.#times.get(`${stream} ${value.slice(8)}`) ?? '2020-01-01T00:00:00Z'
  }

  async #api(route: string, body: object): Promise<Record<string, unknown>> {
    return (await this.#client.request(`$JS.API.${route}`, JSON.stringify(body), PATIENT)).json()
  }
}

function drawGet(random: Random): DirectGet {
  const stream = pick(random, ['F', 'F', 'M', 'M', 'E'])
  const body: Record<string, unknown> = {}
  const some = (share: number, key: string, value: () => unknown): void => {
    if (random.below(100) < share) body[key] = value()
  }
  const seq = (): number => random.below(MESSAGES + 4)
  // Behind its end nats-server finds nothing in a stream of files, and everything in one of memory.
  const end = (): number => (stream === 'F' ? random.below(MESSAGES + 1) : seq())
  const time = (): string =>
    pick(random, ['2099-01-01T00:00:00Z', ...Array.from({ length: 8 }, () => `time of ${seq()}`)])
  const on = (subject: string): string => `${stream}.${subject}`
  const filter = (): string => on(pick(random, ['a', 'b', '*', '>', 'c.*', 'c.d', 'other']))
  const options = (): void => {
    some(60, 'batch', () => pick(random, [1, 2, 3, 5, 100, 0, -1]))
    some(25, 'max_bytes', () => pick(random, [1, 60, 120, 400, 0, -1]))
    some(10, 'no_hdr', () => true)
  }
  switch (random.below(8)) {
    case 0:
      return { stream, subject: on(pick(random, SUBJECTS)), body: drawOdd(random, body, some) }
    case 1:
      body['last_by_subj'] = filter()
      break
    case 2:
    case 3:
      body['multi_last'] = Array.from({ length: 1 + random.below(3) }, filter)
      some(20, 'seq', seq)
      some(40, 'up_to_seq', end)
      some(20, 'up_to_time', time)
      options()
      break
    case 4:
      body['next_by_subj'] = filter()
      some(70, 'seq', seq)
      some(30, 'start_time', time)
      options()
      break
    case 5:
      body['start_time'] = time()
      some(30, 'next_by_subj', filter)
      options()
      break
    case 6:
      body['seq'] = seq()
      options()
      break
    default:
      some(30, 'seq', seq)
      some(20, 'last_by_subj', filter)
      some(20, 'next_by_subj', filter)
      some(20, 'multi_last', () => [filter()])
      some(20, 'start_time', time)
      some(20, 'up_to_seq', end)
      some(20, 'up_to_time', time)
      options()
  }
  return { stream, subject: '', body }
}

/** With the subject in the request's own, most fields make no sense. */
function drawOdd(
  random: Random,
  body: Record<string, unknown>,
  some: (share: number, key: string, value: () => unknown) => void,
): Record<string, unknown> {
  some(20, 'no_hdr', () => true)
  some(10, 'max_bytes', () => 1)
  some(10, 'seq', () => random.below(3))
  some(5, 'up_to_seq', () => 1)
  some(5, 'last_by_subj', () => 'F.a')
  return body
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T
}
