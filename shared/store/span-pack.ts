/** A span in an index file. Its subjects come along, numbered by their first appearance. */
import { Bits } from './bits.ts'
import { Column } from './column.ts'
import type { PackReader, PackWriter } from './pack.ts'
import { Span } from './span.ts'
import type { SubjectTable } from './subject-table.ts'

const HAS_DELTAS = 1
const HAS_IDS = 2
const HAS_MARKS = 4
const IS_AFTER_SKIP = 8

export function packSpan(out: PackWriter, span: Span, subjects: SubjectTable): void {
  const { localIds, globalIds } = numberSubjects(span)
  out.f64(span.firstSeq)
  for (const column of [span.lengths, span.timeDeltas, localIds]) packColumn(out, column)
  out.u32(
    (span.seqDeltas === undefined ? 0 : HAS_DELTAS) |
      (span.hasIds ? HAS_IDS : 0) |
      (span.marks === undefined ? 0 : HAS_MARKS) |
      (span.isAfterSkip ? IS_AFTER_SKIP : 0),
  )
  if (span.seqDeltas !== undefined) packColumn(out, span.seqDeltas)
  for (const column of [span.entryOrdinals, span.entryOffsets, span.entryBoots]) {
    packColumn(out, column)
  }
  out.list(span.entryTimes, (timeMs) => out.f64(timeMs))
  out.list(globalIds, (id) => out.bytes(id < 0 ? new Uint8Array(0) : subjects.bytes(id)))
  packDead(out, span)
  if (span.marks !== undefined) out.bytes(span.marks.toBytes())
}

/** @param subjects undefined when the stream is gone; then the span is only passed over. */
export function unpackSpan(
  input: PackReader,
  segmentId: number,
  subjects: SubjectTable | undefined,
): Span | undefined {
  const firstSeq = input.f64()
  const lengths = unpackColumn(input)
  const timeDeltas = unpackColumn(input)
  const localIds = unpackColumn(input)
  const traits = input.u32()
  const seqDeltas = (traits & HAS_DELTAS) !== 0 ? unpackColumn(input) : undefined
  const entryOrdinals = unpackColumn(input)
  const entryOffsets = unpackColumn(input)
  const entryBoots = unpackColumn(input)
  const entryTimes: number[] = []
  input.each(() => entryTimes.push(input.f64()))
  const globalIds: number[] = []
  // Who writes on many subjects often does so in the same order again: then none has to be looked up.
  let before = -1
  const intern = (bytes: Uint8Array, start: number, end: number): number => {
    if (subjects === undefined || end === start) return -1
    const isNext = subjects.has(before + 1, bytes, start, end)
    before = isNext ? before + 1 : subjects.intern(bytes, start, end)
    return before
  }
  input.each(() => globalIds.push(input.bytesAt(intern)))
  const dead: number[] = []
  input.each(() => dead.push(input.u32()))
  const marks = (traits & HAS_MARKS) !== 0 ? Bits.fromBytes(input.bytes()) : undefined
  if (subjects === undefined) return undefined
  const span = new Span(segmentId, firstSeq, {
    lengths,
    timeDeltas,
    subjectIds: renumber(localIds, globalIds),
    seqDeltas,
    entryOrdinals,
    entryOffsets,
    entryBoots,
    entryTimes,
  })
  span.hasIds = (traits & HAS_IDS) !== 0
  span.isAfterSkip = (traits & IS_AFTER_SKIP) !== 0
  span.marks = marks
  for (const ordinal of dead) span.kill(ordinal)
  return span
}

/** Dead records come along too: their subjects may be gone, so nobody may count them. */
function packDead(out: PackWriter, span: Span): void {
  const dead: number[] = []
  for (let i = 0; i < span.count; i++) if (!span.isLive(i)) dead.push(i)
  out.list(dead, (ordinal) => out.u32(ordinal))
}

/** -1 stands for the subject of records that are dead. */
function numberSubjects(span: Span): { localIds: Column; globalIds: number[] } {
  const localOf = new Map<number, number>()
  const localIds = new Column()
  const globalIds: number[] = []
  for (let i = 0; i < span.count; i++) {
    const global = span.isLive(i) ? span.subjectIds.get(i) : -1
    let local = localOf.get(global)
    if (local === undefined) {
      local = globalIds.length
      localOf.set(global, local)
      globalIds.push(global)
    }
    localIds.push(local)
  }
  return { localIds, globalIds }
}

function renumber(localIds: Column, globalIds: readonly number[]): Column {
  let isSame = true
  let idMax = 0
  for (let local = 0; local < globalIds.length; local++) {
    const global = globalIds[local] as number
    if (global !== local) isSame = false
    if (global > idMax) idMax = global
  }
  if (isSame) return localIds
  const ids = new Column()
  ids.reserve(localIds.length, idMax)
  for (let i = 0; i < localIds.length; i++) {
    ids.push(Math.max(0, globalIds[localIds.get(i)] as number))
  }
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
