import assert from 'node:assert/strict'
import { createUser, fromPublic } from '@nats-io/nkeys'
import {
  type Authenticator,
  type Credentials,
  compilePermissions,
  type Identity,
} from '../../../shared/account/index.ts'
import type { PermissionsConfig } from '../../../shared/config/index.ts'
import { readLogin } from '../../../shared/link/index.ts'
import { SystemDisk } from '../../../shared/runtime/index.ts'
import { SubjectMappings } from '../../../shared/subject/index.ts'
import { TlsSettings } from '../../../shared/transport/index.ts'
import { CertificateAuthority, tlsConfig } from '../../support/certificates.ts'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'
import { RawHub, RawLink } from '../../support/raw-link.ts'

/** Lets in what `decide` says, later or at once, and keeps what was shown. */
class Door implements Authenticator {
  readonly isRequired = true
  readonly needsNonce = true
  readonly shown: Credentials[] = []
  expelled = false
  decide: (shown: Credentials) => Identity | undefined | Promise<Identity | undefined>

  constructor(decide: Door['decide']) {
    this.decide = decide
  }

  authenticate(shown: Credentials): Identity | undefined | Promise<Identity | undefined> {
    this.shown.push(shown)
    return this.decide(shown)
  }

  recheck(): 'authorization' | undefined {
    return this.expelled ? 'authorization' : undefined
  }
}

describe('link: TLS, logins and permissions', () => {
  const authority = new CertificateAuthority()
  const certs = [authority.server()]
  const client = new TlsSettings(tlsConfig({ ca_file: authority.ca_file }), 'client')
  const nodes: LinkNode[] = []
  const node = (...args: ConstructorParameters<typeof LinkNode>): LinkNode => {
    const it = new LinkNode(...args)
    nodes.push(it)
    return it
  }
  const secured = (over: Parameters<typeof tlsConfig>[0] = {}) => ({
    tls: { settings: new TlsSettings(tlsConfig({ certs, ...over }), 'server'), allowPlain: false },
  })

  afterEach(async () => {
    for (const it of nodes.splice(0)) await it.close()
  })
  after(() => authority.remove())

  for (const [what, protocol, scheme, first] of [
    ['after INFO', 'tcp', 'nats-leaf', 'no'],
    ['because the URL asks for it', 'tcp', 'tls', 'no'],
    ['before INFO', 'tcp', 'nats-leaf', 'always'],
    ['under a WebSocket', 'websocket', 'wss', 'no'],
  ] as const) {
    it(`secures a link ${what}`, async () => {
      const hub = node('hub')
      const port = await hub.listen(protocol, 0, secured({ handshake_first: first }))
      const leaf = node('leaf')
      const config = tlsConfig({ ca_file: authority.ca_file, handshake_first: first })
      const uplink = leaf.dial(`${scheme}://localhost:${port}`, {
        tls: new TlsSettings(config, 'client'),
      })
      await reached(uplink, 'up')
      const [attached] = hub.acceptor.leaves
      assert.equal(attached?.channel.tls?.version, '1.3')
      const inbox = hub.subscriber('up.>')
      await leaf.linkInterest('up.>')
      leaf.publish('up.a', 'reading')
      await eventually(() => inbox.got.length === 1, 'the reading')
      assert.deepEqual(
        uplink.subjects.filter((it) => !it.startsWith('$')),
        ['up.>'],
      )
    })
  }

  it('does not trust a hub whose certificate nobody vouches for, and says so', async () => {
    const hub = node('hub')
    const port = await hub.listen('tcp', 0, secured())
    const uplink = node('leaf').dial(`nats-leaf://127.0.0.1:${port}`)
    await reached(uplink, 'waiting')
    const reason = uplink.state.name === 'waiting' ? uplink.state.reason : ''
    assert.match(reason, /TLS handshake error: .*certificate/)
    assert.equal(hub.acceptor.leaves.length, 0)
  })

  it('believes nothing that was said in plain behind an INFO that asks for TLS', async () => {
    const hub = await RawHub.open()
    const leaf = node('leaf')
    const uplink = leaf.dial(hub.url, { tls: client })
    const raw = await hub.accepted()
    const info = { server_id: 'N', server_name: 'hub', client_id: 1, leafnode_urls: [], nonce: 'x' }
    const line = JSON.stringify({
      ...info,
      headers: true,
      tls_required: true,
      info_on_connect: true,
    })
    raw.send(`INFO ${line}\r\nINFO {"connect_`)
    await reached(uplink, 'waiting')
    assert.ok(!raw.text.includes('CONNECT'))
    await hub.close()
  })

  it('shows the certificate of a leaf to whoever decides about it', async () => {
    const door = new Door(({ tls }) =>
      tls?.certificate?.subject === 'CN=press-7' ? { user: 'press', account: '$G' } : undefined,
    )
    const hub = node('hub', { acceptor: { authenticator: door } })
    const options = secured({ ca_file: authority.ca_file, verify: true, verify_and_map: true })
    const port = await hub.listen('tcp', 0, options)
    const files = authority.issue('leaf', { subject: [['CN', 'press-7']] })
    const config = tlsConfig({ ca_file: authority.ca_file, certs: [files] })
    const uplink = node('leaf').dial(`nats-leaf://localhost:${port}`, {
      tls: new TlsSettings(config, 'client'),
    })
    await reached(uplink, 'up')
    assert.equal(hub.acceptor.leaves[0]?.hello.user, 'press')
  })

  it('logs in with an nkey or with credentials, and waits for an answer that takes its time', async () => {
    const pair = createUser()
    const seed = new TextDecoder().decode(pair.getSeed())
    const creds = authority.file(
      'user.creds',
      `-----BEGIN NATS USER JWT-----\nhead.body.sig\n------END NATS USER JWT------\n\n` +
        `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    )
    const door = new Door(async ({ nonce = '', signature = '' }) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      const key = fromPublic(pair.getPublicKey())
      const isRight = key.verify(Buffer.from(nonce), Buffer.from(signature, 'base64url'))
      return isRight ? { user: 'u', account: '$G' } : undefined
    })
    for (const [credentials, nkey] of [
      [creds, ''],
      ['', seed],
      ['', authority.file('user.nk', `${seed}\n`)],
    ] as const) {
      const hub = node('hub', { acceptor: { authenticator: door } })
      const port = await hub.listen()
      const login = () => readLogin(new SystemDisk(), { credentials, nkey })
      await reached(node('leaf').dial(`nats-leaf://127.0.0.1:${port}`, { login }), 'up')
      const shown = door.shown.at(-1)
      assert.equal(shown?.jwt, credentials === '' ? undefined : 'head.body.sig')
      assert.equal(shown?.nkey, credentials === '' ? pair.getPublicKey() : undefined)
      assert.equal(shown?.connectionType, 'LEAFNODE')
    }
  })

  it('says what is wrong with credentials, and shows none of them', async () => {
    const disk = new SystemDisk()
    const seed = `SU${'A'.repeat(56)}`
    const junk = authority.file('junk.creds', 'no JWT')
    const damaged = authority.file('damaged.nk', seed)
    for (const [files, message] of [
      [{ credentials: '/nowhere/u.creds', nkey: '' }, /^credentials \/nowhere\/u\.creds cannot be/],
      [
        { credentials: junk, nkey: '' },
        `credentials ${junk} cannot be used: credentials: there is no NATS USER JWT in it`,
      ],
      [
        { credentials: '', nkey: junk },
        `nkey ${junk} cannot be used: credentials: the seed is not one of an nkey`,
      ],
      [
        { credentials: '', nkey: damaged },
        `nkey ${damaged} cannot be used: credentials: the seed is not one of an nkey`,
      ],
    ] as const) {
      await assert.rejects(readLogin(disk, files), { code: 'PETIOLE_LINK_LOGIN', message })
    }
    const leaf = node('leaf')
    const login = () => readLogin(disk, { credentials: '', nkey: damaged })
    await reached(leaf.dial('nats-leaf://127.0.0.1:1', { login }), 'waiting')
    assert.ok(leaf.log.text().includes('the seed is not one of an nkey'))
    assert.ok(!leaf.log.text().includes(seed))
  })

  it('a leaf that goes away while somebody is asked about it leaves nothing behind', async () => {
    let answer: (identity: Identity) => void = () => {}
    const door = new Door(() => new Promise((resolve) => (answer = resolve)))
    const hub = node('hub', { acceptor: { authenticator: door } })
    const raw = await RawLink.dial(await hub.listen())
    raw.send('CONNECT {"name":"leaf","cluster":"leaf","headers":true}')
    await eventually(() => door.shown.length === 1, 'the question')
    raw.destroy()
    await eventually(() => hub.log.text().includes('leaf not attached'), 'the end')
    answer({ user: 'late', account: '$G' })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(hub.acceptor.leaves.length, 0)
  })

  it('a leaf whose user goes while somebody is asked about it is not let in', async () => {
    let answer: (identity: Identity) => void = () => {}
    const door = new Door(() => new Promise((resolve) => (answer = resolve)))
    const hub = node('hub', { acceptor: { authenticator: door } })
    const raw = await RawLink.dial(await hub.listen())
    raw.send('CONNECT {"name":"leaf","cluster":"leaf","headers":true}')
    await eventually(() => door.shown.length === 1, 'the question')
    door.recheck = () => 'authorization'
    answer({ user: 'gone', account: '$G' })
    await raw.sees("-ERR 'Authorization Violation'")
    assert.equal(hub.acceptor.leaves.length, 0)
  })

  it('a leaf whose login goes wrong on our side is closed, and it is said', async () => {
    const door = new Door(() => Promise.resolve({ user: 'u', account: '$G' }))
    door.recheck = () => {
      throw new Error('a bug')
    }
    const hub = node('hub', { acceptor: { authenticator: door } })
    const raw = await RawLink.dial(await hub.listen())
    raw.send('CONNECT {"name":"leaf","cluster":"leaf","headers":true}')
    await raw.closes()
    await eventually(() => hub.log.text().includes('login failed: a bug'), 'the line')
  })

  const permissions = (over: Partial<PermissionsConfig>) =>
    compilePermissions({
      publish: { allow: undefined, deny: [] },
      subscribe: { allow: undefined, deny: [] },
      allow_responses: undefined,
      ...over,
    })
  const rawLeaf = async (rules: Partial<PermissionsConfig>) => {
    const identity = { user: 'u', account: '$G', permissions: permissions(rules) }
    const hub = node('hub', { acceptor: { authenticator: new Door(() => identity) } })
    const raw = await RawLink.dial(await hub.listen())
    raw.send('CONNECT {"name":"leaf","cluster":"leaf","headers":true,"remote_account":"A"}')
    await raw.sees('"connect_info":true')
    return { hub, raw }
  }

  it('tells a leaf its rules, and cuts one that breaks them', async () => {
    const rules = {
      publish: { allow: ['up.>'], deny: ['up.secret'] },
      subscribe: { allow: ['down.>'], deny: ['down.secret'] },
    }
    for (const [line, error] of [
      ['LMSG other 2\r\nhi', `Permissions Violation for Publish to "other"`],
      ['LMSG up.secret 2\r\nhi', `Permissions Violation for Publish to "up.secret"`],
      ['LS+ other', `Permissions Violation for Subscription to "other"`],
      ['LS+ down.secret', `Permissions Violation for Subscription to "down.secret"`],
    ] as const) {
      const { hub, raw } = await rawLeaf(rules)
      assert.match(raw.text, /"import":\{"allow":\["down\.>"\],"deny":\["down\.secret"\]\}/)
      assert.match(raw.text, /"export":\{"allow":\["up\.>"\],"deny":\["up\.secret"\]\}/)
      const inbox = hub.subscriber('>')
      raw.send('LMSG up.a 2\r\nok', line)
      await raw.sees(`-ERR '${error}'`)
      await raw.closes()
      assert.deepEqual(
        inbox.got.map(({ subject }) => subject),
        ['up.a'],
      )
    }
  })

  it('holds a leaf to its rules by the subject on the wire, before the account’s mappings', async () => {
    const { hub, raw } = await rawLeaf({
      publish: { allow: undefined, deny: ['internal.>', 'shut.>'] },
    })
    const rule = (subject: string, to: string, weight = 100) => ({
      subject,
      destinations: [{ subject: to, weight, cluster: '' }],
    })
    const rules = [rule('pub.*', 'internal.$1'), rule('shut.*', 'open.$1'), rule('l', 'l', 0)]
    hub.space('$G').mappings = new SubjectMappings(rules, '')
    const inbox = hub.subscriber('>')
    raw.send('LMSG l 1', 'a', 'LMSG pub.x 1', 'b', 'LMSG shut.x 1', 'c')
    await raw.sees(`Permissions Violation for Publish to "shut.x"`)
    assert.deepEqual(
      inbox.got.map(({ subject }) => subject),
      ['internal.x'],
    )
  })

  it('gives a leaf with a wildcard no more than it may receive', async () => {
    const { hub, raw } = await rawLeaf({ subscribe: { allow: ['down.>'], deny: ['down.secret'] } })
    raw.send('LS+ >')
    await hub.linkInterest('>')
    for (const subject of ['other', 'down.secret', 'down.open']) hub.publish(subject, 'x')
    await raw.sees('LMSG down.open 1')
    assert.ok(!/LMSG (other|down\.secret)/.test(raw.text), raw.text)
  })

  it('lets a leaf answer what it was asked, as often as it may', async () => {
    const { hub, raw } = await rawLeaf({
      publish: { allow: undefined, deny: [] },
      allow_responses: { max: 1, expires: 60_000 },
    })
    raw.send('LS+ svc')
    await hub.linkInterest('svc')
    const inbox = hub.subscriber('inbox.>')
    hub.publish('svc', 'q', 'inbox.1')
    await raw.sees('LMSG svc inbox.1 1')
    raw.send('LMSG inbox.1 1', 'a', 'LMSG inbox.1 1', 'b')
    await raw.sees(`Permissions Violation for Publish to "inbox.1"`)
    assert.deepEqual(
      inbox.got.map(({ payload }) => payload),
      ['a'],
    )
  })

  it('denies what the remote says, in both directions', async () => {
    const hub = node('hub')
    const port = await hub.listen()
    const leaf = node('leaf')
    const uplink = leaf.dial(`nats-leaf://127.0.0.1:${port}`, {
      denyExports: ['private.>'],
      denyImports: ['noise.>'],
    })
    await reached(uplink, 'up')
    const [atHub, atLeaf] = [hub.subscriber('>'), leaf.subscriber('>')]
    await hub.linkInterest('>')
    await leaf.linkInterest('>')
    for (const subject of ['private.a', 'open.a']) leaf.publish(subject, 'x')
    for (const subject of ['noise.b', 'open.b']) hub.publish(subject, 'x')
    const isThere = () => atHub.got.some((it) => it.subject === 'open.a') && atLeaf.got.length === 3
    await eventually(isThere, 'what is open')
    assert.deepEqual(atHub.got.map((it) => it.subject).sort(), ['noise.b', 'open.a', 'open.b'])
    assert.deepEqual(atLeaf.got.map((it) => it.subject).sort(), ['open.a', 'open.b', 'private.a'])
  })

  it('ends links of users who may stay no longer, and bounds the leaves of an account', async () => {
    const door = new Door(({ user }) => ({
      user: user ?? '',
      account: '$G',
      ...(user === 'brief' ? { expiresMs: Date.now() + 50 } : {}),
    }))
    const hub = node('hub', { acceptor: { authenticator: door, leavesMaxOf: () => 1 } })
    const port = await hub.listen()
    const brief = node('brief').dial(`nats-leaf://brief:x@127.0.0.1:${port}`)
    const isEnded = () => /User Authentication Expired/.test(JSON.stringify(brief.state))
    await eventually(isEnded, 'the end of its stay')
    await brief.destroy()

    const first = node('first').dial(`nats-leaf://127.0.0.1:${port}`)
    await reached(first, 'up')
    const second = node('second').dial(`nats-leaf://127.0.0.1:${port}`)
    await reached(second, 'waiting')
    assert.match(JSON.stringify(second.state), /maximum account active connections exceeded/)
    hub.acceptor.recheck()
    assert.equal(first.state.name, 'up')
    door.expelled = true
    hub.acceptor.recheck('ANOTHER')
    assert.equal(first.state.name, 'up')
    hub.acceptor.recheck('$G')
    await reached(first, 'waiting')
    assert.match(JSON.stringify(first.state), /Authorization Violation/)
  })
})
