/**
 * Writes down how far sessions are: soon after it changed, never once per message. What somebody waits for
 * is written at the end of the turn, all of one turn at once; of one session one write is on its way at a
 * time, and the next gathers what changes meanwhile. A write that failed is tried again.
 */
import type { Log } from '../../shared/log/index.ts'
import {
  type Cancel,
  type Clock,
  messageOf,
  type PetioleError,
} from '../../shared/runtime/index.ts'
import type { StateTable } from '../../shared/store/index.ts'
import { STATE_DELAY_MS, STATE_RETRY_MAX_MS, STATE_RETRY_MS } from './limits.ts'

/** What is written: the newest state as a whole, each time. */
export interface WrittenState {
  readonly stateKey: string
  /** Rises with each change. */
  version: number
  /** The version that is on disk. */
  writtenVersion: number
  isWriting: boolean
  encode(): Uint8Array
  /** `writtenVersion` has risen. */
  onWritten(): void
}

export interface StateWriterParts {
  readonly states: StateTable
  readonly clock: Clock
  readonly log: Log
}

export class StateWriter {
  readonly #parts: StateWriterParts
  readonly #dirty = new Set<WrittenState>()
  /** The newest of those: a session that is served changes with each message. */
  #newest: WrittenState | undefined
  /** Somebody waits for them. */
  readonly #urgent = new Set<WrittenState>()
  #cancelDelay: Cancel | undefined
  #isPromised = false
  #isClosed = false
  /** 0 as long as nothing fails. */
  #retryMs = 0

  constructor(parts: StateWriterParts) {
    this.#parts = parts
  }

  /** Has changed; it is enough to write it some time. */
  touch(state: WrittenState): void {
    state.version++
    if (state === this.#newest) return
    this.#dirty.add(state)
    this.#newest = state
    if (this.#cancelDelay === undefined) this.#writeLater(STATE_DELAY_MS)
  }

  /** Has changed, and somebody waits for the result to be on disk: `state.version` as it is afterwards. */
  touchNow(state: WrittenState): number {
    state.version++
    this.#urgent.add(state)
    if (!this.#isPromised && !this.#isClosed) {
      this.#writeSoon()
    }
    return state.version
  }

  forget(state: WrittenState): void {
    if (state === this.#newest) this.#newest = undefined
    this.#dirty.delete(state)
    this.#urgent.delete(state)
  }

  /** Writes all that has changed and stops; the store's own drain makes it durable. */
  close(): void {
    if (this.#isClosed) return
    this.#write(this.#urgent)
    this.#write(this.#dirty)
    this.destroy()
  }

  destroy(): void {
    this.#isClosed = true
    this.#cancelDelay?.()
  }

  #writeSoon(): void {
    this.#isPromised = true
    queueMicrotask(() => {
      this.#isPromised = false
      this.#write(this.#urgent)
    })
  }

  #writeLater(delayMs: number): void {
    if (this.#isClosed) return
    this.#cancelDelay ??= this.#parts.clock.after(Math.max(delayMs, this.#retryMs), () => {
      this.#cancelDelay = undefined
      this.#write(this.#urgent)
      this.#write(this.#dirty)
    })
  }

  #write(states: Set<WrittenState>): void {
    for (const state of [...states]) {
      // Who has one on its way is written again when that has come.
      if (!state.isWriting) this.#writeOne(state)
    }
  }

  #writeOne(state: WrittenState): void {
    if (this.#isClosed) return
    this.forget(state)
    const { version } = state
    state.isWriting = true
    try {
      this.#parts.states.set(state.stateKey, state.encode(), (error) =>
        this.#written(state, version, error),
      )
    } catch (error) {
      this.#failed(state, error)
    }
  }

  #written(state: WrittenState, version: number, error: PetioleError | undefined): void {
    if (error !== undefined) {
      this.#failed(state, error)
      return
    }
    this.#recovered()
    state.isWriting = false
    state.writtenVersion = version
    state.onWritten()
    if (this.#urgent.has(state)) this.#writeOne(state)
    else if (this.#dirty.has(state)) this.#writeLater(STATE_DELAY_MS)
  }

  /** Told once: a disk that has failed fails each of many sessions again and again. */
  #failed(state: WrittenState, error: unknown): void {
    state.isWriting = false
    if (this.#isClosed) return
    if (this.#retryMs === 0) {
      this.#parts.log.warn({ err: messageOf(error) }, 'progress of sessions not written')
    }
    this.#retryMs = Math.min(Math.max(STATE_RETRY_MS, 2 * this.#retryMs), STATE_RETRY_MAX_MS)
    this.#dirty.add(state)
    this.#writeLater(this.#retryMs)
  }

  #recovered(): void {
    if (this.#retryMs === 0) return
    this.#retryMs = 0
    this.#parts.log.info({}, 'progress of sessions written again')
  }
}
