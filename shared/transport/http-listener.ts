import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Clock, PetioleError } from '../runtime/index.ts'
import { HttpCrowd } from './http-crowd.ts'
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_CLOSE_LINGER_MS,
  HTTP_HEADER_BYTES_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_MS,
  HTTP_REQUEST_TIMEOUT_MS,
  HTTP_STALLED_MS,
} from './limits.ts'
import { listenOn } from './listening.ts'
import type { Listener } from './network.ts'
import { secureServer } from './secure-server.ts'
import type { TlsSettings } from './tls-settings.ts'

export interface HttpRequest {
  /** HEAD is answered as GET, without its body. */
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly query: URLSearchParams
  /** Names in lower case; repeated ones joined. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>

export interface ListenHttpOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  /** What a handler threw (its requester sees 500), or a connection that could not be accepted. */
  readonly onTrouble: (error: PetioleError) => void
  /** HTTPS; undefined: plain. */
  readonly tls?: TlsSettings | undefined
}

/**
 * Opens an HTTP or HTTPS port for monitoring and the console; rejects as `Network.listen` does. Closing
 * lets requests in hand finish for HTTP_CLOSE_LINGER_MS.
 */
export async function listenHttp(
  options: ListenHttpOptions,
  handler: HttpHandler,
): Promise<Listener> {
  const limits = {
    maxHeaderSize: HTTP_HEADER_BYTES_MAX,
    headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
    requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
    keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
  }
  const crowd = new HttpCrowd()
  const server = createServer(limits, (message, response) => {
    const ended = crowd.began(message)
    answer(message, response, handler, crowd)
      .catch((error: unknown) => {
        options.onTrouble(
          new PetioleError('PETIOLE_HTTP_FAILED', `${message.method} ${message.url} failed`, {
            cause: error,
          }),
        )
        if (response.headersSent) response.destroy()
        else sendText(response, 500, 'internal error\n')
      })
      .finally(ended)
  })
  server.timeout = HTTP_STALLED_MS
  crowd.watch(server)
  const { tls } = options
  const listening = tls === undefined ? server : secureServer(server, tls, options)
  const listener = await listenOn(listening, options)
  const close = async (): Promise<void> => {
    if (!listening.listening) return
    await new Promise<void>((resolve) => {
      const cancel = options.clock.after(HTTP_CLOSE_LINGER_MS, () => server.closeAllConnections())
      listening.close(() => {
        cancel()
        resolve()
      })
      server.closeIdleConnections()
    })
  }
  return { ...listener, close }
}

async function answer(
  message: IncomingMessage,
  response: ServerResponse,
  handler: HttpHandler,
  crowd: HttpCrowd,
): Promise<void> {
  response.on('error', () => response.destroy())
  const method = message.method === 'HEAD' ? 'GET' : message.method
  if (method !== 'GET' && method !== 'POST') {
    response.setHeader('allow', 'GET, HEAD, POST')
    sendText(response, 405, 'only GET, HEAD and POST are answered here\n')
    return
  }
  const target = message.url ?? '/'
  const url = new URL(`http://localhost${target.startsWith('/') ? target : `/${target}`}`)
  const body = await readBody(message)
  if (body === 'gone') return
  if (body === 'too large') {
    response.setHeader('connection', 'close')
    sendText(response, 413, `the body is larger than ${HTTP_BODY_BYTES_MAX} bytes\n`)
    return
  }
  const headers = joinHeaders(message)
  const path = url.pathname
  const answered = await handler({ method, path, query: url.searchParams, headers, body })
  const bytes = typeof answered.body === 'string' ? Buffer.from(answered.body) : answered.body
  crowd.answers(response, bytes.length)
  response.writeHead(answered.status, { ...answered.headers, 'content-length': bytes.length })
  response.end(message.method === 'HEAD' ? undefined : bytes)
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': text.length })
  response.end(text)
}

function joinHeaders(message: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

function readBody(message: IncomingMessage): Promise<Uint8Array | 'too large' | 'gone'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    message.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > HTTP_BODY_BYTES_MAX) resolve('too large')
      else chunks.push(chunk)
    })
    message.on('end', () => resolve(Buffer.concat(chunks)))
    message.on('error', () => resolve('gone'))
    message.on('close', () => resolve('gone'))
  })
}
