/** What an origin answers to a feed's request. It is somebody else's word: nothing of it is believed unseen. */
import { headerValue } from '../headers.ts'
import { isObject } from '../json-fields.ts'
import type { PortMessage } from '../port.ts'

/** As stream infos show it. */
export interface FeedError {
  readonly code: number
  readonly err_code: number
  readonly description: string
}

export type FeedAnswer =
  | { readonly type: 'error'; readonly error: FeedError }
  | {
      readonly type: 'consumer'
      readonly name: string
      readonly ackPolicy: unknown
      readonly delivered: number
      readonly identity: string
    }
  /** It can not be read, so it was none. */
  | { readonly type: 'none' }

export const IDENTITY_HEADER = 'Nats-Stream-Identity'
const DESCRIPTION_MAX = 1024

export function parseFeedAnswer({ headers, payload }: PortMessage): FeedAnswer {
  let body: unknown
  try {
    body = JSON.parse(Buffer.from(payload).toString())
  } catch {
    return { type: 'none' }
  }
  if (!isObject(body)) return { type: 'none' }
  const { error, name, config, delivered } = body
  if (isObject(error)) return { type: 'error', error: errorOf(error) }
  if (typeof name !== 'string' || name === '' || !isObject(config)) {
    return { type: 'error', error: errorOf({}) }
  }
  const seq = isObject(delivered) ? Number(delivered['stream_seq']) : 0
  return {
    type: 'consumer',
    name,
    ackPolicy: config['ack_policy'],
    delivered: Number.isSafeInteger(seq) && seq > 0 ? seq : 0,
    identity: headerValue(headers, IDENTITY_HEADER) ?? '',
  }
}

function errorOf(error: Readonly<Record<string, unknown>>): FeedError {
  const { code, err_code, description } = error
  return {
    code: typeof code === 'number' ? code : 500,
    err_code: typeof err_code === 'number' ? err_code : 0,
    description:
      typeof description === 'string'
        ? description.slice(0, DESCRIPTION_MAX)
        : 'invalid consumer create response',
  }
}
