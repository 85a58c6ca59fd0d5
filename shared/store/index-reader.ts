/**
 * Index files one after the other, the next one while the one before is taken in. They are large and
 * there are many, so they share two buffers: what is given out holds until the next but one is asked for.
 */
import type { Log } from '../log/index.ts'
import { type Disk, type DiskFile, messageOf } from '../runtime/index.ts'
import { indexPath } from './segment.ts'

const NO_BYTES = new Uint8Array(0)

export class IndexReader {
  readonly #disk: Disk
  readonly #directory: string
  readonly #log: Log
  readonly #ids: readonly number[]
  readonly #buffers = [NO_BYTES, NO_BYTES]
  #at = 0
  #ahead: Promise<Uint8Array | undefined> | undefined

  /** @param ids segments that have an index, in the order in which they will be asked for */
  constructor(disk: Disk, directory: string, log: Log, ids: readonly number[]) {
    this.#disk = disk
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
      const file = await this.#disk.open(indexPath(this.#directory, segment), 'read')
      try {
        return await this.#fill(at % 2, file)
      } finally {
        await file.close()
      }
    } catch (error) {
      this.#log.warn({ segment, err: messageOf(error) }, 'index not readable')
      return undefined
    }
  }

  async #fill(which: number, file: DiskFile): Promise<Uint8Array> {
    const size = await file.size()
    if ((this.#buffers[which] as Uint8Array).length < size) {
      this.#buffers[which] = Buffer.allocUnsafeSlow(Math.ceil(size * 1.25))
    }
    const bytes = (this.#buffers[which] as Uint8Array).subarray(0, size)
    let got = 0
    while (got < size) {
      const read = await file.read(bytes.subarray(got), got)
      if (read === 0) break
      got += read
    }
    return bytes.subarray(0, got)
  }
}
