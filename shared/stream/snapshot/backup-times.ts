import type { ConsumerConfig } from '../config/consumer-config.ts'
import { NS_PER_MS } from '../limits.ts'

/** Milliseconds with their fraction as the nanoseconds of a backup, and back. */
export function nsOf(ms: number): bigint {
  const wholeMs = Math.floor(ms)
  return BigInt(wholeMs) * BigInt(NS_PER_MS) + BigInt(Math.floor((ms - wholeMs) * NS_PER_MS))
}

export function msOf(ns: bigint): number {
  const perMs = BigInt(NS_PER_MS)
  return Number(ns / perMs) + Number(ns % perMs) / NS_PER_MS
}

export function ackWaitMsOf({ ack_wait }: ConsumerConfig): number {
  return (ack_wait ?? 0) / NS_PER_MS
}
