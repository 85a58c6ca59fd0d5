import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { encodeGeneric } from '@nats-io/jwt'
import { jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { type Running, startRole } from '../../index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import {
  createAccount,
  createUser,
  inSeconds,
  JwtWorld,
  UNLIMITED,
} from '../unit/account/jwt-world.ts'

const STORAGE = { mem_storage: -1, disk_storage: -1, streams: 2, consumer: -1 }

/** JetStream of accounts that a server knows by their JWTs only. */
describe('streams of an operator’s accounts', () => {
  const world = new JwtWorld()
  const system = world.system.getPublicKey()
  let directory: string
  let hub: Running | undefined
  const clients: NatsConnection[] = []

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-operator-'))
  })

  afterEach(async () => {
    await stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** @param jwts what the resolver has from the start, beside the system account */
  async function start(...jwts: readonly string[]): Promise<void> {
    const { jwts: operators, resolver_preload } = await world.config('')
    const ids = jwts.map((jwt) => [subjectOf(jwt), jwt] as const)
    const preload = [[system, resolver_preload[system]!] as const, ...ids]
    const file = path.join(directory, 'hub.conf')
    const text = `listen: "127.0.0.1:-1"
operator: ${operators[0]}
system_account: ${system}
resolver: { type: full, dir: "${directory}/jwt", allow_delete: true, timeout: "100ms" }
resolver_preload: { ${preload.map(([id, jwt]) => `${id}: "${jwt}"`).join('\n')} }
jetstream: { store_dir: "${directory}/store" }`
    writeFileSync(file, text)
    hub = await startRole((await loadConfig(new SystemDisk(), file, 'hub')).config)
  }

  async function stop(): Promise<void> {
    await Promise.all(clients.splice(0).map((client) => client.close()))
    await hub?.drain()
    hub = undefined
  }

  /** A client of the world's account. */
  async function client(): Promise<NatsConnection> {
    const user = createUser()
    const jwt = await world.userJwt({}, { user })
    const connected = await connect({
      servers: `127.0.0.1:${hub!.ports.client!.port}`,
      authenticator: jwtAuthenticator(jwt, user.getSeed()),
      reconnect: false,
    })
    clients.push(connected)
    return connected
  }

  async function claims(verb: string, payload: string): Promise<void> {
    const answer = await hub!
      .client(system)
      .request(`$SYS.REQ.CLAIMS.${verb}`, Buffer.from(payload), { deadlineMs: 5_000 })
    assert.equal(JSON.parse(Buffer.from(answer.payload).toString()).error, undefined)
  }

  async function api(nats: NatsConnection, subject: string, body: object = {}) {
    const answer = await nats.request(`$JS.API.${subject}`, JSON.stringify(body), {
      timeout: DEADLINE_MS,
    })
    return answer.json<Record<string, never>>()
  }

  async function withStream(): Promise<NatsConnection> {
    const nats = await client()
    const made = await api(nats, 'STREAM.CREATE.S', { name: 'S', subjects: ['s.>'] })
    assert.equal(made['error'], undefined)
    const config = { durable_name: 'C', ack_policy: 'explicit' }
    await api(nats, 'CONSUMER.DURABLE.CREATE.S.C', { stream_name: 'S', config })
    for (const subject of ['s.1', 's.2']) await nats.request(subject, subject)
    const message = await nats.request('$JS.API.CONSUMER.MSG.NEXT.S.C', '1', {
      noMux: true,
      timeout: DEADLINE_MS,
    })
    await nats.request(message.reply!, '+ACK')
    return nats
  }

  /** The same, once streams that return to work are recovered; until then the account has none. */
  async function returned(nats: NatsConnection): Promise<number[]> {
    const deadlineMs = Date.now() + DEADLINE_MS
    for (;;) {
      const { error } = await api(nats, 'STREAM.INFO.S')
      if (error?.['err_code'] !== 10039 || Date.now() > deadlineMs) return state(nats)
    }
  }

  /** Messages, and the consumer's ack floor. */
  async function state(nats: NatsConnection): Promise<number[]> {
    const info = await api(nats, 'STREAM.INFO.S')
    const consumer = await api(nats, 'CONSUMER.INFO.S.C')
    return [info['state']?.['messages'] ?? -1, consumer['ack_floor']?.['stream_seq'] ?? -1]
  }

  it('come with the account, are there for the first client, and outlive a restart', async () => {
    const storing = await world.accountJwt({ limits: { ...UNLIMITED, ...STORAGE } })
    await start()
    await claims('UPDATE', storing)
    await withStream()
    await stop()
    await start()
    assert.deepEqual(await state(await client()), [2, 1])
  })

  it('stop when the account may have none, lose nothing, and go on when it may again', async () => {
    const storing = await world.accountJwt({ limits: { ...UNLIMITED, ...STORAGE } })
    const plain = await world.accountJwt({ limits: UNLIMITED })
    await start(storing)
    const nats = await withStream()
    await claims('UPDATE', plain)
    const { error } = await api(nats, 'STREAM.INFO.S')
    assert.equal(error?.['err_code'], 10039)
    await assert.rejects(nats.request('s.3', 'x'), /no responders/)
    await claims('UPDATE', storing)
    assert.deepEqual(await returned(nats), [2, 1])
    await nats.request('s.3', 'x')
    assert.deepEqual(await state(nats), [3, 1])
  })

  it('keep what belongs to an account that nobody vouches for until somebody does', async () => {
    const storing = await world.accountJwt({ limits: { ...UNLIMITED, ...STORAGE } })
    await start(storing)
    await withStream()
    const accounts = { accounts: [world.id] }
    const expiry = { exp: inSeconds(60) }
    await claims(
      'DELETE',
      await encodeGeneric('delete', world.operator, 'generic', accounts, expiry),
    )
    await stop()
    await start()
    await assert.rejects(client(), /Authorization Violation/)
    await claims('UPDATE', storing)
    assert.deepEqual(await returned(await client()), [2, 1])
  })

  it('are as many as the account may have', async () => {
    const storing = await world.accountJwt({ limits: { ...UNLIMITED, ...STORAGE } })
    const other = createAccount()
    await start(storing, await world.accountJwt({}, { account: other }))
    const nats = await client()
    for (const name of ['A', 'B']) {
      const made = await api(nats, `STREAM.CREATE.${name}`, { name, subjects: [name] })
      assert.equal(made['error'], undefined)
    }
    const refused = await api(nats, 'STREAM.CREATE.C', { name: 'C', subjects: ['C'] })
    assert.equal(refused['error']?.['err_code'], 10027)
    const info = await api(nats, 'INFO')
    assert.equal(info['limits']?.['max_streams'], 2)
  })
})

function subjectOf(jwt: string): string {
  return JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()).sub
}
