import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import { SystemClock } from '../../../shared/runtime/index.ts'
import { type DialOptions, SystemNetwork } from '../../../shared/transport/index.ts'
import { ChannelPairs } from '../../support/channel-pair.ts'
import { ChannelProbe, eventually } from '../../support/channel-probe.ts'

const never = new AbortController().signal

describe('system network', () => {
  const network = new SystemNetwork({ clock: new SystemClock(), onTrouble: assert.fail })

  const dialOptions = (port: number, over: Partial<DialOptions> = {}): DialOptions => ({
    protocol: 'tcp',
    host: '127.0.0.1',
    port,
    path: '/',
    timeoutMs: 5_000,
    ...over,
  })

  it('says which port is taken and what to do, and frees a port at once on close', async () => {
    for (const protocol of ['tcp', 'websocket'] as const) {
      const first = await network.listen({ protocol, host: '127.0.0.1', port: 0 }, () => {})
      const again = { protocol, host: '127.0.0.1', port: first.port }
      await assert.rejects(
        network.listen(again, () => {}),
        {
          code: 'PETIOLE_PORT_TAKEN',
          message:
            `port ${first.port} on 127.0.0.1 is taken by another process: ` +
            'stop it, or set another port in the configuration',
        },
      )
      await first.close()
      await first.close()
      await (await network.listen(again, () => {})).close()
    }
  })

  it('says when an address is not of this machine', async () => {
    const options = { protocol: 'tcp', host: '192.0.2.1', port: 0 } as const
    await assert.rejects(
      network.listen(options, () => {}),
      {
        code: 'PETIOLE_LISTEN_FAILED',
        message: /192\.0\.2\.1 is no address of this machine/,
      },
    )
  })

  it('says whom it could not reach, and why', async () => {
    const port = await unusedPort()
    await assert.rejects(network.dial(dialOptions(port), never), {
      code: 'PETIOLE_DIAL_FAILED',
      message: `cannot connect to 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    })
    await assert.rejects(network.dial(dialOptions(port, { protocol: 'websocket' }), never), {
      code: 'PETIOLE_DIAL_FAILED',
      message: new RegExp(`ws://127.0.0.1:${port}/`),
    })
    await assert.rejects(network.dial(dialOptions(port, { host: 'localhost' }), never), {
      code: 'PETIOLE_DIAL_FAILED',
      message: /localhost:\d+: .*ECONNREFUSED/,
    })
  })

  it('gives up a dial at the deadline or when it is told to, and closes the socket', async () => {
    const accepted: Socket[] = []
    const mute = createServer((socket) => accepted.push(socket))
    const port = await listening(mute)
    const timed = dialOptions(port, { protocol: 'websocket', timeoutMs: 50 })
    await assert.rejects(network.dial(timed, never), {
      code: 'PETIOLE_DIAL_TIMEOUT',
      message: `ws://127.0.0.1:${port}/ did not answer within 50 ms`,
    })
    const abort = new AbortController()
    const dialling = network.dial(dialOptions(port, { protocol: 'websocket' }), abort.signal)
    await eventually('the second connection', () => accepted.length === 2)
    abort.abort()
    await assert.rejects(dialling, { code: 'PETIOLE_DIAL_FAILED' })
    await assert.rejects(network.dial(dialOptions(port), AbortSignal.abort()), {
      code: 'PETIOLE_DIAL_FAILED',
    })
    for (const socket of accepted) {
      socket.resume().on('error', () => {})
      if (!socket.closed) await once(socket, 'close')
    }
    mute.close()
  })

  it('answers what came before the end of a half-closed peer', async () => {
    const pairs = new ChannelPairs('tcp')
    await pairs.open()
    const accepting = pairs.accept()
    const client = connect({ port: pairs.port, host: '127.0.0.1', allowHalfOpen: true })
    const channel = await accepting
    const probe = new ChannelProbe(channel)
    probe.onBytes = (bytes) => channel.write(Buffer.concat([Buffer.from('got '), bytes]))
    client.end('PING')
    let answer = ''
    client.setEncoding('latin1').on('data', (text: string) => {
      answer += text
    })
    await once(client, 'close')
    await probe.closed()
    assert.equal(answer, 'got PING')
    assert.equal(probe.error, undefined)
    await pairs.close()
  })
})

describe('WebSocket listener', () => {
  const pairs = new ChannelPairs('websocket')
  before(() => pairs.open())
  after(() => pairs.close())

  const client = async (path = '/') => {
    const accepting = pairs.accept()
    const socket = new WebSocket(`ws://127.0.0.1:${pairs.port}${path}`)
    socket.on('error', () => {})
    const probe = new ChannelProbe(await accepting)
    if (socket.readyState !== WebSocket.OPEN) await once(socket, 'open')
    return { socket, probe }
  }

  it('takes text, binary and fragmented messages as one stream of bytes', async () => {
    const { socket, probe } = await client('/any/path')
    socket.send('text ')
    socket.send(Buffer.from('binary '))
    socket.send('frag', { fin: false })
    socket.send('mented ', { fin: true })
    socket.send(Buffer.alloc(700_000, 'x'))
    await probe.until('all arrived', () => probe.size === 700_023)
    assert.equal(probe.bytes.subarray(0, 23).toString(), 'text binary fragmented ')
    assert.equal(probe.channel.path, '/any/path')
    socket.close()
    await probe.closed()
    assert.equal(probe.error, undefined)
  })

  it('keeps what the listener sends in one packet with its answer', async () => {
    const accepting = pairs.accept()
    void accepting.then((channel) => channel.write(Buffer.from('INFO {}')))
    const probe = new ChannelProbe(await pairs.dial({ path: '/leafnode' }))
    await probe.until('INFO', () => probe.bytes.toString() === 'INFO {}')
    probe.channel.destroy()
    new ChannelProbe(await accepting)
  })

  it('answers pings, also while it writes, and sends binary messages', async () => {
    const { socket, probe } = await client()
    const pong = once(socket, 'pong')
    for (let i = 0; i < 50; i++) socket.ping(Buffer.from([i]))
    for (let i = 0; i < 50; i++) probe.channel.write(Buffer.alloc(100_000, i))
    let size = 0
    await new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer, isBinary) => {
        assert.equal(isBinary, true)
        size += data.length
        if (size === 5_000_000) resolve()
      })
    })
    await pong
    assert.equal(probe.channel.pendingBytes, 0)
    probe.channel.end()
    const [code] = await once(socket, 'close')
    assert.equal(code, 1000)
    await probe.closed()
  })

  it('a peer that is cut off, breaks the framing or resets is an error of its channel', async () => {
    for (const harm of ['terminate', 'garbage'] as const) {
      const { socket, probe } = await client()
      if (harm === 'terminate') socket.terminate()
      else tcpOf(socket).write(Buffer.from('no frame at all'))
      await probe.closed()
      assert.equal(probe.error?.code, 'PETIOLE_CONNECTION_LOST', harm)
      probe.channel.write(Buffer.from('too late'))
      probe.channel.end()
    }
  })

  it('answers those who do not speak WebSocket, and outlives them', async () => {
    const response = await fetch(`http://127.0.0.1:${pairs.port}/`)
    assert.equal(response.status, 400)
    assert.equal(await response.text(), 'Bad Request\n')
    for (const bytes of [
      '\0\0\0',
      'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n',
    ]) {
      const socket = connect(pairs.port, '127.0.0.1')
      socket.resume().on('error', () => {})
      socket.write(bytes)
      await once(socket, 'close')
    }
    const { socket, probe } = await client()
    socket.close()
    await probe.closed()
    const reasons = pairs.troubles.map(({ message }) => message.replace(/^.* - /, ''))
    assert.deepEqual(reasons, [
      "websocket handshake error: invalid value for header 'Upgrade'",
      "websocket handshake error: 'Host' missing in request",
    ])
  })
})

function tcpOf(socket: WebSocket): Socket {
  return (socket as unknown as { _socket: Socket })._socket
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function unusedPort(): Promise<number> {
  const server = createServer()
  const port = await listening(server)
  server.close()
  return port
}
