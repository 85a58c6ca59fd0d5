import assert from 'node:assert/strict'
import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import { ConfigTwins, normalized, type TwinClients } from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** The API where there are no streams, and what only operators or clusters may ask: beside nats-server. */
const CONFIG = `
server_name: test
jetstream { store_dir: "%DIR%/js" }
accounts {
  A {
    jetstream: enabled
    users: [{ user: a, password: a }]
    exports: [{ service: "$JS.API.>" }]
  }
  B { users: [{ user: b, password: b }] }
  C {
    users: [{ user: c, password: c }]
    imports: [{ service: { account: A, subject: "$JS.API.>" } }]
  }
  SYS { users: [{ user: sys, password: sys }] }
}
system_account: SYS
`

const OF_A_CLUSTER = [
  'META.LEADER.STEPDOWN',
  'META.RESCUE',
  'META',
  'SERVER.REMOVE',
  'SERVER.EVACUATE',
  'SERVER.STREAM.MOVE.A.S',
  'ACCOUNT.STREAM.MOVE.A.S',
  'ACCOUNT.STREAM.CANCEL_MOVE.A.S',
  'ACCOUNT.PURGE',
  'ACCOUNT.PURGE.A.B',
  'STREAM.LEADER.STEPDOWN',
  'STREAM.LEADER.STEPDOWN.S',
  'STREAM.PEER.REMOVE.S',
  'STREAM.PEER.EVACUATE.S',
  'STREAM.CANCEL_MOVE.S',
  'CONSUMER.LEADER.STEPDOWN.S.c',
]

const OF_STREAMS = [
  'INFO',
  'STREAM.CREATE.S',
  'STREAM.UPDATE.S',
  'STREAM.NAMES',
  'STREAM.LIST',
  'STREAM.INFO.S',
  'STREAM.DELETE.S',
  'STREAM.PURGE.S',
  'STREAM.SNAPSHOT.S',
  'STREAM.RESTORE.S',
  'STREAM.MSG.GET.S',
  'STREAM.MSG.DELETE.S',
  'CONSUMER.CREATE.S',
  'CONSUMER.CREATE.S.c',
  'CONSUMER.CREATE.S.c.a.b',
  'CONSUMER.DURABLE.CREATE.S.c',
  'CONSUMER.NAMES.S',
  'CONSUMER.LIST.S',
  'CONSUMER.INFO.S.c',
  'CONSUMER.DELETE.S.c',
  'CONSUMER.PAUSE.S.c',
  'CONSUMER.UNPIN.S.c',
  'CONSUMER.RESET.S.c',
  'CONSUMER.MSG.NEXT.S.c',
  'DIRECT.GET.S',
  'DIRECT.GET.S.a.b',
]

const UNKNOWN = [
  'STREAM',
  'STREAM.NAMES.x',
  'STREAM.CREATE',
  'STREAM.CREATE.a.b',
  'STREAM.TEMPLATE.CREATE.x',
  'CONSUMER.CREATE',
  'CONSUMER.CREATE.DURABLE',
  'CONSUMER.INFO.S',
  'CONSUMER.RESET.S',
  'CONSUMER.MSG.NEXT.S',
  'DIRECT.GET',
  'nobody',
]

const BODIES = ['', '{', '{}', '{"bogus":1}', '{"group":"g"}', '{"stream_name":"S","config":{}}']

describe('the API without streams beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins

  before(async () => {
    twins = await ConfigTwins.start(CONFIG)
  })
  after(() => twins?.stop())

  for (const user of ['b', 'sys']) {
    for (const subject of [...OF_STREAMS, ...OF_A_CLUSTER, ...UNKNOWN]) {
      it(`${user}: ${subject}`, async () => {
        await compare(await clientsOf(user), subject, BODIES)
      })
    }
  }

  it('in an account with JetStream', async () => {
    const clients = await clientsOf('a')
    for (const subject of [...OF_A_CLUSTER, ...UNKNOWN, 'CONSUMER.RESET.S.c', 'ACCOUNT.PURGE.A']) {
      await compare(clients, subject, BODIES)
    }
  })

  it('is left to the account that the API is imported from', async () => {
    await compare(await clientsOf('c'), 'INFO', [''])
    await compare(await clientsOf('c'), 'STREAM.NAMES', [''])
    await compare(await clientsOf('c'), 'STREAM.INFO.S', [''])
  })

  it('the system account removes all streams of an account', async () => {
    const clients = await clientsOf('a')
    const operators = await clientsOf('sys')
    for (const client of clients) {
      for (const name of ['S', 'T']) {
        const config = JSON.stringify({ name, subjects: [name] })
        await client.request(`$JS.API.STREAM.CREATE.${name}`, config)
        await client.request(name, 'kept until then')
      }
    }
    // Nobody else's to ask for.
    await compare(await clientsOf('b'), 'ACCOUNT.PURGE.A', ['', '{}'])
    await compare(clients, 'ACCOUNT.PURGE.A', [''])
    await compare(operators, 'ACCOUNT.PURGE.NOBODY', [''])
    await compare(operators, 'ACCOUNT.PURGE.B', [''])
    await compare(operators, 'ACCOUNT.PURGE.A/B', [''])
    await compare(clients, 'STREAM.NAMES', [''])
    const [theirs, answer] = await Promise.all(
      operators.map(async (client) =>
        (await client.request('$JS.API.ACCOUNT.PURGE.A', '{', { timeout: 20_000 })).json(),
      ),
    )
    assert.deepEqual(answer, theirs)
    await compare(clients, 'STREAM.NAMES', [''])
    const [, ours] = clients
    const left = await ours.request('$JS.API.STREAM.NAMES')
    assert.equal(left.json<{ total: number }>().total, 0)
    for (const client of clients) {
      const again = await made(client, { isPatient: client !== ours })
      assert.equal(again, undefined)
      assert.equal((await client.request('S', 'x')).json<{ seq: number }>().seq, 1)
    }
  })

  async function clientsOf(user: string): Promise<TwinClients> {
    return twins.clients(user)
  }
})

/**
 * The error of a stream that is made. nats-server removes the folders of an account's last stream behind its answer,
 * and cannot make another meanwhile: with patience it is asked again.
 */
async function made(client: NatsConnection, { isPatient }: { isPatient: boolean }) {
  const endMs = Date.now() + DEADLINE_MS
  for (;;) {
    const answer = await client.request('$JS.API.STREAM.CREATE.S', '{"name":"S","subjects":["S"]}')
    const { error } = answer.json<{ error?: object }>()
    if (error === undefined || !isPatient || Date.now() > endMs) return error
  }
}

async function compare(
  clients: TwinClients,
  subject: string,
  bodies: readonly string[],
): Promise<void> {
  for (const body of bodies) {
    const [theirs, ours] = await Promise.all(
      clients.map((client) => asked(client, `$JS.API.${subject}`, body)),
    )
    // nats-server answers side by side: what it is asked later may be answered first.
    await eventually(
      () => theirs?.answers.length === ours?.answers.length,
      `as many answers to ${subject} ${body} as nats-server's ${theirs?.answers.length}`,
    )
    for (const asking of [theirs, ours]) asking?.end()
    assert.deepEqual(ours?.answers, theirs?.answers, `${subject} ${body}`)
  }
}

/** What has come when requests that were made after it are answered, mostly all: nothing, when nobody answers. */
async function asked(client: NatsConnection, subject: string, body: string) {
  const inbox = createInbox()
  const answers: unknown[] = []
  const subscription = client.subscribe(inbox, {
    callback: (_error, { headers, data }) => {
      const text = Buffer.from(data).toString()
      answers.push([headers?.code, text === '' ? '' : normalized(JSON.parse(text))])
    },
  })
  client.publish(subject, body, { reply: inbox })
  for (let fences = 0; fences < 3; fences++) {
    await client.request('$JS.API.INFO', '', { timeout: 20_000 })
  }
  return { answers, end: () => subscription.unsubscribe() }
}
