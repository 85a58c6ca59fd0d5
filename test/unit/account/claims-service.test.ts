import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { encodeGeneric } from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import {
  type Accounts,
  type AccountsDependencies,
  type ClaimsAnswer,
  type ClaimsExchange,
  createAccounts,
} from '../../../shared/account/index.ts'
import { FETCHES_MAX } from '../../../shared/account/limits.ts'
import type { ResolverConfig } from '../../../shared/config/index.ts'
import { silentLog } from '../../../shared/log/index.ts'
import { SystemClock } from '../../../shared/runtime/index.ts'
import { createAccount, createOperator, inSeconds, JwtWorld, operated } from './jwt-world.ts'
import { dependencies } from './setup.ts'

type DirectoryConfig = Extract<ResolverConfig, { type: 'full' | 'cache' }>

function accountsResolver(dir: string): DirectoryConfig {
  return {
    type: 'full',
    dir,
    allow_delete: true,
    limit: 0,
    interval: 60_000,
    ttl: 3_600_000,
    timeout: 1_000,
  }
}

describe('account JWTs in a directory', () => {
  const world = new JwtWorld()
  const system = world.system.getPublicKey()
  const other = createAccount()
  const otherId = other.getPublicKey()
  let dir: string
  let open: Accounts[]

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'petiole-accounts-'))
    open = []
  })

  afterEach(() => {
    for (const accounts of open) accounts.close()
    rmSync(dir, { recursive: true })
  })

  async function start(
    resolver: Partial<DirectoryConfig> = {},
    with_: Partial<AccountsDependencies> = {},
  ): Promise<Accounts> {
    const config: ResolverConfig = { ...accountsResolver(path.join(dir, 'jwt')), ...resolver }
    const accounts = await world.accounts(await world.accountJwt(), { resolver: config }, with_)
    open.push(accounts)
    return accounts
  }

  function files(): string[] {
    return readdirSync(path.join(dir, 'jwt')).sort()
  }

  /** XOR of the SHA-256 of all files, as nats-server has it. */
  function digestOfFiles(): Buffer {
    const sum = Buffer.alloc(32)
    for (const file of files()) {
      const bytes = readFileSync(path.join(dir, 'jwt', file))
      const digest = createHash('sha256').update(bytes).digest()
      for (const [i, byte] of digest.entries()) sum[i] = sum[i]! ^ byte
    }
    return sum
  }

  it('are written there, found again, and taken when somebody asks', async () => {
    const accounts = await start()
    assert.deepEqual(files(), [`${world.id}.jwt`, `${system}.jwt`].sort())
    const jwt = await world.accountJwt({}, { account: other, name: 'blue' })
    const answer = await accounts.claims!.update(jwt, otherId)
    assert.deepEqual(answer, { data: { account: otherId, code: 200, message: 'jwt updated' } })
    assert.equal(readFileSync(path.join(dir, 'jwt', `${otherId}.jwt`), 'utf8'), jwt)
    assert.equal(accounts.book.get(otherId), undefined)
    assert.equal((await accounts.book.fetch(otherId))?.displayName, 'blue')
    assert.equal(await accounts.claims!.lookup(otherId), jwt)
    assert.equal(await accounts.claims!.lookup('../../etc/passwd'), '')
    const again = await start()
    assert.equal((await again.book.fetch(otherId))?.displayName, 'blue')
    assert.deepEqual([...again.claims!.list()].sort(), [world.id, system, otherId].sort())
    assert.deepEqual(again.claims!.digest(), digestOfFiles())
  })

  it('are refused in nats-server’s words', async () => {
    const { claims } = await start()
    const cases: [string, string | undefined, string][] = [
      ['x', undefined, 'jwt update resulted in error - expected 3 chunks'],
      [await world.userJwt(), undefined, 'jwt update resulted in error - not account claim'],
      [
        await world.accountJwt({}, { account: other }),
        world.id,
        'jwt update resulted in error - subject does not match jwt content',
      ],
      [
        await world.accountJwt({}, { signer: createOperator() }),
        undefined,
        'jwt update resulted in error - account jwt is not trusted',
      ],
      [
        await world.accountJwt({ exports: [{ name: 'a', subject: 'a..b', type: 'stream' }] }),
        undefined,
        'jwt validation failed - validation errors: [subject "a..b" cannot contain consecutive `.`]',
      ],
    ]
    for (const [jwt, id, description] of cases) {
      const answer = await claims!.update(jwt, id)
      assert.ok('error' in answer, JSON.stringify(answer))
      assert.equal(answer.error.code, 500)
      assert.equal(answer.error.description, description)
    }
  })

  it('go when the operator asks for it, with their connections, and keep a copy', async () => {
    const accounts = await start()
    const claims = accounts.claims!
    const identity = await accounts.authenticator.authenticate(
      world.credentials(await world.userJwt()),
    )
    const gone: unknown[] = []
    accounts.book.onChange((after, before) => gone.push([after, before?.name]))
    const wrong: [KeyPair, unknown, string][] = [
      [createOperator(), [world.id], 'not trusted'],
      [world.operator, 'all', 'malformed request'],
      [world.operator, ['../x'], 'malformed request'],
      [world.operator, [system], 'not allowed to delete system account'],
    ]
    for (const [signer, list, problem] of wrong) {
      const answer = await claims.delete(await deletion(signer, list))
      assert.equal(
        descriptionOf(answer),
        `delete accounts request by ${signer.getPublicKey()} failed - ${problem}`,
      )
    }
    const answer = await claims.delete(await deletion(world.operator, [world.id, otherId]))
    assert.deepEqual(answer, { data: { code: 200, message: 'deleted 2 accounts' } })
    assert.deepEqual(gone, [[undefined, world.id]])
    assert.equal(accounts.authenticator.recheck(identity!), 'account_expired')
    assert.deepEqual(files(), [`${world.id}.jwt.deleted`, `${system}.jwt`].sort())
  })

  it('are not deleted where the file does not allow it', async () => {
    const { claims } = await start({ allow_delete: false })
    const answer = await claims!.delete(await deletion(world.operator, [world.id]))
    assert.match(descriptionOf(answer), /delete must be enabled in server config$/)
    assert.ok(files().includes(`${world.id}.jwt`))
  })

  it('travel to another server in packs, which is not believed', async () => {
    const accounts = await start()
    const claims = accounts.claims!
    const first = await world.accountJwt({}, { account: other, name: 'first' })
    await claims.update(first)
    const pack: string[] = []
    for await (const line of claims.pack(new Uint8Array(32))) pack.push(line)
    assert.equal(pack.length, 3)
    assert.ok(pack.includes(`${otherId}|${first}`))
    for await (const line of claims.pack(claims.digest())) assert.fail(line)
    const foreign = await world.accountJwt({}, { account: createAccount(), signer: other })
    const before = files()
    await claims.merge(`${createAccount().getPublicKey()}|${foreign}\nnonsense\n${otherId}|x|y\n\n`)
    assert.deepEqual(files(), before)
    writeFileSync(path.join(dir, 'jwt', `${otherId}.jwt`), '')
    await claims.merge(pack.join('\n'))
    assert.equal(await claims.lookup(otherId), first)
  })

  it('are limited in number, and make room for others in a cache', async () => {
    const { claims } = await start({ limit: 2 })
    const answer = await claims!.update(await world.accountJwt({}, { account: other }))
    assert.equal(descriptionOf(answer), 'jwt update resulted in error - jwt store is full')
    let asked = 0
    const jwt = await world.accountJwt({}, { account: other, name: 'blue' })
    const exchange = {
      lookup: async (id: string) => {
        asked++
        return id === otherId ? jwt : undefined
      },
    }
    const cache = await start({ type: 'cache', limit: 2 }, { exchange })
    await cache.book.fetch(world.id)
    const [one, two] = await Promise.all([cache.book.fetch(otherId), cache.book.fetch(otherId)])
    assert.equal(one?.displayName, 'blue')
    assert.equal(one, two)
    assert.equal(asked, 1)
    assert.equal(files().length, 2)
    const unknown = createAccount().getPublicKey()
    await cache.book.fetch(unknown)
    await cache.book.fetch(unknown)
    assert.equal(asked, 2, 'what nobody knows is not asked for again at once')
    const update = await cache.claims!.update(
      await world.accountJwt({}, { account: createAccount() }),
    )
    assert.match(JSON.stringify(update), /jwt update cache skipped/)
  })

  it('are kept of what other servers say only where an operator signed it', async () => {
    let jwt = await world.accountJwt({}, { account: other, signer: createAccount() })
    let nowMs = 0
    const clock = Object.assign(new SystemClock(), { monotonicMs: () => nowMs })
    const exchange = { lookup: async () => jwt }
    const accounts = await start({}, { exchange, clock })
    assert.equal(await accounts.book.fetch(otherId), undefined)
    assert.ok(!files().includes(`${otherId}.jwt`))
    jwt = await world.accountJwt({}, { account: other, name: 'blue' })
    nowMs += 1_001
    assert.equal((await accounts.book.fetch(otherId))?.displayName, 'blue')
    assert.ok(files().includes(`${otherId}.jwt`))
  })

  it('that a reload preloads are added to the directory', async () => {
    const accounts = await start()
    const jwt = await world.accountJwt({}, { account: other, name: 'blue' })
    const resolver = accountsResolver(path.join(dir, 'jwt'))
    const config = await world.config(await world.accountJwt(), { resolver })
    const resolver_preload = { ...config.resolver_preload, [otherId]: jwt }
    await accounts.update(operated({ ...config, resolver_preload }))
    assert.equal(await accounts.claims!.lookup(otherId), jwt)
    const wrong = { ...config.resolver_preload, [world.id]: jwt }
    const seen: unknown[] = []
    accounts.book.onChange((...change) => seen.push(change))
    await assert.rejects(accounts.update(operated({ ...config, resolver_preload: wrong })))
    assert.deepEqual(seen, [])
  })

  it('that a reload preloads are neither written nor served before it is taken', async () => {
    const accounts = await start({ limit: 3 })
    const blue = { [otherId]: await world.accountJwt({}, { account: other, name: 'blue' }) }
    const before = files()
    const prepare = async (name: string, more: Record<string, string>) => {
      const resolver = { ...accountsResolver(path.join(dir, name)), limit: 3 }
      const config = await world.config(await world.accountJwt(), { resolver })
      const resolver_preload = { ...config.resolver_preload, ...more }
      return accounts.prepare!(operated({ ...config, resolver_preload }))
    }

    const third = createAccount()
    const cancelled = await prepare('jwt', blue)
    cancelled.cancel()
    await assert.rejects(prepare('jwt', { ...blue, [third.getPublicKey()]: 'eyJ' }))
    const full = { [third.getPublicKey()]: await world.accountJwt({}, { account: third }) }
    await assert.rejects(prepare('jwt', { ...blue, ...full }), { code: 'PETIOLE_ACCOUNTS_FULL' })
    const elsewhere = await prepare('jwt2', blue)
    elsewhere.cancel()

    assert.deepEqual(files(), before)
    assert.deepEqual(readdirSync(path.join(dir, 'jwt2')), [])
    assert.equal(await accounts.claims!.lookup(otherId), '')

    const taken = await prepare('jwt2', blue)
    await taken.commit()
    assert.equal(await accounts.claims!.lookup(otherId), blue[otherId])
    assert.deepEqual(files(), before)
    assert.equal(readdirSync(path.join(dir, 'jwt2')).length, 3)
  })

  it('above the limit of a directory keep no server from starting', async () => {
    const texts: unknown[] = []
    const log = {
      ...silentLog,
      error: (fields: object, text: string) => texts.push([fields, text]),
    }
    await start({ limit: 2 })
    const blue = { [otherId]: await world.accountJwt({}, { account: other, name: 'blue' }) }
    const resolver = { ...accountsResolver(path.join(dir, 'jwt')), limit: 2 }
    const config = await world.config(await world.accountJwt(), { resolver })
    const resolver_preload = { ...blue, ...config.resolver_preload }
    const accounts = await createAccounts(
      operated({ ...config, resolver_preload }),
      dependencies({ log }),
    )
    open.push(accounts)
    assert.deepEqual(texts, [
      [{ account: otherId, reason: 'jwt store is full' }, 'resolver_preload could not be written'],
    ])
    assert.equal(await accounts.book.fetch(otherId), undefined)
    assert.equal((await accounts.book.fetch(world.id))?.name, world.id)
  })

  it('that others are asked for after a reload hold nobody up, and are asked for together', async () => {
    const ids = Array.from({ length: 100 }, () => createAccount())
    const jwts = new Map<string, string>()
    for (const id of ids) jwts.set(id.getPublicKey(), await world.accountJwt({}, { account: id }))
    const waiting: (() => void)[] = []
    let isSlow = false
    const exchange: ClaimsExchange = {
      async lookup(id) {
        if (isSlow) await new Promise<void>((resolve) => waiting.push(resolve))
        return jwts.get(id)
      },
    }
    const accounts = await start({ type: 'cache', limit: 2 }, { exchange })
    for (const id of jwts.keys()) await accounts.book.fetch(id)
    isSlow = true
    const resolver = {
      ...accountsResolver(path.join(dir, 'jwt')),
      type: 'cache',
      limit: 2,
    } as const
    const config = await world.config(await world.accountJwt(), { resolver })
    const prepared = await accounts.prepare!(operated(config))
    await prepared.commit()
    const refreshed = prepared.refresh?.()
    while (waiting.length < FETCHES_MAX - 2) await new Promise(setImmediate)
    isSlow = false
    for (const answer of waiting) answer()
    await refreshed
    assert.equal([...accounts.book.accounts()].filter(({ claims }) => claims).length, 101)
  })

  it('that have expired are asked for once in a while, however many log in', async () => {
    const expired = await world.accountJwt({}, { exp: inSeconds(50) })
    let gets = 0
    const http = {
      get: async () => {
        gets++
        return expired
      },
    }
    let ahead = 0
    const clock = Object.assign(new SystemClock(), {
      wallMs: () => Date.now() + ahead,
      monotonicMs: () => ahead,
    })
    const systemJwt = await world.accountJwt({}, { account: world.system, name: 'SYS' })
    const accounts = await world.accounts(
      '',
      {
        resolver: { type: 'url', url: 'http://x/', tls: undefined },
        resolver_preload: { [system]: systemJwt },
      },
      { http, clock },
    )
    open.push(accounts)
    assert.ok((await accounts.book.fetch(world.id)) !== undefined)
    for (const passed of [60_000, 62_000]) {
      ahead = passed
      gets = 0
      for (let i = 0; i < 50; i++) assert.equal(await accounts.book.fetch(world.id), undefined)
      assert.equal(gets, 1)
    }
  })

  it('are fetched from an account server, whose word is not enough', async () => {
    const answers = new Map<string, string>()
    const asked: string[] = []
    const http = {
      get: (url: string): Promise<string> => {
        asked.push(url)
        const body = answers.get(url)
        return body === undefined ? Promise.reject(new Error('404')) : Promise.resolve(body)
      },
    }
    const url = 'http://accounts.example/jwt/v1/accounts'
    const preload = await world.config('')
    const { [system]: systemJwt = '' } = preload.resolver_preload
    answers.set(`${url}/${system}`, `${systemJwt}\n`)
    answers.set(`${url}/${otherId}`, await world.accountJwt({}, { account: other, signer: other }))
    const accounts = await world.accounts(
      '',
      { resolver: { type: 'url', url, tls: undefined }, resolver_preload: {} },
      { http },
    )
    assert.equal((await accounts.book.fetch(system))?.isSystem, true)
    assert.equal(await accounts.book.fetch(otherId), undefined)
    assert.equal(await accounts.book.fetch(world.id), undefined)
    assert.equal(await accounts.book.fetch('../admin'), undefined)
    assert.deepEqual(asked, [`${url}/${system}`, `${url}/${otherId}`, `${url}/${world.id}`])
  })

  it('stay where they are over a reload', async () => {
    const accounts = await start()
    await accounts.claims!.update(await world.accountJwt({}, { account: other, name: 'blue' }))
    const config = await world.config(await world.accountJwt())
    const resolver: ResolverConfig = {
      type: 'full',
      dir: path.join(dir, 'jwt'),
      allow_delete: true,
      limit: 0,
      interval: 60_000,
      ttl: 3_600_000,
      timeout: 1_000,
    }
    await accounts.update(operated({ ...config, resolver }))
    assert.equal((await accounts.book.fetch(otherId))?.displayName, 'blue')
  })
})

function deletion(signer: KeyPair, accounts: unknown): Promise<string> {
  const data = { accounts, version: 2 } as never
  return encodeGeneric('delete', signer, 'generic', data, { exp: inSeconds(60) })
}

function descriptionOf(answer: ClaimsAnswer): string {
  return 'error' in answer ? answer.error.description : JSON.stringify(answer.data)
}
