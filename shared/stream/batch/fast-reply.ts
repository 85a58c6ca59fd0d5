/**
 * What a publisher of a fast batch says with the reply subject of each message:
 * `<inbox>.<batch id>.<flow>.<gap mode>.<batch seq>.<operation>.$FI`.
 */
import { parseJsonObject } from '../../wire/index.ts'
import { headerValue } from '../headers.ts'
import { parseUint64 } from './batch-headers.ts'
import { FLOW_MESSAGES, FLOW_MESSAGES_ASKED_MAX } from './limits.ts'

export interface FastReply {
  readonly id: string
  readonly seq: number
  /** Messages between two acknowledgements, at most. */
  readonly flow: number
  readonly isGapOk: boolean
  readonly operation: 'start' | 'append' | 'commit' | 'end' | 'ping'
}

const SUFFIX = '.$FI'
const IMPORTED = '_R_.'
const REQUEST_INFO = 'Nats-Request-Info'
const OPERATIONS = ['start', 'append', 'commit', 'end', 'ping'] as const

function isFastReply(reply: string): boolean {
  return reply.length > SUFFIX.length && reply.endsWith(SUFFIX)
}

/**
 * The reply subject that says so of a message; undefined: it is part of no fast batch. Where an import put
 * its own in place of it, the one that the publisher gave stands in what the import says of him.
 */
export function fastReplyOf(reply: string, headers: Uint8Array): string | undefined {
  if (isFastReply(reply)) return reply
  if (!reply.startsWith(IMPORTED) || headers.length === 0) return undefined
  const info = headerValue(headers, REQUEST_INFO)
  const given = info === undefined ? undefined : parseJsonObject(info)?.['reply']
  return typeof given === 'string' && isFastReply(given) ? given : undefined
}

/** undefined when it is not in that form. */
export function parseFastReply(reply: string): FastReply | undefined {
  const tokens = reply.slice(0, -SUFFIX.length).split('.')
  const [id, flow = '', gapMode, number = '', code = ''] = tokens.slice(-5)
  if (tokens.length < 6 || id === undefined) return undefined
  const operation = /^\d+$/.test(code) ? OPERATIONS[Number(code)] : undefined
  const seq = parseUint64(number)
  if (operation === undefined || seq === undefined) return undefined
  if (seq === 0 || seq > Number.MAX_SAFE_INTEGER) return undefined
  if (gapMode !== 'ok' && gapMode !== 'fail') return undefined
  // Only the first one starts; it can neither follow another nor end what has not begun.
  if (operation === 'start' ? seq !== 1 : seq === 1 && ['append', 'end'].includes(operation)) {
    return undefined
  }
  return { id, seq, flow: flowOf(flow), isGapOk: gapMode === 'ok', operation }
}

function flowOf(text: string): number {
  const flow = /^\d+$/.test(text) ? Number(text) : 0
  return flow === 0 ? FLOW_MESSAGES : Math.min(flow, FLOW_MESSAGES_ASKED_MAX)
}
