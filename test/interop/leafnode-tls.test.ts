import assert from 'node:assert/strict'
import { createUser } from '@nats-io/nkeys'
import { startHub } from '../../index.ts'
import { compilePermissions } from '../../shared/account/index.ts'
import { readLogin } from '../../shared/link/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { TlsSettings } from '../../shared/transport/index.ts'
import { CertificateAuthority, tlsConfig } from '../support/certificates.ts'
import { freePort } from '../support/free-ports.ts'
import { eventually, LinkNode, reached } from '../support/link-node.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { RawLink } from '../support/raw-link.ts'

/** Secured leaf links with logins, against a real nats-server on either end. Needs the binary. */
describe('interop: leafnode protocol with TLS and logins', () => {
  const authority = new CertificateAuthority()
  const server = authority.server()
  const client = authority.issue('leaf', { subject: [['CN', 'press-7']] })
  const peers: NatsServerPeer[] = []
  const nodes: LinkNode[] = []

  const node = (...args: ConstructorParameters<typeof LinkNode>): LinkNode => {
    const it = new LinkNode(...args)
    nodes.push(it)
    return it
  }
  const natsServer = async (config: string): Promise<NatsServerPeer> => {
    const it = await NatsServerPeer.start(config)
    peers.push(it)
    return it
  }
  const tlsBlock = (over = ''): string =>
    `tls { cert_file: "${server.cert_file}", key_file: "${server.key_file}", ca_file: "${authority.ca_file}" ${over} }`

  afterEach(async () => {
    for (const it of nodes.splice(0)) await it.close()
    for (const it of peers.splice(0)) await it.stop()
  })
  after(() => authority.remove())

  /** A reading up and a command down, whoever is the hub. */
  const crosses = async (local: LinkNode, peer: NatsServerPeer, login = {}): Promise<void> => {
    const remote = await peer.client(login)
    const got: string[] = []
    remote.subscribe('up.>', { callback: (_error, message) => void got.push(message.subject) })
    await remote.flush()
    await local.linkInterest('up.>')
    local.publish('up.reading', '21')
    await eventually(() => got.length === 1, 'the reading at nats-server')
    const commands = local.subscriber('down.>')
    await eventually(() => {
      remote.publish('down.command', 'stop')
      return commands.got.length > 0
    }, 'the command here')
  }

  for (const [what, block, scheme, first] of [
    ['TLS after INFO', 'leafnodes', 'nats-leaf', 'no'],
    ['TLS first', 'leafnodes', 'tls', 'always'],
    ['WebSocket over TLS', 'websocket', 'wss', 'no'],
  ] as const) {
    it(`attaches to nats-server: ${what}, with a certificate and an nkey`, async () => {
      const pair = createUser()
      const port = await freePort()
      const users = `authorization { users: [ { nkey: ${pair.getPublicKey()} }, { user: u, password: p } ] }`
      const handshake = first === 'always' ? ', handshake_first: true' : ''
      const hub = await natsServer(
        block === 'leafnodes'
          ? `server_name: hub\n${users}\nleafnodes { listen: "127.0.0.1:${port}", ${tlsBlock(`, verify: true, timeout: 5 ${handshake}`)} }`
          : `server_name: hub\n${users}\nleafnodes { listen: "127.0.0.1:${await freePort()}" }
             websocket { listen: "127.0.0.1:${port}", compression: true, ${tlsBlock()} }`,
      )
      const leaf = node('press-7')
      const nkey = new TextDecoder().decode(pair.getSeed())
      const config = { ca_file: authority.ca_file, certs: [client], handshake_first: first }
      const uplink = leaf.dial(`${scheme}://localhost:${port}`, {
        tls: new TlsSettings(tlsConfig(config), 'client'),
        login: () => readLogin(new SystemDisk(), { credentials: '', nkey }),
      })
      await reached(uplink, 'up')
      await crosses(leaf, hub, { user: 'u', pass: 'p' })
    })
  }

  it('attaches to nats-server as a user with permissions, and keeps to them', async () => {
    const port = await freePort()
    const rules = `permissions: { publish: { allow: ["up.>"], deny: ["up.secret"] }, subscribe: ["down.>"] }`
    const hub = await natsServer(
      `server_name: hub
       authorization { users: [ { user: leaf, password: p, ${rules} }, { user: u, password: p } ] }
       leafnodes { listen: "127.0.0.1:${port}", ${tlsBlock()} }`,
    )
    const leaf = node('press-7')
    const tls = new TlsSettings(tlsConfig({ ca_file: authority.ca_file }), 'client')
    const uplink = leaf.dial(`nats-leaf://leaf:p@localhost:${port}`, { tls })
    await reached(uplink, 'up')
    leaf.subscriber('elsewhere.>')
    for (const subject of ['up.secret', 'other']) leaf.publish(subject, 'x')
    await crosses(leaf, hub, { user: 'u', pass: 'p' })
    assert.equal(uplink.state.name, 'up')
    assert.ok(!hub.output.includes('Violation'), hub.output)
  })

  for (const [what, protocol, scheme, first] of [
    ['TLS after INFO', 'tcp', 'nats-leaf', 'no'],
    ['TLS first', 'tcp', 'tls', 'always'],
    ['WebSocket over TLS', 'websocket', 'wss', 'no'],
  ] as const) {
    it(`takes nats-server as a leaf: ${what}, and holds it to its permissions`, async () => {
      const permissions = compilePermissions({
        publish: { allow: ['up.>', 'down.>'], deny: ['up.secret'] },
        subscribe: { allow: ['up.>', 'down.>'], deny: [] },
        allow_responses: undefined,
      })
      const identity = { user: 'leaf', account: '$G', permissions }
      const authenticator = {
        isRequired: true,
        needsNonce: true,
        authenticate: ({ user = '', password = '' }) =>
          Promise.resolve(user === 'leaf' && password === 's3cret' ? identity : undefined),
        recheck: () => undefined,
      }
      const hub = node('hub', { acceptor: { authenticator } })
      const config = { ca_file: authority.ca_file, certs: [server], handshake_first: first }
      const settings = new TlsSettings(tlsConfig({ ...config, verify: true }), 'server')
      const isCompressed = true
      const webSocket = {
        isCompressed,
        isSameOrigin: false,
        allowedOrigins: [],
        headers: {},
        handshakeTimeoutMs: 2_000,
        messageBytesMax: 8_000_000,
        serves: () => true,
      }
      const tls = { settings, allowPlain: false }
      const port = await hub.listen(protocol, 0, { tls, webSocket })
      const files = `cert_file: "${client.cert_file}", key_file: "${client.key_file}", ca_file: "${authority.ca_file}"`
      const extra = first === 'always' ? ', handshake_first: true' : ''
      const ws = protocol === 'websocket' ? 'ws_compression: true, ws_no_masking: true,' : ''
      const leaf = await natsServer(
        `server_name: press-7
         leafnodes { remotes: [ { url: "${scheme}://leaf:s3cret@localhost:${port}", ${ws} tls { ${files} ${extra} } } ] }`,
      )
      await eventually(() => hub.acceptor.leaves.length === 1, 'the leaf attached')
      const [attached] = hub.acceptor.leaves
      assert.equal(attached?.channel.tls?.certificate?.subject, 'CN=press-7')
      await crosses(hub, leaf)
      const inbox = hub.subscriber('>')
      const publisher = await leaf.client()
      publisher.publish('up.secret', 'x')
      publisher.publish('up.open', 'x')
      await eventually(
        () => inbox.got.some(({ subject }) => subject === 'up.open'),
        'what is allowed',
      )
      assert.ok(!inbox.got.some(({ subject }) => subject === 'up.secret'))
      assert.equal(hub.acceptor.leaves.length, 1)
    })
  }

  it('tells leaves of TLS as nats-server does, and goes without a word from who speaks none', async () => {
    const port = await freePort()
    await natsServer(
      `server_name: hub\nleafnodes { listen: "127.0.0.1:${port}", ${tlsBlock(', verify: true')} }`,
    )
    const hub = await startHub({
      server_name: 'hub',
      host: '127.0.0.1',
      port: -1,
      leafnodes: {
        host: '127.0.0.1',
        port: -1,
        tls: { ...server, ca_file: authority.ca_file, verify: true },
      },
    })
    try {
      const told: object[] = []
      for (const where of [port, hub.ports.leafNodes?.port ?? 0]) {
        const raw = await RawLink.dial(where)
        await raw.sees('\r\n')
        const { tls_required, tls_verify } = JSON.parse(raw.text.replace(/^INFO /, ''))
        raw.send('CONNECT {"name":"leaf","cluster":"leaf","headers":true}')
        await eventually(() => raw.isClosed, 'its end')
        told.push({ tls_required, tls_verify, lines: raw.text.trim().split('\r\n').length })
      }
      assert.deepEqual(told[1], told[0])
      assert.deepEqual(told[0], { tls_required: true, tls_verify: true, lines: 1 })
    } finally {
      await hub.destroy()
    }
  })
})
