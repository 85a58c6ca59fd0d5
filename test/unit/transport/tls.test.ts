import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { TlsConfig } from '../../../shared/config/index.ts'
import { type ListenOptions, TlsSettings } from '../../../shared/transport/index.ts'
import { CertificateAuthority, tlsConfig } from '../../support/certificates.ts'
import { ChannelPairs } from '../../support/channel-pair.ts'
import { ChannelProbe, eventually } from '../../support/channel-probe.ts'

describe('TLS on a TCP listener', () => {
  const authority = new CertificateAuthority()
  const server = authority.server()
  const ca = readFileSync(authority.ca_file)
  let pairs: ChannelPairs
  let settings: TlsSettings
  const sockets: Socket[] = []

  const open = async (over: Partial<TlsConfig> = {}, options: Partial<ListenOptions> = {}) => {
    settings = new TlsSettings(tlsConfig({ certs: [server], ...over }), 'server')
    pairs = new ChannelPairs('tcp')
    await pairs.open({ tls: { settings, allowPlain: false }, ...options })
  }
  const plain = async (): Promise<Socket> => {
    const socket = connectTcp(pairs.port, '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }
  /** As NATS clients do: the INFO first, then the handshake. */
  const upgrade = async (socket: Socket, over: ConnectionOptions = {}): Promise<TLSSocket> => {
    const secured = connect({ socket, ca, servername: 'localhost', ...over })
    secured.on('error', () => {})
    await once(secured, 'secureConnect')
    return secured
  }
  const info = async (socket: Socket): Promise<string> => {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    socket.removeAllListeners('data')
    return bytes.toString()
  }

  after(() => authority.remove())
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await pairs.close()
  })

  it('upgrades after a plain INFO, and carries bytes both ways in order', async () => {
    await open()
    const accepting = pairs.accept()
    const socket = await plain()
    const channel = await accepting
    const probe = new ChannelProbe(channel)
    assert.deepEqual([channel.security, channel.tls], ['awaited', undefined])
    channel.write(Buffer.from('INFO {}\r\n'))
    assert.equal(await info(socket), 'INFO {}\r\n')

    const secured = await upgrade(socket)
    const sent = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i % 253))
    secured.write(sent)
    await probe.until('all arrived', () => probe.size === sent.length)
    assert.ok(probe.bytes.equals(sent))
    assert.equal(channel.security, 'tls')
    assert.equal(channel.tls?.version, '1.3')
    assert.match(channel.tls?.cipherSuite ?? '', /^TLS_AES_/)
    assert.equal(channel.tls?.certificate, undefined)

    const back: Buffer[] = []
    secured.on('data', (bytes: Buffer) => back.push(bytes))
    channel.write(sent)
    await eventually('all back', () => Buffer.concat(back).length === sent.length)
    assert.ok(Buffer.concat(back).equals(sent))
    channel.end()
    await once(secured, 'end')
    secured.end()
    await probe.closed()
    assert.equal(probe.error, undefined)
  })

  it('sends what is written during the handshake behind it', async () => {
    await open()
    const accepting = pairs.accept()
    const socket = await plain()
    const channel = await accepting
    const probe = new ChannelProbe(channel)
    channel.write(Buffer.from('INFO\r\n'))
    await info(socket)
    const secured = connect({ socket, ca, servername: 'localhost' })
    // The handshake is under way as soon as the first byte is seen; the channel does not tell.
    const writes = setInterval(() => channel.write(Buffer.from('PING\r\n')), 0)
    await once(secured, 'secureConnect')
    const [bytes] = (await once(secured, 'data')) as [Buffer]
    clearInterval(writes)
    assert.match(bytes.toString(), /^(PING\r\n)+$/)
    secured.destroy()
    await probe.closed()
  })

  it('ends who goes on in plain, after its last words', async () => {
    await open()
    const accepting = pairs.accept()
    const socket = await plain()
    const channel = await accepting
    const probe = new ChannelProbe(channel)
    probe.onPlainRefused = () => channel.write(Buffer.from('-ERR refused\r\n'))
    channel.write(Buffer.from('INFO {}\r\n'))
    let text = ''
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString()
    })
    socket.write('CONNECT {}\r\nPING\r\n')
    await once(socket, 'end')
    socket.end()
    await probe.closed()
    assert.equal(text, 'INFO {}\r\n-ERR refused\r\n')
    assert.equal(probe.error?.code, 'PETIOLE_TLS_REQUIRED')
    assert.equal(probe.chunks, 0)
  })

  it('takes both where plain connections are allowed', async () => {
    await open()
    await pairs.close()
    await open({}, { tls: { settings, allowPlain: true } })
    for (const isPlain of [true, false]) {
      const accepting = pairs.accept()
      const socket = await plain()
      const channel = await accepting
      assert.equal(channel.security, 'offered')
      const probe = new ChannelProbe(channel)
      const out = isPlain ? socket : await upgrade(socket)
      for (const word of ['CONNECT', ' ', 'PING']) out.write(word)
      await probe.until('all arrived', () => probe.bytes.toString() === 'CONNECT PING')
      assert.equal(channel.security, isPlain ? 'plain' : 'tls')
      out.end()
      await probe.closed()
      assert.equal(probe.error, undefined)
    }
  })

  it('gives up on a handshake that does not come, and on one that breaks off', async () => {
    await open({ timeout: 60 })
    for (const bytes of ['', '\x16\x03\x01']) {
      const accepting = pairs.accept()
      const socket = await plain()
      const probe = new ChannelProbe(await accepting)
      socket.write(bytes, 'latin1')
      await probe.closed()
      assert.equal(probe.error?.code, 'PETIOLE_TLS_TIMEOUT')
    }
    const accepting = pairs.accept()
    const socket = await plain()
    const probe = new ChannelProbe(await accepting)
    socket.write('\x16\x03\x01\x00\x05hello', 'latin1')
    await probe.closed()
    assert.equal(probe.error?.code, 'PETIOLE_TLS_FAILED')
    assert.match(probe.error?.message ?? '', /^TLS handshake error: /)
  })

  it('waits no longer for who leaves in the middle of a handshake', async () => {
    await open({ timeout: 600_000 })
    for (let i = 0; i < 20; i++) {
      const accepting = pairs.accept()
      const socket = await plain()
      const probe = new ChannelProbe(await accepting)
      // The start of a ClientHello, then FIN, in one read or in two.
      const hello = Buffer.from('16030100c8010000c40303', 'hex')
      if (i % 2 === 0) await new Promise<void>((resolve) => socket.write(hello, () => resolve()))
      else socket.write(hello)
      socket.end()
      await probe.closed()
      assert.equal(probe.error?.code, 'PETIOLE_TLS_FAILED')
      assert.match(probe.error?.message ?? '', /the peer closed the connection|ECONNRESET/)
    }
  })

  it('TLS first: hands a channel out when it is secured, and takes nothing else', async () => {
    await open({ handshake_first: 'always' })
    const accepting = pairs.accept()
    const secured = await upgrade(await plain())
    const channel = await accepting
    assert.equal(channel.security, 'tls')
    const probe = new ChannelProbe(channel)
    secured.end('PING')
    await probe.closed()
    assert.equal(probe.bytes.toString(), 'PING')

    const socket = await plain()
    socket.resume().write('PING\r\n')
    await once(socket, 'close')
    const { code, message } = pairs.troubles[0] as Error & { code: string }
    assert.equal(code, 'PETIOLE_TLS_FAILED')
    assert.match(message, /^127\.0\.0\.1:\d+ - TLS handshake error: wrong version number/)
  })

  it('TLS first, automatically: who stays silent gets an INFO and upgrades', async () => {
    await open({ handshake_first: 'auto', handshake_first_delay: 30_000 })
    const first = pairs.accept()
    const eager = await upgrade(await plain())
    assert.equal((await first).security, 'tls')
    eager.destroy()
    await pairs.close()

    await open({ handshake_first: 'auto', handshake_first_delay: 40 })
    const accepting = pairs.accept()
    const socket = await plain()
    const channel = await accepting
    assert.equal(channel.security, 'awaited')
    const probe = new ChannelProbe(channel)
    channel.write(Buffer.from('INFO {}\r\n'))
    await info(socket)
    const secured = await upgrade(socket)
    secured.end('PING')
    await probe.closed()
    assert.equal(probe.bytes.toString(), 'PING')
  })

  it('asks for certificates, says what they say, and refuses none, expired and foreign ones', async () => {
    await open({ verify: true, ca_file: authority.ca_file })
    const files = authority.issue('client', {
      subject: [
        ['O', 'Petiole'],
        ['OU', 'a, b'],
        ['CN', 'bob'],
      ],
      dns: ['bob.example'],
      emails: ['bob@example.com'],
      uris: ['spiffe://example/bob'],
    })
    const stranger = new CertificateAuthority('Somebody else')
    const attempt = async (shown: { cert_file: string; key_file: string } | undefined) => {
      const accepting = pairs.accept()
      const socket = await plain()
      const probe = new ChannelProbe(await accepting)
      const pair =
        shown === undefined
          ? {}
          : { cert: readFileSync(shown.cert_file), key: readFileSync(shown.key_file) }
      const secured = connect({ socket, ca, servername: 'localhost', ...pair })
      secured.on('error', () => {})
      secured.write('PING')
      await probe.until('in or out', () => probe.isClosed || probe.size > 0)
      return probe
    }
    const probe = await attempt(files)
    const { certificate } = probe.channel.tls!
    assert.deepEqual(
      { ...certificate, pem: certificate?.pem.length, keyDigest: certificate?.keyDigest.length },
      {
        subject: 'CN=bob,OU=a\\, b,O=Petiole',
        dnsNames: ['bob.example'],
        emails: ['bob@example.com'],
        uris: ['spiffe://example/bob'],
        pem: 2,
        keyDigest: 64,
      },
    )
    assert.equal(certificate?.pem[0], readFileSync(files.cert_file, 'latin1'))

    const expired = authority.issue('expired', { subject: [['CN', 'bob']], isExpired: true })
    for (const shown of [undefined, expired, stranger.server()]) {
      const refused = await attempt(shown)
      assert.equal(refused.error?.code, 'PETIOLE_TLS_FAILED', shown?.cert_file)
      assert.equal(refused.size, 0)
    }
    stranger.remove()
  })

  it('lets in pinned certificates only', async () => {
    const pinned = authority.issue('pinned', { subject: [['CN', 'one']] })
    const other = authority.issue('other', { subject: [['CN', 'two']] })
    const { fingerprintOf } = await import('../../../shared/transport/certificate.ts')
    const { X509Certificate } = await import('node:crypto')
    const pin = fingerprintOf(new X509Certificate(readFileSync(pinned.cert_file)))
    await open({ verify: true, ca_file: authority.ca_file, pinned_certs: [pin] })
    for (const files of [pinned, other]) {
      const accepting = pairs.accept()
      const socket = await plain()
      const probe = new ChannelProbe(await accepting)
      const secured = await upgrade(socket, {
        cert: readFileSync(files.cert_file),
        key: readFileSync(files.key_file),
      })
      secured.write('PING')
      await probe.until('in or out', () => probe.isClosed || probe.size > 0)
      assert.equal(probe.isClosed, files === other)
      if (files === other) assert.match(probe.error?.message ?? '', /certificate not pinned/)
    }
  })

  it('shows the certificate that covers the name, and new ones after a reload', async () => {
    const second = authority.server('second', ['second.example'])
    await open({ certs: [server, second], handshake_first: 'always' })
    const shownTo = async (servername: string): Promise<string> => {
      const accepting = pairs.accept()
      const secured = await upgrade(await plain(), {
        servername,
        checkServerIdentity: () => undefined,
      })
      new ChannelProbe(await accepting)
      return String(secured.getPeerCertificate().subject.CN)
    }
    assert.equal(await shownTo('localhost'), 'localhost')
    assert.equal(await shownTo('second.example'), 'second.example')
    assert.equal(await shownTo('third.example'), 'localhost')

    const accepting = pairs.accept()
    const standing = await upgrade(await plain())
    const probe = new ChannelProbe(await accepting)
    const third = authority.server('third', ['third.example'])
    settings.reload(tlsConfig({ certs: [third], handshake_first: 'always' }))
    assert.throws(() => settings.reload(tlsConfig({ certs: [] })), { code: 'PETIOLE_TLS_INVALID' })
    assert.equal(await shownTo('localhost'), 'third.example')
    standing.write('still here')
    await probe.until('it lives', () => probe.bytes.toString() === 'still here')
  })

  it('lets through so many handshakes a second', async () => {
    await open({ connection_rate_limit: 2 })
    const outcomes: string[] = []
    for (let i = 0; i < 3; i++) {
      const accepting = pairs.accept()
      const socket = await plain()
      const probe = new ChannelProbe(await accepting)
      const secured = connect({ socket, ca, servername: 'localhost' })
      secured.on('error', () => {})
      secured.write('PING')
      await probe.until('in or out', () => probe.isClosed || probe.size > 0)
      outcomes.push(probe.error?.code ?? 'in')
    }
    assert.deepEqual(outcomes, ['in', 'in', 'PETIOLE_TLS_THROTTLED'])
  })

  it('dials with TLS, and checks whom it has reached', async () => {
    await open({ handshake_first: 'always' })
    const client = new TlsSettings(tlsConfig({ ca_file: authority.ca_file }), 'client')
    const { dialled, accepted } = await pairs.pair('/', {
      tls: { settings: client, serverName: 'localhost' },
    })
    assert.deepEqual([dialled.security, accepted.security], ['tls', 'tls'])
    assert.deepEqual(dialled.tls?.certificate?.dnsNames, ['localhost'])
    const [left, right] = [new ChannelProbe(dialled), new ChannelProbe(accepted)]
    dialled.write(Buffer.from('over TLS'))
    await right.until('arrived', () => right.bytes.toString() === 'over TLS')
    accepted.destroy()
    await left.closed()

    for (const [tls, reason] of [
      [{ settings: client, serverName: 'other.example' }, /is not in the cert.s altnames/],
      [
        { settings: new TlsSettings(tlsConfig(), 'client'), serverName: 'localhost' },
        /certificate/,
      ],
    ] as const) {
      await assert.rejects(pairs.dial({ tls }), { code: 'PETIOLE_DIAL_FAILED', message: reason })
    }
    const insecure = new TlsSettings(tlsConfig({ insecure: true }), 'client')
    const { dialled: trusting } = await pairs.pair('/', {
      tls: { settings: insecure, serverName: 'whoever.example' },
    })
    assert.equal(trusting.security, 'tls')
  })

  it('secures a dialled channel after what came in plain', async () => {
    await open()
    const client = new TlsSettings(tlsConfig({ ca_file: authority.ca_file }), 'client')
    const { dialled, accepted } = await pairs.pair()
    const [left, right] = [new ChannelProbe(dialled), new ChannelProbe(accepted)]
    accepted.write(Buffer.from('INFO {}\r\n'))
    await left.until('INFO', () => left.size === 9)
    await dialled.secure({ settings: client, serverName: '127.0.0.1' })
    assert.equal(dialled.security, 'tls')
    dialled.write(Buffer.from('CONNECT {}\r\n'))
    await right.until('CONNECT', () => right.size === 12)
    accepted.write(Buffer.from('PONG'))
    await left.until('PONG', () => left.size === 13)
    dialled.end()
    await Promise.all([left.closed(), right.closed()])
    assert.deepEqual([left.error, right.error], [undefined, undefined])

    const again = await pairs.pair()
    const probe = new ChannelProbe(again.dialled)
    new ChannelProbe(again.accepted)
    await assert.rejects(again.dialled.secure({ settings: client, serverName: 'other.example' }), {
      code: 'PETIOLE_TLS_FAILED',
    })
    await probe.closed()
    assert.equal(probe.error?.code, 'PETIOLE_TLS_FAILED')
  })
})
