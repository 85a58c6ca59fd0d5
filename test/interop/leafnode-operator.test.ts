import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { KeyPair } from '@nats-io/nkeys'
import { jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { type Running, startRole } from '../../index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { until } from '../support/fleet-harness.ts'
import { freePort } from '../support/free-ports.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { createUser, inSeconds, JwtWorld } from '../unit/account/jwt-world.ts'

type Kind = 'petiole' | 'nats-server'

interface Server {
  readonly port: number
  stop(): Promise<unknown>
}

/** Both servers of a link trust one operator; the leaf logs in with a `.creds` file. Needs the binary. */
describe('interop: leafs of an operator', () => {
  const world = new JwtWorld()
  let folder: string
  let servers: Server[] = []
  let connections: NatsConnection[] = []

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-operator-leaf-'))
  })

  afterEach(async () => {
    await Promise.all(connections.map((connection) => connection.close()))
    await Promise.all(servers.map((server) => server.stop()))
    await rm(folder, { recursive: true, force: true })
    connections = []
    servers = []
  })

  async function operatorBlock(accountJwt: string): Promise<string> {
    const { jwts, resolver_preload } = await world.config(accountJwt)
    const lines = Object.entries(resolver_preload).map(([id, jwt]) => `  ${id}: "${jwt}"`)
    return `operator: ${jwts[0]}\nsystem_account: ${world.system.getPublicKey()}
resolver: MEMORY\nresolver_preload {\n${lines.join('\n')}\n}\n`
  }

  async function start(kind: Kind, role: 'hub' | 'leaf', text: string): Promise<Server> {
    const server = kind === 'petiole' ? await petiole(role, text) : await NatsServerPeer.start(text)
    servers.push(server)
    return server
  }

  async function petiole(role: 'hub' | 'leaf', text: string): Promise<Server> {
    const file = path.join(folder, `${role}.conf`)
    await writeFile(file, `listen: "127.0.0.1:-1"\n${text}`)
    const disk = new SystemDisk()
    const running: Running =
      role === 'hub'
        ? await startRole((await loadConfig(disk, file, 'hub')).config)
        : await startRole((await loadConfig(disk, file, 'leaf')).config)
    return { port: running.ports.client?.port ?? 0, stop: () => running.destroy() }
  }

  async function credentials(user: KeyPair, jwt: string): Promise<string> {
    const file = path.join(folder, 'leaf.creds')
    const seed = Buffer.from(user.getSeed()).toString()
    await writeFile(
      file,
      `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n` +
        `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    )
    return file
  }

  async function client({ port }: Server): Promise<NatsConnection> {
    const user = createUser()
    const authenticator = jwtAuthenticator(await world.userJwt({}, { user }), user.getSeed())
    const connection = await connect({ servers: `127.0.0.1:${port}`, authenticator })
    connections.push(connection)
    return connection
  }

  /** A hub, and a leaf that logs in with the JWT of a user. */
  async function pair(leafKind: Kind, hubKind: Kind, user: KeyPair, jwt: string) {
    const operator = await operatorBlock(await world.accountJwt())
    const port = await freePort()
    const hubText = `server_name: hub\n${operator}leafnodes { listen: "127.0.0.1:${port}" }\n`
    const hub = await start(hubKind, 'hub', hubText)
    const remote = `{ url: "nats-leaf://127.0.0.1:${port}", account: ${world.id}, credentials: "${await credentials(user, jwt)}" }`
    const store = `jetstream { store_dir: "${folder}/leaf", domain: press-7 }\n`
    const leafText = `server_name: press-7\n${store}${operator}leafnodes { reconnect: "100ms", remotes: [ ${remote} ] }\n`
    return { hub, leaf: await start(leafKind, 'leaf', leafText) }
  }

  async function answer(connection: NatsConnection, subject: string): Promise<string> {
    return until(
      `an answer on ${subject}`,
      async () => (await connection.request(subject, 'hi', { timeout: 500 })).string(),
      () => true,
      DEADLINE_MS,
    )
  }

  function serve(connection: NatsConnection, subject: string, text: string): void {
    connection.subscribe(subject, { callback: (_error, message) => void message.respond(text) })
  }

  for (const [leafKind, hubKind] of [
    ['petiole', 'nats-server'],
    ['nats-server', 'petiole'],
    ['petiole', 'petiole'],
  ] as const) {
    it(`a ${leafKind} leaf logs in at a ${hubKind} hub, and both serve each other`, async () => {
      const user = createUser()
      const servers = await pair(leafKind, hubKind, user, await world.userJwt({}, { user }))
      const [atHub, atLeaf] = [await client(servers.hub), await client(servers.leaf)]
      serve(atHub, 'svc.hub', 'from the hub')
      serve(atLeaf, 'svc.leaf', 'from the leaf')
      assert.equal(await answer(atLeaf, 'svc.hub'), 'from the hub')
      assert.equal(await answer(atHub, 'svc.leaf'), 'from the leaf')
    })

    it(`a ${leafKind} leaf may do at a ${hubKind} hub what its JWT says, and no more`, async () => {
      const user = createUser()
      const jwt = await world.userJwt({ pub: { allow: ['up.>', '_INBOX.>'] } }, { user })
      const servers = await pair(leafKind, hubKind, user, jwt)
      const [atHub, atLeaf] = [await client(servers.hub), await client(servers.leaf)]
      const got: string[] = []
      for (const subject of ['up.>', 'other.>']) {
        atHub.subscribe(subject, { callback: (_error, message) => void got.push(message.subject) })
      }
      serve(atHub, 'up.svc', 'yes')
      assert.equal(await answer(atLeaf, 'up.svc'), 'yes')
      got.length = 0
      atLeaf.publish('other.1')
      atLeaf.publish('up.1')
      await until(
        'what may pass',
        () => got.includes('up.1'),
        (it) => it,
        DEADLINE_MS,
      )
      assert.deepEqual(
        got.filter((subject) => subject !== 'up.svc'),
        ['up.1'],
      )
    })

    it(`a ${hubKind} hub does not let in a ${leafKind} leaf whose JWT has expired`, async () => {
      const user = createUser()
      const jwt = await world.userJwt({}, { user, exp: inSeconds(-10) })
      const servers = await pair(leafKind, hubKind, user, jwt)
      const [atHub, atLeaf] = [await client(servers.hub), await client(servers.leaf)]
      serve(atHub, 'svc.hub', 'from the hub')
      await atHub.flush()
      for (let i = 0; i < 5; i++) {
        await assert.rejects(atLeaf.request('svc.hub', '', { timeout: 200 }), /no responders/i)
      }
    })
  }
})
