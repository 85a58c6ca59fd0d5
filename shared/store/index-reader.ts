/**
 * Index files one after the other, the next one while the one before is taken in. They are large and
 * there are many, so they share two buffers: what is given out holds until the next but one is asked for.
 */
import type { Log } from '../log/index.ts'
import { type Disk, messageOf } from '../runtime/index.ts'
import { ReadBuffer } from './read-buffer.ts'
import { indexPath } from './segment.ts'

export class IndexReader {
  readonly #directory: string
  readonly #log: Log
  readonly #ids: readonly number[]
  readonly #even: ReadBuffer
  readonly #odd: ReadBuffer
  #at = 0
  #ahead: Promise<Uint8Array | undefined> | undefined

  /** @param ids segments that have an index, in the order in which they will be asked for */
  constructor(disk: Disk, directory: string, log: Log, ids: readonly number[]) {
    this.#even = new ReadBuffer(disk)
    this.#odd = new ReadBuffer(disk)
    this.#directory = directory
    this.#log = log
    this.#ids = ids
  }

  /** The segment's index; undefined when it has none, or none that can be read. */
  async read(id: number): Promise<Uint8Array | undefined> {
    if (this.#ids[this.#at] !== id) return undefined
    const bytes = await (this.#ahead ?? this.#load(this.#at))
    this.#at++
    this.#ahead = this.#at < this.#ids.length ? this.#load(this.#at) : undefined
    return bytes
  }

  async #load(at: number): Promise<Uint8Array | undefined> {
    const segment = this.#ids[at] as number
    try {
      return await (at % 2 === 0 ? this.#even : this.#odd).read(indexPath(this.#directory, segment))
    } catch (error) {
      this.#log.warn({ segment, err: messageOf(error) }, 'index not readable')
      return undefined
    }
  }
}
