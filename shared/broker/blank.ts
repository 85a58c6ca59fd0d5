/**
 * Whether bytes [start, end) hold white space: a subject that does cannot stand in a control line.
 * Other control bytes can, and nats-server routes them.
 */
export function holdsBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (byte <= SPACE && (byte === SPACE || (byte >= TAB && byte <= CR))) return true
  }
  return false
}

const TAB = 9
const CR = 13
const SPACE = 32
