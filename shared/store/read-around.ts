/**
 * Reading from a disk of which some places cannot be read any more. One bad sector fails the whole read that
 * touches it, so what fails is read again in smaller pieces, down to a page, and only the pages that fail
 * alone are missing: zeros stand for them, which are no record, so a scan takes them for damage and goes on behind.
 */
import { codeOf, type Disk, type DiskFile, PetioleError } from '../runtime/index.ts'
import { READ_BYTES, UNREADABLE_UNIT_BYTES } from './limits.ts'
import type { ByteRange } from './segment-scan.ts'

export interface ReadAround {
  /** How many bytes there are, the missing ones too. */
  readonly bytes: number
  /** Places in the file. */
  readonly unreadable: readonly ByteRange[]
  /** What the first of them failed with; undefined when there is none. */
  readonly error: unknown
}

/** Whether a place of the disk is what failed. */
export function isUnreadable(error: unknown): boolean {
  const isOther = error instanceof Error && 'syscall' in error && error.syscall !== 'read'
  return codeOf(error) === 'EIO' && !isOther
}

/** Fills the target from `position` on, or up to the end of the file. Rejects for whatever is no bad place. */
export async function readAround(
  file: DiskFile,
  target: Uint8Array,
  position: number,
): Promise<ReadAround> {
  const unreadable: { from: number; to: number }[] = []
  let firstError: unknown
  let stepMax = target.length
  let step = stepMax
  let got = 0
  while (got < target.length) {
    const from = position + got
    const want = Math.min(step, target.length - got)
    try {
      const read = await file.read(target.subarray(got, got + want), from)
      if (read === 0) break
      got += read
      step = Math.min(step * 2, stepMax)
    } catch (error) {
      if (!isUnreadable(error)) throw notAFile(file, error)
      firstError ??= error
      stepMax = READ_BYTES
      const unit = Math.min(target.length - got, unitLeft(from))
      if (want > unit) {
        step = Math.max(unit, unitsIn(Math.min(want, stepMax) / 2))
        continue
      }
      target.fill(0, got, got + want)
      got += want
      step = UNREADABLE_UNIT_BYTES
      const last = unreadable[unreadable.length - 1]
      if (last?.to === from) last.to += want
      else unreadable.push({ from, to: from + want })
    }
  }
  return { bytes: got, unreadable, error: unreadable.length === 0 ? undefined : firstError }
}

/** A directory can be opened, and the error of its read does not say which it is. */
function notAFile({ path }: DiskFile, error: unknown): unknown {
  if (codeOf(error) !== 'EISDIR') return error
  return new PetioleError(
    'PETIOLE_STORE_FOREIGN',
    `${path} is a directory, and should be a file of the store; nothing was changed: move it away`,
    { cause: error },
  )
}

/** Of the page in which the place lies. */
function unitLeft(at: number): number {
  return UNREADABLE_UNIT_BYTES - (at % UNREADABLE_UNIT_BYTES)
}

function unitsIn(bytes: number): number {
  return Math.floor(bytes / UNREADABLE_UNIT_BYTES) * UNREADABLE_UNIT_BYTES
}

export interface FileAround {
  readonly bytes: Uint8Array
  readonly unreadable: readonly ByteRange[]
  readonly error: unknown
}

/** A whole file; rejects when it cannot be opened. */
export async function readFileAround(disk: Disk, path: string): Promise<FileAround> {
  const file = await disk.open(path, 'read')
  try {
    const target = Buffer.allocUnsafeSlow(await file.size())
    const { bytes, unreadable, error } = await readAround(file, target, 0)
    return { bytes: target.subarray(0, bytes), unreadable, error }
  } finally {
    await file.close()
  }
}
