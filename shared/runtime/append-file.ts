import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import * as path from 'node:path'

/** The owner writes, the group reads: what nats-server gives its log files. */
const MODE = 0o640

/**
 * A file of lines that only grows, written before each call returns: for a log, whose last line before a
 * crash is the one that counts. Nothing else may wait for a disk in this way.
 */
export class AppendFile {
  readonly path: string
  #descriptor: number
  #size: number
  /** The last line was cut: the disk took a part of it. */
  #isCut = false

  /** Makes what is missing of its folder. Throws when the file cannot be opened or made. */
  constructor(file: string) {
    this.path = file
    mkdirSync(path.dirname(file), { recursive: true })
    this.#descriptor = openSync(file, 'a', MODE)
    this.#size = fstatSync(this.#descriptor).size
  }

  get size(): number {
    return this.#size
  }

  /** Never throws: what the result is, if any, is why the disk did not take the whole line. */
  write(line: string): unknown {
    const bytes = Buffer.from(this.#isCut ? `\n${line}` : line)
    let at = 0
    try {
      while (at < bytes.length) at += this.#writeSome(bytes, at)
      this.#isCut = false
      return undefined
    } catch (error) {
      this.#isCut ||= at > 0
      return error
    }
  }

  /** A disk that is nearly full takes a part, and refuses the rest when it is asked again. */
  #writeSome(bytes: Uint8Array, at: number): number {
    const size = writeSync(this.#descriptor, bytes, at)
    if (size === 0) throw new Error('the disk takes no more')
    this.#size += size
    return size
  }

  /** Goes on in the file that has this name now: somebody moved the old one away. */
  reopen(): void {
    const before = this.#descriptor
    this.#descriptor = openSync(this.path, 'a', MODE)
    this.#size = fstatSync(this.#descriptor).size
    this.#isCut = false
    closeSync(before)
  }

  /** Gives what is written so far another name, and begins anew. Throws, and all is as it was. */
  setAside(name: string): void {
    renameSync(this.path, name)
    try {
      this.reopen()
    } catch (error) {
      renameSync(name, this.path)
      throw error
    }
  }

  /** Names in the same folder that begin with the name of this file, and more; sorted. */
  siblings(): readonly string[] {
    const base = path.basename(this.path)
    return readdirSync(path.dirname(this.path))
      .filter((name) => name.startsWith(`${base}.`))
      .sort()
  }

  removeSibling(name: string): void {
    rmSync(path.join(path.dirname(this.path), name), { force: true })
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}
