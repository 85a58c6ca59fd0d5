import * as fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import * as path from 'node:path'
import type { Disk, DiskFile, FileOptions, SyncedFile } from './disk.ts'
import { takeLock } from './lock-file.ts'
import { PetioleError } from './petiole-error.ts'
import { type ScratchFile, SystemScratchFile } from './scratch-file.ts'

const FILE_MODE = 0o640
const DIRECTORY_MODE = 0o750
/** Elsewhere it is absent, or a write is done before the disk's own cache is emptied. */
const HAS_SYNCED_WRITES = process.platform === 'linux'

export class SystemDisk implements Disk {
  async open(file: string, access: 'read' | 'write'): Promise<DiskFile> {
    return new SystemFile(file, await open(file, access === 'read' ? 'r' : 'r+'))
  }

  async openSynced(file: string): Promise<SyncedFile | undefined> {
    if (!HAS_SYNCED_WRITES) return undefined
    try {
      const handle = await open(file, fs.constants.O_WRONLY | fs.constants.O_DSYNC)
      return new SystemSyncedFile(file, handle)
    } catch {
      return undefined
    }
  }

  async create(file: string): Promise<DiskFile> {
    return new SystemFile(file, await open(file, 'wx+', FILE_MODE))
  }

  readFile(file: string): Promise<Uint8Array> {
    return fs.promises.readFile(file)
  }

  async writeFileAtomic(
    file: string,
    bytes: Uint8Array,
    { mode = FILE_MODE }: FileOptions = {},
  ): Promise<void> {
    const temp = `${file}.tmp`
    try {
      await this.#writeDurably(temp, bytes, mode)
    } catch (error) {
      // On a full disk it would take the place of what matters.
      await fs.promises.rm(temp, { force: true }).catch(() => {})
      throw error
    }
    await fs.promises.rename(temp, file)
    await this.syncDirectory(path.dirname(file))
  }

  async list(directory: string): Promise<readonly string[]> {
    return (await fs.promises.readdir(directory)).sort()
  }

  async makeDirectory(directory: string): Promise<void> {
    const target = path.resolve(directory)
    const made = await fs.promises.mkdir(target, { recursive: true, mode: DIRECTORY_MODE })
    // The entry of each new directory lies in its parent. That of the target is synced in any case:
    // it may have been made by a start that lost its power before this line.
    const topmost = path.dirname(made ?? target)
    for (let parent = path.dirname(target); ; parent = path.dirname(parent)) {
      await this.syncDirectory(parent)
      if (parent === topmost) return
    }
  }

  async syncDirectory(directory: string): Promise<void> {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  rename(from: string, to: string): Promise<void> {
    return fs.promises.rename(from, to)
  }

  remove(file: string): Promise<void> {
    return fs.promises.rm(file, { force: true })
  }

  async freeBytes(file: string): Promise<number> {
    const stats = await fs.promises.statfs(file)
    return stats.bavail * stats.bsize
  }

  lock(file: string): Promise<() => Promise<void>> {
    return takeLock(file)
  }

  scratch(file: string, blockBytes: number): ScratchFile {
    return new SystemScratchFile(file, blockBytes)
  }

  async #writeDurably(file: string, bytes: Uint8Array, mode: number): Promise<void> {
    const handle = await open(file, 'w', mode)
    try {
      // A temp file that an interrupted write left behind keeps the mode that it was made with.
      if (((await handle.stat()).mode & 0o777 & ~mode) !== 0) await handle.chmod(mode)
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

class SystemFile implements DiskFile {
  readonly path: string
  readonly #handle: FileHandle

  constructor(file: string, handle: FileHandle) {
    this.path = file
    this.#handle = handle
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  async writev(chunks: readonly Uint8Array[], position: number): Promise<void> {
    await gatherWrite(this.#handle.fd, this.path, chunks, position)
  }

  async datasync(): Promise<void> {
    await this.#handle.datasync()
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return (await this.#handle.read(target, 0, target.length, position)).bytesRead
  }

  readNow(target: Uint8Array, position: number): number {
    return fs.readSync(this.#handle.fd, target, 0, target.length, position)
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

class SystemSyncedFile implements SyncedFile {
  readonly #path: string
  readonly #handle: FileHandle

  constructor(file: string, handle: FileHandle) {
    this.#path = file
    this.#handle = handle
  }

  writev(chunks: readonly Uint8Array[], position: number): Promise<void> {
    return gatherWrite(this.#handle.fd, this.#path, chunks, position)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** A callback for each call of the system: promises of handles take as long as a small write does. */
function gatherWrite(
  fd: number,
  file: string,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = (rest: readonly Uint8Array[], at: number): void => {
      if (rest.length === 0) {
        resolve()
        return
      }
      fs.writev(fd, rest, at, (error, written) => {
        if (error !== null) reject(error)
        else if (written === 0) reject(nothingWritten(file, at))
        else go(remaining(rest, written), at + written)
      })
    }
    go(remaining(chunks, 0), position)
  })
}

/** Trying again would spin for ever. */
function nothingWritten(file: string, at: number): PetioleError {
  return new PetioleError(
    'PETIOLE_WRITE_REFUSED',
    `the system took no byte of a write to ${file} at ${at}, and gave no reason`,
  )
}

/** What a short gather write left over. */
function remaining(chunks: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = written
  for (const chunk of chunks) {
    if (chunk.length > skip) rest.push(skip === 0 ? chunk : chunk.subarray(skip))
    skip = Math.max(0, skip - chunk.length)
  }
  return rest
}
