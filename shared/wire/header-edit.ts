import { appendHeaders, EMPTY_HEADERS, encodeHeaders, headerValue } from './header-block.ts'

/** The header block with `name` set to `value`, in place of all fields of that name, at its end. */
export function withHeader(block: Uint8Array, name: string, value: string): Uint8Array {
  if (block.length === 0) return encodeHeaders([[name, value]])
  return appendHeaders(withoutHeader(block, name), [[name, value]])
}

/** The header block without fields of that name (exact case). */
export function withoutHeader(block: Uint8Array, name: string): Uint8Array {
  if (block.length === 0 || headerValue(block, name) === undefined) return block
  // One byte a character: what is no UTF-8 stays what it is.
  const text = Buffer.from(block.buffer, block.byteOffset, block.length).toString('latin1')
  const [first = '', ...lines] = text.split('\r\n')
  const kept = lines.filter((line) => !line.startsWith(`${name}:`))
  return kept.length === 0 ? EMPTY_HEADERS : Buffer.from([first, ...kept].join('\r\n'), 'latin1')
}
