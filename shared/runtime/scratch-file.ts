/**
 * Blocks on the disk for what does not fit into memory. The file has no name from the beginning and is gone with the
 * process, so nothing is ever left behind. What is written is sealed with a key that only this
 * opening knows: nobody else can read it, and a block that is not as it was written is an error.
 *
 *     block       12 bytes nonce (a count) | 16 bytes tag | the bytes, AES-256-GCM; the block's number is sealed in
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { PetioleError } from './petiole-error.ts'

/**
 * Its calls wait for the disk: they are for questions that must be answered at once, and mostly find
 * the block in the system's cache. Errors are Node's system errors.
 */
export interface ScratchFile {
  /** Bytes that a block takes on the disk. */
  readonly blockBytesOnDisk: number
  /** Writes a whole block. */
  write(block: number, bytes: Uint8Array): void
  /** Reads a whole block; throws PETIOLE_DISK_DAMAGED when it is not as it was written. */
  read(block: number, target: Uint8Array): void
  /** Gives all blocks back. */
  clear(): void
  close(): void
}

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = NONCE_BYTES + TAG_BYTES
const MODE = 0o600

export class SystemScratchFile implements ScratchFile {
  readonly blockBytesOnDisk: number
  readonly #path: string
  readonly #descriptor: number
  readonly #key = randomBytes(KEY_BYTES)
  readonly #sealed: Buffer
  readonly #number = Buffer.alloc(4)
  #writes = 0

  /** @param path where it is made; another file of this name is lost */
  constructor(path: string, blockBytes: number) {
    this.#path = path
    this.blockBytesOnDisk = HEAD_BYTES + blockBytes
    this.#sealed = Buffer.alloc(this.blockBytesOnDisk)
    rmSync(path, { force: true })
    this.#descriptor = openSync(path, 'wx+', MODE)
    rmSync(path)
  }

  write(block: number, bytes: Uint8Array): void {
    const sealed = this.#sealed
    sealed.writeUIntLE(++this.#writes, 0, 6)
    const cipher = createCipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES))
    cipher.setAAD(this.#numbered(block))
    sealed.set(cipher.update(bytes), HEAD_BYTES)
    cipher.final()
    sealed.set(cipher.getAuthTag(), NONCE_BYTES)
    const at = block * sealed.length
    for (let done = 0; done < sealed.length; ) {
      const written = writeSync(this.#descriptor, sealed, done, sealed.length - done, at + done)
      if (written === 0) throw this.#broken('PETIOLE_WRITE_REFUSED', block)
      done += written
    }
  }

  read(block: number, target: Uint8Array): void {
    const sealed = this.#sealed
    const got = readSync(this.#descriptor, sealed, 0, sealed.length, block * sealed.length)
    if (got < sealed.length) throw this.#broken('PETIOLE_DISK_DAMAGED', block)
    const opening = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES))
    opening.setAAD(this.#numbered(block))
    opening.setAuthTag(sealed.subarray(NONCE_BYTES, HEAD_BYTES))
    target.set(opening.update(sealed.subarray(HEAD_BYTES)))
    try {
      opening.final()
    } catch (error) {
      throw this.#broken('PETIOLE_DISK_DAMAGED', block, error)
    }
  }

  clear(): void {
    ftruncateSync(this.#descriptor, 0)
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #numbered(block: number): Buffer {
    this.#number.writeUInt32LE(block)
    return this.#number
  }

  #broken(code: `PETIOLE_${string}`, block: number, cause?: unknown): PetioleError {
    const what = `block ${block} of scratch file ${this.#path}`
    const problem = code === 'PETIOLE_DISK_DAMAGED' ? 'is not as it was written' : 'was not taken'
    return new PetioleError(code, `${what} ${problem}`, { cause })
  }
}
