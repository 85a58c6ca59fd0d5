import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { constants, deflateRawSync } from 'node:zlib'
import { type ClientOptions, WebSocket } from 'ws'
import { remoteName, TlsSettings, type WebSocketRules } from '../../../shared/transport/index.ts'
import { CertificateAuthority, tlsConfig } from '../../support/certificates.ts'
import { ChannelPairs } from '../../support/channel-pair.ts'
import { ChannelProbe } from '../../support/channel-probe.ts'

const RULES: WebSocketRules = {
  isCompressed: false,
  isSameOrigin: false,
  allowedOrigins: [],
  headers: {},
  handshakeTimeoutMs: 2_000,
  messageBytesMax: 1_000_000,
  serves: () => true,
}

describe('rules of a WebSocket listener', () => {
  let pairs: ChannelPairs
  let scheme = 'ws'
  const open = async (rules: Partial<WebSocketRules> = {}, tls?: TlsSettings) => {
    pairs = new ChannelPairs('websocket')
    const security = tls === undefined ? undefined : { settings: tls, allowPlain: false }
    await pairs.open({ webSocket: { ...RULES, ...rules }, tls: security })
    scheme = tls === undefined ? 'ws' : 'wss'
  }
  afterEach(() => pairs.close())

  const dial = async (options: ClientOptions = {}, path = '/', protocols: string[] = []) => {
    const accepting = pairs.accept()
    const socket = new WebSocket(`${scheme}://127.0.0.1:${pairs.port}${path}`, protocols, options)
    socket.on('error', () => {})
    const [response] = (await once(socket, 'upgrade')) as [IncomingMessage]
    return { socket, response, probe: new ChannelProbe(await accepting) }
  }
  /** What a request is answered with: the status line, and the headers that a browser sees. */
  const refusal = async (request: string): Promise<string> => {
    const socket = connect(pairs.port, '127.0.0.1')
    socket.write(request)
    let text = ''
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString()
    })
    await once(socket, 'close')
    return text
  }
  const upgrade = (over: Record<string, string> = {}, line = 'GET / HTTP/1.1'): string => {
    const headers = {
      Host: `127.0.0.1:${pairs.port}`,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version': '13',
      ...over,
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    return `${line}\r\n${lines.join('')}\r\n`
  }
  const reasons = (): string[] =>
    pairs.troubles.map(({ message }) => message.replace(/^.*handshake error: /, ''))

  it('reads a cookie as long as a JWT with many permissions may be, and refuses what has no end', async () => {
    await open()
    const jwt = 'e'.repeat(200_000)
    const { socket, probe } = await dial({ headers: { Cookie: `jwt=${jwt}` } })
    assert.equal(probe.channel.cookies['jwt'], jwt)
    socket.terminate()
    const answer = await refusal(upgrade({ Cookie: `jwt=${'e'.repeat(1_100_000)}` }))
    assert.match(answer, /^(HTTP\/1\.1 431 |$)/)
  })

  it('refuses what is no upgrade, in the words of nats-server', async () => {
    await open({ serves: (path) => path !== '/mqtt' })
    const requests: [string, number][] = [
      [upgrade({}, 'POST / HTTP/1.1'), 405],
      [upgrade({ Host: '' }), 400],
      [upgrade({ Upgrade: 'h2c' }), 400],
      [upgrade({ Connection: 'close' }), 400],
      [upgrade({ 'Sec-WebSocket-Key': '' }), 400],
      [upgrade({ 'Sec-WebSocket-Key': 'short' }), 400],
      [upgrade({ 'Sec-WebSocket-Version': '12' }), 400],
      [upgrade({}, 'GET /mqtt?x=1 HTTP/1.1'), 404],
    ]
    for (const [request, status] of requests) {
      const answer = await refusal(request)
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), answer)
      assert.match(answer, /\r\nSec-Websocket-Version: 13\r\n/)
    }
    assert.deepEqual(reasons(), [
      'request method must be GET',
      "'Host' missing in request",
      "invalid value for header 'Upgrade'",
      "invalid value for header 'Connection'",
      'key missing',
      'invalid websocket key',
      'invalid version',
      'endpoint not enabled',
    ])
  })

  it('lets in pages of the same origin, or of the list; programs have none', async () => {
    await open({ isSameOrigin: true })
    const own = `http://127.0.0.1:${pairs.port}`
    for (const origin of ['', own]) {
      const { socket } = await dial(origin === '' ? {} : { origin })
      socket.terminate()
    }
    for (const origin of ['http://127.0.0.1', 'https://evil.example', 'null']) {
      assert.match(await refusal(upgrade({ Origin: origin })), /^HTTP\/1\.1 403 Forbidden\r\n/)
    }
    assert.deepEqual(reasons(), [
      'origin not allowed: not same origin',
      'origin not allowed: not same origin',
      'origin not allowed: not a URL',
    ])
    await pairs.close()

    await open({ allowedOrigins: ['https://App.example', 'http://other.example:8080'] })
    for (const origin of ['https://app.example:443', 'http://other.example:8080']) {
      const { socket } = await dial({ origin })
      socket.terminate()
    }
    assert.match(await refusal(upgrade({ Origin: 'http://app.example' })), /^HTTP\/1\.1 403 /)
    assert.deepEqual(reasons(), ['origin not allowed: not in the allowed list'])
  })

  it('hands over cookies, path and the address behind a proxy, and sends its headers', async () => {
    await open({ headers: { 'X-Served-By': 'petiole' } })
    const headers = { Cookie: 'a=1; jwt="x.y"; a=2; junk', 'X-Forwarded-For': '2001:db8::7' }
    const { response, probe, socket } = await dial({ headers }, '/mqtt?x=1', ['other', 'mqtt'])
    const { cookies, path, remoteAddress, remotePort } = probe.channel
    assert.deepEqual({ ...cookies }, { a: '2', jwt: 'x.y' })
    assert.deepEqual([path, remoteAddress], ['/mqtt', '127.0.0.1'])
    assert.equal(remoteName(probe.channel), `[2001:db8::7]/127.0.0.1:${remotePort}`)
    assert.equal(response.headers['x-served-by'], 'petiole')
    assert.equal(response.headers['sec-websocket-protocol'], 'mqtt')
    socket.terminate()

    const spoofed = await dial({ headers: { 'X-Forwarded-For': '1.2.3.4, 5.6.7.8' } })
    assert.equal(spoofed.probe.channel.forwardedFor, undefined)
    spoofed.socket.terminate()
  })

  it('keeps no cookies but those that a login may need', async () => {
    await open({ cookieNames: ['jwt', 'token'] })
    const headers = { Cookie: 'session=s3cret; jwt=x.y; other=1' }
    const { probe, socket } = await dial({ headers })
    assert.deepEqual({ ...probe.channel.cookies }, { jwt: 'x.y' })
    socket.terminate()
  })

  it('compresses with those who ask for it, in one form whatever they offer', async () => {
    await open({ isCompressed: true })
    for (const options of [{}, { clientMaxWindowBits: 10 }, { serverNoContextTakeover: true }]) {
      const { response, socket, probe } = await dial({ perMessageDeflate: options })
      assert.equal(
        response.headers['sec-websocket-extensions'],
        'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
      )
      socket.send('x'.repeat(50_000))
      await probe.until('inflated', () => probe.size === 50_000)
      const raw = (socket as unknown as { _socket: Socket })._socket
      const before = raw.bytesRead
      const messages = once(socket, 'message')
      probe.channel.write(Buffer.alloc(50_000, 'y'))
      const [message] = (await messages) as [Buffer]
      assert.equal(message.length, 50_000)
      assert.ok(raw.bytesRead - before < 1_000, `${raw.bytesRead - before} bytes`)

      const small = once(socket, 'message')
      const start = raw.bytesRead
      probe.channel.write(Buffer.alloc(63, 'z'))
      await small
      assert.equal(raw.bytesRead - start, 65)
      socket.terminate()
    }
    const { response, socket } = await dial({ perMessageDeflate: false })
    assert.equal(response.headers['sec-websocket-extensions'], undefined)
    socket.terminate()
  })

  it('closes with 1009 what brings a paused reader more than there is room for', async () => {
    await open({ isCompressed: true, messageBytesMax: 8 * 1024 * 1024 })
    const extension = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
    const accepting = pairs.accept()
    const socket = connect(pairs.port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', (bytes: Buffer) => received.push(bytes))
    socket.on('error', () => {})
    socket.write(upgrade({ 'Sec-WebSocket-Extensions': extension }))
    const channel = await accepting
    let chunks = 0
    const closed = new Promise<Error | undefined>((resolve) => {
      channel.start({
        onChunk: (_start, end) => {
          chunks++
          channel.pause()
          return end
        },
        onDrain() {},
        onClose: resolve,
      })
    })
    // 7 MiB of zeros are 7 KiB on the wire: the server has read many of them before it is paused.
    const packed = deflateRawSync(Buffer.alloc(7 * 1024 * 1024), {
      finishFlush: constants.Z_SYNC_FLUSH,
    })
    const payload = packed.subarray(0, packed.length - 4)
    const head = Buffer.from([0xc2, 0xfe, payload.length >> 8, payload.length & 255, 0, 0, 0, 0])
    socket.write(Buffer.concat(Array.from({ length: 40 }, () => [head, payload]).flat()))
    assert.match((await closed)?.message ?? '', /more than the reader can take/)
    assert.equal(chunks, 1)
    if (!socket.closed) await once(socket, 'close')
    const frame = Buffer.concat(received)
    assert.ok(frame.includes(Buffer.from([1009 >> 8, 1009 & 255])), frame.toString('latin1'))
  })

  it('inflates no bomb', async () => {
    await open({ isCompressed: true, messageBytesMax: 100_000 })
    const { socket, probe } = await dial({ perMessageDeflate: true })
    const bomb = deflateRawSync(Buffer.alloc(50_000_000))
    const head = Buffer.from([0xc2, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    head.writeUInt32BE(bomb.length, 6)
    const raw = (socket as unknown as { _socket: Socket })._socket
    const [code] = await Promise.all([
      once(socket, 'close').then(([it]) => it as number),
      raw.write(Buffer.concat([head, bomb])),
      probe.closed(),
    ])
    assert.equal(code, 1009)
    assert.equal(probe.size, 0)
    assert.equal(probe.error?.code, 'PETIOLE_CONNECTION_LOST')
  })

  it('refuses frames without masks, unless the other side is a server that was told so', async () => {
    await open()
    const { socket, probe } = await dial()
    const closing = once(socket, 'close')
    socket.send('bare', { mask: false })
    await probe.closed()
    assert.equal((await closing)[0], 1002)
    assert.equal(probe.size, 0)

    const { dialled, accepted } = await pairs.pair('/leafnode', { isUnmasked: true })
    const [left, right] = [new ChannelProbe(dialled), new ChannelProbe(accepted)]
    dialled.write(Buffer.from('no mask'))
    await right.until('arrived', () => right.bytes.toString() === 'no mask')
    accepted.write(Buffer.from('nor here'))
    await left.until('arrived', () => left.bytes.toString() === 'nor here')
    dialled.end()
    await Promise.all([left.closed(), right.closed()])
    assert.equal(right.error, undefined)
  })

  it('closes with the status that it is told', async () => {
    await open()
    const { socket, probe } = await dial()
    const closing = once(socket, 'close')
    probe.channel.write(Buffer.from('-ERR'))
    probe.channel.end({ code: 1008, reason: 'ü'.repeat(80) })
    const [code, reason] = (await closing) as [number, Buffer]
    assert.deepEqual([code, reason.toString()], [1008, 'ü'.repeat(61)])
    await probe.closed()
  })

  it('keeps what comes while the reader is paused, in order', async () => {
    await open()
    const { socket, probe } = await dial()
    probe.use = (start, end) => {
      probe.channel.pause()
      return Math.min(start + 5, end)
    }
    for (let i = 0; i < 50; i++) socket.send(`${String(i).padStart(4, '0')} `)
    for (let i = 1; i <= 50; i++) {
      await probe.until(`part ${i}`, () => probe.size === i * 5)
      probe.channel.resume()
    }
    assert.match(probe.bytes.toString(), /^0000 0001 .* 0049 $/)
    socket.terminate()
  })

  it('keeps one message of any size for a paused reader, and what comes behind it', async () => {
    const size = 17 * 1024 * 1024
    await open({ messageBytesMax: 2 * size })
    const { socket, probe } = await dial()
    probe.use = (start) => {
      probe.channel.pause()
      return start + 1
    }
    socket.send(Buffer.alloc(size, 'x'))
    socket.send('end')
    await probe.until('the first byte', () => probe.size === 1)
    probe.use = (_start, end) => end
    probe.channel.resume()
    await probe.until('all of it', () => probe.size === size + 3)
    socket.terminate()
  })

  it('gives up on an upgrade that does not come', async () => {
    await open({ handshakeTimeoutMs: 60 })
    const socket = connect(pairs.port, '127.0.0.1')
    socket.resume().write('GET / HTTP/1.1\r\n')
    await once(socket, 'close')
  })

  it('speaks TLS, and dials with it', async () => {
    const authority = new CertificateAuthority()
    const config = tlsConfig({ certs: [authority.server()] })
    await open({ isCompressed: true, isSameOrigin: true }, new TlsSettings(config, 'server'))
    const ca = readFileSync(authority.ca_file)
    const { socket, probe } = await dial({ ca, origin: `https://127.0.0.1:${pairs.port}` })
    assert.equal(probe.channel.security, 'tls')
    assert.equal(probe.channel.tls?.version, '1.3')
    socket.terminate()

    const settings = new TlsSettings(tlsConfig({ ca_file: authority.ca_file }), 'client')
    const tls = { settings, serverName: 'localhost' }
    const { dialled, accepted } = await pairs.pair('/leafnode', { tls, isCompressed: true })
    const [left, right] = [new ChannelProbe(dialled), new ChannelProbe(accepted)]
    assert.deepEqual([dialled.security, accepted.path], ['tls', '/leafnode'])
    dialled.write(Buffer.alloc(300_000, 'a'))
    await right.until('arrived', () => right.size === 300_000)
    accepted.end()
    await Promise.all([left.closed(), right.closed()])
    authority.remove()
  })

  it('gives up on a TLS handshake that does not come', async () => {
    const authority = new CertificateAuthority()
    const config = tlsConfig({ certs: [authority.server()], timeout: 60 })
    await open({}, new TlsSettings(config, 'server'))
    const mute = connect(pairs.port, '127.0.0.1')
    await once(mute.resume(), 'close')
    assert.match(pairs.troubles[0]?.message ?? '', / - TLS handshake timeout$/)
    authority.remove()
  })
})
