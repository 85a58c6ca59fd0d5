/**
 * `journal/heads`: the headers of all segments that have no index, and of the newest, once more. Both copies in a segment
 * lie in one sector, and without its salt and what it is encrypted with nothing in a segment can be read; an
 * index has them too, but the newest segment has none yet. It also tells that the newest segment was there at all.
 *
 *     headers as in segment-header.ts, by id | u32 crc of all before
 *
 * Housekeeping writes it: a segment is named when it is on disk, and the newest is no more named before the store removes
 * it. So one that is named behind all that are there was removed by somebody else.
 */
import { join } from 'node:path'
import { codeOf, type Disk } from '../runtime/index.ts'
import type { Catalog } from './catalog.ts'
import { crc32 } from './crc.ts'
import { FIRST_PAGE_BYTES } from './limits.ts'
import { readFileAround } from './read-around.ts'
import type { Room } from './room.ts'
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  headerBytes,
  type SegmentHeader,
} from './segment-header.ts'
import type { ByteRange } from './segment-scan.ts'

export const HEADS_FILE = 'heads'
const CRC_BYTES = 4
const NO_BYTES = new Uint8Array(0)

export interface Heads {
  readonly state: 'absent' | 'intact' | 'damaged'
  /** By segment: of a file that is damaged what still holds. */
  readonly headers: ReadonlyMap<number, SegmentHeader>
  /** Of the newest segment; 0 for none. */
  readonly lastId: number
  readonly bytes: number
}

export async function readHeads(disk: Disk, journalDirectory: string): Promise<Heads> {
  const file = join(journalDirectory, HEADS_FILE)
  const found = await readFileAround(disk, file).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  const headers = new Map<number, SegmentHeader>()
  if (found === undefined) return { state: 'absent', headers, lastId: 0, bytes: 0 }
  const bytes = Buffer.from(found.bytes)
  const end = Math.max(0, bytes.length - CRC_BYTES)
  let lastId = 0
  for (let at = 0; at < end; ) {
    const header = decodeSegmentHeader(bytes.subarray(at, end), file)
    if (header === undefined) break
    headers.set(header.id, header)
    lastId = Math.max(lastId, header.id)
    at += headerBytes(header)
  }
  const isIntact = bytes.length >= CRC_BYTES && bytes.readUInt32LE(end) === crc32(bytes, 0, end, 0)
  return { state: isIntact ? 'intact' : 'damaged', headers, lastId, bytes: bytes.length }
}

export function encodeHeads(headers: readonly SegmentHeader[]): Uint8Array {
  const bytes = Buffer.concat([...headers.map(encodeSegmentHeader), Buffer.alloc(CRC_BYTES)])
  const end = bytes.length - CRC_BYTES
  bytes.writeUInt32LE(crc32(bytes, 0, end, 0), end)
  return bytes
}

/** What is not believed of a segment of `size` bytes whose header was there once, and is not any more: its first page. */
export function lostWithHeader(size: number): ByteRange {
  return { from: 0, to: Math.min(size, FIRST_PAGE_BYTES) }
}

export interface SegmentHeadsParts {
  readonly disk: Disk
  readonly journalDirectory: string
  readonly catalog: Catalog
  readonly room: Room
}

/** Keeps the file. */
export class SegmentHeads {
  readonly #parts: SegmentHeadsParts
  readonly #gone: SegmentHeader | undefined
  /** undefined: it is damaged. */
  #written: Uint8Array | undefined
  #bytes: number

  /** @param found at the start, of which the newest segment may be gone */
  constructor(parts: SegmentHeadsParts, found: Heads) {
    this.#parts = parts
    this.#bytes = found.bytes
    const headers = [...found.headers.values()]
    if (found.state !== 'damaged') this.#written = encodeHeads(headers)
    if (!parts.catalog.hasSegment(found.lastId)) this.#gone = found.headers.get(found.lastId)
  }

  async keep(): Promise<void> {
    const bytes = encodeHeads(this.#wanted())
    if (this.#written !== undefined && Buffer.compare(bytes, this.#written) === 0) return
    await this.#parts.disk.writeFileAtomic(this.#file, bytes)
    this.#has(bytes)
  }

  /** Before the newest segment is removed; a sync of the directory is to follow. A full disk has no room for a shorter one. */
  async forget(): Promise<void> {
    await this.#parts.disk.remove(this.#file)
    this.#has(NO_BYTES)
  }

  get #file(): string {
    return join(this.#parts.journalDirectory, HEADS_FILE)
  }

  #has(bytes: Uint8Array): void {
    this.#written = bytes
    this.#parts.room.usedBytes += bytes.length - this.#bytes
    this.#bytes = bytes.length
  }

  #wanted(): SegmentHeader[] {
    const { segments } = this.#parts.catalog
    const newest = segments[segments.length - 1]
    const wanted = segments.filter((one) => one.indexBytes === 0 || one === newest)
    const headers = wanted.map(({ header }) => header)
    // One that somebody removed is missed until there is a newer one.
    if (this.#gone !== undefined && this.#gone.id > (newest?.id ?? 0)) headers.push(this.#gone)
    return headers
  }
}
