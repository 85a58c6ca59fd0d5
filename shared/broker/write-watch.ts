import { type Cancel, type Clock, every } from '../runtime/index.ts'
import type { ClientConnection } from './client-connection.ts'
import { WRITE_LOOKS_PER_DEADLINE } from './limits.ts'

/**
 * Finds the clients that take nothing for a whole write deadline. It looks a few times per deadline
 * at those that are blocked, so that no write costs a timer; who is found may have had a quarter of the
 * deadline more.
 */
export class WriteWatch {
  readonly #clock: Clock
  readonly #connections: () => Iterable<ClientConnection>
  readonly #blocked = new Map<
    ClientConnection,
    { readonly pieces: number; readonly sinceMs: number }
  >()
  #deadlineMs = 0
  #cancel: Cancel | undefined

  constructor(clock: Clock, connections: () => Iterable<ClientConnection>) {
    this.#clock = clock
    this.#connections = connections
  }

  /** 0 stops watching. */
  start(deadlineMs: number): void {
    this.stop()
    this.#deadlineMs = deadlineMs
    if (deadlineMs <= 0) return
    this.#cancel = every(this.#clock, deadlineMs / WRITE_LOOKS_PER_DEADLINE, () => this.#look())
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#blocked.clear()
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs()
    const late: ClientConnection[] = []
    for (const connection of this.#connections()) {
      const { output } = connection.outlet
      if (!output.isBlocked) {
        this.#blocked.delete(connection)
        continue
      }
      const pieces = output.sentPieces
      const before = this.#blocked.get(connection)
      if (before?.pieces !== pieces) this.#blocked.set(connection, { pieces, sinceMs: nowMs })
      else if (nowMs - before.sinceMs >= this.#deadlineMs) late.push(connection)
    }
    for (const connection of late) {
      this.#blocked.delete(connection)
      connection.slowConsumer('Slow Consumer (Write Deadline)')
    }
    for (const connection of this.#blocked.keys()) {
      if (connection.isClosed) this.#blocked.delete(connection)
    }
  }
}
