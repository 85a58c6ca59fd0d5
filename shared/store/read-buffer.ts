/** Whole files one after the other in the same memory: what was read holds until the next one is. */
import type { Disk } from '../runtime/index.ts'

/** Files are of similar sizes: so a little more is taken than the first one needs. */
const SPARE = 1.25

export class ReadBuffer {
  readonly #disk: Disk
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async read(path: string): Promise<Uint8Array> {
    const file = await this.#disk.open(path, 'read')
    try {
      const size = await file.size()
      if (this.#bytes.length < size) {
        // Before the new one is made, or both are held at once.
        this.#bytes = new Uint8Array(0)
        this.#bytes = Buffer.allocUnsafeSlow(Math.ceil(size * SPARE))
      }
      const bytes = this.#bytes.subarray(0, size)
      let got = 0
      while (got < size) {
        const read = await file.read(bytes.subarray(got), got)
        if (read === 0) break
        got += read
      }
      return bytes.subarray(0, got)
    } finally {
      await file.close()
    }
  }
}
