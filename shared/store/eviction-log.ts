/**
 * What limits, damage and its owner in no hurry took from a stream: kept until it is logged in the journal, and told to
 * listeners. The first listener is told what happened before it came, because limits are enforced
 * and damage is found while the store opens.
 */
import { EVICTIONS_WAITING_MAX } from './limits.ts'
import type { Eviction } from './stream-store.ts'

export class EvictionLog {
  /** Sequences that are gone from memory, but not yet by a record. */
  kills: number[] = []
  isFloorToLog = false
  readonly #soon: (fn: () => void) => void
  readonly #listeners = new Set<(eviction: Eviction) => void>()
  #waiting: Eviction[] = []

  constructor(soon: (fn: () => void) => void) {
    this.#soon = soon
  }

  get isEmpty(): boolean {
    return this.kills.length === 0 && !this.isFloorToLog
  }

  report(eviction: Eviction): void {
    if (this.#listeners.size > 0 && this.#waiting.length === 0) {
      for (const listener of this.#listeners) listener(eviction)
      return
    }
    const last = this.#waiting[this.#waiting.length - 1]
    const isSame = last?.cause === eviction.cause && last.lastSeq + 1 === eviction.firstSeq
    if (last !== undefined && (isSame || this.#waiting.length >= EVICTIONS_WAITING_MAX)) {
      this.#waiting[this.#waiting.length - 1] = {
        firstSeq: Math.min(last.firstSeq, eviction.firstSeq),
        lastSeq: Math.max(last.lastSeq, eviction.lastSeq),
        messages: last.messages + eviction.messages,
        cause: eviction.cause,
      }
    } else this.#waiting.push(eviction)
  }

  listen(listener: (eviction: Eviction) => void): () => void {
    this.#listeners.add(listener)
    if (this.#waiting.length > 0) this.#soon(() => this.#tellWaiting())
    return () => this.#listeners.delete(listener)
  }

  take(): { readonly kills: number[]; readonly isFloorToLog: boolean } {
    const { kills, isFloorToLog } = this
    this.kills = []
    this.isFloorToLog = false
    return { kills, isFloorToLog }
  }

  restore(kills: readonly number[], isFloorToLog: boolean): void {
    for (const seq of kills) this.kills.push(seq)
    this.isFloorToLog ||= isFloorToLog
  }

  #tellWaiting(): void {
    if (this.#listeners.size === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const eviction of waiting) for (const listener of this.#listeners) listener(eviction)
  }
}
