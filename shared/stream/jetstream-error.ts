import { codeOf, invariant, messageOf, PetioleError } from '../runtime/index.ts'
import { API_ERRORS } from './api/api-errors.ts'

/** A refusal that a JetStream client understands: one row of the error table. */
export class JetStreamError extends PetioleError {
  /** The five digits that clients match on. */
  readonly errCode: number
  /** The HTTP-like status. */
  readonly status: number
  /** The text without the number. */
  readonly description: string

  /** @param detail fills the placeholder of the row's text, when it has one; a list fills several. */
  constructor(
    errCode: number,
    detail: string | readonly string[] = '',
    options?: { readonly cause?: unknown },
  ) {
    const row = API_ERRORS[errCode]
    invariant(row !== undefined, `JetStream error ${errCode} is not in the table`)
    const details = typeof detail === 'string' ? [detail] : [...detail]
    const description = row[1].replace(/\{\w+\}/g, () => details.shift() ?? '')
    super('PETIOLE_JETSTREAM', `${description} (${errCode})`, options)
    this.errCode = errCode
    this.status = row[0]
    this.description = description
  }

  toJSON(): { code: number; err_code: number; description: string } {
    return { code: this.status, err_code: this.errCode, description: this.description }
  }
}

/** Any failure as the JetStream error that its API answer carries. */
export function toJetStreamError(error: unknown): JetStreamError {
  if (error instanceof JetStreamError) return error
  switch (codeOf(error)) {
    case 'PETIOLE_STORE_BUSY':
      return new JetStreamError(10167, '', { cause: error })
    case 'PETIOLE_STORE_FULL':
      return new JetStreamError(10047, '', { cause: error })
    case 'PETIOLE_STORE_FAILED':
    case 'PETIOLE_STREAM_FULL':
      return new JetStreamError(10077, messageOf(error), { cause: error })
    case 'PETIOLE_MESSAGE_TOO_LARGE':
      return new JetStreamError(10054, '', { cause: error })
    case 'PETIOLE_STORE_CLOSED':
    case 'PETIOLE_INVARIANT':
      return new JetStreamError(10008, '', { cause: error })
    default:
      return new JetStreamError(10051, messageOf(error), { cause: error })
  }
}
