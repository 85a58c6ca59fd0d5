/**
 * What sessions leave behind when they end. Messages that were addressed to one as a member of shared
 * subscriptions go to other members of their groups, also those at QoS 1 that it had in flight; what was sent
 * to it at QoS 2 goes to nobody [MQTT-4.8.2-5]. That takes reading the log, so the session stays on disk
 * meanwhile, as one whose time is over: a start ends it once more, and goes on from its cursor.
 *
 *     end ──▶ waiting ──▶ handing over, some at a time ──▶ gone from the disk
 *                ▲                  │
 *                └── after a while ─┘ a disk that failed
 */
import type { Log } from '../../shared/log/index.ts'
import { type Clock, messageOf, type PetioleError } from '../../shared/runtime/index.ts'
import type { SessionCommitted } from './filter-journal.ts'
import { type EndedSession, type LeavingParts, LeavingSession } from './leaving-session.ts'
import { HANDING_OVER_MAX, READ_RETRY_MS } from './limits.ts'

export interface SharedHandoverParts extends LeavingParts {
  readonly clock: Clock
  readonly log: Log
  /** Calls `next` until that is false, in turns of the loop when it takes long. */
  readonly doInPieces: (next: () => boolean) => void
  /** Messages of the log are needed no more. */
  readonly done: () => void
}

export class SharedHandover {
  readonly #parts: SharedHandoverParts
  /** All that leave something, by key. */
  readonly #leaving = new Map<string, LeavingSession>()
  /** Those of them who have not begun, or have to go on. */
  readonly #waiting = new Set<LeavingSession>()
  #running = 0
  #isPaused = false
  #isClosed = false

  constructor(parts: SharedHandoverParts) {
    this.#parts = parts
  }

  /** Takes the session from the disk, at once or when all is handed over that it leaves; until then it has ended there. */
  end(session: EndedSession, committed: SessionCommitted | undefined): void {
    const { store, records } = this.#parts
    const leaving = LeavingSession.of(session, this.#parts)
    try {
      store.transaction(() => {
        if (leaving === undefined) this.#erase(session, committed)
        else {
          const { clientId, key, createdMs } = session.identity
          leaving.writeCursor()
          records.removeWill(key)
          const record = { clientId, createdMs, expirySeconds: 0, leftMs: 0 }
          records.writeSession(key, record, committed)
        }
      })
    } catch (error) {
      committed?.(error as PetioleError)
    }
    if (leaving === undefined) return
    this.#leaving.set(session.identity.key, leaving)
    this.#waiting.add(leaving)
    this.#run()
  }

  /** Whether a message that was addressed to a session that has ended has to be handed over. */
  needs(key: string, seq: number): boolean {
    return this.#leaving.get(key)?.needs(seq) ?? false
  }

  close(): void {
    this.#isClosed = true
    for (const leaving of this.#leaving.values()) leaving.stop()
    this.#leaving.clear()
    this.#waiting.clear()
  }

  #erase(session: EndedSession, committed?: SessionCommitted): void {
    this.#parts.records.remove(session.identity.key, (error) => {
      // A session that is there still must have its filters.
      if (error === undefined) this.#eraseFilters(session)
      committed?.(error)
    })
  }

  /** There may be very many. Those that are left after a crash, or on a disk that takes nothing, go at the next start. */
  #eraseFilters({ identity, filters }: EndedSession): void {
    const { records, doInPieces } = this.#parts
    const left = filters.values()
    doInPieces(() => {
      const { value: filter } = left.next()
      if (filter !== undefined) records.removeFilter(identity.key, filter.number)
      return filter !== undefined
    })
  }

  /** Thousands may end at once: more than some at a time would only wait for each other. */
  #run(): void {
    for (const leaving of this.#waiting) {
      if (this.#isPaused || this.#running >= HANDING_OVER_MAX) return
      this.#waiting.delete(leaving)
      this.#running++
      this.#handOver(leaving).then(
        () => this.#ran(),
        (error: unknown) => this.#failed(leaving, error),
      )
    }
  }

  async #handOver(leaving: LeavingSession): Promise<void> {
    const { store, done } = this.#parts
    const { session } = leaving
    await leaving.handOver(() => this.#running)
    if (this.#isClosed) return
    store.transaction(() => this.#erase(session))
    this.#leaving.delete(session.identity.key)
    done()
  }

  #ran(): void {
    this.#running--
    this.#run()
  }

  /** Told once: what fails for one fails for all who are under way. */
  #failed(leaving: LeavingSession, error: unknown): void {
    this.#running--
    if (this.#isClosed) return
    this.#waiting.add(leaving)
    if (this.#isPaused) return
    this.#isPaused = true
    const { clock, log } = this.#parts
    log.warn({ err: messageOf(error) }, 'messages of ended sessions not handed over yet')
    clock.after(READ_RETRY_MS, () => {
      this.#isPaused = false
      this.#run()
    })
  }
}
