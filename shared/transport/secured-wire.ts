import type { TLSSocket } from 'node:tls'
import { factsOf } from './certificate.ts'
import type { ChannelSecurity } from './channel.ts'
import { TcpWire } from './tcp-wire.ts'
import type { TlsFacts } from './tls-facts.ts'
import type { WireEnds } from './wire-ends.ts'

/**
 * A TCP connection whose handshake is done. Input comes in records and is copied into the arena; each
 * flush is one `write`, which OpenSSL cuts into records and Node hands to the kernel in one call.
 */
export class SecuredWire extends TcpWire {
  readonly #socket: TLSSocket
  #facts: TlsFacts | undefined

  constructor(socket: TLSSocket, ends?: WireEnds) {
    super(socket, { read: 'events', write: 'socket' }, ends)
    this.#socket = socket
  }

  override get security(): ChannelSecurity {
    return 'tls'
  }

  override get tls(): TlsFacts {
    this.#facts ??= factsOf(this.#socket)
    return this.#facts
  }
}
