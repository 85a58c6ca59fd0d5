/**
 * Where a remote stands. Times are the monotonic clock's.
 *
 *     idle ─dial─▶ dialing ─connected─▶ handshaking ─accepted─▶ up
 *                    ▲  └──────failed──────┴──────────failed────┘
 *                    └─dial─ waiting ◀─┘                any ─stopped─▶ stopped
 */
export type RemoteState =
  | { readonly name: 'idle' }
  | { readonly name: 'dialing'; readonly url: string }
  | { readonly name: 'handshaking'; readonly url: string }
  | { readonly name: 'up'; readonly url: string; readonly sinceMs: number }
  | {
      readonly name: 'waiting'
      readonly url: string
      readonly untilMs: number
      readonly reason: string
    }
  | { readonly name: 'stopped' }

export type RemoteEvent =
  | { readonly type: 'dial'; readonly url: string }
  | { readonly type: 'connected' }
  | { readonly type: 'accepted'; readonly nowMs: number }
  | { readonly type: 'failed'; readonly untilMs: number; readonly reason: string }
  | { readonly type: 'stopped' }

/** An event that does not belong to a state changes nothing. */
export function nextRemoteState(state: RemoteState, event: RemoteEvent): RemoteState {
  if (state.name === 'stopped') return state
  switch (event.type) {
    case 'dial':
      if (state.name !== 'idle' && state.name !== 'waiting') return state
      return { name: 'dialing', url: event.url }
    case 'connected':
      return state.name === 'dialing' ? { name: 'handshaking', url: state.url } : state
    case 'accepted':
      if (state.name !== 'handshaking') return state
      return { name: 'up', url: state.url, sinceMs: event.nowMs }
    case 'failed': {
      if (state.name === 'idle' || state.name === 'waiting') return state
      const { untilMs, reason } = event
      return { name: 'waiting', url: state.url, untilMs, reason }
    }
    case 'stopped':
      return { name: 'stopped' }
  }
}
