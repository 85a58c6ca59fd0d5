import type { ConnectionFacts } from './facts.ts'

type Rank = (facts: ConnectionFacts, nowMs: number) => number

/** `cid` and `start` rise, all others fall, as in nats-server. */
const RANKS = {
  cid: (facts) => facts.id,
  start: (facts) => facts.id,
  subs: (facts) => -facts.subscriptions,
  pending: (facts) => -facts.pendingBytes,
  msgs_to: (facts) => -facts.outMessages,
  msgs_from: (facts) => -facts.inMessages,
  bytes_to: (facts) => -facts.outBytes,
  bytes_from: (facts) => -facts.inBytes,
  last: (facts) => -facts.lastActivityMs,
  idle: (facts) => facts.lastActivityMs,
  uptime: (facts, nowMs) => facts.startedMs - (facts.stoppedMs ?? nowMs),
  stop: (facts) => -(facts.stoppedMs ?? 0),
  reason: () => 0,
  rtt: (facts) => -(facts.roundTripMs ?? 0),
} as const satisfies Readonly<Record<string, Rank>>

export type ConnectionOrder = keyof typeof RANKS

export function isConnectionOrder(text: string): text is ConnectionOrder {
  return Object.hasOwn(RANKS, text)
}

/** Connections of equal rank stay in the order of their ids. */
export function sorted(
  connections: readonly ConnectionFacts[],
  order: ConnectionOrder,
  nowMs: number,
): readonly ConnectionFacts[] {
  const rank: Rank = RANKS[order]
  return [...connections].sort((a, b) => {
    if (order === 'reason' && a.reason !== b.reason) {
      return (a.reason ?? '') < (b.reason ?? '') ? -1 : 1
    }
    return rank(a, nowMs) - rank(b, nowMs) || a.id - b.id
  })
}
