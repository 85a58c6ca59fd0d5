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
