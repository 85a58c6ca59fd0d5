/**
 * A segment file and its header, which is written twice, so that one damaged byte does not cost the
 * salt, and with it the whole segment:
 *
 *     0 u32 magic | 4 u16 version | 6 u16 flags (1: rewritten) | 8 u32 segment id | 12 u32 salt
 *     16 u32 crc of the 16 bytes before | 20 u32 zero | 24..47 the same again | 48 records …
 */
import * as path from 'node:path'
import { PetioleError } from '../runtime/index.ts'
import { crc32 } from './crc.ts'
import { AS_WRITTEN, type Opening } from './opening.ts'

export const SEGMENT_HEADER_BYTES = 48

const MAGIC = 0x314c5450
const VERSION = 1
const COPY_BYTES = 24
const FLAG_REWRITTEN = 1

export interface SegmentHeader {
  readonly id: number
  readonly salt: number
  readonly isRewritten: boolean
}

export class Segment {
  readonly id: number
  salt: number
  /** How its records are read. */
  opening: Opening = AS_WRITTEN
  /** Bytes that are committed, the header included. */
  size: number
  /** Bytes of records that still mean something: live messages, latest states and so on. */
  liveBytes = 0
  /** Bytes by which compressed records in it are shorter than what they mean: `liveBytes` counts those. */
  savedBytes = 0
  /** Bytes of delete records that a rewrite put here: they count as live. */
  pinnedBytes = 0
  isRewritten: boolean
  isSealed = false
  /** `found`: its damaged bytes are not looked after yet; `kept`: they are in the quarantine. */
  damage: 'none' | 'found' | 'kept' = 'none'
  /** Damaged records in it that were counted already. */
  damagedNoted = 0
  /** Bytes of the index file, 0 while there is none. */
  indexBytes = 0
  /** Segments (this one too) whose records are deleted by records in this one. */
  readonly deleteTargets = new Set<number>()

  constructor(header: SegmentHeader, size: number) {
    this.id = header.id
    this.salt = header.salt
    this.isRewritten = header.isRewritten
    this.size = size
  }
}

export function segmentPath(directory: string, id: number): string {
  return path.join(directory, `${String(id).padStart(10, '0')}.log`)
}

export function indexPath(directory: string, id: number): string {
  return path.join(directory, `${String(id).padStart(10, '0')}.idx`)
}

/** The id in a segment's file name; undefined for every other file. */
export function segmentIdOf(name: string): number | undefined {
  const match = /^(\d{10})\.log$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** A new segment or index that was not finished before a crash, and would hold its space for good. */
export function isDraft(name: string): boolean {
  return /^\d{10}\.(log|idx)\.tmp$/.test(name)
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  for (let at = 0; at < SEGMENT_HEADER_BYTES; at += COPY_BYTES) {
    bytes.writeUInt32LE(MAGIC, at)
    bytes.writeUInt16LE(VERSION, at + 4)
    bytes.writeUInt16LE(header.isRewritten ? FLAG_REWRITTEN : 0, at + 6)
    bytes.writeUInt32LE(header.id, at + 8)
    bytes.writeUInt32LE(header.salt, at + 12)
    bytes.writeUInt32LE(crc32(bytes, at, at + 16, 0), at + 16)
  }
  return bytes
}

/** undefined when neither copy is intact. */
export function decodeSegmentHeader(source: Uint8Array, file: string): SegmentHeader | undefined {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  for (
    let at = 0;
    at + COPY_BYTES <= Math.min(bytes.length, SEGMENT_HEADER_BYTES);
    at += COPY_BYTES
  ) {
    if (bytes.readUInt32LE(at) !== MAGIC) continue
    if (bytes.readUInt32LE(at + 16) !== crc32(bytes, at, at + 16, 0)) continue
    const version = bytes.readUInt16LE(at + 4)
    if (version !== VERSION) {
      throw new PetioleError(
        'PETIOLE_STORE_FOREIGN',
        `${file} has format version ${version}, this program knows ${VERSION}: start the version of petiole that wrote it, or use another store_dir`,
      )
    }
    return {
      id: bytes.readUInt32LE(at + 8),
      salt: bytes.readUInt32LE(at + 12),
      isRewritten: (bytes.readUInt16LE(at + 6) & FLAG_REWRITTEN) !== 0,
    }
  }
  return undefined
}
