/**
 * Work behind the commits, one thing at a time: indexes for sealed segments, removal of segments in
 * which nothing is live, rewriting of those under half live, the age limit, and room on a full disk.
 *
 * A segment is unlinked only when a commit has ended that was begun after everything in it died: so
 * whoever was told of an eviction has had its own record of it on disk by then.
 *
 * An index and a rewritten segment leave out what later records say better, so those are synced first.
 *
 * Segments without messages go first, because they need the least room. On a full disk no indexes are made, and
 * segments are rewritten for less: full-disk.ts.
 */
import type { Log } from '../log/index.ts'
import { type Cancel, codeOf, messageOf, Tasks, wait } from '../runtime/index.ts'
import { carryForward, carryLastSeqs, repeatFirstPage } from './carry-forward.ts'
import type { Committer } from './committer.ts'
import { wrapIndex } from './encryption/index-envelope.ts'
import { Rekeying } from './encryption/rekeying.ts'
import { FullDisk } from './full-disk.ts'
import { encodeIndex } from './index-file.ts'
import type { JournalStream } from './journal-stream.ts'
import {
  AGE_CHECK_MAX_MS,
  AGE_CHECK_MIN_MS,
  COMPACT_LIVE_SHARE,
  COMPACT_SETTLE_MS,
  FAILURE_WARN_MS,
  FREE_CHECK_BYTES,
  FULL_PROBE_MS,
  HOUSEKEEPING_DELAY_MS,
  HOUSEKEEPING_RETRY_MS,
} from './limits.ts'
import { forgetRemovals } from './older-records.ts'
import { onDisk } from './on-disk.ts'
import type { ReserveFile } from './reserve-file.ts'
import { RetentionClock } from './retention-clock.ts'
import { isOutOfFiles, type Room } from './room.ts'
import { indexPath, liveShare, type Segment, segmentPath } from './segment.ts'
import type { SegmentHeads } from './segment-heads.ts'
import { type RewriteParts, rewriteSegment } from './segment-rewrite.ts'
import { SegmentTries } from './segment-tries.ts'
import { isSettled } from './settled-segments.ts'
import type { DamageKeeper } from './upkeep/damage-keeper.ts'
import type { Writer } from './writer.ts'

export interface HousekeepingParts
  extends Omit<RewriteParts, 'syncRecords' | 'keepRanges' | 'isGivenUp'> {
  readonly log: Log
  readonly room: Room
  readonly writer: Writer
  readonly committer: Committer
  readonly reserve: ReserveFile
  readonly keeper: DamageKeeper
  readonly heads: SegmentHeads
  readonly reserveBytes: number
}

export class Housekeeping {
  readonly #parts: HousekeepingParts
  readonly #tasks: Tasks
  readonly #retentionClock: RetentionClock
  readonly #unindexed = new Set<Segment>()
  readonly #tries: SegmentTries
  readonly #fullDisk: FullDisk
  readonly rekeying: Rekeying
  #cancelRun: Cancel | undefined
  #cancelRetry: Cancel | undefined
  #cancelSettle: Cancel | undefined
  #cancelAge: Cancel | undefined
  #ageDueMs = Number.POSITIVE_INFINITY
  #isRunning = false
  #isWoken = false
  #isThorough = false
  #isStopped = false
  #writtenAtCheck = 0
  #warned = ''
  #warnedMs = 0

  constructor(parts: HousekeepingParts) {
    this.#parts = parts
    this.#tasks = new Tasks((task, error) => this.#report(task, messageOf(error)))
    this.rekeying = new Rekeying(parts, () => this.wake(false))
    const { catalog, clock, log } = parts
    this.#tries = new SegmentTries({ clock, log, wake: () => this.wake() })
    this.#retentionClock = new RetentionClock(clock, () =>
      Math.max(0, ...[...catalog.streams.values()].map(({ index }) => index.lastTimeMs)),
    )
    this.#fullDisk = new FullDisk({
      ...parts,
      tasks: this.#tasks,
      dropIndex: (segment) => this.#dropIndex(segment),
      wake: () => this.wake(),
      tidy: () => {
        // A full store takes no messages, so nothing else would have sparse segments rewritten.
        this.#isThorough = true
        this.#run()
      },
    })
  }

  /**
   * After recovery: limits may have become due while nobody looked. What they took before the process ended may
   * be there again, for an eviction's record waits for the next commit: it goes before anybody can read it.
   */
  start(withoutIndex: readonly Segment[]): void {
    for (const segment of withoutIndex) this.#unindexed.add(segment)
    for (const segment of this.#parts.catalog.segments) this.#fullDisk.reserveFor(segment)
    this.#enforceAge()
    this.wake()
    this.#fullDisk.start()
  }

  /**
   * Something died or was sealed. After a purge or a delete by an owner only segments without anything
   * live go, for the next purge often takes the rest: a buffer that drains would else be rewritten on the way.
   */
  wake(isThorough = true): void {
    this.#isWoken = true
    this.#isThorough ||= isThorough
    if (this.#isStopped || this.#isRunning || this.#cancelRun !== undefined) return
    this.#cancelRun = this.#parts.clock.after(HOUSEKEEPING_DELAY_MS, () => {
      this.#cancelRun = undefined
      this.#run()
    })
  }

  sealed(segment: Segment): void {
    this.#unindexed.add(segment)
    this.#fullDisk.reserveFor(segment)
    if (!this.#isStopped) this.#fullDisk.start()
    for (const stream of this.#parts.catalog.streamsById.values()) {
      stream.index.spanIn(segment.id)?.trim()
    }
    this.wake()
  }

  committed(touched: ReadonlySet<JournalStream>): void {
    for (const stream of touched) {
      const messages = stream.index.messages
      stream.enforceLimits(undefined)
      if (stream.index.messages < messages) this.wake()
      else if (stream.hasShrunk) this.wake(false)
      stream.hasShrunk = false
      if (stream.limits.ageMaxMs > 0) this.#ageLater(this.#dueMs(stream))
    }
    const { committer, room } = this.#parts
    if (committer.bytesWritten - this.#writtenAtCheck < FREE_CHECK_BYTES) return
    this.#writtenAtCheck = committer.bytesWritten
    if (!room.isFailed && !this.#isStopped)
      this.#tasks.run('free-bytes', () => this.#fullDisk.askFree())
  }

  async destroy(): Promise<void> {
    this.#isStopped = true
    this.#cancelRun?.()
    this.#cancelRetry?.()
    this.#cancelSettle?.()
    this.#cancelAge?.()
    this.#fullDisk.stop()
    this.rekeying.stop()
    this.#tries.stop()
    await this.#tasks.destroy()
  }

  /** The last of all, when nothing is written any more. */
  async end(): Promise<void> {
    if (this.#isFull || this.#parts.room.isFailed) return
    await this.#parts.heads.keep().catch((error) => this.#report('heads', messageOf(error)))
  }

  #run(): void {
    if (this.#isStopped || this.#isRunning || this.#parts.room.isFailed) return
    const isThorough = this.#isThorough
    this.#isRunning = true
    this.#isWoken = false
    this.#isThorough = false
    this.#tasks.run('segments', async (signal) => {
      try {
        await this.#tidySegments(signal, isThorough)
        await this.#keepHead()
        await this.rekeying.step(this.#tries, (segment) => this.#rekey(segment, signal))
      } catch (error) {
        if (codeOf(error) === 'ENOSPC') this.#parts.room.isStarved = true
        this.#retryLater()
        throw error
      } finally {
        this.#isRunning = false
        if (this.#isWoken) this.wake(this.#isThorough)
      }
    })
  }

  /** What the first page of the newest segment alone would say is somewhere else, too. */
  async #keepHead(): Promise<void> {
    const { committer, catalog, heads, writer } = this.#parts
    if (this.#isFull || this.#isStopped) return
    await heads.keep()
    const { currentSegment } = committer
    if (currentSegment !== undefined) repeatFirstPage(currentSegment, catalog, writer)
  }

  #retryLater(): void {
    if (this.#isStopped) return
    this.#cancelRetry?.()
    this.#cancelRetry = this.#parts.clock.after(HOUSEKEEPING_RETRY_MS, () => this.wake())
  }

  get #isFull(): boolean {
    return this.#parts.room.condition.name === 'full'
  }

  async #tidySegments(signal: AbortSignal, isThorough: boolean): Promise<void> {
    const { catalog } = this.#parts
    const isOver = (): boolean => signal.aborted || this.#parts.room.isFailed
    await this.#parts.keeper.keepAll(signal)
    const sparse = catalog.segments.filter(
      (segment) => segment.isSealed && liveShare(segment) < COMPACT_LIVE_SHARE,
    )
    for (const segment of sparse) {
      if (isOver()) return
      if (this.#holdsMessages(segment)) continue
      await this.#tries.run(segment, () => this.#remove(segment, signal))
    }
    if (!isThorough) return
    if (this.#isFull) {
      return this.#fullDisk.makeRoom(this.#tries, isOver, (one) => this.#rewrite(one, signal))
    }
    for (const segment of sparse.sort((a, b) => a.liveBytes - b.liveBytes)) {
      if (isOver()) return
      if (!this.#holdsMessages(segment) || !this.#isSettled(segment)) continue
      await this.#tries.run(segment, () => this.#rewrite(segment, signal))
    }
    for (const segment of this.#unindexed) {
      if (isOver() || this.#isFull) return
      await this.#tries.run(segment, () => this.#writeIndex(segment))
    }
  }

  #isSettled(segment: Segment): boolean {
    const { clock } = this.#parts
    if (isSettled(segment, clock.monotonicMs())) return true
    this.#cancelSettle ??= clock.after(COMPACT_SETTLE_MS, () => {
      this.#cancelSettle = undefined
      this.wake()
    })
    return false
  }

  #holdsMessages(segment: Segment): boolean {
    for (const { index } of this.#parts.catalog.streamsById.values()) {
      if ((index.spanIn(segment.id)?.liveCount ?? 0) > 0) return true
    }
    return false
  }

  async #writeIndex(segment: Segment): Promise<void> {
    const { catalog, disk, directory, room } = this.#parts
    const bytes = wrapIndex(segment, encodeIndex(segment, catalog))
    await this.#barrier()
    await disk.writeFileAtomic(indexPath(directory, segment.id), bytes)
    catalog.wear.indexes += bytes.length
    room.usedBytes += bytes.length - segment.indexBytes
    segment.indexBytes = bytes.length
    this.#unindexed.delete(segment)
  }

  async #remove(segment: Segment, signal: AbortSignal): Promise<void> {
    const { catalog, disk, directory, files, room, writer } = this.#parts
    await this.#parts.keeper.keep(segment)
    carryForward(segment, catalog, writer)
    await this.#barrier()
    this.#unindexed.delete(segment)
    await files.opened(segment.id)
    files.retire(segment.id)
    if (segment === catalog.segments.at(-1)) {
      await this.#parts.heads.forget()
      await this.#syncDirectory(signal)
    }
    await disk.remove(indexPath(directory, segment.id))
    await disk.remove(segmentPath(directory, segment.id))
    await this.#syncDirectory(signal)
    catalog.removeSegment(segment.id)
    if (forgetRemovals(catalog)) this.#isWoken = true
    room.usedBytes -= segment.size + segment.indexBytes
    room.freeBytes += segment.size + segment.indexBytes
  }

  async #rewrite(segment: Segment, signal: AbortSignal): Promise<void> {
    carryLastSeqs(segment, this.#parts.catalog)
    await this.#barrier()
    const parts = {
      ...this.#parts,
      keepRanges: this.#parts.keeper.keepRanges.bind(this.#parts.keeper),
      isGivenUp: this.#tries.isGivenUp(segment),
      syncDirectory: () => this.#syncWithoutIndex(segment, signal),
      syncRecords: () => this.#barrier(),
    }
    const shrunk = await rewriteSegment(segment, parts, signal)
    if (signal.aborted) return
    if (forgetRemovals(this.#parts.catalog)) this.#isWoken = true
    this.#parts.room.usedBytes -= shrunk
    if (!this.#isFull) await this.#writeIndex(segment)
  }

  /** The last file of all may have a torn end, and what is rewritten has none: so it does not stay the last. */
  async #rekey(segment: Segment, signal: AbortSignal): Promise<void> {
    if (this.#parts.committer.currentSegment === undefined) this.#parts.writer.repeatBoot()
    await this.#rewrite(segment, signal)
  }

  /** An old index is void, and may tell what the new file keeps secret: so it goes together with the old file. */
  async #syncWithoutIndex(segment: Segment, signal: AbortSignal): Promise<void> {
    try {
      await this.#dropIndex(segment)
    } finally {
      await this.#syncDirectory(signal)
    }
  }

  async #dropIndex(segment: Segment): Promise<void> {
    const { disk, directory, room } = this.#parts
    this.#unindexed.add(segment)
    await disk.remove(indexPath(directory, segment.id))
    room.usedBytes -= segment.indexBytes
    segment.indexBytes = 0
  }

  /** Waits for a file handle if it must: what it follows is done and can not be taken back. */
  async #syncDirectory(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await this.#parts.syncDirectory()
      } catch (error) {
        if (signal.aborted || !isOutOfFiles(error)) throw error
        await wait(this.#parts.clock, FULL_PROBE_MS, signal)
      }
    }
  }

  #barrier(): Promise<void> {
    return onDisk((done) => this.#parts.writer.barrier(done))
  }

  #ageLater(delayMs: number): void {
    const { clock } = this.#parts
    const waitMs = Math.min(Math.max(delayMs, AGE_CHECK_MIN_MS), AGE_CHECK_MAX_MS)
    const dueMs = clock.monotonicMs() + waitMs
    if (this.#isStopped || this.#ageDueMs <= dueMs) return
    this.#cancelAge?.()
    this.#ageDueMs = dueMs
    this.#cancelAge = clock.after(waitMs, () => this.#enforceAge())
  }

  /** All limits of all streams; also at a start. */
  #enforceAge(): void {
    this.#ageDueMs = Number.POSITIVE_INFINITY
    const nowMs = this.#retentionClock.nowMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const stream of this.#parts.catalog.streams.values()) {
      const messages = stream.index.messages
      stream.enforceLimits(nowMs)
      if (stream.index.messages < messages) {
        this.wake()
        stream.notifyCommit()
      }
      if (stream.limits.ageMaxMs > 0 && stream.index.messages > 0) {
        nextMs = Math.min(nextMs, this.#dueMs(stream))
      }
    }
    if (Number.isFinite(nextMs)) this.#ageLater(nextMs)
  }

  /** In how long the stream's oldest message is too old. */
  #dueMs({ index, limits }: JournalStream): number {
    const nowMs = this.#retentionClock.nowMs()
    if (nowMs === undefined) return AGE_CHECK_MAX_MS
    return index.firstTimeMs + limits.ageMaxMs - nowMs
  }

  #report(task: string, err: string): void {
    const { log, clock } = this.#parts
    const nowMs = clock.monotonicMs()
    const isKnown = err === this.#warned && nowMs - this.#warnedMs < FAILURE_WARN_MS
    if (isKnown) log.debug({ task, err }, 'store housekeeping failed again')
    else {
      log.warn({ task, err }, 'store housekeeping failed, it is tried again')
      this.#warned = err
      this.#warnedMs = nowMs
    }
  }
}
