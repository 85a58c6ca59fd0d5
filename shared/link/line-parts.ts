import type { Message } from '../broker/index.ts'
import { linkReplyOf } from './ack-reply.ts'
import { CONTROL_LINE_BYTES_MAX } from './limits.ts'

/** The operation, the indicator, two sizes and the blanks between. */
const LINE_OVERHEAD = 64
const NONE: readonly (readonly string[])[] = []

/**
 * The queue groups of one message in as many lists as it takes for each to fit into a control line:
 * the other side ends the link at a longer one. Empty when one line holds them all, as it nearly
 * always does. A name that fits into no line is left out; no client could have sent it.
 */
export function lineParts(
  message: Message,
  queues: readonly string[],
): readonly (readonly string[])[] {
  let most = 0
  for (const queue of queues) most += queue.length * 3 + 1
  const fixed = message.subjectBytes.length + Buffer.byteLength(linkReplyOf(message))
  const room = CONTROL_LINE_BYTES_MAX - LINE_OVERHEAD - fixed
  if (most <= room) return NONE
  const parts: string[][] = []
  let part: string[] = []
  let size = 0
  for (const queue of queues) {
    const bytes = Buffer.byteLength(queue) + 1
    if (bytes > room) continue
    if (size + bytes > room) {
      parts.push(part)
      part = []
      size = 0
    }
    part.push(queue)
    size += bytes
  }
  return [...parts, part]
}
