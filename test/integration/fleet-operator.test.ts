import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import * as path from 'node:path'
import type { KeyPair } from '@nats-io/nkeys'
import { type Running, startLeaf } from '../../index.ts'
import { until } from '../support/fleet-harness.ts'
import { OperatorHub } from '../support/operator-hub.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { createAccount, createUser, UNLIMITED } from '../unit/account/jwt-world.ts'

const STORAGE = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

/** Leaves of an operator's accounts: they sync into the streams of the account whose user they log in as. */
describe('leaves of an operator’s accounts', () => {
  let operated: OperatorHub
  let leaves: Running[]

  beforeEach(() => {
    operated = new OperatorHub()
    leaves = []
  })
  afterEach(async () => {
    await Promise.all(leaves.map((leaf) => leaf.destroy()))
    await operated.stop()
  })

  const id = (account: KeyPair): string => account.getPublicKey()

  async function jwtOf(account: KeyPair, name: string, limits: object = STORAGE): Promise<string> {
    const body = { limits: { ...UNLIMITED, ...limits } }
    return operated.world.accountJwt(body, { account, name })
  }

  async function leafOf(account: KeyPair): Promise<Running> {
    const user = createUser()
    const jwt = await operated.world.userJwt({}, { user, issuer: account })
    const store = `leaf-${leaves.length}`
    const credentials = path.join(operated.directory, `${store}.creds`)
    const seed = Buffer.from(user.getSeed()).toString()
    writeFileSync(
      credentials,
      `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n` +
        `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    )
    const port = operated.running.ports.leafNodes?.port ?? 0
    const leaf = await startLeaf({
      server_name: 'press-7',
      host: '127.0.0.1',
      port: -1,
      jetstream: { store_dir: path.join(operated.directory, store), domain: store },
      leafnodes: {
        reconnect: '100ms',
        remotes: [{ url: `nats-leaf://127.0.0.1:${port}`, credentials }],
      },
      buffers: { telemetry: { subjects: ['plant.>'] } },
    })
    leaves.push(leaf)
    return leaf
  }

  async function ask<T>(account: KeyPair, subject: string, body = ''): Promise<T> {
    const client = operated.running.client(id(account))
    const answer = await client.request(subject, Buffer.from(body), { deadlineMs: 2_000 })
    return JSON.parse(Buffer.from(answer.payload).toString()) as T
  }

  async function stored(account: KeyPair, count: number): Promise<void> {
    await until(
      `${count} messages`,
      () => ask<{ state?: { messages: number } }>(account, '$JS.API.STREAM.INFO.plant'),
      ({ state }) => state?.messages === count,
      DEADLINE_MS,
    )
  }

  it('sync into the account’s own streams, and are told of under its name', async () => {
    const [red, blue] = [createAccount(), createAccount()]
    const operator = await operated.world.operatorJwt()
    const streams = 'streams { plant: { subjects: ["plant.>"] } }'
    await operated.start({
      operator,
      preload: { [id(red)]: await jwtOf(red, 'red'), [id(blue)]: await jwtOf(blue, 'blue') },
      more: `leafnodes { listen: "127.0.0.1:-1" }
jetstream { store_dir: "${operated.directory}/hub", domain: hub }
fleet { accounts { ${id(red)}: { ${streams} }, ${id(blue)}: { ${streams} } } }`,
    })
    const [first, second] = [await leafOf(red), await leafOf(blue)]
    for (let i = 0; i < 5; i++) first.client().publish('plant.1', Buffer.from(`${i}`))
    second.client().publish('plant.1', Buffer.from('0'))
    await stored(red, 5)
    await stored(blue, 1)
    interface Status {
      readonly leaves: readonly { name: string; account?: string; account_name?: string }[]
    }
    const all = await ask<Status>(operated.world.system, '$FLEET.STATUS')
    const names = all.leaves.map((leaf) => `${leaf.account_name}/${leaf.name}`).sort()
    assert.deepEqual(names, ['blue/press-7', 'red/press-7'])
    const own = await ask<Status>(red, '$FLEET.STATUS')
    assert.deepEqual(
      own.leaves.map(({ account }) => account),
      [id(red)],
    )
  })

  it('of an account that gets its streams later sync from then on', async () => {
    const red = createAccount()
    const parts = { operator: await operated.world.operatorJwt(), resolver: 'full' as const }
    await operated.start({
      ...parts,
      preload: { [id(red)]: await jwtOf(red, 'red', {}) },
      more: `leafnodes { listen: "127.0.0.1:-1" }
jetstream { store_dir: "${operated.directory}/hub", domain: hub }
fleet { accounts { ${id(red)}: { streams { plant: { subjects: ["plant.>"] } } } } }`,
    })
    const leaf = await leafOf(red)
    for (let i = 0; i < 3; i++) leaf.client().publish('plant.1', Buffer.from(`${i}`))
    await until(
      'its link',
      () => operated.running.client(id(red)).hasInterest('$FLEET.PROBE'),
      (it) => it,
      DEADLINE_MS,
    )
    await operated.claims('UPDATE', await jwtOf(red, 'red'))
    await stored(red, 3)
  })
})
