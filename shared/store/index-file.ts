/**
 * The index of a sealed segment: everything that the catalog needs of it, so that a start reads no
 * data. It belongs to one segment file by salt and size; when it is lost or does not fit, a scan of
 * the segment gives the same.
 *
 *     u32 magic | u32 version | segment id | salt | rewritten | size
 *     spans       stream, first seq, columns, sparse entries, own subjects, marks, which have headers
 *     dead        streams' deleted sequences in the segments that records of this one delete from
 *     floors, definitions, tombstones, states, boots: those whose latest record lies here
 *     f64 f64     bytes written since the store was made: to the journal, and all (absent in older files)
 *     f64         bytes that compression saves in the segment (absent in older files)
 *     u32 u32…    of each of the states, the segments that may have older records of its key: from, and before
 *     u32 u32 u32 up to which place of the journal older records were left out: segment, salt, offset (absent in older files)
 *     u32 crc of all before
 *
 * Deletes are written as all that is dead in the segments concerned, which is more than what this
 * segment's records say, and the same when it is applied again.
 */
import type { Boot } from './boots.ts'
import type { Catalog } from './catalog.ts'
import { crc32 } from './crc.ts'
import type { SeqRun } from './delete-runs.ts'
import type { SegmentCipher } from './encryption/segment-cipher.ts'
import type { JournalStream } from './journal-stream.ts'
import { PackReader, PackWriter } from './pack.ts'
import { Segment } from './segment.ts'
import type { SegmentHeader } from './segment-header.ts'
import { packSpan, unpackSpan } from './span-pack.ts'
import type { JournalTable } from './state-table.ts'
import { decodeDefinitionHeader, encodeDefinitionHeader } from './stream-drafts.ts'
import type { RecordPlace } from './stream-host.ts'
import { WRITTEN_BYTES_PACKED } from './wear.ts'

const MAGIC = 0x31585450
/** Of another version, earlier or later, it does not fit: earlier ones do not say which messages have headers. */
const VERSION = 3
const CRC_BYTES = 4
/** Of its segment, with small messages on as many subjects; what is not written to takes no memory. */
const INDEX_SHARE = 1 / 6
const SAVED_BYTES_PACKED = 8

export function encodeIndex(segment: Segment, catalog: Catalog): Uint8Array {
  const out = new PackWriter(Math.ceil(segment.size * INDEX_SHARE))
  for (const value of [MAGIC, VERSION, segment.id, segment.salt, Number(segment.isRewritten)]) {
    out.u32(value)
  }
  out.u32(segment.size)
  out.u32(segment.pinnedBytes)
  packSpans(out, segment, catalog)
  packDead(out, segment, catalog)
  packStreamRecords(out, segment, catalog)
  out.list(
    [...catalog.tombstones].filter(([, at]) => at.segmentId === segment.id),
    ([id, at]) => {
      out.u32(id)
      packPlace(out, at)
    },
  )
  out.list(
    [0, ...catalog.streamsById.keys()].filter((id) => tableOf(catalog, id).isIn(segment.id)),
    (id) => packStates(out, id, tableOf(catalog, id), segment.id),
  )
  out.list(
    [...catalog.boots.values()].filter((boot) => boot.segmentId === segment.id),
    (boot) => packBoot(out, boot),
  )
  const { journal, all } = catalog.wear.ever
  out.f64(journal)
  out.f64(all)
  out.f64(segment.savedBytes)
  packOlder(out, segment, catalog)
  const bytes = out.finish()
  out.u32(crc32(bytes, 0, bytes.length, 0))
  return out.finish()
}

export function isIndexIntact(bytes: Uint8Array): boolean {
  const end = bytes.length - CRC_BYTES
  return end >= CRC_BYTES && crc32(bytes, 0, end, 0) === new PackReader(bytes).u32At(end)
}

/** To which segment file an index belongs; undefined when it is none, or of a later version. */
export function ownerOf(
  bytes: Uint8Array,
): { readonly id: number; readonly salt: number; readonly size: number } | undefined {
  const input = new PackReader(bytes)
  if (input.u32() !== MAGIC || input.u32() > VERSION) return undefined
  const [id, salt, , size] = [input.u32(), input.u32(), input.u32(), input.u32()]
  return { id, salt, size }
}

/** Whether an index of `size` is taken for a file of another: of one that was cut it says what is lost. */
export type IndexFit = 'whole' | 'cut'

/**
 * Adds the segment to the catalog; undefined, and nothing added, when the index does not fit.
 *
 * @param cipher the segment's, when it is encrypted
 */
export function loadIndex(
  bytes: Uint8Array,
  id: number,
  header: SegmentHeader | undefined,
  fileSize: number,
  catalog: Catalog,
  cipher: SegmentCipher | undefined,
  fit: IndexFit = 'whole',
): Segment | undefined {
  const end = bytes.length - CRC_BYTES
  if (!isIndexIntact(bytes)) return undefined
  const input = new PackReader(bytes)
  if (input.u32() !== MAGIC || input.u32() !== VERSION || input.u32() !== id) return undefined
  const salt = input.u32()
  const isRewritten = input.u32() === 1
  const size = input.u32()
  const isFitting = fit === 'whole' ? fileSize === size : fileSize < size
  if ((header !== undefined && header.salt !== salt) || !isFitting) return undefined
  const form = { id, salt, isRewritten, encryption: cipher?.header }
  const segment = new Segment(form, fileSize, cipher)
  if (fit === 'cut') segment.cutEnd = size
  segment.isSealed = true
  segment.indexBytes = bytes.length
  segment.pinnedBytes = input.u32()
  segment.liveBytes = segment.pinnedBytes
  catalog.addSegment(segment)
  input.each(() => loadSpan(input, id, catalog))
  loadDead(input, segment, catalog)
  input.each(() => loadDefinition(input, id, catalog))
  input.each(() => loadFloor(input, id, catalog))
  input.each(() => {
    const streamId = input.u32()
    const at = unpackPlace(input, id)
    catalog.applyRemoval(catalog.stream(streamId), at)
  })
  const states: LoadedState[] = []
  input.each(() => loadStates(input, id, states))
  input.each(() => {
    const boot = { ref: input.f64(), shiftMs: input.f64(), offset: input.u32(), segmentId: id }
    catalog.boots.apply(boot)
  })
  if (input.at + WRITTEN_BYTES_PACKED <= end) {
    catalog.wear.learn({ journal: input.f64(), all: input.f64() }, id, 0)
  }
  if (input.at + SAVED_BYTES_PACKED <= end) segment.savedBytes = input.f64()
  const older = input.at < end ? loadOlder(input, segment) : []
  for (const [i, state] of states.entries()) applyLoaded(state, older[i], catalog)
  return segment
}

function packSpans(out: PackWriter, segment: Segment, catalog: Catalog): void {
  const spans = [...catalog.streamsById.values()].flatMap((stream) => {
    const span = stream.index.spanIn(segment.id)
    return span === undefined ? [] : [{ stream, span }]
  })
  out.list(spans, ({ stream, span }) => {
    out.u32(stream.id)
    packSpan(out, span, stream.index.subjects)
  })
}

function loadSpan(input: PackReader, segmentId: number, catalog: Catalog): void {
  const streamId = input.u32()
  const stream = catalog.tombstones.has(streamId) ? undefined : catalog.stream(streamId)
  const span = unpackSpan(input, segmentId, stream?.index.subjects)
  if (stream === undefined || span === undefined) return
  stream.index.addSpan(span)
  stream.stage.reached(span.lastSeq)
}

function packDead(out: PackWriter, segment: Segment, catalog: Catalog): void {
  out.list([...segment.deleteTargets], (id) => out.u32(id))
  out.list(deadRunsOf(segment, catalog), ({ stream, runs }) => {
    out.u32(stream.id)
    out.list(runs, ([first, last]) => {
      out.f64(first)
      out.f64(last)
    })
  })
}

function loadDead(input: PackReader, segment: Segment, catalog: Catalog): void {
  input.each(() => segment.deleteTargets.add(input.u32()))
  input.each(() => {
    const stream = catalog.streamsById.get(input.u32())
    input.each(() => {
      const first = input.f64()
      const last = input.f64()
      if (stream === undefined) return
      for (let seq = first; seq <= last; seq++) {
        if (!stream.index.kill(seq) && stream.index.spanOf(seq) === undefined) {
          stream.absentDeletes.add(seq)
        }
      }
    })
  })
}

/** What lies dead in the segments that records of this one delete from. */
export function deadRunsOf(
  segment: Segment,
  catalog: Catalog,
  exceptSegment = 0,
): { readonly stream: JournalStream; readonly runs: SeqRun[] }[] {
  const found: { stream: JournalStream; runs: SeqRun[] }[] = []
  for (const target of segment.deleteTargets) {
    if (target === exceptSegment || !catalog.hasSegment(target)) continue
    for (const stream of catalog.streamsById.values()) {
      const runs = stream.index.spanIn(target)?.deadRuns(stream.index.floor) ?? []
      if (runs.length > 0) found.push({ stream, runs })
    }
  }
  return found
}

function packStreamRecords(out: PackWriter, segment: Segment, catalog: Catalog): void {
  const streams = [...catalog.streamsById.values()]
  out.list(
    streams.filter(({ configAt }) => configAt?.segmentId === segment.id),
    (stream) => {
      const { name, config } = stream.definition
      out.u32(stream.id)
      out.bytes(Buffer.from(name))
      out.bytes(encodeDefinitionHeader(stream.definition))
      out.bytes(config)
      packPlace(out, stream.configAt)
    },
  )
  out.list(
    streams.filter(({ floorAt }) => floorAt?.segmentId === segment.id),
    (stream) => {
      out.u32(stream.id)
      out.f64(stream.index.floor)
      out.f64(stream.index.lastSeq)
      out.f64(stream.index.lastTimeMs)
      packPlace(out, stream.floorAt)
    },
  )
}

function loadDefinition(input: PackReader, segmentId: number, catalog: Catalog): void {
  const streamId = input.u32()
  const name = Buffer.from(input.bytes()).toString()
  const header = decodeDefinitionHeader(input.bytes())
  const config = new Uint8Array(input.bytes())
  const at = unpackPlace(input, segmentId)
  if (catalog.tombstones.has(streamId)) return
  catalog.applyDefinition(catalog.stream(streamId), { name, ...header, config }, at)
}

function loadFloor(input: PackReader, segmentId: number, catalog: Catalog): void {
  const streamId = input.u32()
  const floor = input.f64()
  const lastSeq = input.f64()
  const lastTimeMs = input.f64()
  const at = unpackPlace(input, segmentId)
  if (catalog.tombstones.has(streamId)) return
  const stream = catalog.stream(streamId)
  stream.restoreFloor(floor, lastSeq, lastTimeMs)
  stream.floorAt = catalog.replace(stream.floorAt, at)
}

function packStates(out: PackWriter, id: number, table: JournalTable, segmentId: number): void {
  out.u32(id)
  out.list(table.entriesIn(segmentId), ([key, entry]) => {
    out.bytes(Buffer.from(key))
    out.u32(entry.value === undefined ? 1 : 0)
    out.bytes(entry.value ?? new Uint8Array(0))
    packPlace(out, entry)
  })
}

interface LoadedState extends RecordPlace {
  readonly streamId: number
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** What is said of them at the end of the file must be known before they are applied. */
function loadStates(input: PackReader, segmentId: number, states: LoadedState[]): void {
  const streamId = input.u32()
  input.each(() => {
    const key = Buffer.from(input.bytes()).toString()
    const isRemoved = input.u32() === 1
    const bytes = input.bytes()
    const value = isRemoved ? undefined : new Uint8Array(bytes)
    states.push({ streamId, key, value, ...unpackPlace(input, segmentId) })
  })
}

function applyLoaded(state: LoadedState, older: Older | undefined, catalog: Catalog): void {
  const { streamId, key, value, segmentId, offset, length } = state
  if (catalog.tombstones.has(streamId)) return
  const table = streamId === 0 ? catalog.marks : catalog.stream(streamId).states
  const { since, until } = older ?? { since: 0, until: segmentId }
  catalog.applyState(table, key, { value, segmentId, offset, length, since, until })
}

function packOlder(out: PackWriter, segment: Segment, catalog: Catalog): void {
  out.list(
    [...catalog.tables()].flatMap((table) => table.entriesIn(segment.id)),
    ([, { since, until }]) => {
      out.u32(since)
      out.u32(until)
    },
  )
  const { segmentId = 0, salt = 0, offset = 0 } = segment.cleanTo ?? {}
  for (const value of [segmentId, salt, offset]) out.u32(value)
}

interface Older {
  readonly since: number
  readonly until: number
}

/** Which segments may have older records, in the order of the states. */
function loadOlder(input: PackReader, segment: Segment): Older[] {
  const older: Older[] = []
  input.each(() => older.push({ since: input.u32(), until: input.u32() }))
  const [segmentId, salt, offset] = [input.u32(), input.u32(), input.u32()]
  if (segmentId > 0) segment.cleanTo = { segmentId, salt, offset }
  return older
}

function tableOf(catalog: Catalog, streamId: number): JournalTable {
  return streamId === 0 ? catalog.marks : catalog.stream(streamId).states
}

function packBoot(out: PackWriter, boot: Boot): void {
  out.f64(boot.ref)
  out.f64(boot.shiftMs)
  out.u32(boot.offset)
}

function packPlace(out: PackWriter, at: RecordPlace | undefined): void {
  out.u32(at?.offset ?? 0)
  out.u32(at?.length ?? 0)
}

function unpackPlace(input: PackReader, segmentId: number): RecordPlace {
  return { segmentId, offset: input.u32(), length: input.u32() }
}
