/** Byte streams between machines: channels, the arena they read into, and the network that makes them. */
export { allocate, arenaBytes, arenaView, READ_START, release } from './arena.ts'
export type { Channel, ChannelHandler } from './channel.ts'
export { FlushQueue } from './flush-queue.ts'
export {
  CARRY_BYTES_MAX,
  OUTPUT_HIGH_WATER_BYTES,
  OUTPUT_LOW_WATER_BYTES,
  OUTPUT_PENDING_BYTES_MAX,
  OUTPUT_SLOT_BYTES,
  READ_BYTES,
  WORD_SLACK_BYTES,
} from './limits.ts'
export type { DialOptions, Listener, ListenOptions, Network, TransportProtocol } from './network.ts'
export { Output, type OutputSink } from './output.ts'
export { slotsInUse } from './output-slots.ts'
