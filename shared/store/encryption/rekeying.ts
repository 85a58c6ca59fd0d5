/**
 * After a change of keys: segments that are not as new ones are (of the key before, of another cipher, not
 * encrypted, or encrypted when nothing is any more) are written again, one by one, in no hurry. A rewrite
 * is what retention does too, so whatever ends it, the old file or the new one is there, and the next
 * start finds what is left to do in the headers.
 */
import type { Log } from '../../log/index.ts'
import type { Cancel, Clock, Disk } from '../../runtime/index.ts'
import type { Catalog } from '../catalog.ts'
import { REKEY_BYTES_PER_SECOND, REKEY_RETRY_MS } from '../limits.ts'
import { RECORD_HEADER_BYTES } from '../record.ts'
import type { Room } from '../room.ts'
import type { Segment } from '../segment.ts'
import type { SegmentTries } from '../segment-tries.ts'
import type { Keyring } from './keyring.ts'
import { type CipherName, ENCRYPTION_BYTES } from './segment-cipher.ts'

/** How a store is encrypted, and what is not yet. */
export interface EncryptionStats {
  /** Whether new segments are encrypted, and with which key. */
  readonly isOn: boolean
  readonly keyId: string | undefined
  readonly cipher: CipherName
  readonly segmentsLeft: number
  readonly bytesLeft: number
}

export interface RekeyingParts {
  readonly clock: Clock
  readonly disk: Disk
  /** The journal's. */
  readonly directory: string
  readonly log: Log
  readonly catalog: Catalog
  readonly room: Room
  readonly keys: Keyring
}

export class Rekeying {
  readonly #parts: RekeyingParts
  readonly #wake: () => void
  #cancel: Cancel | undefined
  #dueMs = 0
  /** How many segments were left when it was told last. */
  #told = 0
  #isStopped = false

  /** @param wake has `step` called soon */
  constructor(parts: RekeyingParts, wake: () => void) {
    this.#parts = parts
    this.#wake = wake
  }

  /** undefined: encryption is off, and all that is there is so too. */
  get stats(): EncryptionStats | undefined {
    const { keys } = this.#parts
    const left = this.#left()
    if (keys.keyId === undefined && left.length === 0) return undefined
    const bytesLeft = left.reduce((total, { size }) => total + size, 0)
    const { keyId, cipher } = keys
    return { isOn: keyId !== undefined, keyId, cipher, segmentsLeft: left.length, bytesLeft }
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  /** Has the next segment written again when it is time for one and there is room, and sees to the one after. */
  async step(tries: SegmentTries, rewrite: (segment: Segment) => Promise<void>): Promise<void> {
    const { clock, disk, directory, room } = this.#parts
    const left = this.#left()
    this.#tell(left)
    const segment = left.find((one) => one.isSealed && tries.isDue(one))
    if (segment === undefined) return
    const waitMs = this.#dueMs - clock.monotonicMs()
    if (waitMs > 0) return this.#later(waitMs)
    room.measured(await disk.freeBytes(directory))
    const hasRoom = room.condition.name === 'open' && room.freeBytes > bytesNeeded(segment)
    if (!hasRoom) return this.#later(REKEY_RETRY_MS)
    const { size } = segment
    if (!(await tries.run(segment, () => rewrite(segment)))) return this.#later(0)
    this.#dueMs = clock.monotonicMs() + (size * 1000) / REKEY_BYTES_PER_SECOND
    const { keys, log } = this.#parts
    log.debug({ segment: segment.id, key: keys.keyId }, 'segment written again')
    this.#later(this.#dueMs - clock.monotonicMs())
  }

  #left(): Segment[] {
    const { catalog, keys } = this.#parts
    return catalog.segments.filter(({ encryption }) => !keys.isCurrent(encryption))
  }

  #later(delayMs: number): void {
    this.#cancel?.()
    if (this.#isStopped) return
    this.#cancel = this.#parts.clock.after(Math.max(1, delayMs), () => this.#wake())
  }

  #tell(left: readonly Segment[]): void {
    const { keys, log } = this.#parts
    const key = keys.keyId ?? 'none'
    if (left.length > 0 && this.#told === 0) {
      const bytes = left.reduce((total, { size }) => total + size, 0)
      log.info(
        { segments: left.length, bytes, key },
        'store has segments of another key, they are written again in the background',
      )
    } else if (left.length === 0 && this.#told > 0) {
      log.info({ key }, 'all segments of the store are of the configured key, prev_key can go')
    }
    this.#told = left.length
  }
}

/** It may grow by what encryption adds to each record. */
function bytesNeeded({ size, liveBytes }: Segment): number {
  return size + (liveBytes * ENCRYPTION_BYTES) / RECORD_HEADER_BYTES
}
