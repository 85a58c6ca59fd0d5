/** Compresses bodies of messages, one at a time: what it returns is valid until the next one. */

import { compressedHeadBytes, putCompressedHead } from './compressed-body.ts'
import type { Dictionary } from './dictionary.ts'
import { Encoder } from './encoder.ts'
import { COMPRESS_BYTES_MAX, COMPRESS_BYTES_MIN, GAIN_SHARE_MIN } from './limits.ts'

const SCRATCH_BYTES_MIN = 4096

export class Compressor {
  readonly #encoder = new Encoder()
  #body = new Uint8Array(0)
  #bodyBytes = 0
  #headerBytes = 0

  /** The body that is to be compressed; false when such a one is stored as it is. */
  take(headers: Uint8Array, payload: Uint8Array): boolean {
    const bytes = headers.length + payload.length
    if (bytes < COMPRESS_BYTES_MIN || bytes > COMPRESS_BYTES_MAX) return false
    if (this.#body.length < bytes) {
      this.#body = new Uint8Array(Math.max(SCRATCH_BYTES_MIN, bytes * 2))
    }
    this.#body.set(headers, 0)
    this.#body.set(payload, headers.length)
    this.#bodyBytes = bytes
    this.#headerBytes = headers.length
    return true
  }

  /** What was taken; a view. */
  get body(): Uint8Array {
    return this.#body.subarray(0, this.#bodyBytes)
  }

  /** What was taken, compressed; undefined when that is not worth it. */
  compress(dictionary: Dictionary): Uint8Array | undefined {
    const bytes = this.#bodyBytes
    const start = compressedHeadBytes(bytes, this.#headerBytes)
    const end = this.#encoder.encode(this.#body, bytes, dictionary, start)
    if (end > bytes * (1 - GAIN_SHARE_MIN)) return undefined
    putCompressedHead(this.#encoder.out, bytes, this.#headerBytes, dictionary)
    return this.#encoder.out.subarray(0, end)
  }

  /** What was taken, as many bytes as it would take in a record. */
  compressedBytes(dictionary: Dictionary): number {
    return this.compress(dictionary)?.length ?? this.#bodyBytes
  }
}
