import type { WebSocket } from 'ws'

/**
 * Clients mask their frames, since a browser's page must not choose the bytes that go over a network
 * [RFC 6455, 10.3]. Two servers (a leaf link) may agree to leave that out: the one that dials asks
 * with a header, and the other one says yes with the same.
 *
 * `ws` has no option for it and decides by which side it is, in two fields that it does not document.
 * This is the only place that knows them; where they are missing, frames go on being masked, and
 * those without masks are refused.
 */
export const NO_MASKING_HEADER = 'Nats-No-Masking'

interface WebSocketInside {
  _isServer?: unknown
  readonly _receiver?: { _isServer?: unknown }
}

/** The accepting side: the frames that come are expected without masks. */
export function expectNoMasks(webSocket: WebSocket): void {
  const { _receiver: receiver } = webSocket as unknown as WebSocketInside
  if (receiver?._isServer === true) receiver._isServer = false
}

/** The dialling side: frames, also those that close and answer pings, leave without masks. */
export function sendNoMasks(webSocket: WebSocket): void {
  const inside = webSocket as unknown as WebSocketInside
  if (inside._isServer === false) inside._isServer = true
}
