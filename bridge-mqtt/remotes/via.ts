/**
 * Which brokers a message has come through, as a NATS header and as a user property of MQTT 5:
 *
 *     Petiole-Via: press-7/plant:1883, office
 *
 * A remote puts its own name in front of what it brings in, and neither sends out nor lets in what has it
 * already. So nothing goes in a circle, however many servers and remotes lie between. MQTT 3.1.1 cannot carry
 * it: there it holds as far as the accounts reach, but not through the broker.
 */
import { PLACE, PropertyCursor } from '../codec/index.ts'
import { VIA_BYTES_MAX, VIA_NAMES_MAX } from './limits.ts'

export const VIA = 'Petiole-Via'
const HEADER = Buffer.from(`\r\n${VIA}:`)
const CR = 13

const cursor = new PropertyCursor()

/** The names in the header block of a message, '' for none. */
export function viaOfHeaders(headers: Uint8Array): string {
  if (headers.length === 0) return ''
  const block = Buffer.from(headers.buffer, headers.byteOffset, headers.length)
  const at = block.indexOf(HEADER)
  if (at < 0) return ''
  const start = at + HEADER.length
  const end = block.indexOf(CR, start)
  return block.toString('utf8', start, end < 0 ? block.length : end).trim()
}

/**
 * The names in the user properties of a PUBLISH of the broker, whose section is in bytes [start, end) and has
 * been found good; '' for none.
 */
export function viaOfProperties(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 1 || !cursor.begin(bytes, start, end, PLACE.publishOfServer)) return ''
  while (cursor.next()) {
    if (
      cursor.rule?.name !== 'userProperties' ||
      cursor.nameEnd - cursor.nameStart !== VIA.length
    ) {
      continue
    }
    if (textAt(bytes, cursor.nameStart, cursor.nameEnd) !== VIA) continue
    const value = textAt(bytes, cursor.start, cursor.end)
    // It comes from outside: what no header can hold, or what nobody of us has written, is none.
    return /\p{Cc}/u.test(value) ? '' : value
  }
  return ''
}

export function hasPassed(via: string, name: string): boolean {
  if (via === '') return false
  return via.split(',').some((passed) => passed.trim() === name)
}

/** The list with one more in front; undefined when there is no room in it. */
export function passing(via: string, name: string): string | undefined {
  const list = via === '' ? name : `${name}, ${via}`
  const isLong = Buffer.byteLength(list) > VIA_BYTES_MAX || list.split(',').length > VIA_NAMES_MAX
  return isLong ? undefined : list
}

function textAt(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
}
