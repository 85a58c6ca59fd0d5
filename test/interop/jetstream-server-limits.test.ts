import assert from 'node:assert/strict'
import { createInbox, headers, type NatsConnection } from '@nats-io/transport-node'
import { askTwins, ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'

/** What a server's own configuration says of its JetStream, beside a nats-server with the same. */
const configOf = (jetstream: string): string => `
server_name: test
jetstream { store_dir: "%DIR%/js", ${jetstream} }
accounts { A { jetstream: enabled, users: [{ user: a, password: a }] } }
`

function withTwins(title: string, jetstream: string, tests: (clients: () => TwinClients) => void) {
  describe(title, function () {
    this.timeout(60_000)
    let twins: ConfigTwins
    let clients: TwinClients
    before(async () => {
      twins = await ConfigTwins.start(configOf(jetstream))
      clients = await twins.clients('a')
    })
    after(() => twins?.stop())
    afterEach(() => clearStreams(clients))
    tests(() => clients)
  })
}

describe('a configuration of JetStream beside a real nats-server', () => {
  withTwins('strict: false', 'strict: false', (clients) => {
    const bodies = [
      '{"bogus":1}',
      '{"bogus":{"nested":[1]},"offset":"x"}',
      '{"deleted_details":5,"bogus":1}',
      '{"deliver_subject":"a.*","bogus":1}',
      '{',
      '{"a":!}',
      '{} x',
      '[]',
      'null',
    ]
    for (const subject of [
      'STREAM.INFO.S',
      'STREAM.NAMES',
      'STREAM.LIST',
      'STREAM.MSG.GET.S',
      'STREAM.MSG.DELETE.S',
      'STREAM.CREATE.T',
      'STREAM.UPDATE.S',
      'STREAM.SNAPSHOT.S',
      'CONSUMER.CREATE.S',
      'CONSUMER.NAMES.S',
      'CONSUMER.PAUSE.S.c',
      'CONSUMER.UNPIN.S.c',
      'STREAM.PURGE.S',
    ]) {
      it(subject, async () => {
        await askBoth(clients(), 'STREAM.CREATE.S', { name: 'S', subjects: ['s'], bogus: 1 })
        await both(clients(), (client) => client.request('s', 'x'))
        for (const body of bodies) await askBoth(clients(), subject, body)
      })
    }

    it('takes a whole configuration with what is not known of in it', async () => {
      const config = { name: 'S', subjects: ['s'], consumer_limits: { more: 1 }, later: true }
      await askBoth(clients(), 'STREAM.CREATE.S', config)
      await askBoth(clients(), 'CONSUMER.CREATE.S.c', {
        stream_name: 'S',
        config: { name: 'c', ack_policy: 'explicit', later: [1] },
        later: 'too',
      })
    })
  })

  for (const max of [3, -1]) {
    withTwins(
      `default_max_consumers: ${max}`,
      `limits { default_max_consumers: ${max} }`,
      (clients) => {
        it('bounds consumers of streams that have no limit of their own', async () => {
          await askBoth(clients(), 'STREAM.CREATE.S', { name: 'S', subjects: ['s'] })
          await askBoth(clients(), 'STREAM.CREATE.T', {
            name: 'T',
            subjects: ['t'],
            max_consumers: 5,
          })
          for (const stream_name of ['S', 'T']) {
            for (let n = 0; n < 6; n++) {
              const config = { name: `c${n}`, ack_policy: 'explicit' }
              await askBoth(clients(), `CONSUMER.CREATE.${stream_name}.c${n}`, {
                stream_name,
                config,
              })
            }
          }
        })
      },
    )
  }

  const batch = 'limits { batch { max_inflight_per_stream: 2, max_inflight_total: 3, max_msgs: 4'
  withTwins('limits { batch }', `${batch}, timeout: "250ms" } }`, (clients) => {
    it('bounds atomic batches: how many, how large, how long', async () => {
      const abandoned = await both(clients(), async (client) => {
        const reasons: unknown[] = []
        client.subscribe('$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.>', {
          callback: (_error, message) => {
            const { stream, batch: id, reason } = message.json<Record<string, unknown>>()
            reasons.push([stream, id, reason])
          },
        })
        await client.flush()
        return reasons
      })
      for (const name of ['S', 'T']) {
        const config = { name, subjects: [name], allow_atomic: true }
        await askBoth(clients(), `STREAM.CREATE.${name}`, config)
      }
      for (const id of ['a', 'b', 'c']) await publishBoth('S', id, 1)
      for (const id of ['d', 'e']) await publishBoth('T', id, 1)
      for (const reasons of abandoned) {
        await eventually(() => reasons.length === 3, 'batches that nobody went on with')
      }
      for (let seq = 1; seq <= 4; seq++) await publishBoth('S', 'f', seq)
      await publishBoth('S', 'f', 5)
      await publishBoth('S', 'g', 5)
      await publishBoth('S', 'h', 1, '1')
      const [theirs, ours] = abandoned
      assert.deepEqual(ours?.toSorted(), theirs?.toSorted())
    })

    async function publishBoth(subject: string, id: string, seq: number, commit?: string) {
      const [theirs, ours] = await both(clients(), async (client) => {
        const block = headers()
        block.append('Nats-Batch-Id', id)
        block.append('Nats-Batch-Sequence', String(seq))
        if (commit !== undefined) block.append('Nats-Batch-Commit', commit)
        const answer = await client.request(subject, 'x', { timeout: 10_000, headers: block })
        return answer.data.length === 0 ? 'taken' : answer.json()
      })
      assert.deepEqual(ours, theirs, `${subject} ${id} ${seq}`)
    }
  })

  withTwins('max_buffered_msgs', 'max_buffered_msgs: 5', (clients) => {
    it('refuses what is published faster than it is stored', async () => {
      await askBoth(clients(), 'STREAM.CREATE.S', { name: 'S', subjects: ['s'] })
      const [theirs, ours] = await both(clients(), (client) => flood(client, 's', 5_000))
      assert.deepEqual(ours?.refusals, theirs?.refusals)
      assert.deepEqual(ours?.refusals, ['429 Too Many Requests {"code":429,"err_code":10167}'])
      const [, client] = clients()
      const info = await client.request('$JS.API.STREAM.INFO.S')
      assert.equal(info.json<{ state: { messages: number } }>().state.messages, ours?.stored)
      assert.equal((await client.request('s', 'x')).json<{ error?: unknown }>().error, undefined)
    })
  })

  withTwins('max_mem and max_file', 'max_mem: 100000, max_file: 2000000', (clients) => {
    for (const [storage, bytes] of [
      ['memory', 1_000],
      ['file', 50_000],
    ] as const) {
      it(`a server that is full refuses what is published to ${storage}`, async () => {
        await askBoth(clients(), 'STREAM.CREATE.S', { name: 'S', subjects: ['s'], storage })
        const [theirs, ours] = await both(clients(), async (client) => {
          for (;;) {
            const answer = await client.request('s', 'x'.repeat(bytes), { timeout: 10_000 })
            if (answer.string().includes('error')) return answer.json()
          }
        })
        assert.deepEqual(ours, theirs)
        assert.match(JSON.stringify(ours), /10023/)
        // What is there is served, and room is made by a purge.
        await askBoth(clients(), 'CONSUMER.CREATE.S.c', {
          stream_name: 'S',
          config: { name: 'c', ack_policy: 'explicit' },
        })
        const [, client] = clients()
        await client.request('$JS.API.STREAM.PURGE.S')
        await waitForRoom(client)
      })
    }
  })
})

/** What one account and the server have, and two accounts to take it. */
const ROOM = `
server_name: test
jetstream { store_dir: "%DIR%/js", max_mem: 200000 }
accounts {
  A { jetstream: { max_file: 100000 }, users: [{ user: a, password: a }] }
  B { jetstream: enabled, users: [{ user: b, password: b }] }
}
`

describe('the room of an account beside a real nats-server', function () {
  this.timeout(60_000)
  /** More than there is room for, in all. */
  const REFUSALS = 300
  let twins: ConfigTwins
  let clients: TwinClients
  let others: TwinClients
  before(async () => {
    twins = await ConfigTwins.start(ROOM)
    clients = await twins.clients('a')
    others = await twins.clients('b')
  })
  after(() => twins?.stop())
  afterEach(async () => {
    await clearStreams(clients)
    await clearStreams(others)
  })

  /** The errors, each once, that as many publishes are answered with as would take all of it. */
  async function refusals(subject: string, bytes: number, block = headers()): Promise<Set<string>> {
    const [theirs, ours] = await both(clients, async (client) => {
      const seen = new Set<string>()
      for (let i = 0; i < REFUSALS; i++) {
        const options = { timeout: 10_000, headers: block }
        const answer = await client.request(subject, 'x'.repeat(bytes), options)
        seen.add(JSON.stringify(answer.json<{ error?: unknown }>().error))
      }
      return seen
    })
    assert.deepEqual(ours, theirs)
    return ours ?? new Set()
  }

  async function publishesBoth(of: TwinClients, subject: string): Promise<void> {
    const [theirs, ours] = await both(of, async (client) =>
      (await client.request(subject, 'x'.repeat(2_000), { timeout: 10_000 })).json(),
    )
    assert.deepEqual(ours, theirs)
    assert.equal((ours as { error?: unknown }).error, undefined)
  }

  it('is there for other streams, whatever a full one refused', async () => {
    const full = { name: 'FULL', subjects: ['full'], discard: 'new', max_msgs: 1 }
    await askBoth(clients, 'STREAM.CREATE.FULL', { ...full, allow_atomic: true })
    await askBoth(clients, 'STREAM.CREATE.O', { name: 'O', subjects: ['o'] })
    await publishesBoth(clients, 'full')
    const seen = await refusals('full', 1_000)
    const batch = headers()
    batch.append('Nats-Batch-Id', 'b')
    batch.append('Nats-Batch-Sequence', '1')
    batch.append('Nats-Batch-Commit', '1')
    for (const one of await refusals('full', 1_000, batch)) seen.add(one)
    assert.equal(seen.size, 1)
    assert.match([...seen].join(), /10077/)
    await publishesBoth(clients, 'o')
  })

  it('is there for other accounts, whatever a full stream in memory refused', async () => {
    const full = { name: 'FULL', subjects: ['full'], discard: 'new', max_msgs: 1 }
    await askBoth(clients, 'STREAM.CREATE.FULL', { ...full, storage: 'memory' })
    await askBoth(others, 'STREAM.CREATE.O', { name: 'O', subjects: ['o'], storage: 'memory' })
    await publishesBoth(clients, 'full')
    assert.match([...(await refusals('full', 1_000))].join(), /^[^}]*10077[^}]*}$/)
    await publishesBoth(others, 'o')
  })
})

function both<T>(clients: TwinClients, work: (client: NatsConnection) => Promise<T>): Promise<T[]> {
  return Promise.all(clients.map(work))
}

async function askBoth(clients: TwinClients, subject: string, body: object | string) {
  const { ours, theirs } = await askTwins(clients, subject, body)
  assert.deepEqual(own(ours), own(theirs), `${subject} ${JSON.stringify(body)}`)
}

/** When is each server's own. */
function own(answer: unknown): unknown {
  const isOwn = new Set(['first_ts', 'time'])
  const text = JSON.stringify(answer, (key, item: unknown) => (isOwn.has(key) ? undefined : item))
  return JSON.parse(text)
}

async function waitForRoom(client: NatsConnection): Promise<void> {
  const end = performance.now() + 20_000
  while ((await client.request('s', 'x')).string().includes('error')) {
    assert.ok(performance.now() < end, 'room after a purge')
  }
}

/** All that is answered to messages that nobody waits for in between. */
async function flood(client: NatsConnection, subject: string, messages: number) {
  const inbox = createInbox()
  const refusals = new Set<string>()
  let answered = 0
  let stored = 0
  const subscription = client.subscribe(inbox, {
    callback: (_error, message) => {
      answered++
      const { error } = message.json<{ error?: { code: number; err_code: number } }>()
      if (error === undefined) stored++
      else {
        const { code, err_code } = error
        const { headers: block } = message
        const status = `${block?.code} ${block?.description}`
        refusals.add(`${status} ${JSON.stringify({ code, err_code })}`)
      }
    },
  })
  for (let i = 0; i < messages; i++) client.publish(subject, 'x'.repeat(100), { reply: inbox })
  await eventually(() => answered === messages, 'an answer for each')
  subscription.unsubscribe()
  return { refusals: [...refusals], stored }
}
