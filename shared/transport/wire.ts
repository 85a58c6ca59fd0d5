import type { Socket } from 'node:net'
import type { PetioleError } from '../runtime/index.ts'
import type { ChannelSecurity, EndStatus } from './channel.ts'
import type { TlsFacts } from './tls-facts.ts'

export const NO_COOKIES: Readonly<Record<string, string>> = {}

/**
 * What lies under a channel: a socket, a WebSocket, a simulated link. It moves bytes and knows no
 * handlers; `WireEvents` is what it reports to. No event is reported from within a call.
 */
export interface Wire {
  readonly kind: 'tcp' | 'websocket' | 'memory'
  readonly forwardedFor?: string | undefined
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly path: string
  readonly cookies: Readonly<Record<string, string>>
  readonly security: ChannelSecurity
  readonly tls: TlsFacts | undefined
  /** Begins to report; called once. Input stays paused until `resume`. */
  attach(events: WireEvents): void
  pause(): void
  /** The other side has gone without an end in order, as far as that can be known before all is read. */
  readonly isReset?: boolean
  resume(): void
  /** Hands arena bytes [start, end) over as far as that works at once; returns how many. */
  sendNow(start: number, end: number): number
  /** Takes all of `bytes`; true when their memory is free again at once, else `sent` follows. */
  send(bytes: Uint8Array): boolean
  /** All is sent: tell the other side that no more comes. Input is still read, and dropped. */
  finish(status?: EndStatus): void
  /** Gives its socket away, to be secured. Reports nothing any more. Not all wires can. */
  surrender?(): Socket
  /** Closes at once. `closed` follows. */
  abort(): void
}

export interface WireEvents {
  /** `size` bytes lie at READ_START, and are free after the call. */
  received(size: number): void
  /** From here on `wire`, paused and not attached yet, carries the stream: it has become clear whether it is TLS. */
  replaced(wire: Wire): void
  /** Plain bytes came where TLS was awaited; what is sent from within the call still goes out. */
  plainRefused(error: PetioleError): void
  /** The memory given to the last `send` is free. */
  sent(): void
  /** The other side sends no more. */
  ended(): void
  /** Nothing is left of the wire, and it holds no memory of ours. */
  closed(error: Error | undefined): void
}
