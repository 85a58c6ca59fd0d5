/**
 * A consumer's state as nats-server's file store has it (o.dat), turned into that of an archive.
 *
 *   u8 22 | u8 version | uvarint ack floor: consumer, stream | uvarint delivered: consumer, stream
 *   | uvarint pending count, then, if any, varint base time in s, and for each: uvarint stream sequence above
 *   the floor | uvarint consumer sequence above the floor (version 2) | varint seconds before the base time
 *   | uvarint redelivered count | for each: uvarint stream sequence above the floor | uvarint count
 *
 * Version 1 counts `delivered` from the floor, and seconds behind the base time.
 */
import { corrupt } from './s2-block.ts'

const MAGIC = 22
const NS_PER_S = 1_000_000_000

export function decodeLegacyState(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const [magic, version = 0] = bytes
  if (magic !== MAGIC || version < 1 || version > 2) corrupt('a consumer state of another version')
  const numbers = new Numbers(bytes, 2)
  const floor = { consumer_seq: numbers.unsigned(), stream_seq: numbers.unsigned() }
  const delivered = { consumer_seq: numbers.unsigned(), stream_seq: numbers.unsigned() }
  if (version === 1) {
    delivered.consumer_seq += Math.max(0, floor.consumer_seq - 1)
    delivered.stream_seq += Math.max(0, floor.stream_seq - 1)
  }
  const pending: Record<string, object> = {}
  const count = numbers.unsigned()
  const baseS = count > 0 ? numbers.signed() : 0
  for (let i = 0; i < count; i++) {
    const seq = numbers.unsigned() + floor.stream_seq
    const consumerSeq = version === 1 ? seq : numbers.unsigned() + floor.consumer_seq
    const seconds = numbers.signed()
    const timestampS = version === 1 ? baseS + seconds : baseS - seconds
    pending[seq] = { Sequence: consumerSeq, Timestamp: timestampS * NS_PER_S }
  }
  const redelivered: Record<string, number> = {}
  for (let left = numbers.unsigned(); left > 0; left--) {
    const seq = numbers.unsigned() + floor.stream_seq
    redelivered[seq] = numbers.unsigned()
  }
  return { delivered, ack_floor: floor, pending, redelivered }
}

class Numbers {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  unsigned(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 63; scale *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) return corrupt('a consumer state that ends in the middle')
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    return corrupt('too large a number in a consumer state')
  }

  signed(): number {
    const value = this.unsigned()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}
