import assert from 'node:assert/strict'
import * as path from 'node:path'
import { encodeAccount, encodeOperator, encodeUser } from '@nats-io/jwt'
import { createAccount, createOperator, createUser } from '@nats-io/nkeys'
import { loadConfig, parseConfig } from '../../../shared/config/index.ts'
import { SystemDisk } from '../../../shared/runtime/index.ts'
import { ConfigFiles } from '../../support/config-files.ts'

const PAIR = { cert_file: 'c.pem', key_file: 'k.pem' }
const PIN = 'a8f407340dcc719864214b85ed96f98d16cbffa8f509d9fa4ca237b7bb3f9c32'

/** What a `tls` block comes to. */
function tlsOf(tls: object) {
  const config = parseConfig({ tls: { ...PAIR, ...tls } }, 'hub')
  assert(config.tls !== undefined)
  return config.tls
}

describe('config: tls', () => {
  it('defaults are those of nats-server', () => {
    assert.deepEqual(tlsOf({}), {
      certs: [PAIR],
      ca_file: '',
      verify: false,
      verify_and_map: false,
      insecure: false,
      cipher_suites: [],
      curve_preferences: [],
      min_version: 'TLSv1.2',
      pinned_certs: [],
      connection_rate_limit: 0,
      timeout: 2_000,
      handshake_first: 'no',
      handshake_first_delay: 0,
    })
  })

  it("names are Go's in the file, OpenSSL's behind it", () => {
    const tls = tlsOf({
      cipher_suites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
      curve_preferences: ['CurveP384', 'X25519'],
      min_version: '1.3',
      pinned_certs: [PIN.toUpperCase()],
    })
    assert.deepEqual(tls.cipher_suites, ['ECDHE-RSA-AES128-GCM-SHA256', 'TLS_AES_128_GCM_SHA256'])
    assert.deepEqual(tls.curve_preferences, ['P-384', 'X25519'])
    assert.equal(tls.min_version, 'TLSv1.3')
    assert.deepEqual(tls.pinned_certs, [PIN])
  })

  it('ciphers that OpenSSL has lost are left out, when insecure ones are allowed at all', () => {
    const names = ['TLS_RSA_WITH_RC4_128_SHA', 'TLS_RSA_WITH_AES_128_CBC_SHA']
    const tls = tlsOf({ cipher_suites: names, allow_insecure_cipher_suites: true })
    assert.deepEqual(tls.cipher_suites, ['AES128-SHA'])
    assert.throws(() => tlsOf({ cipher_suites: names }), {
      message:
        /tls\.cipher_suites: insecure without allow_insecure_cipher_suites: TLS_RSA_WITH_RC4/,
    })
  })

  it('the handshake comes first, or may', () => {
    const of = (handshake_first: unknown) => {
      const tls = tlsOf({ handshake_first })
      return [tls.handshake_first, tls.handshake_first_delay]
    }
    assert.deepEqual(of(true), ['always', 0])
    assert.deepEqual(of('on'), ['always', 0])
    assert.deepEqual(of(false), ['no', 0])
    assert.deepEqual(of('auto'), ['auto', 50])
    assert.deepEqual(of('300ms'), ['auto', 300])
    assert.throws(() => of('soon'), { message: /must be true, false, auto or a duration/ })
    assert.throws(() => of(5), { message: /must be true, false, auto or a duration/ })
  })

  it('mapping certificates means verifying them, and credentials get a second behind the handshake', () => {
    const config = parseConfig({ tls: { ...PAIR, verify_and_map: true, timeout: 3 } }, 'hub')
    assert.deepEqual([config.tls?.verify, config.tls?.verify_and_map], [true, true])
    assert.equal(config.tls?.timeout, 3_000)
    assert.equal(config.authorization.timeout, 4_000)
    const own = { tls: PAIR, authorization: { timeout: '5s' } }
    assert.equal(parseConfig(own, 'hub').authorization.timeout, 5_000)
  })

  it('peers always verify each other', () => {
    const tls = { ...PAIR, ca_file: 'ca' }
    const config = parseConfig(
      { cluster: { port: 1, tls }, gateway: { name: 'g', port: 2, tls } },
      'hub',
    )
    assert.deepEqual([config.cluster?.tls?.verify, config.gateway?.tls?.verify], [true, true])
  })

  it('a certificate that is not there is named with its line', async () => {
    const files = await ConfigFiles.create()
    const { problems } = await files.check(
      '\ntls {\n cert_file: "/no/c"\n key_file: "/no/k" }',
      'hub',
    )
    assert.deepEqual(problems, [
      'test.conf:3: tls.cert_file: cannot read /no/c: there is no such file',
      'test.conf:4: tls.key_file: cannot read /no/k: there is no such file',
    ])
    await files.remove()
  })
})

describe('config: listeners and links', () => {
  it('websocket and mqtt have their own way in', () => {
    const config = parseConfig(
      {
        websocket: {
          listen: '127.0.0.1:443',
          tls: PAIR,
          origins: ['https://a.example'],
          compress: true,
          token_cookie: 't',
          headers: { 'X-A': 'b' },
          authorization: { user: 'w', password: 'x', timeout: 1 },
        },
        mqtt: { port: 8883, tls: PAIR, authorization: { token: 'm' }, max_ack_pending: 0 },
      },
      'hub',
    )
    const { websocket, mqtt } = config
    assert.deepEqual(websocket?.listen, { host: '127.0.0.1', port: 443 })
    assert.deepEqual(websocket?.tls?.certs, [PAIR])
    assert.deepEqual(websocket?.allowed_origins, ['https://a.example'])
    assert.deepEqual([websocket?.compression, websocket?.token_cookie], [true, 't'])
    assert.deepEqual(websocket?.headers, { 'X-A': 'b' })
    assert.equal(websocket?.authorization?.users[0]?.user, 'w')
    assert.equal(websocket?.authorization?.timeout, 1_000)
    assert.equal(mqtt?.authorization?.token, 'm')
    assert.equal(mqtt?.max_ack_pending, 1024)
  })

  it("who needs no credentials is the listener's own, else the server's", () => {
    const users = [
      { user: 'a', password: '1' },
      { user: 'b', password: '2' },
    ]
    const config = parseConfig(
      {
        authorization: { users },
        no_auth_user: 'a',
        websocket: { port: 1, no_tls: true, no_auth_user: 'b' },
        mqtt: { port: 2 },
      },
      'hub',
    )
    assert.deepEqual([config.websocket?.no_auth_user, config.mqtt?.no_auth_user], ['b', 'a'])
  })

  it('remotes log in, keep to themselves, and take TLS from their addresses', () => {
    const seed = new TextDecoder().decode(createUser().getSeed())
    const { leafnodes } = parseConfig(
      {
        accounts: ['A'],
        leafnodes: {
          remotes: [
            { url: 'tls://a', account: 'A', credentials: '~/x.creds', deny_import: 'in.>' },
            { urls: ['wss://b', 'wss://c:1/path'], nkey: seed, deny_exports: ['o', 'p.*'] },
            { url: 'nats://d:7', hub: true, isolate: true },
            { url: 'nats://e', disabled: true },
          ],
        },
      },
      'leaf',
    )
    const [a, b, d, ...more] = leafnodes.remotes
    assert.deepEqual(more, [])
    assert.equal(a?.credentials, path.join(process.env['HOME'] ?? '', 'x.creds'))
    assert.deepEqual([a?.account, a?.deny_imports, a?.tls?.verify], ['A', ['in.>'], false])
    assert.deepEqual(
      b?.urls.map(({ text }) => text),
      ['wss://b:443', 'wss://c:1/path'],
    )
    assert.deepEqual([b?.nkey, b?.deny_exports, b?.tls !== undefined], [seed, ['o', 'p.*'], true])
    assert.deepEqual([d?.hub, d?.is_isolated, d?.tls], [true, true, undefined])
  })

  it('cluster and gateway, with their peers', () => {
    const { cluster, gateway } = parseConfig(
      {
        cluster: {
          listen: ':6222',
          routes: ['nats-route://r:s@h2:6300', 'nats://h3', 'nats://h3'],
          authorization: { user: 'r', password: 's', timeout: 1 },
        },
        gateway: {
          name: 'east',
          port: 7222,
          reject_unknown: true,
          gateways: [{ name: 'west', urls: ['nats://w1', 'nats://w2:7'] }],
        },
      },
      'hub',
    )
    assert.equal(cluster?.name, 'east')
    assert.deepEqual(cluster?.listen, { host: '0.0.0.0', port: 6222 })
    assert.deepEqual(cluster?.routes, [
      { host: 'h2', port: 6300, user: 'r', password: 's', text: 'nats-route://h2:6300' },
      { host: 'h3', port: 6222, user: '', password: '', text: 'nats://h3:6222' },
    ])
    assert.deepEqual(
      [cluster?.authorization?.timeout, gateway?.reject_unknown_cluster],
      [1_000, true],
    )
    assert.deepEqual(
      gateway?.gateways.map(({ name, urls }) => [name, urls.map(({ text }) => text)]),
      [['west', ['nats://w1:7222', 'nats://w2:7']]],
    )
  })

  it('a leaf is a member of nothing', () => {
    assert.throws(() => parseConfig({ cluster: { port: 1 } }, 'leaf'), {
      message: /^cluster: belongs to a hub/,
    })
  })
})

describe('config: operator', () => {
  const operator = createOperator()
  const account = createAccount()
  const id = account.getPublicKey()

  it('is read from its file, with what it says of resolver and system account', async () => {
    const files = await ConfigFiles.create()
    const jwt = await encodeOperator('O', operator, {
      account_server_url: 'https://accounts.example/jwt/v1/',
      system_account: id,
    })
    const frame = `-----BEGIN NATS OPERATOR JWT-----\n${jwt}\n------END NATS OPERATOR JWT------\n`
    const held = await files.write('o.jwt', frame)
    const preload = await encodeAccount('A', account, {}, { signer: operator })
    const file = await files.write(
      'hub.conf',
      `operator: "${held}"\nresolver_preload { ${id}: ${preload} }`,
    )
    const { config } = await loadConfig(new SystemDisk(), file, 'hub')
    assert.deepEqual(config.operator?.jwts, [jwt])
    assert.equal(config.system_account, id)
    assert.deepEqual(config.operator?.resolver_preload, { [id]: preload })
    const { resolver } = config.operator ?? {}
    assert.deepEqual(resolver, {
      type: 'url',
      url: 'https://accounts.example/jwt/v1/accounts',
      tls: undefined,
    })
    await files.remove()
  })

  it('resolvers have their defaults', async () => {
    const jwt = await encodeOperator('O', operator, { system_account: id })
    const of = (resolver: unknown) =>
      parseConfig({ operator: jwt, resolver }, 'hub').operator?.resolver
    assert.deepEqual(of('MEM'), { type: 'memory' })
    assert.deepEqual(of('URL("http://x:1/y/")'), {
      type: 'url',
      url: 'http://x:1/y/',
      tls: undefined,
    })
    assert.deepEqual(of({ type: 'full', dir: '/d', allow_delete: true, interval: '2m' }), {
      type: 'full',
      dir: '/d',
      allow_delete: true,
      limit: 0,
      interval: 120_000,
      ttl: 3_600_000,
      timeout: 1_900,
    })
    const cache = of({ type: 'CACHE', dir: '/d', ttl: '5m' })
    assert(cache?.type === 'cache')
    assert.deepEqual([cache.limit, cache.ttl], [1_000, 300_000])
  })

  it('excludes what it stands for, and needs what it rests on', async () => {
    const jwt = await encodeOperator('O', operator, { system_account: id })
    const user = await encodeUser('U', createUser(), account, {}, {})
    const faults: readonly (readonly [input: object, problem: RegExp])[] = [
      [{ operator: jwt }, /^operator: needs a resolver beside it/],
      [{ operator: user, resolver: 'MEM' }, /^operator: must be an operator's JWT or the file/],
      [{ operator: jwt, resolver: 'MEM', accounts: ['A'] }, /^accounts: an operator excludes them/],
      [
        {
          operator: jwt,
          resolver: 'MEM',
          authorization: { users: [{ user: 'a', password: 'b' }] },
        },
        /^authorization\.users: an operator excludes them/,
      ],
      [
        { operator: jwt, resolver: 'MEM', trusted_keys: operator.getPublicKey() },
        /^trusted_keys: and operator exclude each other/,
      ],
      [
        { operator: jwt, resolver: 'MEM', system_account: createAccount().getPublicKey() },
        /^system_account: and the one of the operator's JWT must be the same/,
      ],
      [{ operator: jwt, resolver: { type: 'full' } }, /^resolver\.dir: is missing/],
      [
        { operator: jwt, resolver: { type: 'full', dir: 'd', ttl: '1m' } },
        /^resolver\.ttl: is not for a resolver of the type full/,
      ],
      [
        { operator: jwt, resolver: 'MEM', default_sentinel: jwt },
        /^default_sentinel: must be the JWT of a user, and a bearer token/,
      ],
      [
        { operator: jwt, resolver: 'MEM', no_auth_user: 'x' },
        /^no_auth_user: excludes an operator: use default_sentinel/,
      ],
    ]
    for (const [input, message] of faults) {
      assert.throws(() => parseConfig({ ...input }, 'hub'), { message }, String(message))
    }
  })
})
