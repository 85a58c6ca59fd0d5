import assert from 'node:assert/strict'
import { encodeActivation } from '@nats-io/jwt'
import { accountOfClaims } from '../../../shared/account/account-of-claims.ts'
import {
  accountProblems,
  decodeAccount,
  fillTemplates,
  isInRanges,
  isRevoked,
  openForMs,
} from '../../../shared/account/claims/index.ts'
import { DistinguishedName } from '../../../shared/account/distinguished-name.ts'
import { type Account, importLeave } from '../../../shared/account/index.ts'
import { createAccount, inSeconds, JwtWorld, UNLIMITED } from './jwt-world.ts'
import { accountConfig } from './setup.ts'

const world = new JwtWorld()

describe('templates of scoped signing keys', () => {
  const facts = {
    name: 'ada',
    subject: 'UA',
    accountName: 'red',
    accountSubject: 'AR',
    tags: ['site:a', 'site:b', 'dept:x'],
    accountTags: ['region:eu'],
  }
  const fill = (allow: readonly string[], deny: readonly string[] = []) =>
    fillTemplates(
      {
        publishAllow: allow,
        publishDeny: deny,
        subscribeAllow: [],
        subscribeDeny: [],
        responses: undefined,
      },
      facts,
    )

  it('are filled in, once for each value of a tag', () => {
    const cases: [string, string[]][] = [
      ['{{name()}}.{{ subject() }}', ['ada.UA']],
      ['{{ACCOUNT-NAME()}}.{{account-subject()}}.>', ['red.AR.>']],
      ['{{tag(site)}}.{{tag(dept)}}', ['a.x', 'b.x']],
      ['{{tag(site)}}.{{tag(SITE)}}', ['a.a', 'a.b', 'b.a', 'b.b']],
      ['{{tag(site)}}.{{tag(site)}}', ['a.a', 'b.b']],
      ['{{account-tag(region)}}.x', ['eu.x']],
      ['plain queue.{{name()}}', ['plain queue.ada']],
    ]
    for (const [line, expected] of cases) {
      assert.deepEqual([...fill([line, 'plain']).publishAllow], [...expected, 'plain'], line)
    }
  })

  it('deny everything when no allowed subject could be made, and fail when a denied one could not', () => {
    const nothing = fill(['{{tag(none)}}.x'])
    assert.deepEqual([...nothing.publishAllow], [])
    assert.deepEqual([...nothing.publishDeny], ['>'])
    const some = fill(['{{tag(none)}}.x', 'y'])
    assert.deepEqual([...some.publishAllow], ['y'])
    assert.deepEqual([...some.publishDeny], [])
    assert.throws(() => fill([], ['{{tag(none)}}.x']), { code: 'PETIOLE_TOKEN_INVALID' })
    assert.throws(() => fill(['{{other()}}']), { code: 'PETIOLE_TOKEN_INVALID' })
  })

  it('let no value make a queue out of a subject, and none make too many', () => {
    const claims = {
      publishAllow: ['x.{{name()}}'],
      publishDeny: [],
      subscribeAllow: [],
      subscribeDeny: [],
      responses: undefined,
    }
    const spaced = fillTemplates(claims, { ...facts, name: 'a b' })
    assert.deepEqual([...spaced.publishAllow], [])
    const tags = Array.from({ length: 100 }, (_, i) => `t:${i}`)
    const many = { ...claims, publishAllow: ['{{tag(t)}}.{{tag(T)}}'] }
    assert.throws(() => fillTemplates(many, { ...facts, tags }), /exceeds limit/)
  })
})

describe('limits of users', () => {
  it('address ranges', () => {
    const cases: [string, string[], boolean][] = [
      ['10.1.2.3', ['10.0.0.0/8'], true],
      ['11.1.2.3', ['10.0.0.0/8'], false],
      ['10.1.2.3', ['192.168.0.0/16', '10.1.2.3/32'], true],
      ['10.1.2.3', ['0.0.0.0/0'], true],
      ['10.1.2.3', ['::/0'], false],
      ['::ffff:10.1.2.3', ['10.0.0.0/8'], true],
      ['2001:db8::1', ['2001:db8::/32'], true],
      ['2001:db9::1', ['2001:db8::/32'], false],
      ['::1', ['::1/128'], true],
      ['fe80::1%eth0', ['fe80::/10'], true],
      ['1:2:3:4:5:6:7:8', ['1:2:3:4::/64'], true],
      ['', ['0.0.0.0/0'], false],
      ['10.1.2.3.4', ['0.0.0.0/0'], false],
      ['10.1.2.3', ['10.0.0.0/33', '10.0.0.0', '010.0.0.0/8', ':::/0'], false],
    ]
    for (const [address, ranges, expected] of cases) {
      assert.equal(isInRanges(address, ranges), expected, `${address} ${ranges}`)
    }
  })

  it('times of the day, in a place', () => {
    const noon = Date.UTC(2026, 0, 15, 12, 0, 0)
    const cases: [string, string, string, number | undefined][] = [
      ['11:00:00', '13:00:00', 'UTC', 3_600_000],
      ['12:00:01', '13:00:00', 'UTC', undefined],
      ['22:00:00', '12:30:00', 'UTC', 1_800_000],
      ['11:00:00', '02:00:00', 'UTC', 14 * 3_600_000],
      ['22:00:00', '06:00:00', 'UTC', undefined],
      ['12:30:00', '13:30:00', 'Europe/Berlin', 1_800_000],
      ['06:30:00', '07:30:00', 'America/New_York', 1_800_000],
    ]
    for (const [start, end, place, expected] of cases) {
      assert.equal(openForMs([{ start, end }], place, noon), expected, `${start} ${end} ${place}`)
    }
    assert.equal(openForMs([], 'UTC', noon), 0)
  })

  it('revocations, of one key or of all', () => {
    const list = new Map([
      ['U1', 100],
      ['*', 50],
    ])
    const cases: [string, number, boolean][] = [
      ['U1', 100, true],
      ['U1', 101, false],
      ['U2', 50, true],
      ['U2', 51, false],
    ]
    for (const [key, issuedAt, expected] of cases) {
      assert.equal(isRevoked(list, key, issuedAt), expected, `${key} ${issuedAt}`)
    }
    assert.equal(isRevoked(new Map(), 'U1', 0), false)
  })
})

describe('distinguished names', () => {
  const parse = (text: string) => DistinguishedName.parse(text)!

  it('compare part by part, types without case', () => {
    const cases: [string, string, boolean, boolean][] = [
      ['CN=a,O=b', 'cn=a, o=b', true, true],
      ['CN=a,O=b', 'O=b,CN=a', false, true],
      ['CN=a,O=b', 'CN=A,O=b', false, false],
      ['CN=a+OU=x,O=b', 'OU=x+CN=a,O=b', true, true],
      ['CN=a\\,b,O=c', 'CN=a\\2cb,O=c', true, true],
      ['CN=a', 'CN=a,CN=a', false, false],
      ['CN=\\c3\\a9', 'CN=é', true, true],
    ]
    for (const [left, right, isEqual, hasSameParts] of cases) {
      assert.equal(parse(left).equals(parse(right)), isEqual, `${left} ${right}`)
      assert.equal(parse(left).hasPartsOf(parse(right)), hasSameParts, `${left} ${right}`)
    }
    for (const text of ['', 'ada', 'CN', '=x', 'CN=#0401', 'CN=a\\', 'CN=a,']) {
      assert.equal(DistinguishedName.parse(text), undefined, text)
    }
  })
})

describe('accounts out of JWTs', () => {
  it('have what the JWT says', async () => {
    const exporter = createAccount().getPublicKey()
    const account = await accountOf({
      limits: { ...UNLIMITED, conn: 3, leaf: 2, subs: 9, payload: 100, disk_storage: -1 },
      exports: [
        { name: 's', subject: 'a.>', type: 'stream', token_req: true },
        {
          name: 'q',
          subject: 'req.*',
          type: 'service',
          response_type: 'Stream',
          response_threshold: 2e9,
          service_latency: { sampling: 'headers', results: 'lat' },
          account_token_position: 2,
        },
      ],
      imports: [
        { name: 'i', subject: 'b.*', account: exporter, type: 'stream', local_subject: 'l.$1' },
        { name: 'j', subject: 'c', account: exporter, type: 'stream', to: 'pre' },
        { name: 'k', subject: 'ask', account: exporter, type: 'service', to: 'req.x', share: true },
      ],
      mappings: { m: [{ subject: 'm1', weight: 20 }, { subject: 'm2' }] },
      default_permissions: { pub: { deny: ['x'] } },
      trace: { dest: 'trace.it' },
    })
    const { config } = account
    assert.deepEqual(config.limits, {
      max_connections: 3,
      max_leafnodes: 2,
      max_subscriptions: 9,
      max_payload: 100,
    })
    assert.equal(config.jetstream, true)
    assert.deepEqual(config.msg_trace, { dest: 'trace.it', sampling: 100 })
    assert.deepEqual(config.default_permissions?.publish, { allow: undefined, deny: ['x'] })
    assert.deepEqual(
      config.imports.map(({ kind, subject, to }) => [kind, subject, to]),
      [
        ['stream', 'b.*', 'l.$1'],
        ['stream', 'c', 'pre.c'],
        ['service', 'req.x', 'ask'],
      ],
    )
    const [stream, service] = config.exports
    assert.equal(stream?.token_required, true)
    assert.equal(service?.response_type, 'stream')
    assert.equal(service?.response_threshold, 2_000)
    assert.deepEqual(service?.latency, { sampling: 0, subject: 'lat' })
    assert.equal(service?.account_token_position, 2)
    assert.deepEqual(
      config.mappings[0]?.destinations.map(({ weight }) => weight),
      [20, 100],
    )
  })

  it('are refused for what nats-server refuses', async () => {
    const stream = (subject: string) => ({ name: 'x', subject, type: 'stream' as const })
    const cases: [Record<string, unknown>, RegExp][] = [
      [{ exports: [stream('a.>'), stream('a.b')] }, /already exports "a.b"/],
      [
        { exports: [stream('a.>')], limits: { ...UNLIMITED, exports: 5, wildcards: false } },
        /wildcard exports/,
      ],
      [{ exports: [stream('a')], limits: { ...UNLIMITED, exports: 0 } }, /more exports/],
      [{ imports: [{ ...stream('a'), account: '' }] }, /account to import from/],
      [{ imports: [{ ...stream('a'), account: 'A', token: 'x' }] }, /invalid activation token/],
      [
        {
          mappings: {
            a: [
              { subject: 'b', weight: 60 },
              { subject: 'c', weight: 60 },
            ],
          },
        },
        /exceeds 100%/,
      ],
      [{ authorization: { auth_users: ['x'] } }, /not a valid user public key/],
      [{ authorization: { allowed_accounts: ['*'] } }, /without users specified/],
      [{ signing_keys: ['x'] }, /not a valid account signing key/],
      [{ trace: { dest: 'a.>' } }, /not a valid publish subject/],
      [{ default_permissions: { pub: { allow: ['a q'] } } }, /not allowed to contain queue/],
      [{ cluster_traffic: 'other' }, /unknown cluster traffic option/],
    ]
    for (const [body, expected] of cases) {
      const claims = decodeAccount(await world.accountJwt(body))
      assert.match(accountProblems(claims).join('\n'), expected, JSON.stringify(body))
    }
    assert.deepEqual(accountProblems(decodeAccount(await world.accountJwt())), [])
  })
})

describe('leave to import', () => {
  const importer = createAccount()
  const signer = createAccount()

  it('comes with an activation token of the exporting account', async () => {
    const exporter = await accountOf({
      signing_keys: [signer.getPublicKey()],
      exports: [{ name: 's', subject: 'a.*', type: 'stream', token_req: true }],
    })
    const revoking = await accountOf({
      signing_keys: [signer.getPublicKey()],
      exports: [
        {
          name: 's',
          subject: 'a.*',
          type: 'stream',
          token_req: true,
          revocations: { [importer.getPublicKey()]: inSeconds(10) },
        },
      ],
    })
    const token = (
      kind: 'stream' | 'service' = 'stream',
      subject = 'a.*',
      options: Record<string, unknown> = {},
    ) => encodeActivation('t', importer, world.account, kind, { subject } as never, options)
    const cases: [string, Account, string | Promise<string>, boolean][] = [
      ['the account signed it', exporter, token(), true],
      ['a signing key signed it', exporter, token('stream', 'a.*', { signer }), true],
      ['it ends later', exporter, token('stream', 'a.*', { exp: inSeconds(50) }), true],
      ['there is none', exporter, '', false],
      ['it has ended', exporter, token('stream', 'a.*', { exp: inSeconds(-50) }), false],
      [
        'another key signed it',
        exporter,
        token('stream', 'a.*', { signer: createAccount() }),
        false,
      ],
      ['it is for a service', exporter, token('service'), false],
      ['it is for less', exporter, token('stream', 'a.x'), false],
      ['it is revoked', revoking, token(), false],
      [
        'it is for somebody else',
        exporter,
        encodeActivation('t', createAccount(), world.account, 'stream', {
          subject: 'a.*',
        } as never),
        false,
      ],
    ]
    for (const [what, from, jwt, isGiven] of cases) {
      assert.equal(leave(from, await jwt).isGiven, isGiven, what)
    }
  })

  it('comes by name where the file lists accounts, or the subject says it', async () => {
    const offered = { ...(await exportOf()), token_required: false }
    const listed = { ...offered, accounts: ['OTHER'] }
    const from = await accountOf({})
    assert.equal(importLeave(me(), wanted(''), from, offered, 0).isGiven, true)
    assert.equal(importLeave(me(), wanted(''), from, listed, 0).isGiven, false)
    const byToken = { ...offered, account_token_position: 2 }
    const mine = { ...wanted(''), subject: `a.${importer.getPublicKey()}` }
    assert.equal(importLeave(me(), mine, from, byToken, 0).isGiven, true)
    assert.equal(importLeave(me(), wanted(''), from, byToken, 0).isGiven, false)
  })

  function leave(from: Account, token: string) {
    const [offered] = from.config.exports
    return importLeave(me(), wanted(token), from, offered!, Date.now())
  }

  function wanted(token: string) {
    const plain = { kind: 'stream' as const, share: false, allow_trace: false }
    return { ...plain, account: world.id, subject: 'a.*', to: 'a.*', token }
  }

  function me(): Account {
    const config = accountConfig(importer.getPublicKey())
    const rest = { isSystem: false, jwt: '', issuerKey: '', tags: [], updatedMs: 0 }
    return { name: config.name, displayName: 'me', config, ...rest, expiresMs: undefined }
  }

  async function exportOf() {
    const { config } = await accountOf({ exports: [{ name: 's', subject: 'a.*', type: 'stream' }] })
    return config.exports[0]!
  }
})

async function accountOf(body: Record<string, unknown>): Promise<Account> {
  const setting = { isSystem: false, requiresSigningKeys: false, nowMs: Date.now() }
  return accountOfClaims(decodeAccount(await world.accountJwt(body)), setting)
}
