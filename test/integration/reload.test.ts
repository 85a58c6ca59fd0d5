import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

/** What an operator of a fleet changes without a restart: real processes, their files, and SIGHUP. */

const OPERATOR = `
accounts { SYS { users: [ { user: admin, password: s } ] } }
system_account: SYS
`

class Server {
  readonly process: PetioleProcess
  readonly #file: string
  readonly #head: string
  readonly port: number
  readonly #clients: NatsConnection[] = []

  constructor(folder: string, role: 'hub' | 'leaf', name: string, port: number) {
    this.#file = path.join(folder, `${name}.conf`)
    const store = path.join(folder, name)
    this.#head = `server_name: ${name}\nlisten: "127.0.0.1:${port}"\njetstream { store_dir: "${store}", domain: "${name}" }\n`
    this.port = port
    this.process = new PetioleProcess(name, [role, '-c', this.#file])
  }

  async start(text: string): Promise<this> {
    await this.write(text)
    await this.process.start()
    return this
  }

  async write(text: string): Promise<void> {
    await writeFile(this.#file, this.#head + text)
  }

  /** Resolves when the process has taken the text. */
  async reload(text: string): Promise<void> {
    await this.write(text)
    const before = this.#times('Reloaded server configuration')
    process.kill(this.process.pid, 'SIGHUP')
    await until(
      'reload',
      () => this.#times('Reloaded server configuration'),
      (times) => times > before,
      DEADLINE_MS,
    ).catch((error: unknown) => {
      throw new Error(this.process.lastWords(), { cause: error })
    })
  }

  /** What the process says against the text. */
  async refuses(text: string): Promise<string> {
    await this.write(text)
    const before = this.#times('Failed to reload')
    process.kill(this.process.pid, 'SIGHUP')
    await until(
      'refusal',
      () => this.#times('Failed to reload'),
      (times) => times > before,
      DEADLINE_MS,
    )
    return this.process.log.filter((line) => line.includes('Failed to reload')).at(-1) ?? ''
  }

  async client(options: object = {}): Promise<NatsConnection> {
    const client = await connect({ servers: `127.0.0.1:${this.port}`, ...options })
    this.#clients.push(client)
    return client
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
    await this.process.kill()
  }

  #times(words: string): number {
    return this.process.log.filter((line) => line.includes(words)).length
  }
}

describe('reload of a running fleet', function () {
  this.timeout(60_000)
  let folder: string
  let servers: Server[] = []

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-reload-'))
  })

  afterEach(async () => {
    await Promise.all(servers.map((server) => server.end()))
    servers = []
    await rm(folder, { recursive: true, force: true })
  })

  async function server(role: 'hub' | 'leaf', name: string, text: string): Promise<Server> {
    const [port = 0] = await freePorts(1)
    const made = new Server(folder, role, name, port)
    servers.push(made)
    return made.start(text)
  }

  /** What is published at `from` until `at` hears of it. */
  async function arrives(from: Server, at: Server, subject: string): Promise<void> {
    const [publisher, subscriber] = [await from.client(), await at.client()]
    const subscription = subscriber.subscribe(subject)
    await until(
      `${subject} from ${from.process.name} at ${at.process.name}`,
      () => {
        publisher.publish(subject)
        return subscription.getReceived()
      },
      (received) => received > 0,
      DEADLINE_MS,
    )
  }

  it('leaves are sent to another hub, and to both', async () => {
    const [first = 0, second = 0] = await freePorts(2)
    const a = await server('hub', 'a', `leafnodes { listen: "127.0.0.1:${first}" }`)
    const b = await server('hub', 'b', `leafnodes { listen: "127.0.0.1:${second}" }`)
    const dialling = (...ports: number[]): string => {
      const remotes = ports.map((port) => `{ url: "nats-leaf://127.0.0.1:${port}" }`)
      return `leafnodes { reconnect: "100ms", remotes: [ ${remotes.join(', ')} ] }`
    }
    const leaf = await server('leaf', 'press-7', dialling(first))
    await arrives(leaf, a, 'one')
    await leaf.reload(dialling(second))
    await arrives(leaf, b, 'two')
    const here = await a.client()
    await until(
      'the first hub without a leaf',
      async () => a.process.log.filter((line) => line.includes('leaf detached')).length,
      (times) => times === 1,
      DEADLINE_MS,
    )
    const forgotten = here.subscribe('three')
    await here.flush()
    await arrives(leaf, b, 'three')
    assert.equal(forgotten.getReceived(), 0)
    await leaf.reload(dialling(second, first))
    await arrives(leaf, a, 'four')
    await arrives(leaf, b, 'four')
  })

  it('a hub that stood alone joins others', async () => {
    const [first = 0, second = 0] = await freePorts(2)
    const cluster = (port: number, routes = ''): string =>
      `cluster { name: eu, listen: "127.0.0.1:${port}", routes: [ ${routes} ] }`
    const a = await server('hub', 'a', cluster(first))
    const b = await server('hub', 'b', cluster(second))
    await a.reload(cluster(first, `"nats://127.0.0.1:${second}"`))
    await arrives(a, b, 'one')
    await a.reload(cluster(first))
    await arrives(a, b, 'still')
  })

  it('streams of the fleet are made, and stay', async () => {
    const fleet = (streams: string): string => `fleet { streams { ${streams} } }\n`
    const plant = 'plant: { subjects: ["plant.>"] }'
    const hub = await server('hub', 'a', fleet(plant))
    const client = await hub.client()
    const names = async (): Promise<readonly string[]> => {
      const answer = await client.request('$JS.API.STREAM.NAMES', '{}')
      return answer.json<{ streams: string[] }>().streams
    }
    assert.deepEqual(await names(), ['plant'])
    await hub.reload(fleet(`${plant}, ship: { subjects: ["ship.>"], max_msgs: 5 }`))
    assert.deepEqual((await names()).toSorted(), ['plant', 'ship'])
    await hub.reload(fleet(plant))
    assert.deepEqual((await names()).toSorted(), ['plant', 'ship'], 'its data stays')
  })

  it('nothing of a file is taken when something of it cannot be', async () => {
    const fleet = (streams: string): string => `fleet { streams { ${streams} } }\n`
    const users = (more: string): string =>
      `authorization { users: [ { user: g, password: g } ] }\nno_auth_user: g\naccounts { ${more} }\n`
    const second = 'B { jetstream: enabled, users: [ { user: b, password: b } ] }'
    const ship = 'ship: { subjects: ["ship.>"] }'
    const hub = await server('hub', 'a', users('') + fleet(''))
    const client = await hub.client()
    const names = async (at: NatsConnection): Promise<readonly string[]> =>
      (await at.request('$JS.API.STREAM.NAMES', '{}')).json<{ streams: string[] }>().streams ?? []
    const taken = JSON.stringify({ name: 'taken', subjects: ['taken.>'] })
    await client.request('$JS.API.STREAM.CREATE.taken', taken)
    const plant = (max: number): string => `plant: { subjects: ["plant.>"], max_msgs: ${max} }`
    await hub.reload(users('') + fleet(plant(50)))
    for (let i = 0; i < 10; i++) await client.request('plant.x', String(i))
    const plantNow = async (): Promise<readonly number[]> => {
      const answer = await client.request('$JS.API.STREAM.INFO.plant')
      const { config, state } = answer.json<{
        config: { max_msgs: number }
        state: { messages: number }
      }>()
      return [config.max_msgs, state.messages]
    }

    // An import that does not hold: the stream beside it is not made.
    const x = '{ stream: { account: A, subject: x } }'
    const wrong = `A { exports: [ { stream: x } ] }, B { imports: [ ${x}, ${x} ] }`
    assert.match(await hub.refuses(users(wrong) + fleet(ship)), /already exists/)
    assert.deepEqual(await names(client), ['plant', 'taken'])

    // A stream whose subjects are taken: the account beside it does not come, nor other streams.
    assert.match(
      await hub.refuses(
        users(second) + fleet(`${plant(3)}, ${ship}, late: { subjects: ["taken.x"] }`),
      ),
      /overlap/,
    )
    assert.deepEqual(await names(client), ['plant', 'taken'])
    assert.deepEqual(await plantNow(), [50, 10])
    await assert.rejects(hub.client({ user: 'b', pass: 'b', maxReconnectAttempts: 0 }))

    await hub.reload(users(second) + fleet(ship))
    assert.deepEqual((await names(client)).toSorted(), ['plant', 'ship', 'taken'])
    assert.deepEqual(await names(await hub.client({ user: 'b', pass: 'b' })), [])
  })

  it('the system account asks for it, and is told what is wrong', async () => {
    const hub = await server('hub', 'a', OPERATOR)
    const admin = await hub.client({ user: 'admin', pass: 's' })
    const reload = async (): Promise<{ error?: { description: string } }> => {
      const id = admin.info?.server_id
      return (await admin.request(`$SYS.REQ.SERVER.${id}.RELOAD`, '', { timeout: 5_000 })).json()
    }
    await hub.write(`${OPERATOR}max_payload: 2048`)
    assert.equal((await reload()).error, undefined)
    assert.equal((await hub.client({ user: 'admin', pass: 's' })).info?.max_payload, 2048)
    await hub.write(`${OPERATOR}prot: 1`)
    assert.match((await reload()).error?.description ?? '', /a\.conf:7: prot: unknown key/)
    await hub.write(`${OPERATOR}http: "127.0.0.1:-1"`)
    const refused = (await reload()).error?.description ?? ''
    assert.match(refused, /config reload not supported for HTTPPort/)
  })
})
