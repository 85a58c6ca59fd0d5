/**
 * A consumer in a backup: `{config, state}`, as nats-server has them in JSON. The state names each pending
 * message with its consumer sequence and when it was delivered; how often, when more than once, stands apart.
 */
import { PetioleError } from '../../runtime/index.ts'
import { type ConsumerRequest, decodeConsumerRequest } from '../config/consumer-config.ts'
import type { Pending } from '../consumer/ack-ledger.ts'
import type { ConsumerState } from '../consumer/consumer-state.ts'
import { GoNumber } from '../go-json.ts'
import { isObject, parseJson } from '../json-fields.ts'
import { NS_PER_MS } from '../limits.ts'

/** Where the two clocks stand: a state's times are this process's, a backup's those of the wall. */
export interface Now {
  readonly wallMs: number
  readonly monotonicMs: number
}

interface StoredPending {
  readonly Sequence: number
  readonly Timestamp: number
}

/** @param ackWaitMs how long one delivery waits for its acknowledgement */
export function backupState(state: ConsumerState, lastSeq: number, ackWaitMs: number, now: Now) {
  const { delivered, pending } = state
  const floor = floorOf(state)
  const kept = [...pending].filter(([seq]) => seq <= lastSeq)
  const stored = kept.map(([seq, { consumerSeq, deadlineMs }]) => {
    const leftMs = Number.isFinite(deadlineMs) ? Math.max(0, deadlineMs - now.monotonicMs) : 0
    const deliveredMs = Math.floor(now.wallMs - Math.max(0, ackWaitMs - leftMs))
    return [seq, { Sequence: consumerSeq, Timestamp: deliveredMs * NS_PER_MS }] as const
  })
  const again = kept.filter(([, { deliveries }]) => deliveries > 1)
  return {
    delivered: {
      consumer_seq: delivered.consumerSeq,
      stream_seq: Math.min(delivered.streamSeq, lastSeq),
    },
    ack_floor: { consumer_seq: floor.consumerSeq, stream_seq: Math.min(floor.streamSeq, lastSeq) },
    ...(stored.length > 0 ? { pending: Object.fromEntries(stored) } : {}),
    ...(again.length > 0
      ? { redelivered: Object.fromEntries(again.map(([seq, it]) => [seq, it.deliveries - 1])) }
      : {}),
  }
}

/** Just below the first pending message; where delivery stands when there is none. */
function floorOf({ delivered, pending }: ConsumerState) {
  for (const [streamSeq, { consumerSeq }] of pending) {
    return { consumerSeq: consumerSeq - 1, streamSeq: streamSeq - 1 }
  }
  return delivered
}

/** Throws PETIOLE_BACKUP_INVALID or 10025. */
export function decodeBackup(
  name: string,
  payload: Uint8Array,
): { readonly request: ConsumerRequest; readonly state: Readonly<Record<string, unknown>> } {
  const body = parseJson(payload)
  if (!isObject(body)) return invalid(`failed to decode consumer "${name}" state`)
  const { config, state } = body
  if (!isObject(config)) return invalid(`consumer "${name}" is missing config`)
  if (!isObject(state)) return invalid(`consumer "${name}" is missing state`)
  const { pause_until = 0, ...rest } = decodeConsumerRequest(config)
  // Go's zero time stands for none.
  const paused = pause_until > 0 ? { pause_until } : {}
  return { request: { ...rest, ...paused, name }, state }
}

/** @param ackWaitMs how long one delivery waits for its acknowledgement */
export function restoredState(
  state: Readonly<Record<string, unknown>>,
  ackWaitMs: number,
  now: Now,
): ConsumerState {
  const { consumer_seq, stream_seq } = isObject(state['delivered']) ? state['delivered'] : {}
  const redelivered = isObject(state['redelivered']) ? state['redelivered'] : {}
  const stored = isObject(state['pending']) ? state['pending'] : {}
  const delivered = { consumerSeq: countOf(consumer_seq), streamSeq: countOf(stream_seq) }
  const pending = new Map<number, Pending>()
  let consumerSeq = 0
  for (const [key, value] of Object.entries(stored).sort(([a], [b]) => Number(a) - Number(b))) {
    const { Sequence, Timestamp } = (isObject(value) ? value : {}) as Partial<StoredPending>
    const seq = Number(key)
    // Consumer sequences rise with the stream's: what does not is no state of any consumer.
    const rises = countOf(Sequence) > consumerSeq && countOf(Sequence) <= delivered.consumerSeq
    if (!Number.isSafeInteger(seq) || seq < 1 || seq > delivered.streamSeq || !rises) {
      return invalid('a consumer state that contradicts itself')
    }
    consumerSeq = countOf(Sequence)
    const heldMs = now.wallMs - timeOf(Timestamp)
    const leftMs = Math.min(ackWaitMs, Math.max(0, ackWaitMs - heldMs))
    pending.set(seq, {
      consumerSeq,
      deliveries: countOf(redelivered[key]) + 1,
      deadlineMs: now.monotonicMs + leftMs,
      isDue: false,
    })
  }
  return { delivered, pending, sinceSeq: 1, exhausted: [] }
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

/** Nanoseconds are beyond what a double counts one by one, and come as they were written. */
function timeOf(value: unknown): number {
  const ms = Number(value instanceof GoNumber ? value.text : value) / NS_PER_MS
  return Number.isFinite(ms) ? ms : 0
}

export function invalid(what: string): never {
  throw new PetioleError('PETIOLE_BACKUP_INVALID', what)
}
