/** What `Nats-TTL` says [ADR-43]: whole seconds, a Go duration of at least one, or `never`. */
import { parseGoDuration } from '../go-duration.ts'
import { NS_PER_SECOND } from '../limits.ts'

export const NEVER = -1

/** Seconds, or NEVER; undefined when it is none of that. */
export function parseMessageTtl(text: string): number | undefined {
  if (text.toLowerCase() === 'never') return NEVER
  const ns = parseGoDuration(text)
  if (ns !== undefined) return ns < NS_PER_SECOND ? undefined : Math.floor(ns / NS_PER_SECOND)
  return /^\d+$/.test(text) ? Number(text) : undefined
}
