import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { HTTP_CONNECTIONS_MAX, HTTP_UNREAD_BYTES_MAX } from './limits.ts'

interface Visitor {
  /** Requests that are being answered. */
  inHand: number
  /** Bytes of answers that it has not taken yet. */
  unreadBytes: number
  /** It was sent away, and what it had is free. */
  isGone: boolean
}

export interface HttpCrowdLimits {
  readonly connectionsMax: number
  readonly unreadBytesMax: number
}

const LIMITS: HttpCrowdLimits = {
  connectionsMax: HTTP_CONNECTIONS_MAX,
  unreadBytesMax: HTTP_UNREAD_BYTES_MAX,
}

/**
 * The connections of an HTTP port. Who asks nothing, or does not read what he asked for, makes room for
 * others, the one first that has done so the longest: a health check gets in and is answered whatever
 * crowd is there. Only what is being answered stays, so a new one is refused when all are.
 */
export class HttpCrowd {
  /** In the order in which they did something last. */
  readonly #visitors = new Map<Socket, Visitor>()
  readonly #limits: HttpCrowdLimits
  #unreadBytes = 0

  constructor(limits: HttpCrowdLimits = LIMITS) {
    this.#limits = limits
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#add(socket))
  }

  /** A request has come: its connection stays until the result is called. */
  began({ socket }: { readonly socket: Socket }): () => void {
    const visitor = this.#visitors.get(socket)
    if (visitor === undefined) return () => {}
    visitor.inHand++
    return () => {
      visitor.inHand--
      if (this.#visitors.delete(socket)) this.#visitors.set(socket, visitor)
    }
  }

  /** An answer is about to be written. */
  answers(response: ServerResponse, bytes: number): void {
    const { socket } = response
    const visitor = socket === null ? undefined : this.#visitors.get(socket)
    if (visitor === undefined || socket === null) return
    visitor.unreadBytes += bytes
    this.#unreadBytes += bytes
    let isThere = true
    const taken = (): void => {
      if (!isThere || visitor.isGone) return
      isThere = false
      visitor.unreadBytes -= bytes
      this.#unreadBytes -= bytes
    }
    response.once('finish', taken).once('close', taken)
    for (const [other, { unreadBytes }] of this.#visitors) {
      if (this.#unreadBytes <= this.#limits.unreadBytesMax) break
      if (other !== socket && unreadBytes > 0) this.#sendAway(other)
    }
  }

  #add(socket: Socket): void {
    if (this.#visitors.size >= this.#limits.connectionsMax && !this.#makeRoom()) {
      socket.destroy()
      return
    }
    this.#visitors.set(socket, { inHand: 0, unreadBytes: 0, isGone: false })
    socket.once('close', () => this.#visitors.delete(socket))
  }

  #makeRoom(): boolean {
    for (const [socket, { inHand }] of this.#visitors) {
      if (inHand > 0) continue
      this.#sendAway(socket)
      return true
    }
    return false
  }

  #sendAway(socket: Socket): void {
    const visitor = this.#visitors.get(socket)
    if (visitor === undefined) return
    this.#visitors.delete(socket)
    this.#unreadBytes -= visitor.unreadBytes
    visitor.isGone = true
    socket.destroy()
  }
}
