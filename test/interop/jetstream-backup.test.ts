import assert from 'node:assert/strict'
import { createInbox, headers, type NatsConnection } from '@nats-io/transport-node'
import { backupOf, restoreTo } from '../support/backup-client.ts'
import { ConfigTwins, clearStreams, normalized, type TwinClients } from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** Backups of a real nats-server are restored here, and ours there, and nothing is another afterwards. */
/** `last_ts` is that of the last message still there, once it has been in a backup. */
const OWN = new Set(['created', 'ts', 'last_ts'])

describe('backups beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())
  afterEach(() => clearStreams(clients))

  const roads = [
    ['theirs', 'ours'],
    ['ours', 'theirs'],
    ['ours', 'ours'],
  ] as const
  for (const [from, to] of roads) {
    const end = (which: 'theirs' | 'ours'): NatsConnection => clients[which === 'theirs' ? 0 : 1]

    it(`brings a stream with its consumers from ${from} to ${to}`, () => bring('none'))

    it(`brings a compressed stream with its consumers from ${from} to ${to}`, () => bring('s2'))

    async function bring(compression: string): Promise<void> {
      await fill(end(from), compression)
      const before = await allOf(end(from), 'S')
      const backup = await backupOf(end(from), 'S', { chunk_size: 1024 })
      assert.equal(backup.status, 204)
      await clearStreams(clients)
      const restored = await restoreTo(end(to), 'S', backup, 700)
      assert.equal(restored.error, undefined, JSON.stringify(restored))
      assert.deepEqual(await allOf(end(to), 'S'), before)
      // The next message goes on counting, and the consumer where it was.
      const ack = await end(to).request('a.1', 'next')
      assert.equal(ack.json<{ seq: number }>().seq, 41)
      assert.deepEqual(await pull(end(to), 'S', 'c'), 'm8')
    }

    it(`brings an empty stream from ${from} to ${to}, and one that has lost all it had`, async () => {
      await create(end(from), 'E', ['e.*'])
      await create(end(from), 'F', ['f.*'])
      for (let i = 0; i < 5; i++) await end(from).request('f.1', 'x')
      await end(from).request('$JS.API.STREAM.PURGE.F')
      for (const name of ['E', 'F']) {
        const before = await allOf(end(from), name)
        const backup = await backupOf(end(from), name, { no_consumers: true })
        await end(from).request(`$JS.API.STREAM.DELETE.${name}`)
        const restored = await restoreTo(end(to), name, backup)
        assert.equal(restored.error, undefined, JSON.stringify(restored))
        const after = await allOf(end(to), name)
        assert.deepEqual(lessTimes(after), lessTimes(before))
      }
    })
  }

  // An origin of the same name elsewhere is another stream: it is taken from its beginning, here and there.
  for (const [from, to] of [...roads, ['theirs', 'theirs'] as const]) {
    it(`goes on with its sources from ${from} to ${to}`, async () => {
      const [source, target] = [from, to].map((which) => clients[which === 'theirs' ? 0 : 1])
      assert.ok(source && target)
      for (const client of new Set([source, target])) {
        await client.request('$JS.API.STREAM.CREATE.O', '{"name":"O","subjects":["o.*"]}')
        for (let i = 1; i <= 5; i++) await client.request('o.a', `o${i}`)
      }
      const config = { name: 'S', sources: [{ name: 'O' }] }
      await source.request('$JS.API.STREAM.CREATE.S', JSON.stringify(config))
      await comesTo(source, 5)
      const backup = await backupOf(source, 'S', {})
      await source.request('$JS.API.STREAM.DELETE.S')
      const restored = await restoreTo(target, 'S', backup)
      assert.equal(restored.error, undefined, JSON.stringify(restored))
      for (const seq of [6, 7]) {
        await target.request('o.a', `o${seq}`)
        await comesTo(target, from === to ? seq : seq + 5)
      }
    })
  }

  it('refuses half a backup, and keeps nothing of it', async () => {
    const [theirs, ours] = clients
    await fill(theirs)
    const backup = await backupOf(theirs, 'S', {})
    await clearStreams(clients)
    for (const share of [0, 0.4, 0.9]) {
      const cut = backup.bytes.subarray(0, Math.floor(backup.bytes.length * share))
      const restored = await restoreTo(ours, 'S', { ...backup, bytes: cut })
      assert.equal(restored.error?.err_code, 10062, JSON.stringify(restored))
      const info = (await ours.request('$JS.API.STREAM.INFO.S')).json<{ error: object }>()
      assert.deepEqual(info.error, { code: 404, err_code: 10059, description: 'stream not found' })
    }
    const whole = await restoreTo(ours, 'S', backup)
    assert.equal(whole.error, undefined)
  })

  it('refuses what is damaged, out of order, or none at all', async () => {
    const [theirs, ours] = clients
    await fill(theirs)
    const backup = await backupOf(theirs, 'S', {})
    await clearStreams(clients)
    const damaged = Buffer.from(backup.bytes)
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 0xff
    for (const bytes of [damaged, Buffer.from('no backup at all'), Buffer.alloc(5000, 0xff)]) {
      const [first, second] = await Promise.all(
        [theirs, ours].map((client) => restoreTo(client, 'S', { ...backup, bytes })),
      )
      assert.equal(second?.error?.err_code, 10062, JSON.stringify(second))
      assert.equal(first?.error?.err_code, 10062, JSON.stringify(first))
      await clearStreams(clients)
    }
  })

  it('refuses a name that is taken, at the beginning and at the end', async () => {
    const [, ours] = clients
    await fill(ours)
    const backup = await backupOf(ours, 'S', {})
    assert.equal((await restoreTo(ours, 'S', backup)).error?.err_code, 10130)
    await ours.request('$JS.API.STREAM.DELETE.S')
    const begun = await ours.request('$JS.API.STREAM.RESTORE.S', backup.request)
    const again = await ours.request('$JS.API.STREAM.RESTORE.S', backup.request)
    assert.match(again.string(), /10130/)
    assert.match((await ours.request('$JS.API.STREAM.CREATE.S', '{"name":"S"}')).string(), /10058/)
    await create(ours, 'T', ['a.*'])
    const { deliver_subject } = begun.json<{ deliver_subject: string }>()
    await ours.request(deliver_subject, backup.bytes)
    assert.match((await ours.request(deliver_subject)).string(), /10065/)
    assert.match((await ours.request('$JS.API.STREAM.INFO.S')).string(), /10059/)
  })

  it('tells of backups on their way as they do', async () => {
    const [theirs, ours] = await Promise.all(
      clients.map(async (client) => {
        const told: string[] = []
        client.subscribe('$JS.EVENT.ADVISORY.STREAM.*.S', {
          callback: (_error, message) => {
            const { client: _, ...rest } = message.json<Record<string, unknown>>()
            told.push(`${message.subject} ${rest['type']} ${Object.keys(rest).sort()}`)
          },
        })
        await fill(client)
        const backup = await backupOf(client, 'S', {})
        await client.request('$JS.API.STREAM.DELETE.S')
        await restoreTo(client, 'S', backup)
        await eventually(() => told.some((it) => it.includes('RESTORE_COMPLETE')), 'the end')
        return told.filter((it) => /SNAPSHOT|RESTORE/.test(it)).sort()
      }),
    )
    assert.deepEqual(ours, theirs)
    assert.equal(ours?.length, 4)
  })
})

/** Whether S gets there, and no further. */
async function comesTo(client: NatsConnection, seq: number): Promise<void> {
  const lastSeq = async (): Promise<number> => {
    const info = (await client.request('$JS.API.STREAM.INFO.S')).json<{ state: State }>()
    return info.state.last_seq
  }
  const deadlineMs = Date.now() + DEADLINE_MS
  for (let last = 0; last !== seq; last = await lastSeq()) {
    assert.ok(last < seq && Date.now() < deadlineMs, `${last} of ${seq}`)
  }
}

interface State {
  readonly last_seq: number
}

async function create(
  client: NatsConnection,
  name: string,
  subjects: string[],
  compression = 'none',
): Promise<void> {
  const config = { name, subjects, allow_direct: true, max_msgs_per_subject: 30, compression }
  await client.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config))
}

/** Forty messages, some gone at both ends and between, and consumers in the middle of their work. */
async function fill(client: NatsConnection, compression = 'none'): Promise<void> {
  await create(client, 'S', ['a.*', 'b.*'], compression)
  const block = headers()
  block.append('Kind', 'some')
  for (let i = 1; i <= 40; i++) {
    const options = i % 3 === 0 ? { headers: block, timeout: DEADLINE_MS } : undefined
    await client.request(`${i % 2 ? 'a' : 'b'}.${i % 4}`, `m${i}`.padEnd(i * 20), options)
  }
  for (const seq of [1, 2, 10, 39, 40]) {
    await client.request('$JS.API.STREAM.MSG.DELETE.S', JSON.stringify({ seq }))
  }
  const durable = (name: string, config: object): Promise<unknown> =>
    client.request(
      `$JS.API.CONSUMER.CREATE.S.${name}`,
      JSON.stringify({ stream_name: 'S', config: { durable_name: name, ...config } }),
    )
  await durable('c', { ack_policy: 'explicit' })
  await durable('d', { ack_policy: 'all', filter_subject: 'b.*', deliver_policy: 'last' })
  await durable('e', { ack_policy: 'none', metadata: { k: 'v' } })
  for (const kind of ['+ACK', '', '+ACK', '', '+ACK']) await pull(client, 'S', 'c', kind)
}

/** The next message, acknowledged with `kind` unless that is ''. */
async function pull(client: NatsConnection, stream: string, consumer: string, kind = '') {
  const inbox = createInbox()
  let got = ''
  let ack = ''
  const subscription = client.subscribe(inbox, {
    callback: (_error, message) => {
      got = message.string().trim()
      ack = message.reply ?? ''
    },
  })
  client.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, '1', { reply: inbox })
  await eventually(() => ack !== '', 'a message')
  subscription.unsubscribe()
  if (kind !== '') await client.request(ack, kind)
  return got
}

async function allOf(client: NatsConnection, name: string): Promise<unknown> {
  const ask = async (subject: string, request = ''): Promise<unknown> =>
    lessOwn((await client.request(`$JS.API.${subject}`, request)).json())
  const messages: unknown[] = []
  for (let seq = 1; seq <= 40; seq++) {
    const answer = await client.request(`$JS.API.STREAM.MSG.GET.${name}`, JSON.stringify({ seq }))
    messages.push(lessOwn(answer.json()))
  }
  return {
    info: await ask(`STREAM.INFO.${name}`, '{"deleted_details":true,"subjects_filter":">"}'),
    messages,
    consumers: ((await ask(`CONSUMER.LIST.${name}`)) as { consumers: object[] }).consumers,
  }
}

/** Times are compared to the microsecond: a backup of ours is no more exact. */
function lessOwn(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, item: unknown) => {
      if (OWN.has(key) || isOfServer(key) || key === 'last_active') return undefined
      // Whether what says nothing is said differs with where a consumer comes from.
      if (key === 'metadata' && Object.keys(item as object).every(isOfServer)) return undefined
      const isTime = typeof item === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(item)
      return isTime ? new Date(item).toISOString() : item
    }),
  )
}

function isOfServer(key: string): boolean {
  return key.startsWith('_nats.')
}

/** Where a stream begins that never had a message, and whether one before that is gone, differs there too. */
function lessTimes(value: unknown): unknown {
  const text = JSON.stringify(normalized(value), (key, item: unknown) => {
    if (/^(num_)?deleted$/.test(key)) return undefined
    return key === 'first_seq' && item === 1 ? 0 : item
  })
  return JSON.parse(text)
}
