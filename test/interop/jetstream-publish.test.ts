import assert from 'node:assert/strict'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { askTwins, ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { drawPublishCase } from './drawn-publishes.ts'
import { type Headers, PUBLISH_CASES, type Publish, type PublishCase } from './publish-cases.ts'

/** Publishes to a real nats-server and to us: the same answers, and the same messages stored. */
const DRAWN = 150

describe('publishes beside a real nats-server', function () {
  this.timeout(5 * 60_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())

  for (const [name, cases] of PUBLISH_CASES) {
    it(`${name}: ${cases.length} cases`, async () => {
      const differing: string[] = []
      for (const one of cases) {
        try {
          await compare(one)
        } catch (error) {
          differing.push(error instanceof Error ? error.message : String(error))
        }
      }
      assert.equal(differing.length, 0, `${differing.length} differ\n${differing.join('\n\n')}`)
    })
  }

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`says and stores the same of ${DRAWN} drawn cases: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    for (let i = 0; i < DRAWN; i++)
      await compare(drawPublishCase(random), `SEED=${seed} case ${i} `)
  })

  async function compare({ config, messages }: PublishCase, title = ''): Promise<void> {
    const where = `${title}${JSON.stringify(config)} ${shown(messages)}`
    try {
      const request = { name: 'S', subjects: ['S.>'], ...config }
      const created = await askTwins(clients, 'STREAM.CREATE.S', request)
      assert.deepEqual(created.ours, created.theirs, where)
      for (const message of messages) {
        const [theirs, ours] = await Promise.all(clients.map((client) => publish(client, message)))
        assert.deepEqual(ours, theirs, `${where}\nat ${shown([message])}`)
      }
      const [theirs, ours] = await Promise.all(clients.map(stored))
      assert.deepEqual(ours, theirs, where)
    } finally {
      await clearStreams(clients)
    }
  }
})

async function publish(client: NatsConnection, [subject, given, payload]: Publish) {
  const block = blockOf(given)
  const options = { timeout: DEADLINE_MS, ...(block === undefined ? {} : { headers: block }) }
  try {
    return (await client.request(`S.${subject}`, payload, options)).json()
  } catch (error) {
    // A stream that was refused.
    return String(error)
  }
}

function blockOf(given: Headers) {
  if (Object.keys(given).length === 0) return undefined
  const block = headers()
  for (const [name, value] of Object.entries(given)) block.append(name, value)
  return block
}

/** All that is stored, but for when. */
async function stored(client: NatsConnection) {
  const messages: unknown[] = []
  for (let seq = 0; ; ) {
    const request = JSON.stringify({ seq: seq + 1, next_by_subj: '>' })
    const answer = await client.request('$JS.API.STREAM.MSG.GET.S', request, {
      timeout: DEADLINE_MS,
    })
    const { message } = answer.json() as {
      message?: { subject: string; seq: number; hdrs?: string; data?: string }
    }
    if (message === undefined) return messages
    seq = message.seq
    const hdrs = Buffer.from(message.hdrs ?? '', 'base64').toString()
    const data = Buffer.from(message.data ?? '', 'base64').toString()
    messages.push({ subject: message.subject, seq, hdrs, data })
  }
}

function shown(messages: readonly Publish[]): string {
  return messages
    .map(([subject, given, payload]) => {
      const text = JSON.stringify(given)
      return `${subject} ${text.length > 200 ? `${text.slice(0, 80)}… ${text.length}` : text} ${payload.slice(0, 20)}`
    })
    .join(' | ')
}
