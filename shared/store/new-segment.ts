import type { Disk, DiskFile, Random } from '../runtime/index.ts'
import type { Keyring } from './encryption/keyring.ts'
import { Segment, segmentPath } from './segment.ts'
import { encodeSegmentHeader } from './segment-header.ts'

export interface NewSegmentParts {
  readonly disk: Disk
  readonly random: Random
  readonly keys: Keyring
  readonly journalDirectory: string
}

export type CreatedSegment =
  | { readonly segment: Segment; readonly file: DiskFile }
  /** `wasCreated`: there was a file for it; it is gone again, as far as the disk let it go. */
  | { readonly error: unknown; readonly wasCreated: boolean }

/** An empty segment, with its header on disk and its name in the directory. */
export async function createSegment(
  id: number,
  { disk, random, keys, journalDirectory }: NewSegmentParts,
): Promise<CreatedSegment> {
  const path = segmentPath(journalDirectory, id)
  const salt = new DataView(new Uint8Array(random.bytes(4)).buffer).getUint32(0)
  const cipher = keys.newCipher(id)
  const header = { id, salt, isRewritten: false, encryption: cipher?.header }
  const head = encodeSegmentHeader(header)
  let file: DiskFile | undefined
  try {
    await disk.remove(path)
    file = await disk.create(path)
    await file.writev([head], 0)
    await file.datasync()
    await disk.syncDirectory(journalDirectory)
    return { segment: new Segment(header, head.length, cipher), file }
  } catch (error) {
    await file?.close().catch(() => {})
    if (file !== undefined) await disk.remove(path).catch(() => {})
    return { error, wasCreated: file !== undefined }
  }
}
