import { MAP_PARTS, MAP_UNSPLIT_MAX } from './limits.ts'

/**
 * A map for a million keys. One map would copy all that it holds whenever it doubles, which takes tens of
 * milliseconds then; so beyond a size new keys go to one of several by their hash. Small ones stay one map.
 */
export class SplitMap<V> {
  readonly #first = new Map<string, V>()
  readonly #unsplitMax: number
  #parts: readonly Map<string, V>[] = []

  constructor(unsplitMax = MAP_UNSPLIT_MAX) {
    this.#unsplitMax = unsplitMax
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  get(key: string): V | undefined {
    return this.#first.get(key) ?? this.#partOf(key)?.get(key)
  }

  /** The key must not be there yet. */
  add(key: string, value: V): void {
    if (this.#first.size < this.#unsplitMax) {
      this.#first.set(key, value)
      return
    }
    if (this.#parts.length === 0) this.#parts = Array.from({ length: MAP_PARTS }, () => new Map())
    this.#partOf(key)?.set(key, value)
  }

  delete(key: string): void {
    if (!this.#first.delete(key)) this.#partOf(key)?.delete(key)
  }

  /** Goes over the map as it changes: each value that is there throughout comes once. */
  *values(): Generator<V, undefined> {
    yield* this.#first.values()
    for (const part of this.#parts) yield* part.values()
    return undefined
  }

  #partOf(key: string): Map<string, V> | undefined {
    if (this.#parts.length === 0) return undefined
    return this.#parts[hashOf(key) % this.#parts.length]
  }
}

/** FNV-1a of the UTF-16 units. Whoever makes keys that fall together gets the one map that he would have had. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}
