/**
 * What is on disk of a session, in the state table of its account's log. `key` is drawn when the session
 * is made, so that nothing of an earlier session of the same client is ever taken for this one's.
 *
 *     s/<key>, s2/<key>   what it is: JSON, twice, because without it all the rest belongs to nobody
 *     f/<key>/<n>         one filter: JSON
 *     w/<key>             the will: JSON
 *     c/<key>             how far it is: u8 1 | f64 passed | u16 n | n × (u16 id, f64 seq, u8 qos | released << 2)
 *     i/<key>/<n>         packet identifiers from 2048 n on of QoS 2 publishes that wait for PUBREL [id-block.ts]
 *     i/<key>             the same of an earlier version, all in one: made into those after the start [id-block.ts]
 *
 * Numbers are little-endian. Decoding throws nothing: bytes that make no sense are undefined.
 */
import { decodeProperties, PLACE, type WillMessage } from '../codec/index.ts'
import type { StoredFilter } from './delivery-line.ts'

const VERSION = 1
const CURSOR_HEAD = 11
const INFLIGHT_SIZE = 11
const RELEASED = 4

export interface SessionRecord {
  readonly clientId: string
  readonly createdMs: number
  readonly expirySeconds: number
  /** Wall time at which the client left; 0 while it is connected, and when no clock could be trusted. */
  readonly leftMs: number
}

export interface CursorRecord {
  readonly passedSeq: number
  readonly inflight: readonly InflightRecord[]
}

export interface InflightEntry {
  readonly packetId: number
  readonly seq: number
  readonly qos: 1 | 2
}

export interface InflightRecord extends InflightEntry {
  readonly isReleased: boolean
}

/** What is in flight: `size` is of both together. */
export interface EncodedInflight {
  readonly size: number
  readonly released: Iterable<InflightEntry>
  readonly published: Iterable<InflightEntry>
}

/** What was stored for a filter before it was replaced by one at QoS 0, and is to be delivered still. */
export interface Waiting {
  readonly qos: number
  /** What was stored behind this, */
  readonly sinceSeq: number
  /** and up to this. */
  readonly untilSeq: number
}

export interface FilterRecord {
  readonly stored: StoredFilter
  readonly sinceSeq: number
  readonly waiting?: Waiting | undefined
}

export function encodeSession(record: SessionRecord): Uint8Array {
  return Buffer.from(JSON.stringify({ v: VERSION, ...record }))
}

export function decodeSession(bytes: Uint8Array): SessionRecord | undefined {
  const fields = decodeJson(bytes)
  const { clientId, createdMs, expirySeconds, leftMs } = fields ?? {}
  if (typeof clientId !== 'string' || !isCount(createdMs)) return undefined
  if (!isCount(expirySeconds) || !isCount(leftMs)) return undefined
  return { clientId, createdMs, expirySeconds, leftMs }
}

export function encodeFilter({ stored, sinceSeq, waiting }: FilterRecord): Uint8Array {
  return Buffer.from(JSON.stringify({ v: VERSION, ...stored, sinceSeq, waiting }))
}

export function decodeFilter(bytes: Uint8Array): FilterRecord | undefined {
  const fields = decodeJson(bytes)
  if (fields === undefined) return undefined
  const { filter, qos, isNoLocal, isRetainAsPublished, subscriptionId, retainHandling, sinceSeq } =
    fields
  if (typeof filter !== 'string' || !isCount(qos, 2) || !isCount(sinceSeq)) return undefined
  if (!isCount(subscriptionId) || !isCount(retainHandling, 2)) return undefined
  const options = {
    isNoLocal: isNoLocal === true,
    isRetainAsPublished: isRetainAsPublished === true,
  }
  const stored = { filter, qos, ...options, subscriptionId, retainHandling }
  const waiting = decodeWaiting(fields['waiting'])
  return waiting === undefined ? { stored, sinceSeq } : { stored, sinceSeq, waiting }
}

/** Without it the filter is what it was asked to be. */
function decodeWaiting(value: unknown): Waiting | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { qos, sinceSeq, untilSeq } = value as Record<string, unknown>
  if (!isCount(qos, 2) || !isCount(sinceSeq) || !isCount(untilSeq)) return undefined
  return { qos, sinceSeq, untilSeq }
}

export function encodeWill({ topic, payload, qos, isRetain, section }: WillMessage): Uint8Array {
  const fields = {
    v: VERSION,
    topic: base64(topic),
    payload: base64(payload),
    qos,
    isRetain,
    properties: base64(behindLength(section)),
  }
  return Buffer.from(JSON.stringify(fields))
}

export function decodeWill(bytes: Uint8Array): WillMessage | undefined {
  const fields = decodeJson(bytes)
  if (fields === undefined) return undefined
  const { topic, payload, qos, isRetain, properties } = fields
  if (typeof topic !== 'string' || typeof payload !== 'string' || !isCount(qos, 2)) return undefined
  if (typeof properties !== 'string') return undefined
  const encoded = Buffer.from(properties, 'base64')
  const section = Buffer.concat([lengthOf(encoded), encoded])
  const decoded = decodeProperties(section, 0, section.length, PLACE.will)
  if (!('properties' in decoded)) return undefined
  return {
    topic: Buffer.from(topic, 'base64'),
    payload: Buffer.from(payload, 'base64'),
    qos,
    isRetain: isRetain === true,
    properties: decoded.properties,
    section,
  }
}

/** Made each time that a session's progress is written: of what is in flight nothing is copied first. */
export function encodeCursor(passedSeq: number, inflight: EncodedInflight): Uint8Array {
  const bytes = new Uint8Array(CURSOR_HEAD + inflight.size * INFLIGHT_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, VERSION)
  view.setFloat64(1, passedSeq, true)
  view.setUint16(9, inflight.size, true)
  const at = writeInflight(view, CURSOR_HEAD, inflight.released, RELEASED)
  writeInflight(view, at, inflight.published, 0)
  return bytes
}

function writeInflight(
  view: DataView,
  start: number,
  entries: Iterable<InflightEntry>,
  flag: number,
): number {
  let at = start
  for (const { packetId, seq, qos } of entries) {
    view.setUint16(at, packetId, true)
    view.setFloat64(at + 2, seq, true)
    view.setUint8(at + 10, qos | flag)
    at += INFLIGHT_SIZE
  }
  return at
}

export function decodeCursor(bytes: Uint8Array): CursorRecord | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < CURSOR_HEAD || view.getUint8(0) !== VERSION) return undefined
  const passedSeq = view.getFloat64(1, true)
  const count = view.getUint16(9, true)
  if (!isCount(passedSeq) || bytes.length !== CURSOR_HEAD + count * INFLIGHT_SIZE) return undefined
  const inflight: InflightRecord[] = []
  const ids = new Set<number>()
  for (let at = CURSOR_HEAD; at < bytes.length; at += INFLIGHT_SIZE) {
    const packetId = view.getUint16(at, true)
    const seq = view.getFloat64(at + 2, true)
    const flags = view.getUint8(at + 10)
    const qos = flags & 3
    if (packetId === 0 || ids.has(packetId) || !isCount(seq)) return undefined
    if ((qos !== 1 && qos !== 2) || flags > (RELEASED | 2)) return undefined
    ids.add(packetId)
    inflight.push({ packetId, seq, qos, isReleased: (flags & RELEASED) !== 0 })
  }
  return { passedSeq, inflight }
}

function decodeJson(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const fields: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (typeof fields !== 'object' || fields === null) return undefined
    const record = fields as Record<string, unknown>
    return record['v'] === VERSION ? record : undefined
  } catch {
    return undefined
  }
}

function isCount(value: unknown, max = Number.MAX_SAFE_INTEGER): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

/** What stands behind the length, which there is none of before MQTT 5. */
function behindLength(section: Uint8Array): Uint8Array {
  let at = 0
  while ((section[at] ?? 0) > 127) at++
  return section.subarray(at + 1)
}

/** As the codec wants it in front of properties. */
function lengthOf({ length }: Uint8Array): Buffer {
  const bytes: number[] = []
  let rest = length
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}
