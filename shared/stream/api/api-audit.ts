/** What is told of the API itself: each request with its answer, and that there were too many of them. */
import type { Advisories } from '../advisories.ts'
import type { PortMessage, StreamPort } from '../port.ts'
import { API_PREFIX } from './api-context.ts'

/** Who asked, as nats-server's ClientInfo; undefined when nobody is known. */
export type DescribeRequester = (
  request: PortMessage,
) => Readonly<Record<string, unknown>> | undefined

export interface ApiAuditParts {
  readonly port: StreamPort
  readonly advisories: Advisories
  readonly serverName: string
  readonly describe: DescribeRequester
}

const AUDIT = 'API'

export class ApiAudit {
  readonly #parts: ApiAuditParts
  /** Requests that were refused since there was room the last time. */
  #refused = 0

  constructor(parts: ApiAuditParts) {
    this.#parts = parts
  }

  /** `$JS.EVENT.ADVISORY.API`. @param subject the request's, without the API's prefix */
  answered(subject: string, request: PortMessage, answer: Uint8Array): void {
    const { port, advisories, serverName, describe } = this.#parts
    // Asked here too: who asks for a long list should not pay for a second copy that nobody reads.
    if (!port.hasInterest(`$JS.EVENT.ADVISORY.${AUDIT}`)) return
    const client = describe(request)
    advisories.publish(AUDIT, 'api_audit', {
      server: serverName,
      ...(client === undefined ? {} : { client }),
      subject: API_PREFIX + subject,
      ...(request.payload.length === 0 ? {} : { request: textOf(request.payload) }),
      response: textOf(answer),
    })
  }

  /** Who asks, for what is told of it. */
  requester(request: PortMessage): Readonly<Record<string, unknown>> | undefined {
    return this.#parts.describe(request)
  }

  refused(): void {
    this.#refused++
  }

  /** `$JS.EVENT.ADVISORY.API.LIMIT_REACHED`: once for all that were refused, when there is room again. */
  hasRoom(): void {
    if (this.#refused === 0) return
    const { advisories, serverName } = this.#parts
    const dropped = this.#refused
    this.#refused = 0
    advisories.publish('API.LIMIT_REACHED', 'api_limit_reached', { server: serverName, dropped })
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}
