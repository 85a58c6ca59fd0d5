/**
 * Message ids seen within the duplicate window, each with the sequence it was stored under, oldest
 * first. A Map keeps insertion order, so expiry takes from its front. An id is entered before its
 * message is on disk and taken back when that fails. A long id is known by its hash.
 */
import { createHash } from 'node:crypto'
import { DEDUP_ID_CHARS_MAX } from '../limits.ts'

export class DedupWindow {
  #windowMs: number
  readonly #idsMax: number
  readonly #seen = new Map<string, { readonly seq: number; readonly atMs: number }>()
  #forgotten = 0

  /** @param windowMs 0: nothing is remembered */
  constructor(windowMs: number, idsMax: number) {
    this.#windowMs = windowMs
    this.#idsMax = idsMax
  }

  get size(): number {
    return this.#seen.size
  }

  /** Ids that had to go before their window was over, because there were too many. */
  get forgotten(): number {
    return this.#forgotten
  }

  set windowMs(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** The sequence under which this id is stored or being stored. */
  find(id: string, nowMs: number): number | undefined {
    this.#expire(nowMs)
    return this.#seen.get(keyOf(id))?.seq
  }

  /** @param atMs monotonic; must not go back from one call to the next */
  remember(id: string, seq: number, atMs: number): void {
    if (this.#windowMs === 0) return
    const key = keyOf(id)
    this.#seen.delete(key)
    this.#seen.set(key, { seq, atMs })
    if (this.#seen.size <= this.#idsMax) return
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest)
      this.#forgotten++
      break
    }
  }

  /** The message of this id was not stored after all. */
  forget(id: string, seq: number): void {
    const key = keyOf(id)
    if (this.#seen.get(key)?.seq === seq) this.#seen.delete(key)
  }

  #expire(nowMs: number): void {
    for (const [id, { atMs }] of this.#seen) {
      if (nowMs - atMs < this.#windowMs) break
      this.#seen.delete(id)
    }
  }
}

/** No header has a line's end in it, so no short id is like the hash of a long one. */
function keyOf(id: string): string {
  if (id.length <= DEDUP_ID_CHARS_MAX) return id
  return `\n${createHash('sha256').update(id).digest('base64')}`
}
