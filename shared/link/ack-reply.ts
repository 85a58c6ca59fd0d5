import type { Message, Publication } from '../broker/index.ts'

/**
 * A stored message goes to the inbox that asked for it, but is shown under the subject it was stored
 * with. On a link there is room for one subject, so the other one rides behind the ack reply:
 *
 *     LMSG <inbox> $JS.ACK.<eight tokens or more>@<stored subject> <size>
 *
 * The space takes and gives the two apart (`shownSubject`), so a server in the middle passes the form
 * on unchanged. Source: nats-server, in the leafnode protocol digest, 3.
 */
const PREFIX = '$JS.ACK.'
const PREFIX_BYTES = Buffer.from(PREFIX)
const DOTS_MIN = 8
const DOT = 46
const AT = 64

/** The reply as it goes over the link. */
export function linkReplyOf(message: Message): string {
  const { reply } = message
  if (!reply.startsWith(PREFIX) || message.shownSubject === message.subject) return reply
  return `${reply}@${message.shownSubject}`
}

/** What came over the link, with the stored subject back in its place. */
export function withShownSubject(publication: Publication): Publication {
  const { subject, reply, headers, payload } = publication
  const at = storedSubjectAt(reply)
  if (at < 0) return publication
  return {
    subject,
    reply: reply.subarray(0, at),
    headers,
    payload,
    shownSubject: reply.subarray(at + 1),
  }
}

/** The offset of the `@`; -1 when the reply is not of that form. */
function storedSubjectAt(reply: Uint8Array): number {
  for (let i = 0; i < PREFIX_BYTES.length; i++) if (reply[i] !== PREFIX_BYTES[i]) return -1
  let dots = 0
  for (let i = 0; i < reply.length; i++) {
    if (reply[i] === DOT) dots++
    else if (reply[i] === AT) return dots >= DOTS_MIN && i + 1 < reply.length ? i : -1
  }
  return -1
}
