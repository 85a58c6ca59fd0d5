/** Atomic and fast batches beside a real nats-server: the same messages, answers and stored streams. */
import assert from 'node:assert/strict'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { ATOMIC, type BatchCase, FAST, fast, type Sent } from './batch-cases.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const DRAWN = 6
const INBOX = '_INBOX.twin'
/** What ends these comes last, so that nothing is sent to a batch that one server has ended already. */
const AT_ONCE = new Set([
  'an end that is no message',
  'acknowledgements',
  'a gap before the end',
  'a gap before the end that is not allowed',
  'an error in the commit, no gaps',
  'duplicates',
  'a duplicate last',
  'full',
])
const ADVISORIES = '$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.>'

/** What one server has answered, and told of batches. */
class Ear {
  readonly answers: unknown[] = []
  readonly advisories: unknown[] = []
  /** Its stream does not answer. */
  isMute = false
  #fences = 0
  readonly #client: NatsConnection

  constructor(client: NatsConnection) {
    this.#client = client
    client.subscribe(`${INBOX}.>`, {
      callback: (_, { subject, data }) => {
        this.answers.push([subject, decoded(data)])
      },
    })
    client.subscribe(ADVISORIES, {
      callback: (_, { data }) => {
        const { id: _id, timestamp: _time, ...rest } = decoded(data) as Record<string, unknown>
        this.advisories.push(rest)
      },
    })
  }

  clear(): void {
    this.answers.length = 0
    this.advisories.length = 0
  }

  /** Which of several batches is answered first is nobody's promise. */
  sort(): void {
    const keys = new Map(this.answers.map((answer) => [answer, JSON.stringify(answer)]))
    this.answers.sort((a, b) => ((keys.get(a) ?? '') < (keys.get(b) ?? '') ? -1 : 1))
  }

  send(sent: readonly Sent[]): void {
    for (const { subject, payload = '', reply = '', headers: own = {} } of sent) {
      const options = { headers: block(own), ...(reply ? { reply: `${INBOX}.${reply}` } : {}) }
      this.#client.publish(subject, payload, options)
    }
  }

  async figures(): Promise<string> {
    const info = await this.#client.request('$JS.API.STREAM.INFO.S')
    const { state } = info.json<{ state: { last_seq: number; messages: number } }>()
    const { answers, advisories } = this
    return [answers.length, advisories.length, state.last_seq, state.messages].join()
  }

  /** Resolves when the stream has seen to all that was sent. */
  async settled(): Promise<void> {
    if (this.isMute) await this.#fenced()
    else
      await this.#client.request('s.fence', '', {
        headers: block({ 'Nats-Expected-Stream': '-' }),
        timeout: DEADLINE_MS,
      })
    await this.#client.flush()
  }

  /** What answers nothing shows by the last message it has stored. */
  async #fenced(): Promise<void> {
    const fence = String(++this.#fences)
    this.#client.publish('s.fence', fence)
    const endMs = performance.now() + DEADLINE_MS
    for (let last: unknown; last !== fence; ) {
      assert.ok(performance.now() < endMs, `no fence ${fence}, but ${last}`)
      const request = JSON.stringify({ last_by_subj: 's.fence' })
      const answer = await this.#client.request('$JS.API.STREAM.MSG.GET.S', request)
      const { message } = answer.json<{ message?: { data: string } }>()
      last = Buffer.from(message?.data ?? '', 'base64').toString()
    }
  }
}

function block(own: Readonly<Record<string, string>>): MsgHdrs {
  const all = headers()
  for (const [name, value] of Object.entries(own)) all.append(name, value)
  return all
}

function decoded(data: Uint8Array): unknown {
  const text = Buffer.from(data).toString()
  return text === '' ? '' : JSON.parse(text)
}

/** What is stored, message by message. */
async function storedIn(client: NatsConnection): Promise<unknown[]> {
  const info = (await client.request('$JS.API.STREAM.INFO.S')).json<{
    state: { messages: number; first_seq: number; last_seq: number }
  }>()
  const { messages, first_seq, last_seq } = info.state
  const all: unknown[] = [{ messages, first_seq, last_seq }]
  for (let seq = Math.max(1, first_seq); seq <= last_seq; seq += last_seq > 100 ? 97 : 1) {
    const answer = await client.request('$JS.API.STREAM.MSG.GET.S', JSON.stringify({ seq }))
    const { message } = answer.json<{ message?: Record<string, unknown> }>()
    if (message === undefined) all.push(seq)
    else all.push([seq, message['subject'], message['hdrs'], message['data']])
  }
  return all
}

describe('batches beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins
  let clients: TwinClients
  let theirs: Ear
  let ours: Ear

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
    theirs = new Ear(clients[0])
    ours = new Ear(clients[1])
  })
  after(() => twins?.stop())
  afterEach(() => clearStreams(clients))

  async function create(config: object): Promise<void> {
    const { sealed, ...rest } = config as { sealed?: boolean }
    const base = { name: 'S', subjects: ['s.>'], allow_atomic: true, allow_batched: true, ...rest }
    for (const client of clients) {
      const made = await client.request('$JS.API.STREAM.CREATE.S', JSON.stringify(base))
      assert.equal(made.json<{ error?: object }>().error, undefined)
      if (sealed !== true) continue
      const update = JSON.stringify({ ...base, sealed: true })
      await client.request('$JS.API.STREAM.UPDATE.S', update)
    }
  }

  /** Theirs are all there; ours are once they are the same, or never. */
  async function compare(what: string, isOrdered: boolean): Promise<void> {
    await Promise.all([theirs.settled(), ours.settled()])
    const endMs = Date.now() + DEADLINE_MS
    // What is on its way to the disk must not meet the next message.
    const isSame = async (): Promise<boolean> => {
      const [a, b] = await Promise.all([theirs.figures(), ours.figures()])
      return a === b
    }
    while (!(await isSame()) && Date.now() < endMs);
    if (!isOrdered) for (const ear of [theirs, ours]) ear.sort()
    assert.deepEqual(ours.answers, theirs.answers, what)
    assert.equal(await ours.figures(), await theirs.figures(), what)
    assert.deepEqual(ours.advisories, theirs.advisories, what)
  }

  async function run({ config = {}, before = [], sent }: BatchCase, step: number): Promise<void> {
    await create(config)
    for (const ear of [theirs, ours]) {
      ear.clear()
      ear.isMute = 'no_ack' in config
    }
    for (const one of before) {
      for (const ear of [theirs, ours]) ear.send([one])
      await compare('before', false)
    }
    for (let at = 0; at < sent.length; at += step) {
      for (const ear of [theirs, ours]) ear.send(sent.slice(at, at + step))
      await compare(`${JSON.stringify(sent[at])}`, step === 1)
    }
    const [a, b] = await Promise.all(clients.map(storedIn))
    assert.deepEqual(b, a)
  }

  describe('atomic', () => {
    for (const one of ATOMIC) it(one.title, () => run(one, one.sent.length))
  })

  describe('fast', () => {
    for (const one of FAST) it(one.title, () => run(one, 1))
    for (const one of FAST.filter(({ title }) => AT_ONCE.has(title))) {
      it(`${one.title}, sent at once`, () => run(one, one.sent.length))
    }
  })

  for (let i = 0; i < DRAWN; i++) {
    it(`fast, drawn (SEED=${seed + i})`, async () => {
      const random = new SeededRandom(seed + i)
      const ids = ['f', 'g', 'h'].slice(0, 1 + random.below(3))
      const flow = String(1 + random.below(12))
      const next = new Map(ids.map((id) => [id, 1]))
      const sent: Sent[] = []
      for (let n = 0; n < 40; n++) {
        const id = ids[random.below(ids.length)] ?? 'f'
        const gap = id === 'g' ? 'fail' : 'ok'
        const draw = random.below(30)
        let seq = next.get(id) ?? 1
        if (draw === 0) seq += 2
        if (draw === 1 && seq > 1) seq--
        const operation = seq === 1 ? 0 : draw === 2 ? 2 : draw === 3 ? 3 : draw < 7 ? 4 : 1
        const isWrong = draw === 8
        const isRepeated = draw === 9 || draw === 10
        sent.push(
          fast(seq, operation, {
            id,
            flow,
            gap,
            headers: {
              ...(isWrong ? { 'Nats-Expected-Stream': 'other' } : {}),
              ...(isRepeated ? { 'Nats-Msg-Id': 'same' } : {}),
            },
          }),
        )
        next.set(id, operation === 4 ? seq : operation === 2 || operation === 3 ? 1 : seq + 1)
      }
      await run({ title: '', sent }, 1)
    })
  }
})
