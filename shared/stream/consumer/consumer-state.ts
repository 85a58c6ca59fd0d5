/**
 * A consumer's durable state: where delivery stands and what is pending. As the floor follows from
 * the pending messages, a value that was written after an acknowledgement never lets the consumer
 * go back before it.
 *
 *   u8 version | varint delivered consumer seq | varint delivered stream seq | varint through seq
 *   | varint pending count | for each: varint stream seq delta | varint consumer seq delta
 *   | varint deliveries | varint milliseconds until due
 *   | varint since seq | varint exhausted runs | for each: varint gap before it | varint length - 1
 *
 * Version 1 ends with the pending messages. `through` has no meaning any more: it is written as 0.
 */
import { PetioleError } from '../../runtime/index.ts'
import type { Pending, SequencePair } from './ack-ledger.ts'

const VERSION = 2
const VARINT_BYTES_MAX = 8

export interface ConsumerState {
  readonly delivered: SequencePair
  /** Ascending by stream sequence; deadlines are monotonic times of this process. */
  readonly pending: ReadonlyMap<number, Readonly<Pending>>
  /** What lies below it and matches was never this consumer's to acknowledge. */
  readonly sinceSeq: number
  /** Ascending runs of what was delivered as often as allowed. */
  readonly exhausted: readonly (readonly [first: number, last: number])[]
}

export function encodeConsumerState(state: ConsumerState, nowMs: number): Uint8Array {
  const { pending, exhausted } = state
  const varintsMax = 6 + 4 * pending.size + 2 * exhausted.length
  const bytes = new Uint8Array(1 + varintsMax * VARINT_BYTES_MAX)
  bytes[0] = VERSION
  let at = 1
  const put = (value: number): void => {
    let rest = value
    while (rest >= 128) {
      bytes[at++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    bytes[at++] = rest
  }
  put(state.delivered.consumerSeq)
  put(state.delivered.streamSeq)
  put(0)
  put(pending.size)
  let streamSeq = 0
  let consumerSeq = 0
  for (const [seq, entry] of pending) {
    put(seq - streamSeq)
    put(entry.consumerSeq - consumerSeq)
    put(entry.deliveries)
    put(entry.isDue ? 0 : leftMs(entry.deadlineMs, nowMs))
    streamSeq = seq
    consumerSeq = entry.consumerSeq
  }
  put(state.sinceSeq)
  put(exhausted.length)
  let end = 0
  for (const [first, last] of exhausted) {
    put(first - end)
    put(last - first)
    end = last
  }
  return bytes.slice(0, at)
}

/** What waits for ever is due after a restart: nobody else would ask for it. */
function leftMs(deadlineMs: number, nowMs: number): number {
  return Number.isFinite(deadlineMs) ? Math.max(0, Math.ceil(deadlineMs - nowMs)) : 0
}

/** Throws PETIOLE_CONSUMER_STATE when the bytes are not such a state. */
export function decodeConsumerState(bytes: Uint8Array, nowMs: number): ConsumerState {
  const version = bytes[0] ?? 0
  if (version < 1 || version > VERSION) {
    throw new PetioleError(
      'PETIOLE_CONSUMER_STATE',
      `consumer state of version ${version}: this release reads up to version ${VERSION}`,
    )
  }
  let at = 1
  const take = (): number => {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = bytes[at++]
      if (byte === undefined) {
        throw new PetioleError('PETIOLE_CONSUMER_STATE', 'consumer state ends in the middle')
      }
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
  }
  const delivered = { consumerSeq: take(), streamSeq: take() }
  take()
  const pending = new Map<number, Pending>()
  let streamSeq = 0
  let consumerSeq = 0
  for (let count = take(); count > 0; count--) {
    streamSeq += take()
    consumerSeq += take()
    const deliveries = take()
    pending.set(streamSeq, { consumerSeq, deliveries, deadlineMs: nowMs + take(), isDue: false })
  }
  if (version === 1) return { delivered, pending, sinceSeq: 1, exhausted: [] }
  const sinceSeq = take()
  const exhausted: [number, number][] = []
  let end = 0
  for (let count = take(); count > 0; count--) {
    const first = end + take()
    end = first + take()
    exhausted.push([first, end])
  }
  return { delivered, pending, sinceSeq, exhausted }
}
