import assert from 'node:assert/strict'
import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import { type Running, startHub } from '../../index.ts'
import { freePort } from '../support/free-ports.ts'
import { eventually } from '../support/link-node.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

/** Two hubs of a region as an operator sees them from either. */
describe('monitoring of two hubs', () => {
  const hubs: Running[] = []
  const clients: NatsConnection[] = []

  before(async () => {
    const first = await freePort()
    hubs.push(await start('hub-1', first, []))
    hubs.push(await start('hub-2', -1, [`nats-route://127.0.0.1:${first}`]))
    for (const hub of hubs) {
      clients.push(await connectAs(hub, 'sys'), await connectAs(hub, 'a'))
    }
    const endMs = performance.now() + DEADLINE_MS
    while ((await Promise.all(hubs.map(routesOf))).some((count) => count === 0)) {
      assert(performance.now() < endMs, 'the hubs do not find each other')
    }
  })
  after(async () => {
    for (const client of clients) await client.close()
    for (const hub of hubs) await hub.drain()
  })

  async function routesOf(hub: Running): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${hub.ports.http?.port}/routez`)
    return ((await response.json()) as { num_routes: number }).num_routes
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever is answered
  async function askAll(client: NatsConnection, subject: string): Promise<Map<string, any>> {
    const reply = createInbox()
    // biome-ignore lint/suspicious/noExplicitAny: whatever is answered
    const answers = new Map<string, any>()
    const subscription = client.subscribe(reply, {
      callback: (_error, message) => {
        const body = message.json<{ server: { name: string } }>()
        answers.set(body.server.name, body)
      },
    })
    await client.flush()
    // Interest in the inbox has to reach the other hub first: ask until both have answered.
    const ask = (): boolean => {
      client.publish(subject, '', { reply })
      return answers.size === 2
    }
    await eventually(ask, `two answers to ${subject}`)
    subscription.unsubscribe()
    return answers
  }

  it('both answer a ping, and know of each other', async () => {
    const answers = await askAll(clients[0]!, '$SYS.REQ.SERVER.PING')
    for (const [name, { server, statsz }] of answers) {
      assert.equal(server.cluster, 'eu', name)
      assert.equal(statsz.active_servers, 2, name)
      assert.equal(statsz.routes.length, 1, name)
    }
  })

  it('/varz says where else clients can go', async () => {
    for (const hub of hubs) {
      const response = await fetch(`http://127.0.0.1:${hub.ports.http?.port}/varz`)
      const body = (await response.json()) as { connect_urls: string[]; cluster: { name: string } }
      const ports = hubs.map(({ ports: { client } }) => client.port)
      const told = body.connect_urls.map((url) => Number(url.split(':').at(-1)))
      assert(
        told.every((port) => ports.includes(port)) && told.length > 0,
        String(body.connect_urls),
      )
      assert.equal(body.cluster.name, 'eu')
    }
  })

  it('an account hears of its connections at both', async () => {
    const answers = await askAll(clients[1]!, '$SYS.REQ.SERVER.PING.CONNZ')
    for (const [name, { data }] of answers) {
      assert.deepEqual(
        data.connections.map((one: { name: string }) => one.name),
        [`a at ${name}`],
      )
    }
  })

  it('events of one reach who listens at the other', async () => {
    const heard: string[] = []
    const subject = '$SYS.ACCOUNT.A.CONNECT'
    clients[0]!.subscribe(subject, {
      callback: (_error, message) => {
        heard.push(message.json<{ server: { name: string } }>().server.name)
      },
    })
    await clients[0]!.flush()
    await eventually(() => hubs[1]!.client('SYS').hasInterest(subject), 'interest at the other hub')
    clients.push(await connectAs(hubs[1]!, 'a'))
    await eventually(() => heard.length > 0, 'the event')
    assert.deepEqual(heard, ['hub-2'])
  })

  it('a user is answered by the hub that he is connected to', async () => {
    for (const client of [clients[1]!, clients[3]!]) {
      const answer = await client.request('$SYS.REQ.USER.INFO', '', { timeout: 2_000 })
      const { data, server } = answer.json<{ data: { user: string }; server: { id: string } }>()
      assert.deepEqual([data.user, server.id], ['a', client.info?.server_id])
    }
  })
})

function start(name: string, port: number, routes: readonly string[]): Promise<Running> {
  return startHub({
    server_name: name,
    listen: '127.0.0.1:-1',
    http: '127.0.0.1:-1',
    cluster: { name: 'eu', listen: `127.0.0.1:${port}`, routes },
    accounts: {
      A: { users: [{ user: 'a', password: 'a' }] },
      SYS: { users: [{ user: 'sys', password: 'sys' }] },
    },
    system_account: 'SYS',
  })
}

function connectAs(hub: Running, user: string): Promise<NatsConnection> {
  const servers = `127.0.0.1:${hub.ports.client.port}`
  return connect({ servers, user, pass: user, name: `${user} at ${hub.name}` })
}
