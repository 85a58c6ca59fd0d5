/** The header that tells a message from its repeats. */

const FIELD = Buffer.from('\nNats-Msg-Id:')
const ID = /^Nats-Msg-Id:[ \t]*(.*?)[ \t]*$/m

export function hasMessageId(headers: Uint8Array): boolean {
  return headers.length > 0 && Buffer.prototype.indexOf.call(headers, FIELD) >= 0
}

/** undefined when there is none, or an empty one. */
export function messageIdOf(headers: Uint8Array): string | undefined {
  if (!hasMessageId(headers)) return undefined
  return ID.exec(Buffer.from(headers).toString())?.[1] || undefined
}
