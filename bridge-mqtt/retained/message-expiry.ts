import { PLAUSIBLE_WALL_MS } from '../../shared/runtime/index.ts'
import { MessageFacts } from '../headers/index.ts'

export const NEVER = -1

const facts = new MessageFacts()

/** Seconds that a message may be kept from when it was stored; NEVER when it does not expire. */
export function expiryOf(headers: Uint8Array): number {
  facts.read(headers)
  return facts.messageExpiry
}

/**
 * What is left of them: 0 when the time is over, and never more than there were, whatever the clock said. All
 * of them while nobody knows the time, or when the message was stored.
 */
export function secondsLeft(
  expirySeconds: number,
  storedMs: number,
  nowMs: number | undefined,
): number {
  const isDated = storedMs >= PLAUSIBLE_WALL_MS
  if (expirySeconds === NEVER || nowMs === undefined || !isDated) return expirySeconds
  const left = Math.ceil((storedMs + expirySeconds * 1000 - nowMs) / 1000)
  return Math.min(Math.max(left, 0), expirySeconds)
}
