/**
 * What happens to a segment in which damage was found: what did not hold goes to the quarantine before anything
 * drops it, messages that are gone are taken out of their streams and told, and what memory still
 * knows of other damaged records (states, configurations, floors, deletes) is written again, also that a key was removed
 * of which only an older record is left there.
 */
import type { Log } from '../../log/index.ts'
import { type Disk, messageOf } from '../../runtime/index.ts'
import { carryDamaged } from '../carry-forward.ts'
import type { Catalog } from '../catalog.ts'
import type { JournalStream } from '../journal-stream.ts'
import { readFileAround } from '../read-around.ts'
import { Chunk, RecordType } from '../record.ts'
import type { Room } from '../room.ts'
import { type Segment, segmentPath } from '../segment.ts'
import { type ByteRange, scanSegment } from '../segment-scan.ts'
import type { Span } from '../span.ts'
import type { Writer } from '../writer.ts'
import type { Quarantine } from './quarantine.ts'
import { ReadablePuts } from './readable-puts.ts'

export interface DamageKeeperParts {
  readonly disk: Disk
  /** The journal's. */
  readonly directory: string
  readonly catalog: Catalog
  readonly room: Room
  readonly quarantine: Quarantine
  readonly log: Log
  readonly writer: Writer
}

export class DamageKeeper {
  readonly #parts: DamageKeeperParts

  constructor(parts: DamageKeeperParts) {
    this.#parts = parts
  }

  async keepAll(signal: AbortSignal): Promise<void> {
    for (const segment of this.#parts.catalog.segments) {
      if (signal.aborted) return
      await this.keep(segment)
    }
  }

  /** Never rejects: what cannot be read must not keep other segments from being looked after. */
  async keep(segment: Segment): Promise<void> {
    if (segment.damage !== 'found') return
    const { disk, directory, catalog, log, writer } = this.#parts
    const known = this.#knownIn(segment)
    const { size } = segment
    let bytes: Uint8Array
    try {
      ;({ bytes } = await readFileAround(disk, segmentPath(directory, segment.id)))
    } catch (error) {
      log.warn({ segment: segment.id, err: messageOf(error) }, 'damaged segment not readable')
      return
    }
    if (!catalog.hasSegment(segment.id)) return
    const chunk = new Chunk(bytes.subarray(0, size))
    const found = new Set<string>()
    const puts = new ReadablePuts(catalog)
    const { damaged } = scanSegment(chunk, segment, false, (cursor) => {
      if (cursor.type === RecordType.message) found.add(`${cursor.streamId}:${cursor.seq}`)
      else puts.note(cursor)
    })
    this.#takeOut(segment, known, found)
    this.#noteOthers(segment, chunk.bytes, damaged)
    const lost = [...damaged, ...segment.cut]
    carryDamaged(segment, lost, catalog, writer)
    if (lost.length > 0) puts.overrule(segment)
    segment.damage = 'kept'
    await this.keepRanges(segment, chunk.bytes, damaged)
  }

  /** Never rejects: a full disk is no reason to stay full. Then the bytes are not kept, and that is said. */
  async keepRanges(
    segment: Segment,
    bytes: Uint8Array,
    ranges: readonly ByteRange[],
  ): Promise<void> {
    const { quarantine, room, log } = this.#parts
    for (const range of ranges) {
      const where = { segment: segment.id, ...range }
      const part = bytes.subarray(range.from, range.to)
      const isEncrypted = segment.encryption !== undefined
      const finding = { segment: segment.id, salt: segment.salt, range, bytes: part, isEncrypted }
      const before = quarantine.bytes
      try {
        const isKept = await quarantine.keep(finding, 'server')
        if (!isKept) log.warn(where, 'quarantine is full, damaged bytes are not kept')
      } catch (error) {
        quarantine.droppedBytes += part.length
        log.warn({ ...where, err: messageOf(error) }, 'damaged bytes could not be kept')
      }
      room.usedBytes += quarantine.bytes - before
    }
  }

  /** What is damaged besides messages counts too; what is in quarantine was counted when it came there. */
  #noteOthers(segment: Segment, bytes: Uint8Array, damaged: readonly ByteRange[]): void {
    const { catalog, quarantine } = this.#parts
    const { id, salt } = segment
    const fresh = damaged.filter((range) => {
      const part = bytes.subarray(range.from, range.to)
      return !quarantine.has({ segment: id, salt, range, bytes: part })
    })
    const records = fresh.length - segment.damagedNoted
    if (records > 0) catalog.noteDamage({ segment: id, at: fresh.map(({ from }) => from) }, records)
  }

  /** How many records of each stream lie there now: more may follow while the file is read. */
  #knownIn(segment: Segment): readonly Known[] {
    return [...this.#parts.catalog.streamsById.values()].flatMap((stream) => {
      const span = stream.index.spanIn(segment.id)
      return span === undefined ? [] : [{ stream, span, count: span.count }]
    })
  }

  /** Messages that the index knows, and the segment does not hold any more. */
  #takeOut(segment: Segment, known: readonly Known[], found: ReadonlySet<string>): void {
    const { catalog } = this.#parts
    for (const { stream, span, count } of known) {
      if (stream.isRemoved) continue
      for (let i = span.nextLive(0); i < count; i = span.nextLive(i + 1)) {
        const seq = span.seqAt(i)
        if (found.has(`${stream.id}:${seq}`) || !stream.index.has(seq)) continue
        catalog.noteDamage({ segment: segment.id, stream: stream.name, seq }, 1)
        stream.noteDamage(seq, seq, 1)
      }
    }
  }
}

interface Known {
  readonly stream: JournalStream
  readonly span: Span
  readonly count: number
}
