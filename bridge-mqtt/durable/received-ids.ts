import type { PetioleError } from '../../shared/runtime/index.ts'
import type { StateTable } from '../../shared/store/index.ts'
import {
  countIds,
  hasId,
  ID_BLOCK_SIZE,
  ID_BLOCKS,
  idsInRuns,
  withId,
  withoutId,
} from './id-block.ts'

export type Released = (error: PetioleError | undefined) => void

/** What was last seen of one block of identifiers in the table. */
interface Block {
  readonly key: string
  image: Uint8Array | undefined
  count: number
}

/**
 * Packet identifiers of a client's QoS 2 publishes whose message is stored, until its PUBREL [MQTT-4.3.3-2].
 * The state table is the truth: what is set within a transaction is gone again when that is taken back, or
 * when its commit fails. They lie there in blocks, so that one more costs the same however many there are.
 */
export class ReceivedIds {
  readonly #states: StateTable
  readonly #key: string
  /** Those that may be in the table; one that is not is forgotten when it is counted. */
  readonly #blocks = new Map<number, Block>()
  #releasing = new Set<number>()
  #waiting: Released[] = []

  /** @param key of the first record; those of the blocks begin with it */
  constructor(states: StateTable, key: string) {
    this.#states = states
    this.#key = key
    // When those of an earlier version had not their turn since the start, or found no room.
    moveToBlocks(states, key)
    for (const [number, blockKey] of blockKeys(key)) {
      if (states.get(blockKey) !== undefined) this.#block(number)
    }
  }

  /** Those not released; what a PUBREL of this turn takes away is none of them any more. */
  get size(): number {
    let size = -this.#releasing.size
    for (const [number, block] of this.#blocks) size += this.#countOf(number, block)
    return size
  }

  has(packetId: number): boolean {
    const { key } = this.#block(blockOf(packetId))
    return hasId(this.#states.get(key), packetId)
  }

  /** Writes it down with whatever else is in the transaction that is going on. */
  add(packetId: number, committed: Released | undefined): void {
    const { key } = this.#block(blockOf(packetId))
    this.#states.set(key, withId(this.#states.get(key), packetId), committed)
  }

  /** All of one turn and one block are one record. */
  release(packetId: number, released: Released): void {
    if (this.has(packetId)) this.#releasing.add(packetId)
    this.#waiting.push(released)
    if (this.#waiting.length === 1) queueMicrotask(() => this.#writeReleases())
  }

  #writeReleases(): void {
    const waiting = this.#waiting
    const changed = new Map<number, Uint8Array>()
    const told: Released = (error) => {
      // What was counted meanwhile has forgotten blocks that are there again.
      if (error !== undefined) for (const number of changed.keys()) this.#block(number)
      for (const released of waiting) released(error)
    }
    for (const packetId of this.#releasing) {
      const number = blockOf(packetId)
      const bytes = changed.get(number) ?? this.#states.get(this.#block(number).key)
      changed.set(number, withoutId(bytes, packetId))
    }
    this.#releasing.clear()
    this.#waiting = []
    try {
      // A store that is busy may refuse one and take the next.
      let left = changed.size
      let failure: PetioleError | undefined
      const written: Released = (error) => {
        failure ??= error
        if (--left === 0) told(failure)
      }
      for (const [number, bytes] of changed) this.#write(number, bytes, written)
      if (changed.size === 0) told(undefined)
    } catch (error) {
      told(error as PetioleError)
    }
  }

  #write(number: number, bytes: Uint8Array, committed: Released): void {
    const { key } = this.#block(number)
    if (countIds(bytes) > 0) this.#states.set(key, bytes, committed)
    else this.#states.remove(key, committed)
  }

  #block(number: number): Block {
    let block = this.#blocks.get(number)
    if (block === undefined) {
      block = { key: blockKeyOf(this.#key, number), image: undefined, count: 0 }
      this.#blocks.set(number, block)
    }
    return block
  }

  #countOf(number: number, block: Block): number {
    const bytes = this.#states.get(block.key)
    if (bytes === undefined) this.#blocks.delete(number)
    if (bytes === block.image) return block.count
    block.image = bytes
    block.count = countIds(bytes)
    return block.count
  }
}

/**
 * Makes blocks of what an earlier version wrote as one record, which goes when they are there. False when it
 * makes no sense.
 */
export function moveToBlocks(states: StateTable, key: string): boolean {
  const bytes = states.get(key)
  if (bytes === undefined) return true
  const ids = idsInRuns(bytes)
  const blocks = new Map<string, Uint8Array>()
  for (const id of ids ?? []) {
    const blockKey = blockKeyOf(key, blockOf(id))
    blocks.set(blockKey, withId(blocks.get(blockKey) ?? states.get(blockKey), id))
  }
  for (const [blockKey, block] of blocks) states.set(blockKey, block)
  // A disk that takes no more has them where they were, and the next start tries again.
  if ([...blocks].every(([blockKey, block]) => isSame(states.get(blockKey), block))) {
    states.remove(key)
  }
  return ids !== undefined
}

function isSame(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && Buffer.compare(one, other) === 0
}

/** Of all the blocks that there can be. */
export function* blockKeys(key: string): Generator<[number, string]> {
  for (let number = 0; number < ID_BLOCKS; number++) yield [number, blockKeyOf(key, number)]
}

function blockKeyOf(key: string, number: number): string {
  return `${key}/${number}`
}

function blockOf(packetId: number): number {
  return Math.floor(packetId / ID_BLOCK_SIZE)
}
