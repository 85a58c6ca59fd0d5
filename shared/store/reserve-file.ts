/**
 * The last resort of a full disk: `reserve` in the store directory holds nothing but space. What
 * frees room has to be recorded first (floors, deletes, the states of a segment that goes), and with
 * no byte left nothing can be. So when a commit finds no space although messages are refused
 * already, the file is removed, and its space serves the upkeep; it is made again when the store has
 * reopened.
 *
 * Nothing depends on the file: a power cut may leave it short, lose it, or bring it back. A start
 * makes it again when its size is wrong. It counts for no quota, because it is no data. Its bytes are random, so that no file system saves them.
 */
import type { Disk, Random } from '../runtime/index.ts'

export const RESERVE_FILE = 'reserve'

export class ReserveFile {
  readonly #disk: Disk
  readonly #random: Random
  readonly #path: string
  readonly bytes: number
  /** Bytes that the file has now. */
  heldBytes = 0
  #last: Promise<unknown> = Promise.resolve()

  /** @param bytes its size, 0 for no such file */
  constructor(disk: Disk, random: Random, path: string, bytes: number) {
    this.#disk = disk
    this.#random = random
    this.#path = path
    this.bytes = bytes
  }

  /** Looks what an earlier process left. */
  async find(): Promise<void> {
    const file = await this.#disk.open(this.#path, 'read').catch(() => undefined)
    if (file === undefined) return
    try {
      this.heldBytes = await file.size()
    } finally {
      await file.close()
    }
  }

  get isWhole(): boolean {
    return this.heldBytes === this.bytes
  }

  /** Makes the file when it is not there whole; rejects when there is no room. */
  hold(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.isWhole) return
      await this.#disk.remove(this.#path)
      this.heldBytes = 0
      if (this.bytes > 0) await this.#make()
    })
  }

  /** Gives the space back; false when there was none to give. */
  release(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.heldBytes === 0) return false
      await this.#disk.remove(this.#path)
      this.heldBytes = 0
      return true
    })
  }

  async #make(): Promise<void> {
    const file = await this.#disk.create(this.#path)
    try {
      await file.writev([this.#random.bytes(this.bytes)], 0)
      await file.datasync()
    } catch (error) {
      await file.close().catch(() => {})
      await this.#disk.remove(this.#path)
      throw error
    }
    await file.close()
    this.heldBytes = this.bytes
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}
