import { PetioleError } from '../runtime/index.ts'

/**
 * The header block of HPUB, HMSG and stored messages [ADR-4]:
 *
 *     NATS/1.0[ <status>[ <description>]]\r\n
 *     Name: value\r\n      any number; a name may repeat; names are case-sensitive
 *     \r\n
 *
 * `headerValue` reads a block where it lies, for the paths that see every message; the others
 * decode it whole.
 */

export type HeaderField = readonly [name: string, value: string]

/** Pairs keep their order and may repeat a name; a record is for the plain case. */
export type HeaderFields = readonly HeaderField[] | Readonly<Record<string, string>>

export interface HeaderStatus {
  /** Three digits: 100 idle heartbeat, 404 no messages, 503 no responders … */
  readonly code: number
  readonly description?: string
}

export interface DecodedHeaders {
  /** 0 when the block carries no status. */
  readonly status: number
  readonly description: string
  readonly fields: readonly HeaderField[]
}

/** No header block at all, which is not the same as a block without fields. */
export const EMPTY_HEADERS = new Uint8Array(0)

const VERSION = 'NATS/1.0'
const CR = 13
const LF = 10
const SPACE = 32

/** Throws PETIOLE_HEADER_INVALID when a name or value could be read as another line. */
export function encodeHeaders(fields: HeaderFields, status?: HeaderStatus): Uint8Array {
  let text = VERSION
  if (status !== undefined) text += ` ${status.code}`
  if (status?.description) text += ` ${singleLine(status.description)}`
  return Buffer.from(`${text}\r\n${linesOf(fields)}\r\n`)
}

/** The block with `fields` added at its end; a new block when there was none. */
export function appendHeaders(block: Uint8Array, fields: HeaderFields): Uint8Array {
  if (block.length === 0) return encodeHeaders(fields)
  const lines = Buffer.from(`${linesOf(fields)}\r\n`)
  const out = Buffer.allocUnsafe(block.length - 2 + lines.length)
  out.set(block.subarray(0, block.length - 2))
  out.set(lines, block.length - 2)
  return out
}

/** undefined when the bytes are not a header block. Lines without a name are passed over. */
export function decodeHeaders(block: Uint8Array): DecodedHeaders | undefined {
  if (block.length === 0) return { status: 0, description: '', fields: [] }
  const [first = '', ...lines] = textOf(block, 0, block.length).split('\r\n')
  const match = /^NATS\/1\.0(?:\s+(\d{3})(?:\s+(.*))?)?\s*$/.exec(first)
  if (match === null) return undefined
  const fields: HeaderField[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.push([line.slice(0, colon), line.slice(colon + 1).trim()])
  }
  return { status: Number(match[1] ?? 0), description: (match[2] ?? '').trimEnd(), fields }
}

/**
 * The first value of `name` (exact case), without decoding the rest. A block may be as long as a message,
 * and its sender chooses its lines: the search is the machine's own.
 */
export function headerValue(block: Uint8Array, name: string): string | undefined {
  const at = fieldAt(block, name, 0)
  return at < 0 ? undefined : valueAt(block, at + name.length + 1)
}

/** The first value of `name` that is not empty; '' when none of the first `fieldsMax` is any. */
export function filledHeaderValue(block: Uint8Array, name: string, fieldsMax: number): string {
  let at = fieldAt(block, name, 0)
  for (let i = 0; at >= 0 && i < fieldsMax; i++) {
    const value = valueAt(block, at + name.length + 1)
    if (value !== '') return value
    at = fieldAt(block, name, at)
  }
  return ''
}

/** The lines of a block that end within its first `bytesMax` bytes: the whole of what is not longer. */
export function leadingHeaders(block: Uint8Array, bytesMax: number): Uint8Array {
  if (block.length <= bytesMax) return block
  return block.subarray(0, block.lastIndexOf(LF, bytesMax - 1) + 1)
}

/** Where the first field of that name begins behind a line end at or after `from`; -1 when there is none. */
export function fieldAt(block: Uint8Array, name: string, from: number): number {
  const at = Buffer.prototype.indexOf.call(block, `\n${name}:`, from, 'latin1')
  return at < 0 ? -1 : at + 1
}

/** The status of a block without decoding the rest; 0 when there is none. */
export function headerStatus(block: Uint8Array): number {
  const at = VERSION.length
  if (block.length < at + 4 || block[at] !== SPACE) return 0
  let status = 0
  for (let i = at + 1; i < at + 4; i++) {
    const digit = (block[i] ?? 0) - 48
    if (digit < 0 || digit > 9) return 0
    status = status * 10 + digit
  }
  return status
}

function linesOf(fields: HeaderFields): string {
  const pairs = isPairs(fields) ? fields : Object.entries(fields)
  let text = ''
  for (const [name, value] of pairs) {
    if (name === '' || /[\r\n:]/.test(name)) {
      throw new PetioleError(
        'PETIOLE_HEADER_INVALID',
        `header name ${JSON.stringify(name)}: it may not be empty nor hold a colon or a line end`,
      )
    }
    text += `${name}: ${singleLine(value)}\r\n`
  }
  return text
}

function singleLine(value: string): string {
  if (!/[\r\n]/.test(value)) return value
  throw new PetioleError(
    'PETIOLE_HEADER_INVALID',
    `header value ${JSON.stringify(value.slice(0, 64))}: it may not hold a line end`,
  )
}

function isPairs(fields: HeaderFields): fields is readonly HeaderField[] {
  return Array.isArray(fields)
}

/** The value that begins at `start`, behind the colon, without the blanks around it. */
function valueAt(block: Uint8Array, start: number): string {
  const line = block.indexOf(LF, start)
  let from = start
  let to = line < 0 ? block.length : line
  if (block[to - 1] === CR) to--
  while (from < to && block[from] === SPACE) from++
  while (from < to && block[to - 1] === SPACE) to--
  return textOf(block, from, to)
}

function textOf(block: Uint8Array, start: number, end: number): string {
  return Buffer.from(block.buffer, block.byteOffset + start, end - start).toString()
}
