/**
 * The last resort of a full disk: `reserve` in the store directory holds nothing but space. What
 * frees room has to be recorded first (floors, deletes, the states of a segment that goes), and a segment
 * that is rewritten lies there twice for a while; with no byte left nothing of that can be. So the end of the file is
 * cut off when that is needed, by what is needed, and it grows again when there is room.
 *
 * Nothing depends on the file: a power cut may leave it short, lose it, or bring it back. A start
 * makes it whole again. It counts for no quota, because it is no data. Its bytes are random, so that no file system saves them.
 */
import { codeOf, type Disk, type Random } from '../runtime/index.ts'
import { RESERVE_STEP_BYTES } from './limits.ts'

export const RESERVE_FILE = 'reserve'

export class ReserveFile {
  readonly #disk: Disk
  readonly #random: Random
  readonly #path: string
  #bytes: number
  /** Bytes that the file has now. */
  heldBytes = 0
  #last: Promise<unknown> = Promise.resolve()

  /** @param bytes its size, 0 for no such file */
  constructor(disk: Disk, random: Random, path: string, bytes: number) {
    this.#disk = disk
    this.#random = random
    this.#path = path
    this.#bytes = bytes
  }

  /** What it should have. */
  get bytes(): number {
    return this.#bytes
  }

  /** It is to have so many bytes at least, from its next `hold` on. */
  want(bytes: number): void {
    this.#bytes = Math.max(this.#bytes, bytes)
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

  get lackingBytes(): number {
    return Math.max(0, this.#bytes - this.heldBytes)
  }

  /**
   * Makes the file whole; rejects when there is no room, and what was added is given back.
   * @param grown called with the bytes of each step
   */
  hold(grown: (bytes: number) => void = () => {}): Promise<void> {
    return this.#inTurn(async () => {
      if (this.lackingBytes > 0) await this.#grow(grown)
    })
  }

  /** Gives so much of the space back; resolves to how much it was. */
  give(bytes: number): Promise<number> {
    return this.#inTurn(async () => {
      const before = this.heldBytes
      if (before === 0) return 0
      if (bytes >= before) {
        await this.#disk.remove(this.#path)
        this.heldBytes = 0
        return before
      }
      return (await this.#cut(before - bytes)) ? bytes : 0
    })
  }

  /** False: somebody has taken the file away. */
  async #cut(size: number): Promise<boolean> {
    const file = await this.#disk.open(this.#path, 'write').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    })
    if (file === undefined) {
      this.heldBytes = 0
      return false
    }
    try {
      await file.truncate(size)
      this.heldBytes = size
      await file.datasync()
    } finally {
      await file.close()
    }
    return true
  }

  /** In steps that are synced one by one: commits wait for the same disk. */
  async #grow(grown: (bytes: number) => void): Promise<void> {
    const before = this.heldBytes
    if (before === 0) await this.#disk.remove(this.#path)
    const file = await (before === 0
      ? this.#disk.create(this.#path)
      : this.#disk.open(this.#path, 'write'))
    try {
      while (this.lackingBytes > 0) {
        const step = Math.min(this.lackingBytes, RESERVE_STEP_BYTES)
        await file.writev([this.#random.bytes(step)], this.heldBytes)
        await file.datasync()
        this.heldBytes += step
        grown(step)
      }
    } catch (error) {
      await file.truncate(before).catch(() => {})
      await file.close().catch(() => {})
      this.heldBytes = before
      if (before === 0) await this.#disk.remove(this.#path)
      throw error
    }
    await file.close()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}
