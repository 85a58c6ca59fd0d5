/**
 * The way out of a full disk, or of a quota that is used up.
 *
 * What frees room needs room: the commit that says what died, records that are carried forward, and the copy of
 * a segment that is rewritten without its dead part. When the disk has too little, the reserve file lends it, by what is
 * needed; what it lent is not for messages, and goes back to it first. When it has nothing left, an index is given up: a scan of its
 * segment tells the same.
 *
 * While the store is full, every segment of which a sixteenth is dead is worth its rewrite, the deadest first, until
 * there is room again. A rewrite that found no room is tried again when there is more than there was.
 */
import type { Log } from '../log/index.ts'
import {
  type Cancel,
  type Clock,
  codeOf,
  type Disk,
  messageOf,
  type Tasks,
} from '../runtime/index.ts'
import type { Catalog } from './catalog.ts'
import type { Committer } from './committer.ts'
import {
  COMPACT_LIVE_SHARE,
  COMPACT_LIVE_SHARE_FULL,
  FULL_PROBE_MS,
  RESERVE_FILE_BYTES,
  ROLL_BYTES_MIN,
} from './limits.ts'
import type { ReserveFile } from './reserve-file.ts'
import { isOutOfSpace, type Room } from './room.ts'
import { deadBytes, liveShare, type Segment } from './segment.ts'
import type { SegmentTries } from './segment-tries.ts'
import type { Writer } from './writer.ts'

export interface FullDiskParts {
  readonly log: Log
  readonly clock: Clock
  readonly disk: Disk
  readonly directory: string
  readonly catalog: Catalog
  readonly room: Room
  readonly writer: Writer
  readonly committer: Committer
  readonly reserve: ReserveFile
  readonly reserveBytes: number
  readonly tasks: Tasks
  readonly dropIndex: (segment: Segment) => Promise<void>
  /** There is room again. */
  readonly wake: () => void
  /** Looks at all segments now. */
  readonly tidy: () => void
}

export class FullDisk {
  readonly #parts: FullDiskParts
  #cancelProbe: Cancel | undefined
  #isStopped = false
  /** The room there was when the rewrite of a segment found too little. */
  readonly #tooLittle = new WeakMap<Segment, number>()
  /** What the log said last of why nothing more can be done. */
  #said = ''

  constructor(parts: FullDiskParts) {
    this.#parts = parts
    parts.room.onCondition((condition) => {
      if (condition.name === 'full') {
        parts.log.warn({ reason: condition.reason }, 'store is full, messages are refused')
        this.#probeLater()
      } else if (condition.name === 'open') {
        this.#said = ''
        parts.log.info({ freeBytes: parts.room.leftBytes }, 'store has room again')
      }
    })
  }

  start(): void {
    this.#parts.tasks.run('reserve', () => this.holdReserve())
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelProbe?.()
  }

  /** The copy of each sealed segment must find room. */
  reserveFor(segment: Segment): void {
    const { reserve, reserveBytes } = this.#parts
    if (reserveBytes > 0) reserve.want(segment.size + reserveFileBytes(reserveBytes))
  }

  async askFree(): Promise<void> {
    const { disk, directory, room } = this.#parts
    room.measured(await disk.freeBytes(directory))
  }

  /** Makes the reserve whole when there is room for that, and so much more. */
  async holdReserve(leftBytes = this.#parts.reserveBytes * 1.25): Promise<void> {
    const { room, reserve, log } = this.#parts
    const { lackingBytes } = reserve
    if (this.#isStopped || lackingBytes === 0) return
    await this.askFree()
    if (room.isFailed || room.freeBytes < lackingBytes + leftBytes) return
    try {
      await reserve.hold((bytes) => {
        room.freeBytes -= bytes
        room.lentBytes = Math.max(0, room.lentBytes - bytes)
      })
      room.lentBytes = 0
      await this.askFree()
    } catch (error) {
      log.debug({ err: messageOf(error) }, 'reserve file not made')
    }
  }

  /**
   * Rewrites segments until there is room again. When nothing more can be gained and the reserve does not get back
   * what it lent, because others have taken it, it is written off.
   */
  async makeRoom(
    tries: SegmentTries,
    isOver: () => boolean,
    rewrite: (segment: Segment) => Promise<void>,
  ): Promise<void> {
    const { catalog, room, reserve, reserveBytes } = this.#parts
    const worthwhile = catalog.segments.filter(
      (segment) => segment.isSealed && liveShare(segment) <= COMPACT_LIVE_SHARE_FULL,
    )
    worthwhile.sort((a, b) => liveShare(a) - liveShare(b))
    let waiting = 0
    for (const segment of worthwhile) {
      if (isOver() || room.hasRoomFor(reserveBytes / 4)) return
      if (!(await this.#lendFor(segment))) {
        waiting++
        continue
      }
      const freeBytes = room.freeBytes + reserve.heldBytes
      try {
        if (!(await tries.run(segment, () => rewrite(segment)))) waiting++
      } catch (error) {
        // A commit before the copy found no space; the committer has said that the store is starved.
        if (codeOf(error) === 'PETIOLE_STORE_FULL') return
        if (!isOutOfSpace(error)) throw error
        this.#tooLittle.set(segment, freeBytes)
        room.isStarved = true
        waiting++
      }
      await this.askFree()
    }
    if (isOver() || room.hasRoomFor(reserveBytes / 4)) return
    // Too little was gained: it stays full, with room for the commits of what is deleted next.
    await this.holdReserve(2 * reserveFileBytes(reserveBytes))
    room.lentBytes = 0
    this.#say(worthwhile, waiting)
  }

  /** Whether there is room for the segment's copy. */
  async #lendFor(segment: Segment): Promise<boolean> {
    const { room, reserve, reserveBytes, log } = this.#parts
    const bytes = Math.min(segment.size, segment.liveBytes + segment.headerBytes)
    await this.askFree()
    const roomBytes = room.freeBytes + reserve.heldBytes
    if (roomBytes < bytes || roomBytes <= (this.#tooLittle.get(segment) ?? -1)) return false
    // A few bytes more for the commit that goes before it.
    const lackingBytes = bytes + reserveFileBytes(reserveBytes) / 2 - room.freeBytes
    const lent = lackingBytes > 0 ? await reserve.give(Math.ceil(lackingBytes)) : 0
    if (lent === 0) return room.freeBytes >= bytes
    room.lentBytes += lent
    log.info(
      { segment: segment.id, bytes: lent, gain: deadBytes(segment) },
      'disk full, reserve file lends room to rewrite a segment',
    )
    await this.askFree()
    return room.freeBytes >= bytes
  }

  #say(worthwhile: readonly Segment[], waiting: number): void {
    const dead = worthwhile.reduce((sum, segment) => sum + deadBytes(segment), 0)
    const { reserve, log, room } = this.#parts
    const said = `${waiting} ${dead}`
    if (waiting === 0 || said === this.#said) return
    this.#said = said
    log.warn(
      { segments: waiting, deadBytes: dead, freeBytes: room.freeBytes, reserve: reserve.heldBytes },
      'store is full, and what was deleted cannot be given back for want of room to rewrite segments',
    )
  }

  #probeLater(): void {
    if (this.#isStopped || this.#cancelProbe !== undefined) return
    this.#cancelProbe = this.#parts.clock.after(FULL_PROBE_MS, () => {
      this.#cancelProbe = undefined
      if (!this.#isStopped) this.#parts.tasks.run('full-probe', () => this.#probe())
    })
  }

  async #probe(): Promise<void> {
    const { room, reserveBytes, wake, tidy } = this.#parts
    try {
      if (room.condition.name !== 'full') return
      await this.#giveSpace()
      await this.askFree()
      if (room.lentBytes > 0) await this.holdReserve()
      if (room.reopen(reserveBytes / 4)) {
        wake()
        await this.holdReserve()
        return
      }
      this.#rollWhenWorthIt()
      tidy()
    } finally {
      if (room.condition.name === 'full') this.#probeLater()
    }
  }

  /** The current segment may hold what could be given back, too. */
  #rollWhenWorthIt(): void {
    const { committer, writer, reserveBytes } = this.#parts
    const current = committer.currentSegment
    if (current === undefined || current.size < ROLL_BYTES_MIN) return
    const isSparse = liveShare(current) < COMPACT_LIVE_SHARE
    if (!isSparse && deadBytes(current) <= Math.max(reserveBytes / 4, current.size / 16)) return
    committer.rollSoon()
    writer.repeatBoot()
  }

  /** For a store that can not even write what would free room. */
  async #giveSpace(): Promise<void> {
    const { room, reserve, catalog, log, dropIndex, reserveBytes } = this.#parts
    const { isStarved } = room
    room.isStarved = false
    if (!isStarved) return
    const bytes = await reserve.give(reserveFileBytes(reserveBytes))
    if (bytes > 0) {
      room.lentBytes += bytes
      log.warn({ bytes }, 'disk full, a part of the reserve file is given up to free room')
      return
    }
    const sealed = catalog.segments.filter(({ isSealed }) => isSealed)
    const [segment] = sealed.sort((a, b) => b.indexBytes - a.indexBytes)
    if (segment === undefined || segment.indexBytes === 0) return
    await dropIndex(segment)
  }
}

/** What commits may need of the reserve file, beside the room for a rewrite. */
export function reserveFileBytes(reserveBytes: number): number {
  return Math.min(RESERVE_FILE_BYTES, Math.floor(reserveBytes / 8))
}
