import { arenaBytes, CARRY_BYTES_MAX } from '../../shared/transport/index.ts'
import { Frame, type Level, PACKET, VIOLATIONS, type Violation } from '../codec/index.ts'
import { PacketCollector } from '../packet-collector.ts'
import { ANSWER_BYTES_MAX } from './limits.ts'

/** Who gets the packets of a broker. */
export interface PacketReader {
  /** False: no further packet is looked at for now. */
  readonly isReading: boolean
  packet(bytes: Uint8Array, frame: Frame): void
  /** A PUBLISH that is larger than may be; `packetId` is 0 at QoS 0. It is passed over. */
  tooLarge(size: number, packetId: number): void
  broken(violation: Violation): void
}

/**
 * Cuts what a broker sends into packets. One that does not fit the arena is collected; a PUBLISH above the
 * limit is passed over without being kept, but for its packet identifier: unacknowledged, it would come again.
 */
export class PacketInput {
  readonly #reader: PacketReader
  readonly #publishBytesMax: number
  readonly #frame = new Frame()
  readonly #collected = new Frame()
  readonly #collector = new PacketCollector()
  #toSkip = 0

  constructor(reader: PacketReader, publishBytesMax: number) {
    this.#reader = reader
    this.#publishBytesMax = publishBytesMax
  }

  /** Bytes [start, end) of the arena; returns the offset of the first that is not used. */
  take(start: number, end: number, level: Level): number {
    const skipped = Math.min(this.#toSkip, end - start)
    this.#toSkip -= skipped
    let at = start + skipped
    if (this.#collector.isActive) {
      at = this.#collector.take(arenaBytes, at, end)
      if (this.#collector.isActive) return end
      this.#readCollected()
    }
    const frame = this.#frame
    while (at < end && this.#reader.isReading) {
      const state = frame.read(arenaBytes, at, end)
      const violation =
        state === 'malformed'
          ? VIOLATIONS.remainingLength
          : frame.violation(level, Number.POSITIVE_INFINITY)
      if (violation !== undefined) {
        this.#reader.broken(violation)
        return end
      }
      if (state === 'whole') {
        this.#reader.packet(arenaBytes, frame)
        at = frame.bodyEnd
      } else if (!frame.isSized) {
        return at
      } else {
        const next = this.#takePart(frame, at, end)
        if (next === at) return at
        at = next
      }
    }
    return at
  }

  /** A part of a packet whose size is known. Returns `at` to wait for more of it. */
  #takePart(frame: Frame, at: number, end: number): number {
    const isPublish = frame.type === PACKET.publish
    if (frame.size <= (isPublish ? this.#publishBytesMax : ANSWER_BYTES_MAX)) {
      if (!PacketCollector.isNeededFor(frame.size)) return at
      this.#collector.begin(frame.size)
      return this.#collector.take(arenaBytes, at, end)
    }
    const idEnd = isPublish ? identifierEnd(frame, end) : WAITING
    if (idEnd === WAITING) {
      // Its topic alone is longer than what may wait in the arena, or it is no PUBLISH.
      if (isPublish && end - at < CARRY_BYTES_MAX) return at
      this.#reader.broken(VIOLATIONS.packetTooLarge)
      return end
    }
    const packetId = (frame.flags & QOS_FLAGS) === 0 ? 0 : uint16At(idEnd - 2)
    this.#toSkip = frame.bodyEnd - end
    this.#reader.tooLarge(frame.size, packetId)
    return end
  }

  #readCollected(): void {
    const packet = this.#collector.join()
    this.#collected.read(packet, 0, packet.length)
    this.#reader.packet(packet, this.#collected)
  }
}

const QOS_FLAGS = 6
const WAITING = -1

/** Behind the packet identifier of a PUBLISH; WAITING when it has not come yet. */
function identifierEnd({ bodyStart }: Frame, end: number): number {
  if (bodyStart + 2 > end) return WAITING
  const idEnd = bodyStart + 2 + uint16At(bodyStart) + 2
  return idEnd > end ? WAITING : idEnd
}

function uint16At(at: number): number {
  return ((arenaBytes[at] ?? 0) << 8) | (arenaBytes[at + 1] ?? 0)
}
