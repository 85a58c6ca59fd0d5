/** Whole files one after the other in the same memory: what was read holds until the next one is. */
import type { Disk, DiskFile } from '../runtime/index.ts'
import { readAround } from './read-around.ts'
import type { ByteRange } from './segment-scan.ts'

/** Files are of similar sizes: so a little more is taken than the first one needs. */
const SPARE = 1.25

export class ReadBuffer {
  readonly #disk: Disk
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Rejects when a part of it cannot be read. */
  async read(path: string): Promise<Uint8Array> {
    return this.#read(path, async (file, bytes) => {
      let got = 0
      while (got < bytes.length) {
        const read = await file.read(bytes.subarray(got), got)
        if (read === 0) break
        got += read
      }
      return bytes.subarray(0, got)
    })
  }

  /** The same with zeros where the disk cannot read. */
  readAround(
    path: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly unreadable: readonly ByteRange[] }> {
    return this.#read(path, async (file, target) => {
      const { bytes, unreadable } = await readAround(file, target, 0)
      return { bytes: target.subarray(0, bytes), unreadable }
    })
  }

  async #read<Result>(
    path: string,
    fill: (file: DiskFile, target: Uint8Array) => Promise<Result>,
  ): Promise<Result> {
    const file = await this.#disk.open(path, 'read')
    try {
      const size = await file.size()
      if (this.#bytes.length < size) {
        // Before the new one is made, or both are held at once.
        this.#bytes = new Uint8Array(0)
        this.#bytes = Buffer.allocUnsafeSlow(Math.ceil(size * SPARE))
      }
      return await fill(file, this.#bytes.subarray(0, size))
    } finally {
      await file.close()
    }
  }
}
