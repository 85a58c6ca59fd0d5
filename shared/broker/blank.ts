/**
 * Whether bytes [start, end) hold what ends an argument of a control line: space, tab, line feed,
 * form feed, carriage return. Other control bytes may stand in a subject, as in nats-server.
 */
export function holdsBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (byte === SPACE || (byte >= TAB && byte <= CR && byte !== VT)) return true
  }
  return false
}

const TAB = 9
const VT = 11
const CR = 13
const SPACE = 32
