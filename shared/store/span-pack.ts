/** A span in an index file. Its subjects come along, numbered by their first appearance. */
import { Bits } from './bits.ts'
import { Column } from './column.ts'
import type { PackReader, PackWriter } from './pack.ts'
import { Span } from './span.ts'
import { NO_ID, type StreamSubjects } from './stream-subjects.ts'

const F64_BYTES = 8
const NO_BYTES = new Uint8Array(0)
const HAS_DELTAS = 1
const HAS_IDS = 2
const HAS_MARKS = 4
const IS_AFTER_SKIP = 8
const HAS_HEADED = 16

export function packSpan(out: PackWriter, span: Span, subjects: StreamSubjects): void {
  const { localIds, globalIds } = numberSubjects(span)
  out.f64(span.firstSeq)
  for (const column of [span.lengths, span.timeDeltas, localIds]) packColumn(out, column)
  out.u32(
    (span.seqDeltas === undefined ? 0 : HAS_DELTAS) |
      (span.hasIds ? HAS_IDS : 0) |
      (span.marks === undefined ? 0 : HAS_MARKS) |
      (span.isAfterSkip ? IS_AFTER_SKIP : 0) |
      (span.headed === undefined ? 0 : HAS_HEADED),
  )
  if (span.seqDeltas !== undefined) packColumn(out, span.seqDeltas)
  for (const column of [span.entryOrdinals, span.entryOffsets, span.entryBoots]) {
    packColumn(out, column)
  }
  out.u32(span.entryTimes.length)
  for (let i = 0; i < span.entryTimes.length; i++) out.f64(span.entryTimes.get(i))
  out.u32(globalIds.length)
  for (const id of globalIds) out.bytes(id === NO_ID ? NO_BYTES : subjects.bytes(id))
  packDead(out, span)
  for (const bits of [span.marks, span.headed]) if (bits !== undefined) out.bytes(bits.toBytes())
}

/** @param subjects undefined when the stream is gone; then the span is only passed over. */
export function unpackSpan(
  input: PackReader,
  segmentId: number,
  subjects: StreamSubjects | undefined,
): Span | undefined {
  const firstSeq = input.f64()
  const lengths = unpackColumn(input)
  const timeDeltas = unpackColumn(input)
  const localIdBytes = input.u32()
  const localIds = input.bytes()
  const traits = input.u32()
  const seqDeltas = (traits & HAS_DELTAS) !== 0 ? unpackColumn(input) : undefined
  const entryOrdinals = unpackColumn(input)
  const entryOffsets = unpackColumn(input)
  const entryBoots = unpackColumn(input)
  const entryTimes = Column.fromBytes(input.run(F64_BYTES), F64_BYTES)
  const globalIds = unpackSubjects(input, subjects)
  const dead: number[] = []
  input.each(() => dead.push(input.u32()))
  const marks = (traits & HAS_MARKS) !== 0 ? Bits.fromBytes(input.bytes()) : undefined
  const headed = (traits & HAS_HEADED) !== 0 ? Bits.fromBytes(input.bytes()) : undefined
  if (subjects === undefined) return undefined
  const span = new Span(segmentId, firstSeq, {
    lengths,
    timeDeltas,
    subjectIds: Column.through(localIds, localIdBytes, globalIds),
    seqDeltas,
    entryOrdinals,
    entryOffsets,
    entryBoots,
    entryTimes,
  })
  span.hasIds = (traits & HAS_IDS) !== 0
  span.isAfterSkip = (traits & IS_AFTER_SKIP) !== 0
  span.marks = marks
  if (headed !== undefined) span.restoreHeaded(headed)
  for (const ordinal of dead) span.kill(ordinal)
  return span
}

/** Dead records come along too: their subjects may be gone, so nobody may count them. */
function packDead(out: PackWriter, span: Span): void {
  const dead: number[] = []
  for (let i = 0; i < span.count; i++) if (!span.isLive(i)) dead.push(i)
  out.list(dead, (ordinal) => out.u32(ordinal))
}

/**
 * Ids in the order of their first records; `NO_ID` stands for the subject of records that are dead. There may be as
 * many as records, while messages come in: so they are found in a table of bare numbers.
 */
function numberSubjects(span: Span): { localIds: Column; globalIds: Uint32Array } {
  const globalIds = new Uint32Array(span.count)
  const localIds = new Column()
  localIds.reserve(span.count, span.count)
  const bits = Math.max(1, 33 - Math.clz32(span.count))
  const slots = new Uint32Array(2 ** bits)
  let count = 0
  for (let i = 0; i < span.count; i++) {
    const global = span.isLive(i) ? span.subjectIds.get(i) : NO_ID
    let slot = Math.imul(global, 0x9e3779b1) >>> (32 - bits)
    while (slots[slot] !== 0 && globalIds[(slots[slot] as number) - 1] !== global) {
      slot = (slot + 1) % slots.length
    }
    if (slots[slot] === 0) {
      globalIds[count++] = global
      slots[slot] = count
    }
    localIds.push((slots[slot] as number) - 1)
  }
  return { localIds, globalIds: globalIds.subarray(0, count) }
}

/** @param subjects undefined: they are only passed over. */
function unpackSubjects(input: PackReader, subjects: StreamSubjects | undefined): Uint32Array {
  if (subjects === undefined) {
    input.each(() => input.bytes())
    return new Uint32Array(0)
  }
  let ids = new Uint32Array(0)
  input.byteStrings((packed, at, count) => {
    ids = new Uint32Array(count)
    return subjects.internPacked(packed, at, ids)
  })
  // Dead records have no subject; any does.
  for (let local = 0; local < ids.length; local++) if (ids[local] === NO_ID) ids[local] = 0
  return ids
}

function packColumn(out: PackWriter, column: Column): void {
  out.u32(column.bytesPerCell)
  out.bytes(column.toBytes())
}

function unpackColumn(input: PackReader): Column {
  const bytesPerCell = input.u32()
  return Column.fromBytes(input.bytes(), bytesPerCell)
}
