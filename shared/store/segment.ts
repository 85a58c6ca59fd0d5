/** A segment file: which it is, and what is known of it. */
import * as path from 'node:path'
import { PetioleError } from '../runtime/index.ts'
import {
  type CipherHeader,
  ENCRYPTION_BYTES,
  type SegmentCipher,
} from './encryption/segment-cipher.ts'
import { SEGMENT_ID_MAX } from './limits.ts'
import type { JournalPlace } from './older-records.ts'
import { AS_WRITTEN, type Opening } from './opening.ts'
import { headerBytes, type SegmentHeader } from './segment-header.ts'
import type { ByteRange } from './segment-scan.ts'

export class Segment {
  readonly id: number
  salt: number
  /** How its records are encrypted, if they are. */
  encryption: CipherHeader | undefined
  /** undefined: they are not, or nobody knows the key. */
  cipher: SegmentCipher | undefined
  /** Bytes that are committed, the header included. */
  size: number
  /** Bytes of records that still mean something: live messages, latest states and so on. */
  liveBytes = 0
  /** The same when it was last looked at for a rewrite, and when that was; -1: it was not. */
  liveSeen = -1
  liveSeenMs = 0
  /** Bytes by which compressed records in it are shorter than what they mean: `liveBytes` counts those. */
  savedBytes = 0
  /** Bytes of delete records that a rewrite put here: they count as live. */
  pinnedBytes = 0
  isRewritten: boolean
  /** States of which the journal had a later record before this place are not in it; undefined: they may be. */
  cleanTo: JournalPlace | undefined
  isSealed = false
  /** What is said in its first page only was said again behind it. */
  isFirstPageRepeated = false
  /** `found`: its damaged bytes are not looked after yet; `kept`: they are in the quarantine. */
  damage: 'none' | 'found' | 'kept' = 'none'
  /** Where it ended before something cut the file, as its index says; 0 when nothing did. */
  cutEnd = 0
  /** Damaged records in it that were counted already. */
  damagedNoted = 0
  /** Bytes of the index file, 0 while there is none. */
  indexBytes = 0
  /** Segments (this one too) whose records are deleted by records in this one. */
  readonly deleteTargets = new Set<number>()

  constructor(header: SegmentHeader, size: number, cipher: SegmentCipher | undefined) {
    this.id = header.id
    this.salt = header.salt
    this.isRewritten = header.isRewritten
    this.size = size
    this.encryption = header.encryption
    this.cipher = cipher
  }

  /** Where records begin. */
  get headerBytes(): number {
    return headerBytes(this)
  }

  /** What was cut off its file. */
  get cut(): readonly ByteRange[] {
    const from = Math.max(this.size, this.headerBytes)
    return this.cutEnd > from ? [{ from, to: this.cutEnd }] : []
  }

  /** How its records are read. */
  get opening(): Opening {
    return this.cipher ?? AS_WRITTEN
  }

  /** By how much each of its records is longer than it was written. */
  get recordExtra(): number {
    return this.encryption === undefined ? 0 : ENCRYPTION_BYTES
  }

  get header(): SegmentHeader {
    const { id, salt, isRewritten, encryption } = this
    return { id, salt, isRewritten, encryption }
  }
}

export function segmentPath(directory: string, id: number): string {
  return path.join(directory, `${String(id).padStart(10, '0')}.log`)
}

export function indexPath(directory: string, id: number): string {
  return path.join(directory, `${String(id).padStart(10, '0')}.idx`)
}

/** The ids of the segments among the files of a journal, rising. Throws PETIOLE_STORE_FOREIGN for one that no journal gets to. */
export function segmentIdsOf(names: readonly string[]): number[] {
  const ids = names.flatMap((name) => {
    const match = /^(\d{10})\.log$/.exec(name)
    return match === null ? [] : [Number(match[1])]
  })
  const foreign = ids.find((id) => id > SEGMENT_ID_MAX)
  if (foreign === undefined) return ids
  throw new PetioleError(
    'PETIOLE_STORE_FOREIGN',
    `${segmentPath('', foreign)} is no file of this journal, which counts from 1: take it away`,
  )
}

/** A new file that was not finished before a crash, and would hold its space for good. */
export function isDraft(name: string): boolean {
  return /^(\d{10}\.(log|idx)|heads)\.tmp$/.test(name)
}

/** How much of the segment's records is live. */
export function liveShare({ liveBytes, savedBytes, headerBytes, size }: Segment): number {
  return liveBytes / Math.max(1, size - headerBytes + savedBytes)
}

/** How many bytes of the file a rewrite would take away. */
export function deadBytes(segment: Segment): number {
  return Math.floor((segment.size - segment.headerBytes) * Math.max(0, 1 - liveShare(segment)))
}
