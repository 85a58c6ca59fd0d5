/** The header that tells a message from its repeats. */

const FIELD = Buffer.from('\nNats-Msg-Id:')
const SHORT_BYTES = 64
const LF = 10
const ID = /^Nats-Msg-Id:[ \t]*(.*?)[ \t]*$/m

export function hasMessageId(headers: Uint8Array): boolean {
  // To ask for a search takes longer than to go through a block of a line or two.
  if (headers.length > SHORT_BYTES) return Buffer.prototype.indexOf.call(headers, FIELD) >= 0
  for (let at = 0; at + FIELD.length <= headers.length; at++) {
    if (headers[at] === LF && isFieldAt(headers, at)) return true
  }
  return false
}

/** undefined when there is none, or an empty one. */
export function messageIdOf(headers: Uint8Array): string | undefined {
  if (!hasMessageId(headers)) return undefined
  return ID.exec(Buffer.from(headers).toString())?.[1] || undefined
}

function isFieldAt(headers: Uint8Array, at: number): boolean {
  for (let i = 0; i < FIELD.length; i++) if (headers[at + i] !== FIELD[i]) return false
  return true
}
