/**
 * Where an uplink stands. Times are the monotonic clock's.
 *
 *     idle ─start─▶ dialing ─connected─▶ handshaking ─accepted─▶ up
 *                     ▲  └──────────failed──────┴────────failed──┘
 *                     └─dial─ waiting ◀─┘                  any ─stopped─▶ stopped
 */
export type UplinkState =
  | { readonly name: 'idle' }
  | { readonly name: 'dialing'; readonly attempt: number; readonly url: string }
  | { readonly name: 'handshaking'; readonly attempt: number; readonly url: string }
  | {
      readonly name: 'up'
      readonly sinceMs: number
      readonly url: string
      readonly hub: UplinkHub
    }
  | {
      readonly name: 'waiting'
      /** Failed attempts in a row. */
      readonly attempt: number
      readonly untilMs: number
      readonly url: string
      readonly reason: string
    }
  | { readonly name: 'stopped' }

/** The server at the other end. */
export interface UplinkHub {
  readonly name: string
  readonly id: string
  readonly version: string
  readonly cluster: string
  readonly domain: string
  /** The account there that the link is bound to; '' when it did not say. */
  readonly account: string
}

export type UplinkEvent =
  | { readonly type: 'dial'; readonly url: string }
  | { readonly type: 'connected' }
  | { readonly type: 'accepted'; readonly nowMs: number; readonly hub: UplinkHub }
  | { readonly type: 'failed'; readonly untilMs: number; readonly reason: string }
  | { readonly type: 'stopped' }

/** An event that does not belong to a state changes nothing. */
export function nextUplinkState(state: UplinkState, event: UplinkEvent): UplinkState {
  if (state.name === 'stopped') return state
  switch (event.type) {
    case 'dial':
      if (state.name !== 'idle' && state.name !== 'waiting') return state
      return {
        name: 'dialing',
        attempt: state.name === 'waiting' ? state.attempt + 1 : 1,
        url: event.url,
      }
    case 'connected':
      return state.name === 'dialing' ? { ...state, name: 'handshaking' } : state
    case 'accepted':
      if (state.name !== 'handshaking') return state
      return { name: 'up', sinceMs: event.nowMs, url: state.url, hub: event.hub }
    case 'failed':
      if (state.name === 'idle' || state.name === 'waiting') return state
      return {
        name: 'waiting',
        attempt: state.name === 'up' ? 0 : state.attempt,
        untilMs: event.untilMs,
        url: state.url,
        reason: event.reason,
      }
    case 'stopped':
      return { name: 'stopped' }
  }
}
