const TAB = 9
const SPACE = 32

/** Blanks must follow `takesWords`; the others are recognised by their name alone, as in nats-server. */
const OPERATIONS = [
  { name: 'PUB', takesWords: true },
  { name: 'HPUB', takesWords: true },
  { name: 'SUB', takesWords: true },
  { name: 'UNSUB', takesWords: true },
  { name: 'PING', takesWords: false },
  { name: 'PONG', takesWords: false },
  { name: 'CONNECT', takesWords: false },
  { name: 'INFO', takesWords: false },
  { name: '+OK', takesWords: false },
  { name: '-ERR', takesWords: true },
] as const

export type Operation = (typeof OPERATIONS)[number]
export type OperationName = Operation['name']

/** The operation that the bytes spell, or begin to; undefined when there is none. */
export function operationAt(bytes: Uint8Array, start: number, end: number): Operation | undefined {
  for (const operation of OPERATIONS) {
    const { name, takesWords } = operation
    const size = Math.min(name.length, end - start)
    if (!spells(bytes, start, name, size)) continue
    if (!takesWords || start + size >= end || isBlank(bytes[start + size])) return operation
  }
  return undefined
}

function spells(bytes: Uint8Array, start: number, name: string, size: number): boolean {
  for (let i = 0; i < size; i++) {
    const byte = bytes[start + i] ?? 0
    const upper = byte >= 97 && byte <= 122 ? byte - 32 : byte
    if (upper !== name.charCodeAt(i)) return false
  }
  return true
}

export function skipBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = Math.min(start, end)
  while (at < end && isBlank(bytes[at])) at++
  return at
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB
}
