/** Byte streams between machines: channels, the arena they read into, and the network that makes them. */
export { allocate, arenaBytes, arenaView, READ_START, release } from './arena.ts'
export type { Channel, ChannelHandler, ChannelSecurity, EndStatus } from './channel.ts'
export type { DialSecurity } from './dial-security.ts'
export { FlushQueue } from './flush-queue.ts'
export { type FetchTextOptions, fetchText } from './http-get.ts'
export {
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  type ListenHttpOptions,
  listenHttp,
} from './http-listener.ts'
export {
  CARRY_BYTES_MAX,
  END_LINGER_MS,
  OUTPUT_HIGH_WATER_BYTES,
  OUTPUT_LOW_WATER_BYTES,
  OUTPUT_PENDING_BYTES_MAX,
  OUTPUT_SLOT_BYTES,
  READ_BYTES,
  SEGMENT_BYTES,
  WEBSOCKET_MESSAGE_BYTES_MAX,
  WORD_SLACK_BYTES,
} from './limits.ts'
export type {
  DialOptions,
  Listener,
  ListenOptions,
  Network,
  TransportProtocol,
  WebSocketRules,
} from './network.ts'
export { Output, type OutputSink } from './output.ts'
export { slotsInUse } from './output-slots.ts'
export { SystemNetwork, type SystemNetworkOptions } from './system-network.ts'
export { fastestRoads, type TcpRoads } from './tcp-wire.ts'
export type { PeerCertificate, TlsFacts } from './tls-facts.ts'
export { TlsSettings } from './tls-settings.ts'
export { NO_COOKIES, type Wire, type WireEvents } from './wire.ts'
export { remoteName } from './wire-ends.ts'
export { WiredChannel } from './wired-channel.ts'
