/**
 * A consumer's state in its stream's state table. It lies there twice, `acks/<name>` and `acks-copy/<name>`,
 * so that a damaged record takes nobody back before what was acknowledged:
 *
 *   u8 3 | varint revision | the state [consumer-state.ts]
 *
 * Of two that differ the one of the higher revision holds. Both are written when somebody waits for it, when
 * it is the last word, and while it is short; else one after the other in turn, and the other one when nothing
 * changed any more: then damage costs as little as a crash does, what had not been told for a moment.
 * Of before there were two, there is the state alone.
 */
import type { Committed, StateTable } from '../../store/index.ts'

const PREFIXES = ['acks/', 'acks-copy/'] as const
const VERSION = 3

/** Which of the two are written. */
export type Copies = 'both' | 'older'

/** Whose state lies there. */
export function consumerOfState(key: string): string | undefined {
  const prefix = PREFIXES.find((one) => key.startsWith(one))
  return prefix === undefined ? undefined : key.slice(prefix.length)
}

/** The newest state; undefined when there is none. */
export function storedState(states: StateTable, name: string): Uint8Array | undefined {
  const newest = states.get(newestKey(states, name))
  return newest && stateIn(newest)
}

/** Whether each of the two says the same. */
export function isStoredTwice(states: StateTable, name: string): boolean {
  const [first, second] = PREFIXES.map((prefix) => revisionOf(states.get(prefix + name)))
  return first === second
}

export function storeState(
  states: StateTable,
  name: string,
  state: Uint8Array,
  copies: Copies,
  committed?: Committed,
): void {
  const newest = newestKey(states, name)
  const bytes = withRevision(state, revisionOf(states.get(newest)) + 1)
  if (copies === 'both') states.set(newest, bytes)
  states.set(otherKey(newest, name), bytes, committed)
}

/** Writes the newer one over the other. */
export function evenOut(states: StateTable, name: string, committed?: Committed): void {
  const newest = newestKey(states, name)
  const bytes = states.get(newest)
  if (bytes !== undefined) states.set(otherKey(newest, name), bytes, committed)
}

export function eraseState(states: StateTable, name: string): void {
  for (const prefix of PREFIXES) {
    if (states.get(prefix + name) !== undefined) states.remove(prefix + name)
  }
}

function newestKey(states: StateTable, name: string): string {
  const [first, second] = PREFIXES.map((prefix) => revisionOf(states.get(prefix + name)))
  return PREFIXES[(first ?? 0) < (second ?? 0) ? 1 : 0] + name
}

function otherKey(key: string, name: string): string {
  return (key === PREFIXES[0] + name ? PREFIXES[1] : PREFIXES[0]) + name
}

/** -1 when there is none, 0 of before there were two. */
function revisionOf(bytes: Uint8Array | undefined): number {
  if (bytes === undefined) return -1
  return bytes[0] === VERSION ? takeRevision(bytes).revision : 0
}

function stateIn(bytes: Uint8Array): Uint8Array {
  return bytes[0] === VERSION ? bytes.subarray(takeRevision(bytes).end) : bytes
}

function takeRevision(bytes: Uint8Array): { readonly revision: number; readonly end: number } {
  let revision = 0
  let scale = 1
  let at = 1
  for (; (bytes[at] ?? 0) >= 128; at++) {
    revision += ((bytes[at] ?? 0) & 127) * scale
    scale *= 128
  }
  return { revision: revision + (bytes[at] ?? 0) * scale, end: at + 1 }
}

function withRevision(state: Uint8Array, revision: number): Uint8Array {
  const head = [VERSION]
  let rest = revision
  for (; rest >= 128; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128)
  head.push(rest)
  const bytes = new Uint8Array(head.length + state.length)
  bytes.set(head)
  bytes.set(state, head.length)
  return bytes
}
