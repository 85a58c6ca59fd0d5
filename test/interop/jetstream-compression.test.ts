/** Streams with `compression: s2` beside those of a real nats-server: only their disks tell them from others. */
import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { askTwins, ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import type { Step } from './stream-config-cases.ts'

const MESSAGES = 400

interface Info {
  readonly config: { readonly compression: string }
  readonly state: { readonly bytes: number; readonly messages: number }
}

function api(client: NatsConnection, subject: string, request: object = {}) {
  return client
    .request(`$JS.API.${subject}`, JSON.stringify(request), { timeout: 30_000 })
    .then((answer) => answer.json())
}

function reading(i: number): string {
  return `{"sensor":"line-${i % 20}","timestamp":${1_732_201_234_567 + i},"value":${(i * 37) % 991}}`
}

async function publish(client: NatsConnection, subject: string): Promise<void> {
  for (let i = 0; i < MESSAGES; i++) {
    await client.request(`${subject}.${i % 7}`, reading(i), { timeout: 30_000 })
  }
}

describe('compressed streams beside nats-server', function () {
  this.timeout(180_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })

  after(async () => {
    await twins?.stop()
  })

  afterEach(() => clearStreams(clients))

  it('are made, changed and told of with the same answers', async () => {
    const steps: readonly Step[] = [
      ['STREAM.CREATE.S', { name: 'S', subjects: ['s'], compression: 's2' }],
      ['STREAM.CREATE.S', { name: 'S', subjects: ['s'] }],
      ['STREAM.INFO.S', ''],
      ['STREAM.UPDATE.S', { name: 'S', subjects: ['s'], compression: 'none' }],
      ['STREAM.UPDATE.S', { name: 'S', subjects: ['s'], compression: 's2' }],
      ['STREAM.UPDATE.S', { name: 'S', subjects: ['s'] }],
      ['STREAM.UPDATE.S', { name: 'S', subjects: ['s'], compression: 'zip' }],
      ['STREAM.CREATE.M', { name: 'M', subjects: ['m'], storage: 'memory', compression: 's2' }],
      ['STREAM.CREATE.N', { name: 'N', mirror: { name: 'S' }, compression: 's2' }],
    ]
    for (const [subject, request] of steps) {
      const { ours, theirs } = await askTwins(clients, subject, request)
      assert.deepEqual(ours, theirs, `${subject} ${JSON.stringify(request)}`)
    }
  })

  it('count their messages as if they were not compressed, at both', async () => {
    for (const client of clients) {
      for (const [name, compression] of [
        ['P', 'none'],
        ['C', 's2'],
      ] as const) {
        const subjects = [`${name}.*`]
        await api(client, `STREAM.CREATE.${name}`, { name, subjects, compression })
        await publish(client, name)
      }
      const plain = (await api(client, 'STREAM.INFO.P')) as Info
      const compressed = (await api(client, 'STREAM.INFO.C')) as Info
      assert.equal(compressed.config.compression, 's2')
      assert.equal(compressed.state.messages, MESSAGES)
      assert.equal(compressed.state.bytes, plain.state.bytes)
    }
  })

  it('hold as many bytes as max_bytes says of their messages as they were', async () => {
    for (const client of clients) {
      const counts: number[] = []
      for (const compression of ['none', 's2']) {
        const config = { name: 'L', subjects: ['L.*'], max_bytes: 10_000, compression }
        await api(client, 'STREAM.CREATE.L', config)
        await publish(client, 'L')
        counts.push(((await api(client, 'STREAM.INFO.L')) as Info).state.messages)
        await api(client, 'STREAM.DELETE.L')
      }
      assert.equal(counts[0], counts[1])
      assert.ok((counts[0] ?? 0) < MESSAGES)
    }
  })
})
