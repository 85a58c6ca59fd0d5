export type { Channel, ChannelHandler } from './channel.ts'
export type { DialOptions, Listener, ListenOptions, Network, TransportProtocol } from './network.ts'
