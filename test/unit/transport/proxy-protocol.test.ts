import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { TlsSettings } from '../../../shared/transport/index.ts'
import { parseProxyHeader } from '../../../shared/transport/proxy-header.ts'
import { CertificateAuthority, tlsConfig } from '../../support/certificates.ts'
import { ChannelPairs } from '../../support/channel-pair.ts'
import { ChannelProbe } from '../../support/channel-probe.ts'
import { proxyBlock } from '../../support/proxy-headers.ts'

describe('PROXY protocol header', () => {
  const found = (bytes: string | Buffer): unknown => {
    const header = parseProxyHeader(Buffer.from(bytes as Buffer))
    return header.type === 'found' ? (header.source ?? 'unknown') : header
  }
  const bad = (bytes: string | Buffer): string => {
    const header = parseProxyHeader(Buffer.from(bytes as Buffer))
    assert.equal(header.type, 'bad', JSON.stringify(header))
    return header.type === 'bad' ? header.reason.replace(/^.*header: /, '') : ''
  }

  it('version 1: a line that names the source, or does not know it', () => {
    assert.deepEqual(found('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nCONNECT'), {
      address: '192.0.2.1',
      port: 56324,
    })
    assert.deepEqual(found('PROXY TCP6 2001:db8::1 ::1 1 65535\r\n'), {
      address: '2001:db8::1',
      port: 1,
    })
    assert.equal(found('PROXY UNKNOWN\r\n'), 'unknown')
    assert.equal(found('PROXY UNKNOWN ffff:f...f:ffff ::1 1 2\r\n'), 'unknown')
  })

  it('version 1: refuses what no proxy sends', () => {
    assert.equal(bad('PROXY TCP4 ::1 ::1 1 2\r\n'), 'invalid address')
    assert.equal(bad('PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n'), 'invalid address')
    assert.equal(bad('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'), 'invalid address')
    assert.equal(bad('PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n'), 'invalid port')
    assert.equal(bad('PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n'), 'invalid port')
    assert.equal(bad('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n'), 'invalid v1 format')
    assert.equal(bad('PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n'), 'invalid protocol')
    assert.equal(bad(`PROXY UNKNOWN ${'x'.repeat(200)}`), 'v1 line too long')
  })

  it('version 2: addresses of both families, with what else a proxy adds behind them', () => {
    assert.deepEqual(found(proxyBlock({ source: [10, 0, 0, 7], port: 4711 })), {
      address: '10.0.0.7',
      port: 4711,
    })
    const source = [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1]
    const block = proxyBlock({ source, port: 1, extra: Buffer.alloc(40) })
    assert.deepEqual(found(block), { address: '2001:db8::1', port: 1 })
    assert.equal(found(proxyBlock({ command: 0, family: 0 })), 'unknown')
    assert.equal(found(proxyBlock({ family: 0 })), 'unknown')
  })

  it('version 2: refuses what no proxy sends', () => {
    assert.equal(bad(proxyBlock({ version: 1 })), 'invalid version 1')
    assert.equal(bad(proxyBlock({ command: 2 })), 'unknown command 2')
    assert.equal(
      bad(proxyBlock({ family: 3, source: [1, 2, 3, 4] })),
      'unsupported address family 3',
    )
    assert.equal(bad(proxyBlock({ protocol: 2, source: [1, 2, 3, 4] })), 'unsupported protocol 2')
    assert.equal(bad(proxyBlock({ family: 2, source: [1, 2, 3, 4] })), 'address block too short')
    assert.equal(bad(proxyBlock({ extra: Buffer.alloc(5_000) })), 'address block of 5000 bytes')
  })

  it('waits for a whole header, byte by byte, and says at once when there is none', () => {
    const whole = [
      Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n'),
      proxyBlock({ source: [10, 0, 0, 7], port: 4711, extra: Buffer.alloc(9) }),
    ]
    for (const bytes of whole) {
      for (let end = 0; end < bytes.length; end++) {
        assert.equal(parseProxyHeader(bytes.subarray(0, end)).type, 'more', `${end}`)
      }
      assert.equal(parseProxyHeader(bytes).type, 'found')
    }
    for (const text of ['C', 'PING', 'PROXx', '\r\n\r\n\r', '\x16\x03']) {
      assert.equal(parseProxyHeader(Buffer.from(text, 'latin1')).type, 'none')
    }
  })
})

describe('PROXY protocol on a listener', () => {
  const header = 'PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n'
  let pairs: ChannelPairs
  let socket: Socket | undefined

  beforeEach(() => {
    pairs = new ChannelPairs('tcp')
  })
  afterEach(async () => {
    socket?.destroy()
    await pairs.close()
  })
  const connected = async () => {
    const accepting = pairs.accept()
    socket = connectTcp(pairs.port, '127.0.0.1')
    socket.on('error', () => {})
    const channel = await accepting
    return { channel, socket, probe: new ChannelProbe(channel) }
  }

  it('shows the address in it, whoever it is that dialled, and cut anywhere', async () => {
    await pairs.open({ proxyProtocol: true })
    for (const cut of [3, 20, header.length, header.length + 2]) {
      const { channel, socket: out, probe } = await connected()
      assert.equal(channel.remoteAddress, '127.0.0.1')
      const text = `${header}CONNECT {}`
      out.write(text.slice(0, cut))
      await new Promise((resolve) => setImmediate(resolve))
      out.write(text.slice(cut))
      await probe.until('CONNECT', () => probe.bytes.toString() === 'CONNECT {}')
      assert.deepEqual([channel.remoteAddress, channel.remotePort], ['192.0.2.1', 56324])
      out.destroy()
      await probe.closed()
    }
  })

  it('serves those who come without, and what a proxy asks for itself', async () => {
    await pairs.open({ proxyProtocol: true })
    for (const first of ['', 'PROXY UNKNOWN\r\n']) {
      const { channel, socket: out, probe } = await connected()
      out.write(`${first}PING`)
      await probe.until('PING', () => probe.bytes.toString() === 'PING')
      assert.equal(channel.remoteAddress, '127.0.0.1')
      out.destroy()
      await probe.closed()
    }
  })

  it('closes on a header that is none', async () => {
    await pairs.open({ proxyProtocol: true })
    const { socket: out, probe } = await connected()
    out.write('PROXY TCP4 nowhere here 1 2\r\n')
    await probe.closed()
    assert.equal(probe.error?.code, 'PETIOLE_PROXY_HEADER')
    assert.equal(probe.size, 0)
  })

  it('comes before TLS, whether TLS is first or not', async () => {
    const authority = new CertificateAuthority()
    const certs = [authority.server()]
    for (const handshake_first of ['no', 'always', 'auto'] as const) {
      const settings = new TlsSettings(tlsConfig({ certs, handshake_first }), 'server')
      pairs = new ChannelPairs('tcp')
      await pairs.open({ proxyProtocol: true, tls: { settings, allowPlain: false } })
      const accepting = pairs.accept()
      const out = connectTcp(pairs.port, '127.0.0.1')
      await once(out, 'connect')
      out.write(header)
      const ca = readFileSync(authority.ca_file)
      const secured = connect({ socket: out, ca, servername: 'localhost' })
      const channel = await accepting
      const probe = new ChannelProbe(channel)
      secured.write('PING')
      await probe.until('PING', () => probe.bytes.toString() === 'PING')
      assert.deepEqual([channel.remoteAddress, channel.security], ['192.0.2.1', 'tls'])
      secured.destroy()
      await probe.closed()
      await pairs.close()
    }
    authority.remove()
  })
})
