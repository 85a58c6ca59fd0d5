/** `petiole store check`: reads everything, changes nothing but the lock, and says what does not hold, and where. */
import * as path from 'node:path'
import type { Clock, Disk } from '../../runtime/index.ts'
import { runsOf, type SeqRun } from '../delete-runs.ts'
import type { StoreEncryption } from '../encryption/keyring.ts'
import { readAround } from '../read-around.ts'
import { indexPath, segmentPath } from '../segment.ts'
import { HEADS_FILE } from '../segment-heads.ts'
import type { ByteRange } from '../segment-scan.ts'
import { JOURNAL_GONE } from '../store-directory.ts'
import { isOrphan, nameOf } from './lost-messages.ts'
import { lockOffline } from './offline-lock.ts'
import { type OfflineReading, readOffline, type SegmentReading } from './offline-store.ts'
import { type Finding, MANIFEST, QUARANTINE_FOLDER, Quarantine, seems } from './quarantine.ts'

export interface UpkeepOptions {
  readonly disk: Disk
  readonly clock: Clock
  /** The store's directory, as `jetstream.store_dir` names it. */
  readonly directory: string
  /** Keys to read with. Default: none. */
  readonly encryption?: StoreEncryption
}

/** Field names as they are printed. */
export interface StoreReport {
  readonly directory: string
  readonly id: string | null
  readonly owner: string | null
  /** Nothing needs to be done: all holds, or what does not is in quarantine already. */
  readonly ok: boolean
  /** Encrypted with keys that were not given: then only checksums were checked, and no streams are known. */
  readonly locked: readonly LockedReport[]
  readonly segments: readonly SegmentReport[]
  readonly streams: readonly StreamReport[]
  readonly problems: readonly StoreProblem[]
  /** What is as a killed process leaves it; the next start puts it right. */
  readonly notices: readonly StoreProblem[]
  readonly quarantine: { readonly files: number; readonly bytes: number }
}

export interface LockedReport {
  readonly key_id: string
  readonly segments: number
}

export interface StoreProblem {
  readonly file: string
  readonly problem: string
}

export interface SegmentReport {
  readonly id: number
  readonly file: string
  readonly bytes: number
  readonly live_bytes: number
  readonly records: number
  readonly index: SegmentReading['index']
  readonly torn_bytes: number
  readonly damaged: readonly DamageReport[]
}

export interface DamageReport {
  readonly from: number
  readonly to: number
  /** What its bytes say that it is, unproven. */
  readonly seems: string
  readonly quarantined: boolean
}

export interface StreamReport {
  /** The store's key of the stream: its account and its name. */
  readonly name: string
  readonly messages: number
  readonly bytes: number
  readonly subjects: number
  readonly first_seq: number
  readonly last_seq: number
  /** Sequences that are gone with damaged records, as runs. */
  readonly lost: readonly SeqRun[]
}

export async function checkStore(options: UpkeepOptions): Promise<StoreReport> {
  const unlock = await lockOffline(options)
  try {
    return await inspect(options)
  } finally {
    await unlock()
  }
}

/** The same for whoever holds the lock. */
export async function inspect(options: UpkeepOptions): Promise<StoreReport> {
  const reading = await readOffline(options)
  const quarantine = await openQuarantine(options)
  const cardsAndHeads = [...problemsOfCards(reading), ...problemsOfHeads(reading)]
  const problems = [...cardsAndHeads, ...(await quarantine.check())]
  const notices: StoreProblem[] = reading.otherFiles.map((name) => ({
    file: path.posix.join('journal', name),
    problem: 'belongs to no segment',
  }))
  for (const [keyId, ids] of reading.locked) {
    const { given } = reading
    const other = given.length === 0 ? '' : ` (given: ${given.join(', ')})`
    const problem = `${ids.length} segments are encrypted with key ${keyId}, which was not given${other}: only checksums were checked, and streams are not known`
    // Who gives a key takes the answer for one that rests on it.
    const list = given.length === 0 ? notices : problems
    list.push({ file: 'journal', problem })
  }
  const segments: SegmentReport[] = []
  for (const one of reading.segments) {
    const damaged: DamageReport[] = []
    for (const range of one.damaged) damaged.push(await describe(options, quarantine, one, range))
    segments.push(reportOf(one, damaged))
    problems.push(...problemsOf(one, damaged), ...problemsOfCut(one, reading, quarantine))
    notices.push(...noticesOf(one))
  }
  for (const { segment, bytes } of quarantine.cuts) {
    const file = path.posix.join('journal', path.basename(segmentPath('', segment)))
    const problem = `lost before: its last ${bytes} bytes; what went with them is in ${QUARANTINE_FOLDER}/${MANIFEST}`
    notices.push({ file, problem })
  }
  for (const stream of reading.catalog.streamsById.values()) {
    if (!isOrphan(stream)) continue
    const problem = `${stream.index.messages} messages of stream ${stream.id}, of which no configuration is found`
    problems.push({ file: 'journal', problem })
  }
  for (const { stream, records } of reading.dictionaries.missing(reading.catalog.streamsById)) {
    const problem = `${records} messages of stream ${stream.name} cannot be read: both copies of what they were compressed with are gone`
    problems.push({ file: 'journal', problem })
  }
  await reading.close()
  return {
    directory: options.directory,
    id: reading.cards.card?.id ?? null,
    owner: reading.cards.card?.owner ?? null,
    ok: problems.length === 0,
    locked: [...reading.locked].map(([key_id, ids]) => ({ key_id, segments: ids.length })),
    segments,
    streams: streamsOf(reading),
    problems,
    notices,
    quarantine: { files: quarantine.files, bytes: quarantine.bytes },
  }
}

export async function openQuarantine({ disk, clock, directory }: UpkeepOptions) {
  const quarantine = new Quarantine({ disk, directory, wallMs: () => clock.wallMs() })
  await quarantine.find()
  return quarantine
}

/** The bytes of a range, as they lie there now. */
export async function findingOf(
  { disk, directory }: UpkeepOptions,
  { id, segment }: SegmentReading,
  range: ByteRange,
): Promise<Finding> {
  const file = await disk.open(segmentPath(path.join(directory, 'journal'), id), 'read')
  try {
    const bytes = new Uint8Array(range.to - range.from)
    const { bytes: got } = await readAround(file, bytes, range.from)
    return {
      segment: id,
      salt: segment?.salt ?? 0,
      range,
      bytes: bytes.subarray(0, got),
      isEncrypted: segment?.encryption !== undefined,
    }
  } finally {
    await file.close()
  }
}

async function describe(
  options: UpkeepOptions,
  quarantine: Quarantine,
  reading: SegmentReading,
  range: ByteRange,
): Promise<DamageReport> {
  const finding = await findingOf(options, reading, range)
  const isHeaderLost = reading.segment === undefined
  return {
    ...range,
    seems: isHeaderLost ? 'a whole segment without its header' : seems(finding),
    quarantined: quarantine.has(finding),
  }
}

function reportOf(one: SegmentReading, damaged: readonly DamageReport[]): SegmentReport {
  return {
    id: one.id,
    file: one.file,
    bytes: one.bytes,
    live_bytes: one.segment?.liveBytes ?? 0,
    records: one.records,
    index: one.index,
    torn_bytes: one.tornBytes,
    damaged,
  }
}

function problemsOfCards({ cards, isJournalGone }: OfflineReading): StoreProblem[] {
  if (cards.card === undefined) {
    return [{ file: 'store.json', problem: 'neither it nor its copy can be understood' }]
  }
  const gone = { file: 'journal', problem: JOURNAL_GONE }
  const damaged = cards.damaged.map((file) => ({
    file,
    problem: 'is damaged; the other copy holds',
  }))
  return isJournalGone ? [gone, ...damaged] : damaged
}

function problemsOfHeads({ heads, segments }: OfflineReading): StoreProblem[] {
  const problems: StoreProblem[] = []
  if (heads.state === 'damaged') {
    const problem = 'is damaged; the headers in the segments say the same'
    problems.push({ file: path.posix.join('journal', HEADS_FILE), problem })
  }
  if (heads.lastId > (segments[segments.length - 1]?.id ?? 0)) {
    const file = path.posix.join('journal', path.basename(segmentPath('', heads.lastId)))
    const problem =
      'the newest segment is gone with all that was in it: bring it back from a backup'
    problems.push({ file, problem })
  }
  return problems
}

function problemsOf(one: SegmentReading, damaged: readonly DamageReport[]): StoreProblem[] {
  const { file } = one
  const problems: StoreProblem[] = []
  if (isCutOff(one)) {
    problems.push({ file, problem: 'all that was in it was cut off: bring it back from a backup' })
  } else if (one.damagedHeaders > 0 && !one.isHeadless) {
    const rest = one.segment === undefined ? 'nothing in it can be read' : 'the rest can be read'
    const all = one.segment?.encryption === undefined ? 2 : 4
    problems.push({ file, problem: `${one.damagedHeaders} of ${all} headers damaged, ${rest}` })
  }
  for (const { from, to } of one.unreadable) {
    const problem = `bytes ${from} to ${to} cannot be read from the disk: copy the store to another one`
    problems.push({ file, problem })
  }
  for (const { from, to, seems: what, quarantined } of damaged) {
    if (quarantined || one.segment === undefined) continue
    problems.push({ file, problem: `bytes ${from} to ${to} are damaged, it seems ${what}` })
  }
  if (one.index === 'damaged') {
    const index = path.posix.join('journal', path.basename(indexPath('', one.id)))
    problems.push({ file: index, problem: `${one.indexProblem}; the segment is scanned instead` })
  }
  return problems
}

/** What stands for what was cut off in the quarantine, and says which messages went with it. */
export function cutOf(
  { id, segment, bytes, cutBytes }: SegmentReading,
  { catalog, lost }: OfflineReading,
): Finding | undefined {
  if (segment === undefined || cutBytes === 0) return undefined
  const named: Record<string, readonly SeqRun[]> = {}
  for (const [streamId, seqs] of lost) {
    const stream = catalog.streamsById.get(streamId)
    const span = stream?.index.spanIn(id)
    if (stream === undefined || span === undefined) continue
    named[nameOf(stream)] = runsOf(seqs.filter((seq) => span.ordinalOf(seq) >= 0))
  }
  return {
    segment: id,
    salt: segment.salt,
    // A repair may write the header again.
    range: { from: Math.max(bytes, segment.headerBytes), to: bytes + cutBytes },
    bytes: new Uint8Array(0),
    isEncrypted: segment.encryption !== undefined,
    lost: named,
  }
}

function problemsOfCut(one: SegmentReading, reading: OfflineReading, quarantine: Quarantine) {
  const cut = cutOf(one, reading)
  if (cut === undefined || quarantine.has(cut)) return []
  const problem = `its last ${one.cutBytes} bytes are gone: its index knows what was there, what is lost is named with the streams`
  return [{ file: one.file, problem }]
}

/** The newest segment ends before its records begin. */
function isCutOff({ isHeadless, segment, bytes }: SegmentReading): boolean {
  return isHeadless && bytes < (segment?.headerBytes ?? 0)
}

function noticesOf(one: SegmentReading): StoreProblem[] {
  const { id, file, index, tornBytes } = one
  const notices: StoreProblem[] = []
  if (one.isHeadless && !isCutOff(one)) {
    const problem =
      'has lost its header: the copy is taken, and the next start goes on in another segment'
    notices.push({ file, problem })
  }
  if (tornBytes > 0) {
    const problem = `the last ${tornBytes} bytes are as a write that was broken off leaves a commit that was never acknowledged`
    notices.push({ file, problem })
  }
  if (index === 'stale') {
    const problem = 'is of the segment before it was rewritten; the next start makes a new one'
    notices.push({ file: path.posix.join('journal', path.basename(indexPath('', id))), problem })
  }
  return notices
}

function streamsOf({ catalog, lost }: OfflineReading): StreamReport[] {
  const orphans = [...catalog.streamsById.values()].filter(isOrphan)
  return [...catalog.streams.values(), ...orphans].map(({ id, name, state }) => ({
    name: nameOf({ id, name }),
    messages: state.messages,
    bytes: state.bytes,
    subjects: state.subjects,
    first_seq: state.firstSeq,
    last_seq: state.lastSeq,
    lost: runsOf([...(lost.get(id) ?? [])]),
  }))
}
