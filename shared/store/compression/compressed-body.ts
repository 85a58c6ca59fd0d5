/**
 * The body of a message, headers and payload, as it lies in a record with the flag `compressed`: in place of
 * the payload, and the record has no headers.
 *
 *     uvarint bytes of the body | uvarint bytes of them that are headers | u16 dictionary, 0 for none | S2 elements
 */
import { type Dictionary, NO_DICTIONARY } from './dictionary.ts'
import { COMPRESS_BYTES_MAX } from './limits.ts'
import { decodeElements } from './s2-elements.ts'

const UVARINT_BYTES_MAX = 5
const DICTIONARY_ID_BYTES = 2

export interface PlainBody {
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}

const NO_BYTES = new Uint8Array(0)

/** Bytes of the body that is compressed from `at` on. */
export function plainBodyBytes(source: Uint8Array, at: number): number {
  let value = 0
  let scale = 1
  for (let i = 0; i < UVARINT_BYTES_MAX; i++) {
    const byte = source[at + i] ?? 0
    value += (byte & 127) * scale
    if (byte < 128) break
    scale *= 128
  }
  return value
}

/** The same of the headers among them. */
export function plainHeaderBytes(source: Uint8Array, at: number): number {
  return plainBodyBytes(source, at + uvarintBytes(plainBodyBytes(source, at)))
}

/** What precedes the elements. Returns where it ends. */
export function putCompressedHead(
  out: Uint8Array,
  bytes: number,
  headerBytes: number,
  dictionary: Dictionary,
): number {
  const at = putUvarint(out, putUvarint(out, 0, bytes), headerBytes)
  out[at] = dictionary.id & 255
  out[at + 1] = dictionary.id >>> 8
  return at + DICTIONARY_ID_BYTES
}

export function compressedHeadBytes(bytes: number, headerBytes: number): number {
  return uvarintBytes(bytes) + uvarintBytes(headerBytes) + DICTIONARY_ID_BYTES
}

/** Of the dictionary that a body is compressed with; 0 for none. */
export function dictionaryIdOf(compressed: Uint8Array): number {
  const at = dictionaryAt(compressed)
  return (compressed[at] ?? 0) + (compressed[at + 1] ?? 0) * 256
}

/**
 * Undefined when it is not what a compressor makes, or needs a dictionary that is not there. Takes no more room
 * than COMPRESS_BYTES_MAX, whatever the bytes say.
 */
export function decompressBody(
  compressed: Uint8Array,
  dictionaryOf: (id: number) => Dictionary | undefined,
): PlainBody | undefined {
  const bytes = plainBodyBytes(compressed, 0)
  const headerBytes = plainBodyBytes(compressed, uvarintBytes(bytes))
  if (bytes === 0 || bytes > COMPRESS_BYTES_MAX || headerBytes > bytes) return undefined
  const id = dictionaryIdOf(compressed)
  const dictionary = id === 0 ? NO_DICTIONARY : dictionaryOf(id)
  if (dictionary === undefined) return undefined
  const body = Buffer.allocUnsafe(bytes)
  const elementsAt = dictionaryAt(compressed) + DICTIONARY_ID_BYTES
  if (!decodeElements(compressed, elementsAt, body, dictionary.bytes)) return undefined
  // Plain views, as the reader makes them of records that are not compressed.
  const { buffer, byteOffset } = body
  return {
    headers: headerBytes === 0 ? NO_BYTES : new Uint8Array(buffer, byteOffset, headerBytes),
    payload: new Uint8Array(buffer, byteOffset + headerBytes, bytes - headerBytes),
  }
}

function dictionaryAt(compressed: Uint8Array): number {
  const headersAt = uvarintBytes(plainBodyBytes(compressed, 0))
  return headersAt + uvarintBytes(plainBodyBytes(compressed, headersAt))
}

function uvarintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

/** Returns where it ends. */
function putUvarint(out: Uint8Array, at: number, value: number): number {
  let end = at
  let rest = value
  while (rest >= 128) {
    out[end++] = (rest % 128) + 128
    rest = Math.floor(rest / 128)
  }
  out[end] = rest
  return end + 1
}
