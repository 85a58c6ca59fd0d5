/**
 * Writes messages that do not lie in the arena as frames for one client: put together where they go out.
 *
 *     MSG|HMSG <subject> <sid> [<reply> ][<header size> ]<total size>\r\n<headers><payload>\r\n
 */
import { arenaBytes, arenaView, type Output } from '../transport/index.ts'
import type { LaidOutMessage } from './message.ts'
import { writeSizes } from './routed-message.ts'

export const MSG_BYTES = Buffer.from('MSG ')
export const HMSG_BYTES = Buffer.from('HMSG ')
/** `HMSG `, and the second word of a short sid. */
export const LINE_ROOM = 16
/** Two sizes with what ends them, and the end of the message. */
export const SIZES_ROOM = 32

/** At an arena offset with room for all of it; returns where it ends. @param sid with its space */
export function writeFrame(
  start: number,
  sid: Uint8Array,
  shown: Uint8Array,
  reply: Uint8Array,
  headers: Uint8Array,
  payload: Uint8Array,
): number {
  const hasHeaders = headers.length > 0
  let at = append(start, hasHeaders ? HMSG_BYTES : MSG_BYTES)
  at = append(at, shown)
  arenaBytes[at++] = SPACE
  at = appendAddress(at, sid, reply)
  at = writeSizes(at, hasHeaders ? headers.length : -1, headers.length + payload.length)
  return endFrame(append(append(at, headers), payload))
}

/** The same for what lies in one piece. */
export function writeLaidOut(
  start: number,
  sid: Uint8Array,
  { bytes, subjectAt, headersAt, payloadAt, end }: LaidOutMessage,
  reply: Uint8Array,
): number {
  const headersSize = payloadAt - headersAt
  let at = append(start, headersSize > 0 ? HMSG_BYTES : MSG_BYTES)
  at = appendPart(at, bytes, subjectAt, headersAt)
  arenaBytes[at++] = SPACE
  at = appendAddress(at, sid, reply)
  at = writeSizes(at, headersSize > 0 ? headersSize : -1, end - headersAt)
  return endFrame(appendPart(at, bytes, headersAt, end))
}

/** What is larger than a slot of the output: piece by piece. */
export function writePieces(
  output: Output,
  sid: Uint8Array,
  shown: Uint8Array,
  reply: Uint8Array,
  headers: Uint8Array,
  payload: Uint8Array,
): void {
  const hasHeaders = headers.length > 0
  output.write(hasHeaders ? HMSG_BYTES : MSG_BYTES)
  output.write(shown)
  output.write(SPACE_BYTES)
  output.write(sid)
  if (reply.length > 0) {
    output.write(reply)
    output.write(SPACE_BYTES)
  }
  const size = headers.length + payload.length
  output.write(Buffer.from(hasHeaders ? `${headers.length} ${size}\r\n` : `${size}\r\n`))
  output.write(headers)
  output.write(payload)
  output.write(CRLF_BYTES)
}

/** A view on a part of what lies in one piece. */
export function partOf({ buffer, byteOffset }: DataView, from: number, end: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + from, end - from)
}

const CR = 13
const LF = 10
const SPACE = 32
const SPACE_BYTES = Buffer.from(' ')
const CRLF_BYTES = Buffer.from('\r\n')
/** Up to here copying byte by byte beats `set`, and word by word making a view for it; measured. */
const COPY_BYTES_MAX = 40
const COPY_WORDS_MAX = 256

function appendAddress(start: number, sid: Uint8Array, reply: Uint8Array): number {
  let at = append(start, sid)
  if (reply.length > 0) {
    at = append(at, reply)
    arenaBytes[at++] = SPACE
  }
  return at
}

function endFrame(at: number): number {
  arenaBytes[at] = CR
  arenaBytes[at + 1] = LF
  return at + 2
}

function append(at: number, bytes: Uint8Array): number {
  const size = bytes.length
  if (size > COPY_BYTES_MAX) arenaBytes.set(bytes, at)
  else for (let i = 0; i < size; i++) arenaBytes[at + i] = bytes[i] ?? 0
  return at + size
}

/** By words, and the rest byte by byte: nothing may be read behind what is there. */
function appendPart(start: number, source: DataView, from: number, end: number): number {
  const size = end - from
  if (size > COPY_WORDS_MAX) {
    arenaBytes.set(partOf(source, from, end), start)
    return start + size
  }
  const wordsEnd = end - (size & 3)
  let at = start
  let i = from
  for (; i < wordsEnd; i += 4, at += 4) arenaView.setInt32(at, source.getInt32(i, true), true)
  for (; i < end; i++) arenaBytes[at++] = source.getUint8(i)
  return at
}
