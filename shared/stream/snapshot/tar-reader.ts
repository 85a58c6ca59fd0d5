/** The files of a tar stream, each as a whole: as many features of the format as nats-server's writer uses. */
import { ByteQueue } from './byte-queue.ts'
import { corrupt } from './s2-block.ts'

export interface TarFile {
  readonly name: string
  readonly bytes: Uint8Array
}

const BLOCK_BYTES = 512
const NAME = [0, 100] as const
const SIZE = [124, 136] as const
const CHECKSUM = [148, 156] as const
const TYPE_AT = 156
const PREFIX = [345, 500] as const

export class TarReader {
  readonly #queue = new ByteQueue()
  readonly #fileBytesMax: number
  /** What an extended header says of the file behind it. */
  #extended = new Map<string, string>()
  #isEnded = false

  constructor(fileBytesMax: number) {
    this.#fileBytesMax = fileBytesMax
  }

  /** Whether the blocks that end an archive have come. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** The files that are whole by now. Throws PETIOLE_BACKUP_INVALID. */
  *push(bytes: Uint8Array): IterableIterator<TarFile> {
    this.#queue.push(bytes)
    while (!this.#isEnded && this.#queue.length >= BLOCK_BYTES) {
      const header = Buffer.from(this.#queue.peek(BLOCK_BYTES))
      if (header.every((byte) => byte === 0)) {
        this.#isEnded = true
        return
      }
      checkSum(header)
      const size = Number(this.#extended.get('size') ?? parseInt(textIn(header, SIZE), 8))
      if (!Number.isSafeInteger(size) || size < 0) corrupt('a file of no size')
      if (size > this.#fileBytesMax) corrupt('too large a file')
      const padded = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
      if (this.#queue.length < BLOCK_BYTES + padded) return
      this.#queue.drop(BLOCK_BYTES)
      const body = this.#queue.take(padded).subarray(0, size)
      const type = String.fromCharCode(header[TYPE_AT] ?? 0)
      if (type === 'x') {
        this.#extended = extendedIn(body)
        continue
      }
      if (type !== '0' && type !== '\0') corrupt('what is no file')
      const prefix = textIn(header, PREFIX)
      const plain = (prefix === '' ? '' : `${prefix}/`) + textIn(header, NAME)
      yield { name: this.#extended.get('path') ?? plain, bytes: body }
      this.#extended = new Map()
    }
  }
}

function textIn(header: Buffer, [from, to]: readonly [number, number]): string {
  const text = header.toString('utf8', from, to)
  const end = text.indexOf('\0')
  return (end < 0 ? text : text.slice(0, end)).trim()
}

function checkSum(header: Buffer): void {
  const [from, to] = CHECKSUM
  let sum = 0
  for (const [i, byte] of header.entries()) sum += i >= from && i < to ? 32 : byte
  if (sum !== parseInt(textIn(header, CHECKSUM), 8)) corrupt('a tar header that does not hold')
}

/** `<length> <key>=<value>\n`, one behind the other. */
function extendedIn(body: Uint8Array): Map<string, string> {
  const found = new Map<string, string>()
  let rest = Buffer.from(body)
  while (rest.length > 0) {
    const length = parseInt(rest.toString('latin1', 0, 20), 10)
    if (!(length > 4) || length > rest.length) corrupt('an extended tar header')
    const record = rest.toString('utf8', rest.indexOf(32) + 1, length - 1)
    const equals = record.indexOf('=')
    found.set(record.slice(0, equals), record.slice(equals + 1))
    rest = rest.subarray(length)
  }
  return found
}
