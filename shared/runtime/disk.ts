import type { ScratchFile } from './scratch-file.ts'

/**
 * The disk as a dependency. A promise that resolves from `datasync`, `syncDirectory`,
 * `makeDirectory` or `writeFileAtomic` means that what it covers survives a power cut; nothing else means that.
 * Errors are Node's system errors (`code`: ENOSPC, EIO, ENOENT, EACCES …).
 */
export interface Disk {
  /** Opens an existing file for reading, or for reading and writing. */
  open(path: string, access: 'read' | 'write'): Promise<DiskFile>
  /**
   * Another handle of an existing file, for writes that are on disk when they are done; undefined where the system
   * has no such thing, or no handle left: then `writev` and `datasync` do the same in two calls.
   */
  openSynced(path: string): Promise<SyncedFile | undefined>
  /** Creates a file that must not exist yet, for reading and writing. */
  create(path: string): Promise<DiskFile>
  readFile(path: string): Promise<Uint8Array>
  /** Temp file, write, fsync, rename, fsync of the directory: old or new content, never a mix. */
  writeFileAtomic(path: string, bytes: Uint8Array, options?: FileOptions): Promise<void>
  /** Names in a directory, sorted; an absent directory is an ENOENT error. */
  list(directory: string): Promise<readonly string[]>
  /** Makes a directory and the parents it lacks, durably: whatever is synced in it will be found. */
  makeDirectory(path: string): Promise<void>
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Removes a file; an absent one is not an error. */
  remove(path: string): Promise<void>
  /** Bytes that can still be written on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>
  /**
   * Takes the exclusive lock file of a directory. Rejects with PETIOLE_STORE_LOCKED when a living
   * process holds it; the result releases it.
   */
  lock(path: string): Promise<() => Promise<void>>
  /** Blocks of a size for what does not fit into memory; made where `path` says, and gone with the process. */
  scratch(path: string, blockBytes: number): ScratchFile
}

export interface FileOptions {
  /** Permission bits; by default the owner writes and the group reads. */
  readonly mode?: number
}

export interface SyncedFile {
  /**
   * `DiskFile.writev` and a `datasync` of these bytes, but of no others. After an error of a sync, which looks like
   * one of a write, nothing may be written any more.
   */
  writev(chunks: readonly Uint8Array[], position: number): Promise<void>
  close(): Promise<void>
}

export interface DiskFile {
  readonly path: string
  size(): Promise<number>
  /** Writes all chunks at `position` as one gather write; rejects if any byte could not be written. */
  writev(chunks: readonly Uint8Array[], position: number): Promise<void>
  /** fdatasync. After an error the state of the file is unknown: never call it again. */
  datasync(): Promise<void>
  /** Reads up to `target.length` bytes at `position`; resolves to how many, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>
  /** The same at once, of what was just written, which is in memory still: else everybody waits for the disk. */
  readNow(target: Uint8Array, position: number): number
  truncate(size: number): Promise<void>
  close(): Promise<void>
}
