/** Slots that are looked at for a key. */
const PROBES_MAX = 32
/** Bits for keys that came once, for each slot: when one in so many is set, all are cleared. */
const SIGHT_BITS = 8

interface Entry<Value> {
  readonly hash: number
  readonly key: Uint8Array
  readonly value: Value
}

/**
 * A bounded map from bytes to values, looked up without making a string or a view: open addressing
 * in an Int32Array on an FNV hash, keys verified byte by byte. When it is full it forgets
 * everything: a working set that does not fit would thrash any other policy as well. Keys that somebody
 * made to share a hash are not kept beyond the probes of one search.
 *
 * Where many keys come once only, `second sight` keeps none of these: to forget everything for their sake would
 * cost those that come again, and each of them a copy.
 */
export class BytesCache<Value> {
  readonly #entriesMax: number
  readonly #keyBytesMax: number
  readonly #mask: number
  readonly #slots: Int32Array
  /** A bit for each hash that came once; undefined where all are kept. */
  readonly #seen: Int32Array | undefined
  #sights = 0
  #entries: Entry<Value>[] = []
  /** What was found last, which most who ask mean again: they need no hash. */
  #newest: Entry<Value> | undefined

  /**
   * @param keyBytesMax longer keys are never kept, so memory is at most the product of the two
   * @param keeps what `add` is given, or what it is given again
   */
  constructor(
    entriesMax: number,
    keyBytesMax: number,
    keeps: 'first sight' | 'second sight' = 'first sight',
  ) {
    this.#entriesMax = entriesMax
    this.#keyBytesMax = keyBytesMax
    const slots = 2 ** Math.ceil(Math.log2(entriesMax * 2))
    this.#mask = slots - 1
    this.#slots = new Int32Array(slots).fill(-1)
    if (keeps === 'second sight') this.#seen = new Int32Array((slots * SIGHT_BITS) / 32 + 1)
  }

  get size(): number {
    return this.#entries.length
  }

  get(bytes: Uint8Array, start: number, end: number): Value | undefined {
    const newest = this.#newest
    if (newest !== undefined && isSame(newest.key, bytes, start, end)) return newest.value
    const hash = hashOf(bytes, start, end)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const index = this.#slots[(hash + probe) & this.#mask] ?? -1
      if (index < 0) return undefined
      const entry = this.#entries[index]
      if (entry?.hash === hash && isSame(entry.key, bytes, start, end)) {
        this.#newest = entry
        return entry.value
      }
    }
    return undefined
  }

  /** Keeps `value` for a key that `get` did not find. */
  add(bytes: Uint8Array, start: number, end: number, value: Value): void {
    if (end - start > this.#keyBytesMax) return
    const hash = hashOf(bytes, start, end)
    if (this.#seen !== undefined && this.#isNew(this.#seen, hash)) return
    if (this.#entries.length >= this.#entriesMax) this.clear()
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const slot = (hash + probe) & this.#mask
      if ((this.#slots[slot] ?? -1) >= 0) continue
      this.#slots[slot] = this.#entries.length
      this.#entries.push({ hash, key: Buffer.from(bytes.subarray(start, end)), value })
      return
    }
  }

  clear(): void {
    this.#slots.fill(-1)
    this.#entries = []
    this.#newest = undefined
  }

  /** Some that were not seen are taken for one that was. */
  #isNew(seen: Int32Array, hash: number): boolean {
    const bit = hash & ((this.#mask + 1) * SIGHT_BITS - 1)
    const word = seen[bit >> 5] ?? 0
    if ((word & (1 << (bit & 31))) !== 0) return false
    if (++this.#sights > this.#mask) {
      this.#sights = 0
      seen.fill(0)
    }
    seen[bit >> 5] = (seen[bit >> 5] ?? 0) | (1 << (bit & 31))
    return true
  }
}

/** Whether `key` equals bytes [start, end). */
export function isSame(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let i = 0; i < key.length; i++) {
    if (key[i] !== bytes[start + i]) return false
  }
  return true
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = -2128831035
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 16777619)
  return hash ^ (hash >>> 15)
}
