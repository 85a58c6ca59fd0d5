/**
 * How a source is told from the others of its stream, and the header by which each of its messages says
 * where it comes from:
 *
 *   Nats-Stream-Source: <origin> <seq> <filters> <destinations> <subject> [<identity>]
 *
 * `origin` is the stream's name, with `:<hash of the API's prefix>` where that is another's. Of several
 * filters or destinations each but the first has a form feed before it. Source: nats-server (stream.go).
 */
import type { StreamSource } from '../config/stream-source.ts'
import { accountHash } from '../consumer/ack-subject.ts'
import { withHeaders, withoutHeaders } from '../headers.ts'

export const SOURCE_HEADER = 'Nats-Stream-Source'
/** `$JS.ACK.<stream>…` and `$JS.ACK.<domain>.<account>.<stream>…`, with a token more that nobody guesses. */
const SHORT_REPLY_TOKENS = 9
const LONG_REPLY_TOKENS = 11

export interface SourceIndex {
  readonly origin: string
  readonly filters: string
  readonly destinations: string
  /** All three: nobody else in the stream has the same. */
  readonly name: string
}

export function sourceIndex(source: StreamSource): SourceIndex {
  const { name, external, consumer, filter_subject, subject_transforms = [] } = source
  let origin = name
  if (external !== undefined) origin += `:${accountHash(external.api)}`
  if (consumer !== undefined) origin += `:C=${accountHash(consumer.name ?? '')}`
  const isPlain = subject_transforms.length === 0
  const filters = isPlain
    ? (filter_subject ?? '>')
    : subject_transforms.map(({ src }) => src || '>').join('\f')
  const destinations = isPlain ? '>' : subject_transforms.map(({ dest }) => dest || '>').join('\f')
  return { origin, filters, destinations, name: `${origin} ${filters} ${destinations}` }
}

export interface SourceOrigin {
  readonly origin: string
  /** Of the source's index; undefined where the header is of a server that had none yet. */
  readonly name: string | undefined
  readonly seq: number
  readonly identity: string
}

/** What the header says; undefined when it says nothing that can be understood. */
export function parseSourceHeader(text: string): SourceOrigin | undefined {
  if (text.startsWith('$JS.ACK.')) return originOfReply(text.split('.'))
  const [origin = '', seqText = '', filters, destinations, , identity = ''] = text.split(' ')
  const seq = seqOf(seqText)
  if (seq === undefined || origin === '') return undefined
  if (filters === undefined) return { origin, name: undefined, seq, identity: '' }
  if (destinations === undefined) return undefined
  return { origin, name: `${origin} ${filters} ${destinations}`, seq, identity }
}

/** The oldest form: the reply subject of the message as it came, in one of its two lengths. */
function originOfReply(tokens: readonly string[]): SourceOrigin | undefined {
  const isShort = tokens.length === SHORT_REPLY_TOKENS
  if (!isShort && tokens.length < LONG_REPLY_TOKENS) return undefined
  const at = isShort ? 2 : 4
  const origin = tokens[at] ?? ''
  const seq = seqOf(tokens[at + 3] ?? '')
  return seq === undefined ? undefined : { origin, name: undefined, seq, identity: '' }
}

function seqOf(text: string): number | undefined {
  const seq = /^\d+$/.test(text) ? Number(text) : 0
  return seq > 0 && Number.isSafeInteger(seq) ? seq : undefined
}

/** The headers of a message as its destination stores them. */
export function sourcedHeaders(
  headers: Uint8Array,
  { origin, filters, destinations }: SourceIndex,
  seq: number,
  subject: string,
  identity: string,
): Uint8Array {
  const where = `${origin} ${seq} ${filters} ${destinations} ${subject}`
  const value = identity === '' ? where : `${where} ${identity}`
  const bare = withoutHeaders(headers, (name) => name === SOURCE_HEADER || isForOrigin(name))
  return withHeaders(bare, [[SOURCE_HEADER, value]])
}

/** What a publisher asked of the origin is not asked of its copies. */
export function mirroredHeaders(headers: Uint8Array): Uint8Array {
  return headers.length === 0 ? headers : withoutHeaders(headers, isForOrigin)
}

function isForOrigin(name: string): boolean {
  return name.startsWith('Nats-Expected-') || name.startsWith('Nats-Batch-')
}
