import assert from 'node:assert/strict'
import { createAccount, createCurve, createUser } from '@nats-io/nkeys'
import { type HubConfig, parseConfig } from '../../../shared/config/index.ts'
import { ConfigFiles } from '../../support/config-files.ts'

const USER = createUser().getPublicKey()
const ACCOUNT = createAccount().getPublicKey()
const CURVE = createCurve().getPublicKey()

/** What a text comes to; fails with the problems when it does not. */
function accountsOf(config: HubConfig) {
  return Object.fromEntries(config.accounts.map((account) => [account.name, account]))
}

describe('config: accounts', () => {
  let files: ConfigFiles
  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  it('$G is always there, $SYS unless it is turned off or another takes its place', () => {
    const names = (input: object) => parseConfig({ ...input }, 'hub').accounts.map((a) => a.name)
    const system = (input: object) => parseConfig({ ...input }, 'hub').system_account
    assert.deepEqual(names({}), ['$G', '$SYS'])
    assert.equal(system({}), '$SYS')
    assert.deepEqual(names({ no_system_account: true }), ['$G'])
    assert.equal(system({ no_sys_acc: true }), '')
    assert.deepEqual(names({ accounts: { S: {} }, system_account: 'S' }), ['$G', 'S'])
    assert.equal(system({ accounts: { S: {} }, system: 'S' }), 'S')
    const own = { accounts: { $SYS: { users: [{ user: 'admin', password: 'x' }] } } }
    assert.deepEqual(names(own), ['$G', '$SYS'])
    assert.equal(parseConfig(own, 'hub').authorization.users[0]?.account, '$SYS')
  })

  it('a list of names is a list of accounts that say nothing more', () => {
    const { accounts } = parseConfig({ accounts: ['A', 'B'] }, 'hub')
    assert.deepEqual(
      accounts.map(({ name }) => name),
      ['$G', 'A', 'B', '$SYS'],
    )
  })

  it('JetStream is for $G and for those who ask', () => {
    const text = { A: { jetstream: 'enabled' }, B: { jetstream: { max_mem: 1 } }, C: {}, D: {} }
    const config = parseConfig({ accounts: { ...text, D: { jetstream: false } } }, 'hub')
    const enabled = config.accounts.filter((account) => account.jetstream).map(({ name }) => name)
    assert.deepEqual(enabled, ['$G', 'A', 'B'])
  })

  it('users have nkeys, permissions, connection types and proxies', () => {
    const { authorization } = parseConfig(
      {
        accounts: {
          A: {
            users: [
              { nkey: USER, permissions: { publish: 'a.>', subscribe: ['b', 'c q'] } },
              {
                user: 'x',
                pass: 'y',
                allowed_connection_types: ['mqtt', 'Standard'],
                proxy_required: true,
                permissions: { sub: { deny: '>' }, allow_responses: true },
              },
            ],
            default_permissions: { publish: { deny: ['z'] } },
          },
        },
      },
      'hub',
    )
    const [first, second] = authorization.users
    assert.deepEqual([first?.nkey, first?.user, first?.account], [USER, '', 'A'])
    assert.deepEqual(first?.permissions, {
      publish: { allow: ['a.>'], deny: [] },
      subscribe: { allow: ['b', 'c q'], deny: [] },
      allow_responses: undefined,
    })
    assert.deepEqual(second?.connection_types, ['MQTT', 'STANDARD'])
    assert.equal(second?.proxy_required, true)
    assert.deepEqual(second?.permissions, {
      publish: { allow: [], deny: [] },
      subscribe: { allow: undefined, deny: ['>'] },
      allow_responses: { max: 1, expires: 120_000 },
    })
  })

  it('allow_responses counts and expires as nats-server says', () => {
    const of = (allow_responses: unknown) => {
      const permissions = { publish: { allow: ['a'] }, allow_responses }
      const input = { authorization: { users: [{ user: 'u', password: 'p', permissions }] } }
      return parseConfig(input, 'hub').authorization.users[0]?.permissions
    }
    assert.deepEqual(of({ max: 5, expires: '1m' })?.allow_responses, { max: 5, expires: 60_000 })
    assert.deepEqual(of({ max_msgs: -1, ttl: '-1s' })?.allow_responses, { max: -1, expires: 0 })
    assert.deepEqual(of({ max: 0 })?.allow_responses, { max: 1, expires: 120_000 })
    assert.equal(of(false)?.allow_responses, undefined)
    assert.deepEqual(of(true)?.publish.allow, ['a'])
  })

  it('exports, imports, mappings, limits and traces', () => {
    const config = parseConfig(
      {
        mappings: { 'g.*': 'h.{{wildcard(1)}}' },
        accounts: {
          A: {
            nkey: ACCOUNT,
            exports: [
              { stream: 'events.>', accounts: ['B'] },
              { service: 'ask.*', response: 'Singleton', threshold: '2s', latency: 'lat' },
              { service: 'many.*', response: 'Stream' },
              { service: 'own.*', account_token_position: 2 },
            ],
            mappings: {
              x: [
                { dest: 'y', weight: '30%' },
                { destination: 'z', weight: 20 },
              ],
            },
            limits: { max_conn: 5, max_payload: 1024 },
            msg_trace: { dest: 'traces', sampling: '5%' },
          },
          B: {
            imports: [
              { stream: { account: 'A', subject: 'events.>' }, prefix: 'from.a' },
              { service: { account: 'A', subject: 'ask.1' }, to: 'q', share: true },
              { service: { account: 'A', subject: 'own.B' } },
            ],
            trace_dest: 'all',
          },
        },
      },
      'hub',
    )
    const { $G, A, B } = accountsOf(config)
    const whole = { weight: 100, cluster: '' }
    assert.deepEqual($G?.mappings, [
      { subject: 'g.*', destinations: [{ subject: 'h.{{wildcard(1)}}', ...whole }] },
    ])
    assert.deepEqual(
      A?.exports.map((one) => [one.kind, one.subject, one.accounts, one.response_type]),
      [
        ['stream', 'events.>', ['B'], 'single'],
        ['service', 'ask.*', undefined, 'single'],
        ['service', 'many.*', undefined, 'stream'],
        ['service', 'own.*', undefined, 'single'],
      ],
    )
    assert.deepEqual(A?.exports[1]?.latency, { sampling: 100, subject: 'lat' })
    assert.equal(A?.exports[1]?.response_threshold, 2_000)
    assert.deepEqual(
      A?.mappings[0]?.destinations.map(({ subject, weight }) => [subject, weight]),
      [
        ['y', 30],
        ['z', 20],
      ],
    )
    assert.deepEqual([A?.limits.max_connections, A?.limits.max_subscriptions], [5, -1])
    assert.deepEqual(A?.msg_trace, { dest: 'traces', sampling: 5 })
    assert.deepEqual(B?.msg_trace, { dest: 'all', sampling: 100 })
    assert.deepEqual(
      B?.imports.map((one) => [one.kind, one.account, one.subject, one.to, one.share]),
      [
        ['stream', 'A', 'events.>', 'from.a.events.>', false],
        ['service', 'A', 'ask.1', 'q', true],
        ['service', 'A', 'own.B', 'own.B', false],
      ],
    )
  })

  it('auth callout and proxies', () => {
    const { authorization } = parseConfig(
      {
        authorization: {
          users: [{ user: 'auth', password: 'x' }],
          auth_callout: { issuer: ACCOUNT, users: ['auth'], xkey: CURVE },
        },
        proxies: { trusted: [{ key: USER }] },
      },
      'hub',
    )
    assert.deepEqual(authorization.auth_callout, {
      issuer: ACCOUNT,
      account: '$G',
      auth_users: ['auth'],
      xkey: CURVE,
      allowed_accounts: [],
    })
    assert.deepEqual(authorization.trusted_proxies, [USER])
  })

  it('a user without a password is warned of, unless only a certificate lets him in', async () => {
    const pair = await files.write('pair.pem', '')
    const tls = `tls { cert_file: "${pair}", key_file: "${pair}", verify_and_map: true }`
    const user = (types: string): string => `authorization { users: [ { user: a${types} } ] }`
    const file = (types: string, listener: string): string => `${user(types)}\n${listener}`
    for (const own of [
      file('', tls),
      file('', `mqtt { port: 8883, ${tls} }`),
      file(', allowed_connection_types: [MQTT_WS]', `mqtt { port: 8883, ${tls} }`),
      file('', `leafnodes { port: 7422, ${tls} }`),
      `leafnodes { port: 7422, ${tls}, authorization { users: [ { user: a } ] } }`,
      `websocket { port: 443, ${tls}, authorization { user: a } }`,
    ]) {
      const { problems, warnings } = await files.check(own, 'hub')
      assert.deepEqual({ problems, warnings }, { problems: [], warnings: [] }, own)
    }
    for (const own of [
      user(''),
      file(', allowed_connection_types: [STANDARD]', `mqtt { port: 8883, ${tls} }`),
      `accounts { A { users: [ { user: a } ] } }`,
    ]) {
      const { warnings } = await files.check(own, 'hub')
      assert.match(warnings.join('\n'), /the user "a" has no password: whoever knows/, own)
    }
  })

  it('an auth callout that nobody can answer is a warning', async () => {
    const text = `authorization { auth_callout { issuer: ${ACCOUNT}, auth_users: [a] } }`
    const { problems, warnings } = await files.check(text, 'hub')
    assert.deepEqual(problems, [])
    assert.deepEqual(warnings, [
      'test.conf:1: authorization.auth_callout.auth_users: "a" is none of the configured users: it cannot answer',
    ])
  })

  const one = 'users: [{user: a, password: b}]'
  const faults: readonly (readonly [text: string, ...problems: string[]])[] = [
    [
      `accounts {\n A { ${one} }\n B { ${one} } }`,
      '3: accounts.B.users[0].user: "a" is there twice',
    ],
    ['accounts: [A, A]', '1: accounts[1]: "A" is there twice'],
    ['accounts { $G {} }', '1: accounts.$G: is reserved: its users stand in authorization'],
    [
      'accounts { A { users: [{nkey: UABC}] } }',
      '1: accounts.A.users[0].nkey: must be a public user nkey, which begins with U, not "UABC"',
    ],
    [
      `accounts { A { users: [{nkey: ${USER}, user: a}] } }`,
      '1: accounts.A.users[0].nkey: takes no user and no password beside it',
    ],
    [
      `authorization { token: t }\naccounts { A { ${one} } }`,
      '1: authorization.token: a token and accounts with users exclude each other',
    ],
    [
      'authorization { users: [{user: a, password: b, permissions: {publish: "a b"}}] }',
      '1: authorization.users[0].permissions.publish: the subject "a b" holds white space',
    ],
    [
      'authorization { users: [{user: a, password: b, permissions: {subscribe: {allow: ["a b c"]}}}] }',
      '1: authorization.users[0].permissions.subscribe.allow: "a b c" is more than a subject and a queue group',
    ],
    [
      'authorization { users: [{user: a, password: b, permissions: {publish: {allow: []}}}] }',
      '1: authorization.users[0].permissions.publish.allow: may not be empty: leave it out to allow everything, or deny ">" to allow nothing',
    ],
    [
      'authorization { users: [{user: a, password: b, permissions: {pubish: x}}] }',
      '1: authorization.users[0].permissions.pubish: unknown key, did you mean "publish"?',
    ],
    [
      'authorization { users: [{user: a, password: b, connection_types: [TELNET]}] }',
      '1: authorization.users[0].connection_types: must be some of STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS, not "TELNET"',
    ],
    ['system_account: X', '1: system_account: there is no account "X" in accounts'],
    [
      'accounts { A { imports: [{stream: {account: B, subject: x}}] } }',
      '1: accounts.A.imports[0].stream.account: there is no account "B" in accounts',
    ],
    [
      'accounts { B {}\n A { imports: [{stream: {account: B, subject: x}}] } }',
      '2: accounts.A.imports[0].stream: B exports no stream "x"',
    ],
    [
      'accounts { C {}, B { exports: [{service: x, accounts: [C]}] }\n A { imports: [{service: {account: B, subject: x}}] } }',
      '2: accounts.A.imports[0].service: B exports "x", but not to A',
    ],
    [
      'accounts { B { exports: [{stream: x}] }\n A { imports: [{stream: {account: B, subject: x}, prefix: p, to: q}] } }',
      '2: accounts.A.imports[0].to: and prefix exclude each other',
    ],
    [
      'accounts { B { exports: [{stream: x, service: y}] } }',
      '1: accounts.B.exports[0]: must be either a stream or a service',
    ],
    [
      'accounts { B { exports: [{stream: x, response: single}] } }',
      '1: accounts.B.exports[0].response: is for services, and this is a stream',
    ],
    [
      'accounts { A { mappings: { "a.*": "b.$2" } } }',
      '1: accounts.A.mappings.a.*: "$2" is out of range: "a.*" has 1 *',
    ],
    [
      'mappings {\n a: [{dest: b, weight: 60}\n {dest: c, weight: 50}] }',
      '3: mappings.a[1].weight: all weights come to more than 100%',
    ],
    [
      'mappings { a: "{{nonsense(1)}}" }',
      '1: mappings.a: "{{nonsense(1)}}" is no mapping function',
    ],
    [
      'authorization { auth_callout { issuer: x, auth_users: [a] } }',
      '1: authorization.auth_callout.issuer: must be a public account nkey, which begins with A, not "x"',
    ],
  ]
  for (const [text, ...problems] of faults) {
    it(JSON.stringify(text), async () => {
      const checked = await files.check(text, 'hub')
      assert.deepEqual(
        checked.problems,
        problems.map((line) => `test.conf:${line}`),
      )
    })
  }

  it('a time for logins counts without users too, in each block', () => {
    const { leafnodes, cluster, gateway } = parseConfig(
      {
        leafnodes: { port: 1, authorization: { timeout: 1 } },
        cluster: { name: 'a', port: 2, authorization: { timeout: 0.5 } },
        gateway: { name: 'a', port: 3, authorization: { timeout: '3s' } },
      },
      'hub',
    )
    const times = [leafnodes.auth_timeout, cluster?.auth_timeout, gateway?.auth_timeout]
    assert.deepEqual(times, [1_000, 500, 3_000])
    assert.equal(leafnodes.authorization, undefined)
  })
})
