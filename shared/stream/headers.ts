/**
 * Header blocks as bytes: `NATS/1.0[ status]\r\n` then `Name: value\r\n`… and an empty line. Looked
 * through in place: most messages have none of the headers that a stream cares about, so nothing is
 * decoded before a name matches.
 */

export { headerValue } from '../wire/index.ts'

const CR = 13
const LF = 10
const COLON = 58
/** `NATS/1.0`, and that with two line ends. */
const VERSION_BYTES = 8
const EMPTY_BLOCK_BYTES = 12

export const NO_BYTES = new Uint8Array(0)

/** The block with more headers at its end; makes one when there is none. */
export function withHeaders(
  headers: Uint8Array,
  added: readonly (readonly [name: string, value: string])[],
): Uint8Array {
  return withHeaderLines(headers, added.map(([name, value]) => `${name}: ${value}\r\n`).join(''))
}

/** The same with headers that are text already, each with its line end. */
export function withHeaderLines(headers: Uint8Array, text: string): Uint8Array {
  if (headers.length === 0) return Buffer.from(`NATS/1.0\r\n${text}\r\n`)
  return Buffer.concat([headers.subarray(0, -2), Buffer.from(`${text}\r\n`)])
}

/** The block without the headers whose names are dropped; empty when nothing is left of it. */
export function withoutHeaders(
  headers: Uint8Array,
  isDropped: (name: string) => boolean,
): Uint8Array {
  const kept: Uint8Array[] = []
  let from = 0
  for (let line = nextLine(headers, 0); line < headers.length; line = nextLine(headers, line)) {
    const colon = headers.indexOf(COLON, line)
    const end = lineEnd(headers, line)
    if (colon < 0 || colon >= end) continue
    const name = Buffer.from(headers.buffer, headers.byteOffset + line, colon - line).toString()
    if (!isDropped(name)) continue
    kept.push(headers.subarray(from, line))
    from = nextLine(headers, line)
  }
  if (kept.length === 0) return headers
  kept.push(headers.subarray(from))
  const left = Buffer.concat(kept)
  return left.length <= EMPTY_BLOCK_BYTES ? NO_BYTES : left
}

/** The block with this value in place of the first one of that name, or at its end. */
export function withHeader(headers: Uint8Array, name: string, value: string): Uint8Array {
  for (let line = nextLine(headers, 0); line < headers.length; line = nextLine(headers, line)) {
    const end = lineEnd(headers, line)
    if (!nameMatches(headers, line, end, name)) continue
    const head = headers.subarray(0, line)
    return Buffer.concat([head, Buffer.from(`${name}: ${value}`), headers.subarray(end)])
  }
  return withHeaders(headers, [[name, value]])
}

/** A stored message has no status in its first line; a block that is nothing else goes. */
export function withoutStatus(headers: Uint8Array): Uint8Array {
  const end = lineEnd(headers, 0)
  if (end <= VERSION_BYTES || headers.length === 0) return headers
  if (headers.length - end <= EMPTY_BLOCK_BYTES - VERSION_BYTES) return NO_BYTES
  return Buffer.concat([headers.subarray(0, VERSION_BYTES), headers.subarray(end)])
}

/** A header block that is a status: `100 Idle Heartbeat`. */
export function statusHeaders(
  status: string,
  added: readonly (readonly [name: string, value: string | number])[] = [],
): Uint8Array {
  const lines = added.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.from(`NATS/1.0 ${status}\r\n${lines}\r\n`)
}

/** What a client hears from its own server when nobody listens to its request. */
export function nobodyHeaders(subject: string): Uint8Array {
  return statusHeaders('503', [['Nats-Subject', subject]])
}

function nameMatches(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start <= name.length || bytes[start + name.length] !== COLON) return false
  for (let i = 0; i < name.length; i++) {
    if (bytes[start + i] !== name.charCodeAt(i)) return false
  }
  return true
}

function lineEnd(bytes: Uint8Array, start: number): number {
  const at = bytes.indexOf(LF, start)
  if (at < 0) return bytes.length
  return at > start && bytes[at - 1] === CR ? at - 1 : at
}

function nextLine(bytes: Uint8Array, start: number): number {
  const at = bytes.indexOf(LF, start)
  return at < 0 ? bytes.length : at + 1
}
