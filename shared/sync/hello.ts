import * as v from 'valibot'
import { PetioleError } from '../runtime/index.ts'
import { BUFFERS_PER_LEAF_MAX, NAME_BYTES_MAX, SERVER_NAME_MAX } from './limits.ts'

/**
 * The hello exchange: how a leaf and its home agree where to go on. JSON, because it happens once
 * per connection. A reader passes over keys that it does not know, so either side may be newer.
 */

const Seq = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
/** One line of text: names end up in header lines. */
const LINE = /^[^\p{Cc}]+$/u
export const Name = v.pipe(v.string(), v.regex(LINE), v.maxBytes(NAME_BYTES_MAX))
export const ServerName = v.pipe(v.string(), v.regex(LINE), v.maxBytes(SERVER_NAME_MAX))
export const Text = v.pipe(v.string(), v.maxLength(4_096))

const HelloBuffer = v.object({
  name: Name,
  incarnation: Name,
  /** The first sequence that the leaf has; `last_seq + 1` when it has none. */
  first_seq: Seq,
  last_seq: Seq,
  /** What the leaf knows to be durable at its home. */
  synced_seq: Seq,
  /** How much of that was settled under earlier incarnations; left out by who does not know. */
  base_seq: v.optional(Seq),
})

const HelloSchema = v.object({
  v: v.literal(1),
  name: ServerName,
  /** The leaf's server id: what tells it from another leaf under the same name. */
  id: ServerName,
  /** New at each start of the leaf. */
  boot: ServerName,
  version: Text,
  region: Text,
  /** Where the leaf's watermarks are; '' when it has none yet. */
  home: Text,
  buffers: v.pipe(v.array(HelloBuffer), v.maxLength(BUFFERS_PER_LEAF_MAX)),
})

const WelcomeBuffer = v.object({
  name: Name,
  incarnation: Name,
  /** The last sequence that is durable at the hub; null when it never heard of the incarnation. */
  watermark: v.nullable(Seq),
  /** Checksum of the record at the watermark; null when it was no record. */
  fingerprint: v.nullable(v.number()),
})

const HelloReplySchema = v.variant('status', [
  v.object({
    v: v.literal(1),
    status: v.literal('welcome'),
    home: ServerName,
    /** The hub's wall clock, ms since the epoch: for a leaf that has none. */
    now_ms: v.number(),
    /** The largest message that the hub takes. */
    payload_max: Seq,
    /** Bytes that the leaf may have on the way at a time. */
    credit_bytes: Seq,
    buffers: v.array(WelcomeBuffer),
  }),
  /** The hub has no room for this leaf now. */
  v.object({
    v: v.literal(1),
    status: v.literal('later'),
    retry_ms: v.pipe(v.number(), v.minValue(0)),
    reason: Text,
  }),
  /** Somebody must mend something first; the reason says what. */
  v.object({ v: v.literal(1), status: v.literal('refused'), reason: Text }),
])

const BatchReplySchema = v.object({
  v: v.literal(1),
  /** Of the batch that is answered, so that no answer is ever taken for another buffer's; '' for one that was not understood. */
  incarnation: Text,
  /**
   * `stored` and `repeat`: durable up to the watermark. `gap`: the next sequence must be the one
   * after the watermark. `hello`: this incarnation is unknown, say hello first. `later`: no room
   * now. `refused`: the record after the watermark cannot be stored. `invalid`: not understood.
   */
  status: v.picklist(['stored', 'repeat', 'gap', 'hello', 'later', 'refused', 'invalid']),
  /** The last sequence that is durable at the hub; null when unknown. */
  watermark: v.nullable(Seq),
  retry_ms: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
  /** `refused`: the subject of the record. */
  subject: v.optional(Text, ''),
  reason: v.optional(Text, ''),
})

export type Hello = v.InferOutput<typeof HelloSchema>
export type HelloBuffer = v.InferOutput<typeof HelloBuffer>
export type HelloReply = v.InferOutput<typeof HelloReplySchema>
export type Welcome = Extract<HelloReply, { status: 'welcome' }>
export type WelcomeBuffer = v.InferOutput<typeof WelcomeBuffer>
export type BatchReply = v.InferOutput<typeof BatchReplySchema>

export function decodeHello(payload: Uint8Array): Hello {
  return decode(HelloSchema, payload, 'hello')
}

export function decodeHelloReply(payload: Uint8Array): HelloReply {
  return decode(HelloReplySchema, payload, 'hello reply')
}

export function decodeBatchReply(payload: Uint8Array): BatchReply {
  return decode(BatchReplySchema, payload, 'batch reply')
}

export function encodeJson(value: Hello | HelloReply | BatchReply): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Throws PETIOLE_SYNC_MESSAGE_INVALID with the path of what is wrong. */
export function decode<T extends v.GenericSchema>(
  schema: T,
  payload: Uint8Array,
  what: string,
): v.InferOutput<T> {
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString())
  } catch (cause) {
    throw new PetioleError('PETIOLE_SYNC_MESSAGE_INVALID', `not a ${what}: no JSON`, { cause })
  }
  const result = v.safeParse(schema, json)
  if (result.success) return result.output
  const [issue] = result.issues
  const path = v.getDotPath(issue) ?? 'value'
  throw new PetioleError('PETIOLE_SYNC_MESSAGE_INVALID', `not a ${what}: ${path}: ${issue.message}`)
}
