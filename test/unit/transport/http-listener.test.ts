import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type PetioleError, SystemClock } from '../../../shared/runtime/index.ts'
import {
  type FetchTextOptions,
  fetchText,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  type Listener,
  listenHttp,
  TlsSettings,
} from '../../../shared/transport/index.ts'
import { HTTP_CLOSE_LINGER_MS } from '../../../shared/transport/limits.ts'
import { secureServer } from '../../../shared/transport/secure-server.ts'
import { CertificateAuthority, tlsConfig } from '../../support/certificates.ts'

describe('HTTP listener', () => {
  let listener: Listener
  let handler: HttpHandler
  const troubles: PetioleError[] = []
  const url = (path: string): string => `http://127.0.0.1:${listener.port}${path}`

  before(async () => {
    const clock = new SystemClock()
    const onTrouble = (error: PetioleError): void => void troubles.push(error)
    listener = await listenHttp({ host: '127.0.0.1', port: 0, clock, onTrouble }, (request) =>
      handler(request),
    )
  })
  after(() => listener.close())

  it('hands over method, path, query, headers and body', async () => {
    const seen: HttpRequest[] = []
    handler = (request) => {
      seen.push(request)
      return { status: 201, headers: { 'content-type': 'text/plain' }, body: 'grüezi' }
    }
    const response = await fetch(url('/varz?subs=1&x=%20y'), {
      method: 'POST',
      headers: { 'X-Key': 'k' },
      body: 'payload',
    })
    assert.equal(response.status, 201)
    assert.equal(await response.text(), 'grüezi')
    const [request] = seen
    assert.equal(request?.method, 'POST')
    assert.equal(request?.path, '/varz')
    assert.equal(request?.query.get('subs'), '1')
    assert.equal(request?.query.get('x'), ' y')
    assert.equal(request?.headers['x-key'], 'k')
    assert.equal(Buffer.from(request?.body ?? []).toString(), 'payload')
  })

  it('answers HEAD as GET without the body, and refuses other methods', async () => {
    handler = ({ method }) => ({ status: 200, headers: {}, body: Buffer.from(method) })
    const head = await fetch(url('/'), { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), '3')
    assert.equal(await head.text(), '')
    const refused = await fetch(url('/'), { method: 'DELETE' })
    assert.equal(refused.status, 405)
    assert.equal(refused.headers.get('allow'), 'GET, HEAD, POST')
    await refused.text()
  })

  it('answers 500 when the handler fails, and reports what it threw', async () => {
    handler = async () => {
      throw new Error('broken page')
    }
    const response = await fetch(url('/page'))
    assert.equal(response.status, 500)
    assert.equal(await response.text(), 'internal error\n')
    const trouble = troubles.pop()
    assert.equal(trouble?.code, 'PETIOLE_HTTP_FAILED')
    assert.match(trouble?.message ?? '', /GET \/page failed/)
  })

  it('refuses bodies above the limit', async () => {
    handler = () => assert.fail('not reached')
    const response = await fetch(url('/'), {
      method: 'POST',
      body: new Uint8Array(1_100_000),
    }).catch(() => undefined)
    // The client may see the connection close before it has read the answer.
    if (response !== undefined) assert.equal(response.status, 413)
  })

  it('outlives garbage', async () => {
    handler = () => ({ status: 200, headers: {}, body: 'alive' })
    for (const bytes of [
      '\0\xff\r\n\r\n',
      'GET //\\[:::: HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ]) {
      const socket = connect(listener.port, '127.0.0.1')
      socket.resume().on('error', () => {})
      socket.write(bytes, 'latin1')
      await once(socket, 'close')
    }
    assert.equal(await (await fetch(url('/'))).text(), 'alive')
    assert.deepEqual(troubles, [])
  })

  it('closes under a request that does not end, once the linger is over', async () => {
    const clock = new SystemClock()
    const lingers: number[] = []
    const impatient = {
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.monotonicMs(),
      soon: (fn: () => void) => clock.soon(fn),
      after: (delayMs: number, fn: () => void) => {
        lingers.push(delayMs)
        return clock.after(20, fn)
      },
    }
    const options = { host: '127.0.0.1', port: 0, clock: impatient, onTrouble: assert.fail }
    let isAsked = (): void => {}
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve
    })
    const other = await listenHttp(options, () => {
      isAsked()
      return new Promise(() => {})
    })
    const answer = fetch(`http://127.0.0.1:${other.port}/`)
    await asked
    await Promise.all([other.close(), assert.rejects(answer)])
    assert.deepEqual(lingers, [HTTP_CLOSE_LINGER_MS])
    await other.close()
  })

  it('names a taken port', async () => {
    const options = {
      host: '127.0.0.1',
      port: listener.port,
      clock: new SystemClock(),
      onTrouble: assert.fail,
    }
    await assert.rejects(listenHttp(options, handler), { code: 'PETIOLE_PORT_TAKEN' })
  })
})

describe('HTTPS listener and GET', () => {
  const authority = new CertificateAuthority()
  const clock = new SystemClock()
  const troubles: PetioleError[] = []
  const where = { host: '127.0.0.1', port: 0, clock } as const
  let listener: Listener
  let answer: HttpResponse = { status: 200, headers: {}, body: 'a JWT' }

  before(async () => {
    const config = tlsConfig({ certs: [authority.server()] })
    const onTrouble = (error: PetioleError): void => void troubles.push(error)
    const tls = new TlsSettings(config, 'server')
    listener = await listenHttp({ ...where, onTrouble, tls }, () => answer)
  })
  after(async () => {
    await listener.close()
    authority.remove()
  })
  const get = (over: Partial<FetchTextOptions> = {}, protocol = 'https'): Promise<string> => {
    const tls = new TlsSettings(tlsConfig({ ca_file: authority.ca_file }), 'client')
    const options = { clock, timeoutMs: 2_000, bytesMax: 100, tls, ...over }
    return fetchText(
      `${protocol}://user:secret@127.0.0.1:${listener.port}/jwt/v1/accounts/A`,
      options,
    )
  }

  it('gets what a secured server answers', async () => {
    assert.equal(await get(), 'a JWT')
    answer = { status: 200, headers: {}, body: 'x'.repeat(100) }
    assert.equal((await get()).length, 100)
  })

  it('says why it did not get it, without secrets', async () => {
    const place = `https://127.0.0.1:${listener.port}/jwt/v1/accounts/A`
    answer = { status: 404, headers: {}, body: '' }
    const message = `cannot get ${place}: status 404`
    await assert.rejects(get(), { code: 'PETIOLE_HTTP_GET', message })
    answer = { status: 200, headers: {}, body: 'x'.repeat(101) }
    await assert.rejects(get(), { message: `cannot get ${place}: more than 100 bytes` })
    const foreign = new TlsSettings(tlsConfig(), 'client')
    await assert.rejects(get({ tls: foreign }), { message: /certificate/ })
    await assert.rejects(get({}, 'http'), { code: 'PETIOLE_HTTP_GET' })
    assert.match(troubles.at(-1)?.message ?? '', /^127\.0\.0\.1:\d+ - TLS handshake error/)
    await assert.rejects(fetchText('nowhere', { clock, timeoutMs: 1, bytesMax: 1 }), {
      code: 'PETIOLE_HTTP_GET',
    })
  })

  it('does not wait for ever for a request over TLS', async () => {
    const http = createHttpServer({ headersTimeout: 40, connectionsCheckingInterval: 10 })
    const settings = new TlsSettings(tlsConfig({ certs: [authority.server('slow')] }), 'server')
    const server = secureServer(http, settings, { clock, onTrouble: () => {} })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    socket.resume().write('GET / HT')
    await once(socket, 'close')
    server.close()
  })

  it('waits no longer than it is told to', async () => {
    const mute = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const { port } = mute.address() as AddressInfo
    await assert.rejects(
      fetchText(`http://127.0.0.1:${port}/`, { clock, timeoutMs: 50, bytesMax: 100 }),
      { message: `cannot get http://127.0.0.1:${port}/: no answer within 50 ms` },
    )
    mute.close()
  })
})
