import { appendHeaders, encodeHeaders, fieldAt } from './header-block.ts'

const LF = 10
const COLON = 58

/** The header block with `name` set to `value`, in place of all fields of that name, at its end. */
export function withHeader(block: Uint8Array, name: string, value: string): Uint8Array {
  if (block.length === 0) return encodeHeaders([[name, value]])
  return appendHeaders(withoutHeader(block, name), [[name, value]])
}

/**
 * The header block without fields of that name (exact case), in one walk over its bytes from the first
 * of them on, whatever its lines are.
 */
export function withoutHeader(block: Uint8Array, name: string): Uint8Array {
  const first = fieldAt(block, name, 0)
  if (first < 0) return block
  const out = Buffer.allocUnsafe(block.length)
  out.set(block.subarray(0, first))
  let end = first
  for (let at = first; at < block.length; ) {
    const isOut = isField(block, at, name)
    do {
      const byte = block[at++] ?? LF
      if (!isOut) out[end++] = byte
      if (byte === LF) break
    } while (at < block.length)
  }
  return out.subarray(0, end)
}

function isField(block: Uint8Array, at: number, name: string): boolean {
  if (block[at + name.length] !== COLON) return false
  for (let i = 0; i < name.length; i++) if (block[at + i] !== name.charCodeAt(i)) return false
  return true
}
