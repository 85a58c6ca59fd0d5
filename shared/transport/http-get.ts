import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getSecured } from 'node:https'
import { type Clock, codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import { HTTP_HEADER_BYTES_MAX } from './limits.ts'
import type { TlsSettings } from './tls-settings.ts'

export interface FetchTextOptions {
  readonly clock: Clock
  /** For the whole answer. */
  readonly timeoutMs: number
  readonly bytesMax: number
  /** `https:` only; undefined: the platform's authorities. */
  readonly tls?: TlsSettings | undefined
}

/**
 * One GET over HTTP or HTTPS, for an account resolver: the body of an answer with status 200. No
 * redirect is followed and no connection is kept. Rejects with PETIOLE_HTTP_GET, which names the URL
 * without its user part, and the reason.
 */
export function fetchText(url: string, options: FetchTextOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    let target: URL
    try {
      target = new URL(url)
    } catch (cause) {
      reject(new PetioleError('PETIOLE_HTTP_GET', 'cannot get a URL that is none', { cause }))
      return
    }
    const fail = (reason: string, cause?: unknown): void => {
      cancel()
      const where = `${target.protocol}//${target.host}${target.pathname}`
      reject(new PetioleError('PETIOLE_HTTP_GET', `cannot get ${where}: ${reason}`, { cause }))
      request.destroy()
    }
    const cancel = options.clock.after(options.timeoutMs, () =>
      fail(`no answer within ${options.timeoutMs} ms`),
    )
    const common = { agent: false, maxHeaderSize: HTTP_HEADER_BYTES_MAX } as const
    const isSecured = target.protocol === 'https:'
    const request = isSecured
      ? getSecured(target, { ...common, ...securityOf(options.tls) })
      : getPlain(target, common)
    request.on('error', (error) => fail(messageOf(error) || codeOf(error), error))
    request.on('response', (response) => {
      readText(response, options.bytesMax, fail, (text) => {
        cancel()
        resolve(text)
      })
    })
  })
}

function securityOf(tls: TlsSettings | undefined): object {
  if (tls === undefined) return {}
  return { secureContext: tls.context, rejectUnauthorized: !tls.config.insecure }
}

function readText(
  response: IncomingMessage,
  bytesMax: number,
  fail: (reason: string, cause?: unknown) => void,
  done: (text: string) => void,
): void {
  const chunks: Buffer[] = []
  let size = 0
  if (response.statusCode !== 200) {
    fail(`status ${response.statusCode}`)
    return
  }
  response.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > bytesMax) fail(`more than ${bytesMax} bytes`)
    else chunks.push(chunk)
  })
  response.on('error', (error) => fail(messageOf(error), error))
  response.on('end', () => {
    if (response.complete && size <= bytesMax) done(Buffer.concat(chunks).toString())
  })
}
