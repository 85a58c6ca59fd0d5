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
 * A file that only grows, written before each call returns: for a log, whose last line before a crash is
 * the one that counts. Nothing else may wait for a disk in this way.
 */
export class AppendFile {
  readonly path: string
  #descriptor: number
  #size: number

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

  write(text: string): void {
    this.#size += writeSync(this.#descriptor, text)
  }

  /** Goes on in the file that has this name now: somebody moved the old one away. */
  reopen(): void {
    const before = this.#descriptor
    this.#descriptor = openSync(this.path, 'a', MODE)
    this.#size = fstatSync(this.#descriptor).size
    closeSync(before)
  }

  /** Gives what is written so far another name, and begins anew. */
  setAside(name: string): void {
    renameSync(this.path, name)
    this.reopen()
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
