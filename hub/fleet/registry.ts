import * as v from 'valibot'
import type { Clock } from '../../shared/runtime/index.ts'
import type { StateTable } from '../../shared/store/index.ts'
import type { Admission } from '../ingest/index.ts'
import { LAST_SEEN_WRITE_MS, LEAVES_MAX } from './limits.ts'

/**
 * Which leaf has which name. A name belongs to the identity that came with it first, for good: a
 * second one under the same name would mix two histories. An operator can give the name free.
 */

const KEY_PREFIX = 'fleet:'

const LeafRecordSchema = v.object({
  name: v.string(),
  id: v.string(),
  region: v.string(),
  version: v.string(),
  /** ms since the epoch. */
  first_seen: v.number(),
  last_seen: v.number(),
})

export type LeafRecord = v.InferOutput<typeof LeafRecordSchema>

/** What a leaf says of itself, by link, hello or report. */
export interface LeafCard {
  readonly name: string
  readonly id: string
  readonly region?: string
  readonly version?: string
}

export class Registry {
  readonly #marks: StateTable
  readonly #clock: Clock
  readonly #leaves = new Map<string, LeafRecord>()
  readonly #writtenMs = new Map<string, number>()
  /** Monotonic, since this hub started. */
  readonly #heardMs = new Map<string, number>()
  /** Their removal waits for its commit: nothing is written behind it. */
  readonly #releasing = new Set<string>()

  constructor(marks: StateTable, clock: Clock) {
    this.#marks = marks
    this.#clock = clock
    for (const [key, value] of marks.entries()) {
      if (!key.startsWith(KEY_PREFIX)) continue
      const record = v.parse(LeafRecordSchema, JSON.parse(Buffer.from(value).toString()))
      this.#leaves.set(record.name, record)
    }
  }

  /** In the order of their names. */
  get all(): readonly LeafRecord[] {
    return [...this.#leaves.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get(name: string): LeafRecord | undefined {
    return this.#leaves.get(name)
  }

  /** Whether this leaf may come in; its name is its own from then on. */
  admit(card: LeafCard): Admission {
    const known = this.#leaves.get(card.name)
    if (known !== undefined && known.id !== card.id) {
      return {
        isAdmitted: false,
        reason:
          `the name ${card.name} belongs to another leaf (${known.id}, this one is ${card.id}): ` +
          `put that leaf's store directory back, or give this one another server_name, ` +
          `or give the name free at the hub with: petiole fleet release ${card.name}`,
      }
    }
    if (known === undefined && this.#leaves.size >= LEAVES_MAX) {
      return {
        isAdmitted: false,
        reason: `this hub keeps ${LEAVES_MAX} leaves at most: release names that are no longer used`,
      }
    }
    this.#seen(card, known)
    return { isAdmitted: true }
  }

  /** A sign of life that needs no admission. */
  heard(name: string): void {
    const known = this.#leaves.get(name)
    if (known !== undefined) this.#seen(known, known)
  }

  /** Its link is gone: it is silent from now on, whenever it was heard last. */
  left(name: string): void {
    this.#heardMs.delete(name)
  }

  /** How long ago the leaf gave a sign of life; Infinity when it did not since this hub started. */
  silentMs(name: string): number {
    const heardMs = this.#heardMs.get(name)
    return heardMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - heardMs
  }

  /** The next leaf of this name may be another one. False when nobody has the name; rejects when it could not be written. */
  release(name: string): Promise<boolean> {
    this.#releasing.add(name)
    return new Promise((resolve, reject) => {
      this.#marks.remove(KEY_PREFIX + name, (error) => {
        this.#releasing.delete(name)
        if (error !== undefined) return reject(error)
        this.#writtenMs.delete(name)
        this.#heardMs.delete(name)
        resolve(this.#leaves.delete(name))
      })
    })
  }

  #seen(card: LeafCard, known: LeafRecord | undefined): void {
    const nowMs = this.#clock.wallMs()
    const record: LeafRecord = {
      name: card.name,
      id: card.id,
      region: card.region ?? known?.region ?? '',
      version: card.version ?? known?.version ?? '',
      first_seen: known?.first_seen ?? nowMs,
      last_seen: nowMs,
    }
    this.#leaves.set(card.name, record)
    const writtenMs = this.#writtenMs.get(card.name) ?? Number.NEGATIVE_INFINITY
    const isNews =
      known === undefined || known.region !== record.region || known.version !== record.version
    const monotonicMs = this.#clock.monotonicMs()
    this.#heardMs.set(card.name, monotonicMs)
    if (!isNews && monotonicMs - writtenMs < LAST_SEEN_WRITE_MS) return
    if (this.#releasing.has(card.name)) return
    try {
      this.#marks.set(KEY_PREFIX + card.name, Buffer.from(JSON.stringify(record)))
      this.#writtenMs.set(card.name, monotonicMs)
    } catch {
      // The store takes nothing now, and says so itself: the next sign of life tries again.
    }
  }
}
