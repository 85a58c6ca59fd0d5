/** Batches as the official client and the bare protocol see them; see jetstream.test.ts. */
import assert from 'node:assert/strict'
import { type JetStreamManager, jetstream } from '@nats-io/jetstream'
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { clientOf, type JetStreamServer } from '../support/jetstream-server.ts'
import { jetStreamSuite } from '../support/jetstream-suite.ts'

interface Answer {
  readonly type?: string
  readonly seq: number
  readonly batch?: string
  readonly count?: number
  readonly error?: { readonly err_code: number }
}

describe('jetstream batches', () => {
  let server: JetStreamServer
  let connection: NatsConnection
  let jsm: JetStreamManager
  let name = ''
  const suite = jetStreamSuite('B', (facts) => {
    ;({ server, connection, jsm } = facts)
  })

  beforeEach(async () => {
    name = suite.newName()
    await add(name)
  })

  async function add(stream: string): Promise<void> {
    const config = { name: stream, subjects: [`${stream}.>`] }
    const body = JSON.stringify({ ...config, allow_atomic: true, allow_batched: true })
    const made = await connection.request(`$JS.API.STREAM.CREATE.${stream}`, body)
    assert.equal(made.json<Answer>().error, undefined)
  }

  /** One message of an atomic batch, and its answer. */
  function part(from: NatsConnection, id: string, seq: number, commit = ''): Promise<Msg> {
    const own = headers()
    own.set('Nats-Batch-Id', id)
    own.set('Nats-Batch-Sequence', String(seq))
    if (commit !== '') own.set('Nats-Batch-Commit', commit)
    return from.request(`${name}.a`, `${id} ${seq}`, { headers: own, timeout: 5_000 })
  }

  async function messages(): Promise<number> {
    return (await jsm.streams.info(name)).state.messages
  }

  it('1.1 takes what the client batches, and shows it all at once', async () => {
    const batch = await jetstream(connection).startBatch(`${name}.a`, 'first')
    for (let i = 0; i < 20; i++) await batch.add(`${name}.b`, `${i}`, { ack: i % 2 === 0 })
    assert.equal(await messages(), 0)
    const ack = await batch.commit(`${name}.c`, 'last')
    assert.deepEqual([ack.stream, ack.seq, ack.count], [name, 22, 22])
    assert.equal(await messages(), 22)
  })

  it('1.2 goes on with another client when the first one left', async () => {
    const first = await clientOf(server)
    assert.equal((await part(first, 'left', 1)).data.length, 0)
    await first.close()
    const ack = (await part(connection, 'left', 2, '1')).json<Answer>()
    assert.deepEqual([ack.seq, ack.count], [2, 2])
  })

  it('1.3 forgets what was not committed when its stream goes', async () => {
    await part(connection, 'gone', 1)
    await jsm.streams.delete(name)
    await add(name)
    const answer = (await part(connection, 'gone', 2, '1')).json<Answer>()
    assert.equal(answer.error?.err_code, 10176)
    assert.equal(await messages(), 0)
  })

  it('1.4 keeps a batch over a restart, and nothing of one that had no end', async () => {
    await part(connection, 'done', 1)
    await part(connection, 'done', 2, '1')
    await part(connection, 'open', 1)
    await suite.restart()
    assert.equal(await messages(), 2)
    const answer = (await part(connection, 'open', 2, '1')).json<Answer>()
    assert.equal(answer.error?.err_code, 10176)
    const again = (await part(connection, 'new', 1, '1')).json<Answer>()
    assert.equal(again.seq, 3)
  })

  it('2.1 acknowledges a fast batch at the pace that was asked, and its end with all', async () => {
    const inbox = `_INBOX.fast.${name}`
    const heard: Answer[] = []
    const done = new Promise<void>((resolve) => {
      connection.subscribe(`${inbox}.>`, {
        callback: (_, message) => {
          const answer = message.json<Answer>()
          heard.push(answer)
          if (answer.type === undefined) resolve()
        },
      })
    })
    for (let seq = 1; seq <= 1_000; seq++) {
      const operation = seq === 1 ? 0 : seq === 1_000 ? 2 : 1
      const reply = `${inbox}.id.100.fail.${seq}.${operation}.$FI`
      connection.publish(`${name}.f`, `${seq}`, { reply })
    }
    await done
    const acks = heard.filter(({ type }) => type === 'ack').map(({ seq }) => seq)
    assert.deepEqual(acks.slice(0, 3), [0, 100, 200])
    const last = heard.at(-1)
    assert.deepEqual([last?.seq, last?.batch, last?.count], [1_000, 'id', 1_000])
    assert.equal(await messages(), 1_000)
  })
})
