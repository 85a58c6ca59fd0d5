/**
 * Subjects that are used once, by the thousand, and what those of one kind have in common: their first tokens,
 * which say who gets them.
 *
 *     _INBOX.<client>.<request>                                    all but the last
 *     $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<numbers>   all but the five numbers
 *
 * All offsets are those of the arena.
 */
import { arenaBytes, arenaView } from '../transport/index.ts'

const SPACE = 32
const DOT = 46
const ZERO = 48
const NINE = 57
const ACK_NUMBERS = 5
const [ACK_LOW, ACK_HIGH] = new Int32Array(Uint8Array.from(Buffer.from('$JS.ACK.')).buffer)

/** Whether the subject that begins there is an acknowledgement. */
export function isAckAt(start: number): boolean {
  return (
    arenaView.getInt32(start, true) === ACK_LOW && arenaView.getInt32(start + 4, true) === ACK_HIGH
  )
}

/** Where the space behind an acknowledgement's numbers is, which begin at `start`; -1 when they are anything else. */
export function ackNumbersEnd(start: number, end: number): number {
  let numbers = 0
  let tokenStart = start
  for (let at = start; at < end; at++) {
    const byte = arenaBytes[at] ?? 0
    if (byte >= ZERO && byte <= NINE) continue
    if (at === tokenStart) return -1
    numbers++
    if (byte === SPACE) return numbers === ACK_NUMBERS ? at : -1
    if (byte !== DOT) return -1
    tokenStart = at + 1
  }
  return -1
}

/** In how many tokens, the last ones, subjects of its kind differ. */
export function tokensBehind(start: number): number {
  return isAckAt(start) ? ACK_NUMBERS : 1
}

/** Where the dot before those is; -1 when there is none, or one of them is empty. */
export function prefixEnd(start: number, end: number): number {
  let tokens = tokensBehind(start)
  let tokenEnd = end
  for (let at = end - 1; at > start; at--) {
    if (arenaBytes[at] !== DOT) continue
    if (at + 1 === tokenEnd) return -1
    if (--tokens === 0) return at
    tokenEnd = at
  }
  return -1
}
