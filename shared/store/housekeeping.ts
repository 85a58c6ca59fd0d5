/**
 * Work behind the commits, one thing at a time: indexes for sealed segments, removal of segments in
 * which nothing is live, rewriting of those under half live, the age limit, and room on a full disk.
 *
 * A segment is unlinked only when a commit has ended that was begun after everything in it died: so
 * whoever was told of an eviction has had its own record of it on disk by then.
 */
import type { Log } from '../log/index.ts'
import { type Cancel, messageOf, Tasks } from '../runtime/index.ts'
import { carryForward, carryLastSeqs } from './carry-forward.ts'
import type { Committer } from './committer.ts'
import { encodeIndex } from './index-file.ts'
import type { JournalStream } from './journal-stream.ts'
import {
  AGE_CHECK_MAX_MS,
  AGE_CHECK_MIN_MS,
  COMPACT_LIVE_SHARE,
  FREE_CHECK_BYTES,
  FULL_PROBE_MS,
  HOUSEKEEPING_DELAY_MS,
  ROLL_BYTES_MIN,
} from './limits.ts'
import { RetentionClock } from './retention-clock.ts'
import type { Room } from './room.ts'
import { indexPath, SEGMENT_HEADER_BYTES, type Segment, segmentPath } from './segment.ts'
import { type RewriteParts, rewriteSegment } from './segment-rewrite.ts'
import type { Writer } from './writer.ts'

export interface HousekeepingParts extends RewriteParts {
  readonly log: Log
  readonly room: Room
  readonly writer: Writer
  readonly committer: Committer
  readonly reserveBytes: number
}

export class Housekeeping {
  readonly #parts: HousekeepingParts
  readonly #tasks: Tasks
  readonly #retentionClock: RetentionClock
  readonly #unindexed = new Set<Segment>()
  #cancelRun: Cancel | undefined
  #cancelAge: Cancel | undefined
  #ageDueMs = Number.POSITIVE_INFINITY
  #cancelProbe: Cancel | undefined
  #isRunning = false
  #isWoken = false
  #isStopped = false
  #writtenAtCheck = 0

  constructor(parts: HousekeepingParts) {
    this.#parts = parts
    this.#tasks = new Tasks((task, error) => {
      parts.log.warn(
        { task, err: messageOf(error) },
        'store housekeeping failed, it is tried again',
      )
    })
    const { catalog, clock } = parts
    this.#retentionClock = new RetentionClock(clock, () =>
      Math.max(0, ...[...catalog.streams.values()].map(({ index }) => index.lastTimeMs)),
    )
    parts.room.onCondition(({ name }) => {
      if (name === 'full') this.#probeLater()
    })
  }

  /** After recovery: limits may have become due while nobody looked. */
  start(withoutIndex: readonly Segment[]): void {
    for (const segment of withoutIndex) this.#unindexed.add(segment)
    this.#ageLater(AGE_CHECK_MIN_MS)
    this.wake()
  }

  /** Something died or was sealed. */
  wake(): void {
    this.#isWoken = true
    if (this.#isStopped || this.#isRunning || this.#cancelRun !== undefined) return
    this.#cancelRun = this.#parts.clock.after(HOUSEKEEPING_DELAY_MS, () => {
      this.#cancelRun = undefined
      this.#run()
    })
  }

  sealed(segment: Segment): void {
    this.#unindexed.add(segment)
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
      if (stream.limits.ageMaxMs > 0) this.#ageLater(this.#dueMs(stream))
    }
    const { committer, room } = this.#parts
    if (committer.bytesWritten - this.#writtenAtCheck < FREE_CHECK_BYTES) return
    this.#writtenAtCheck = committer.bytesWritten
    if (!room.isFailed && !this.#isStopped) this.#tasks.run('free-bytes', () => this.#askFree())
  }

  async destroy(): Promise<void> {
    this.#isStopped = true
    this.#cancelRun?.()
    this.#cancelAge?.()
    this.#cancelProbe?.()
    await this.#tasks.destroy()
  }

  #run(): void {
    if (this.#isStopped || this.#isRunning || this.#parts.room.isFailed) return
    this.#isRunning = true
    this.#isWoken = false
    this.#tasks.run('segments', async (signal) => {
      try {
        await this.#tidySegments(signal)
      } finally {
        this.#isRunning = false
        if (this.#isWoken) this.wake()
      }
    })
  }

  async #tidySegments(signal: AbortSignal): Promise<void> {
    const { catalog } = this.#parts
    for (const segment of catalog.segments) {
      if (signal.aborted || this.#parts.room.isFailed) return
      if (!segment.isSealed) continue
      const share = liveShare(segment)
      if (this.#holdsMessages(segment) && share >= COMPACT_LIVE_SHARE) continue
      if (this.#holdsMessages(segment)) await this.#rewrite(segment, signal)
      else if (share < COMPACT_LIVE_SHARE) await this.#remove(segment)
    }
    for (const segment of this.#unindexed) {
      if (signal.aborted || this.#parts.room.isFailed) return
      await this.#writeIndex(segment)
    }
  }

  #holdsMessages(segment: Segment): boolean {
    for (const { index } of this.#parts.catalog.streamsById.values()) {
      if ((index.spanIn(segment.id)?.liveCount ?? 0) > 0) return true
    }
    return false
  }

  async #writeIndex(segment: Segment): Promise<void> {
    const { catalog, disk, directory, room } = this.#parts
    const bytes = encodeIndex(segment, catalog)
    await disk.writeFileAtomic(indexPath(directory, segment.id), bytes)
    room.usedBytes += bytes.length - segment.indexBytes
    segment.indexBytes = bytes.length
    this.#unindexed.delete(segment)
  }

  async #remove(segment: Segment): Promise<void> {
    const { catalog, disk, directory, files, room, writer } = this.#parts
    carryForward(segment, catalog, writer)
    await this.#barrier()
    this.#unindexed.delete(segment)
    await files.opened(segment.id)
    files.retire(segment.id)
    await disk.remove(indexPath(directory, segment.id))
    await disk.remove(segmentPath(directory, segment.id))
    await this.#parts.syncDirectory()
    catalog.removeSegment(segment.id)
    room.usedBytes -= segment.size + segment.indexBytes
    room.freeBytes += segment.size + segment.indexBytes
  }

  async #rewrite(segment: Segment, signal: AbortSignal): Promise<void> {
    carryLastSeqs(segment, this.#parts.catalog)
    await this.#barrier()
    const shrunk = await rewriteSegment(segment, this.#parts, signal)
    if (signal.aborted) return
    this.#parts.room.usedBytes -= shrunk
    await this.#writeIndex(segment)
  }

  #barrier(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#parts.writer.barrier((error) => (error === undefined ? resolve() : reject(error)))
    })
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

  /** All limits of all streams; also the first thing after a start. */
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

  async #askFree(): Promise<void> {
    const { disk, directory, room } = this.#parts
    room.freeBytes = await disk.freeBytes(directory)
  }

  #probeLater(): void {
    if (this.#isStopped || this.#cancelProbe !== undefined) return
    this.#cancelProbe = this.#parts.clock.after(FULL_PROBE_MS, () => {
      this.#cancelProbe = undefined
      if (!this.#isStopped) this.#tasks.run('full-probe', () => this.#probe())
    })
  }

  async #probe(): Promise<void> {
    const { room, committer, writer, reserveBytes } = this.#parts
    try {
      if (room.condition.name !== 'full') return
      await this.#askFree()
      if (room.reopen(reserveBytes / 4)) return
      const current = committer.currentSegment
      const isWorthIt = current !== undefined && current.size >= ROLL_BYTES_MIN
      if (isWorthIt && liveShare(current) < COMPACT_LIVE_SHARE) {
        committer.rollSoon()
        writer.repeatBoot()
      }
      this.#run()
    } finally {
      if (room.condition.name === 'full') this.#probeLater()
    }
  }
}

function liveShare(segment: Segment): number {
  return segment.liveBytes / Math.max(1, segment.size - SEGMENT_HEADER_BYTES)
}
