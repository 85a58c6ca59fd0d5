/**
 * `petiole store repair`: puts right what can be put right without losing anything, and leaves the rest
 * where it is.
 *
 *  - Damaged bytes are copied into the quarantine. They stay in their segment too: a server that starts must
 *    still meet them, or a leaf would not learn what it lost, and count it. A rewrite drops them later.
 *  - A damaged copy of a segment's header or of the store's card is written again from the other one, and `heads` from the segments.
 *    A newest segment without any header stays so: that it had one tells the next start not to cut what follows.
 *  - Indexes that are missing, stale or damaged are made anew, but not for a damaged segment: its next scan
 *    is what reports the damage, so a useless index is only moved out of its way. Without its key a store keeps
 *    the indexes that it has.
 */
import * as path from 'node:path'
import { PetioleError } from '../../runtime/index.ts'
import { wrapIndex } from '../encryption/index-envelope.ts'
import { encodeIndex } from '../index-file.ts'
import { indexPath, segmentPath } from '../segment.ts'
import { encodeSegmentHeader, headerBytes, headerCopies } from '../segment-header.ts'
import { encodeHeads, HEADS_FILE } from '../segment-heads.ts'
import { writeCard } from '../store-card.ts'
import { FORMAT, VERSION } from '../store-directory.ts'
import { lockOffline } from './offline-lock.ts'
import { type OfflineReading, readOffline, type SegmentReading } from './offline-store.ts'
import { QUARANTINE_FOLDER, type Quarantine } from './quarantine.ts'
import {
  cutOf,
  findingOf,
  inspect,
  openQuarantine,
  type StoreReport,
  type UpkeepOptions,
} from './store-check.ts'

export interface RepairReport {
  readonly directory: string
  /** What was done, in order, for people. */
  readonly done: readonly string[]
  /** What `check` says afterwards. */
  readonly after: StoreReport
}

export async function repairStore(options: UpkeepOptions): Promise<RepairReport> {
  const unlock = await lockOffline(options)
  try {
    const done: string[] = []
    const quarantine = await openQuarantine(options)
    const reading = await readOffline(options)
    refuseNewer(reading)
    await repairCards(options, reading, done)
    await repairLastCommit(options, reading)
    for (const one of reading.segments) {
      await keepDamage(options, quarantine, one, done)
      await keepCut(quarantine, reading, one, done)
      await repairHeader(options, reading, one, done)
      await repairIndex(options, reading, one, done)
    }
    await repairHeads(options, reading, done)
    await reading.close()
    return { directory: options.directory, done, after: await inspect(options) }
  } finally {
    await unlock()
  }
}

function refuseNewer({ cards: { card }, directory }: OfflineReading): void {
  if (card === undefined || (card.format === FORMAT && card.version <= VERSION)) return
  throw new PetioleError(
    'PETIOLE_STORE_FOREIGN',
    `${directory} is of ${card.format} version ${card.version}, this program knows ${VERSION}: nothing was changed`,
  )
}

async function repairCards(
  { disk, directory }: UpkeepOptions,
  { cards }: OfflineReading,
  done: string[],
): Promise<void> {
  if (cards.card === undefined) return
  for (const file of cards.stale) {
    await writeCard(disk, directory, file, cards.card)
    done.push(`${file} written again from what holds`)
  }
}

/** With all headers: whoever starts takes out those that an index has. */
async function repairHeads(
  { disk }: UpkeepOptions,
  { heads, segments, journalDirectory }: OfflineReading,
  done: string[],
): Promise<void> {
  if (heads.state !== 'damaged') return
  const headers = new Map(heads.headers)
  for (const { id, segment } of segments) if (segment !== undefined) headers.set(id, segment.header)
  const all = [...headers.values()].sort((a, b) => a.id - b.id)
  await disk.writeFileAtomic(path.join(journalDirectory, HEADS_FILE), encodeHeads(all))
  done.push(`journal/${HEADS_FILE}: written again from the segments`)
}

/** What an index is made from must be on disk: the last commit may be in memory only [see recovery.ts]. */
async function repairLastCommit(
  { disk }: UpkeepOptions,
  { segments, journalDirectory }: OfflineReading,
): Promise<void> {
  const last = segments[segments.length - 1]
  if (last?.segment === undefined) return
  // What stands for unreadable bytes must not be written in their place; the next start goes on in a new segment.
  if (last.unreadable.some(({ to }) => to > last.lastCommitAt)) return
  const file = await disk.open(segmentPath(journalDirectory, last.id), 'write')
  try {
    const bytes = new Uint8Array(last.segment.size - last.lastCommitAt)
    const got = await file.read(bytes, last.lastCommitAt)
    if (got > 0) await file.writev([bytes.subarray(0, got)], last.lastCommitAt)
    await file.datasync()
  } finally {
    await file.close()
  }
}

async function keepDamage(
  options: UpkeepOptions,
  quarantine: Quarantine,
  one: SegmentReading,
  done: string[],
): Promise<void> {
  // A segment without its header is left as it is, whole.
  if (one.segment === undefined) return
  for (const range of one.damaged) {
    const finding = await findingOf(options, one, range)
    if (quarantine.has(finding)) continue
    const isKept = await quarantine.keep(finding, 'repair')
    done.push(
      isKept
        ? `${one.file}: bytes ${range.from} to ${range.to} copied to ${quarantine.folder}`
        : `${one.file}: bytes ${range.from} to ${range.to} not copied, the quarantine is full`,
    )
  }
}

/** The operator has seen it: from now on it is no problem any more, and is still told. */
async function keepCut(
  quarantine: Quarantine,
  reading: OfflineReading,
  one: SegmentReading,
  done: string[],
): Promise<void> {
  const cut = cutOf(one, reading)
  if (cut === undefined || quarantine.has(cut)) return
  const isKept = await quarantine.keep(cut, 'repair')
  const noted = isKept ? `noted in ${quarantine.folder}` : 'not noted, the quarantine is full'
  done.push(`${one.file}: the loss of its last ${one.cutBytes} bytes ${noted}`)
}

/** Only the copy that does not hold is written: whatever interrupts this, the other one stays. */
async function repairHeader(
  { disk }: UpkeepOptions,
  { journalDirectory }: OfflineReading,
  { segment, damagedHeaders, isHeadless, unreadable, file: name }: SegmentReading,
  done: string[],
): Promise<void> {
  if (segment === undefined || damagedHeaders === 0 || isHeadless) return
  const { header } = segment
  // A disk that cannot read a page cannot write a part of it.
  if (unreadable.some(({ from }) => from < headerBytes(header))) return
  const right = encodeSegmentHeader(header)
  const place = segmentPath(journalDirectory, segment.id)
  const file = await disk.open(place, 'write')
  try {
    const now = new Uint8Array(headerBytes(header))
    await file.read(now, 0)
    for (const { from, to, isIntact } of headerCopies(now, header, place)) {
      if (isIntact) continue
      await file.writev([right.subarray(from, to)], from)
      await file.datasync()
    }
  } finally {
    await file.close()
  }
  done.push(`${name}: header written again from what holds`)
}

async function repairIndex(
  options: UpkeepOptions,
  { catalog, journalDirectory, locked }: OfflineReading,
  { id, segment, damaged, index, isLast }: SegmentReading,
  done: string[],
): Promise<void> {
  if (segment === undefined || isLast || index === 'fits' || index === 'longer' || locked.size > 0)
    return
  const { disk } = options
  const file = indexPath(journalDirectory, id)
  const name = path.basename(file)
  if (damaged.length === 0) {
    await disk.writeFileAtomic(file, wrapIndex(segment, encodeIndex(segment, catalog)))
    done.push(`journal/${name}: made anew`)
  } else if (index === 'damaged') {
    await disk.makeDirectory(path.join(options.directory, QUARANTINE_FOLDER))
    await disk.rename(file, path.join(options.directory, QUARANTINE_FOLDER, name))
    await disk.syncDirectory(journalDirectory)
    done.push(`journal/${name}: moved to quarantine, the next start makes a new one`)
  }
}
