/**
 * What did not hold, kept for people: before a rewrite drops a damaged record, its bytes are copied.
 *
 *     quarantine/SSSSSSSSSS-salt-from-to-crc.bin   bytes `from` up to `to` of segment S
 *     quarantine/manifest.jsonl                    one line per file: when, how it was found, what it seems to be
 *
 * The names say all that the store needs, so the manifest may be lost. Nothing in the folder is ever read as data.
 */
import * as path from 'node:path'
import { codeOf, type Disk, messageOf } from '../../runtime/index.ts'
import { crc32 } from '../crc.ts'
import type { SeqRun } from '../delete-runs.ts'
import { QUARANTINE_BYTES_MAX, QUARANTINE_FILES_MAX } from '../limits.ts'
import { readFileAround } from '../read-around.ts'
import { Chunk, RECORD_HEADER_BYTES, RecordCursor, RecordType } from '../record.ts'
import type { ByteRange } from '../segment-scan.ts'

export const QUARANTINE_FOLDER = 'quarantine'
export const MANIFEST = 'manifest.jsonl'
const NAME = /^(\d{10})-([0-9a-f]{8})-(\d+)-(\d+)-([0-9a-f]{8})\.bin$/

/** Of a file without content: it stands for what was cut off a segment, and nobody has. */
const CRC_OF_NOTHING = 0

export interface FoundBytes {
  readonly segment: number
  readonly salt: number
  readonly range: ByteRange
  readonly bytes: Uint8Array
}

export interface Finding extends FoundBytes {
  /** Then only their fixed fields mean something. */
  readonly isEncrypted: boolean
  /** Messages that went with it, by stream. */
  readonly lost?: Readonly<Record<string, readonly SeqRun[]>>
}

export interface KeptFile {
  readonly name: string
  /** undefined when the folder holds something else under this name. */
  readonly crc: number | undefined
}

export interface QuarantineParts {
  readonly disk: Disk
  /** The store's directory. */
  readonly directory: string
  readonly wallMs: () => number
}

export class Quarantine {
  /** Bytes that are kept, and bytes that there was no room for, since the store was opened. */
  bytes = 0
  droppedBytes = 0
  readonly #parts: QuarantineParts
  readonly #names = new Set<string>()

  constructor(parts: QuarantineParts) {
    this.#parts = parts
  }

  get folder(): string {
    return path.join(this.#parts.directory, QUARANTINE_FOLDER)
  }

  get files(): number {
    return this.#names.size
  }

  /** Looks what is kept already. */
  async find(): Promise<void> {
    this.#names.clear()
    this.bytes = 0
    for (const { name, crc } of await this.list()) {
      if (crc === undefined) continue
      this.#names.add(name)
      const [, , , from, to] = NAME.exec(name) ?? []
      if (crc !== CRC_OF_NOTHING) this.bytes += Number(to) - Number(from)
    }
  }

  async list(): Promise<readonly KeptFile[]> {
    const names = await this.#parts.disk.list(this.folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    })
    return names
      .filter((name) => name !== MANIFEST)
      .map((name) => {
        const crc = NAME.exec(name)?.[5]
        return { name, crc: crc === undefined ? undefined : Number.parseInt(crc, 16) }
      })
  }

  /** What segments have lost of their ends, as was noted here. */
  get cuts(): readonly { readonly segment: number; readonly bytes: number }[] {
    return [...this.#names].flatMap((name) => {
      const [, id, , from, to, crc] = NAME.exec(name) ?? []
      if (Number.parseInt(crc ?? '', 16) !== CRC_OF_NOTHING) return []
      return [{ segment: Number(id), bytes: Number(to) - Number(from) }]
    })
  }

  has(finding: FoundBytes): boolean {
    return this.#names.has(nameOf(finding))
  }

  /** Resolves when the bytes are on disk; false when there is no room for them here. */
  async keep(finding: Finding, by: string): Promise<boolean> {
    const { disk, wallMs } = this.#parts
    const name = nameOf(finding)
    const { bytes } = finding
    if (this.#names.has(name)) return true
    if (this.files >= QUARANTINE_FILES_MAX || this.bytes + bytes.length > QUARANTINE_BYTES_MAX) {
      this.droppedBytes += bytes.length
      return false
    }
    await disk.makeDirectory(this.folder)
    await disk.writeFileAtomic(path.join(this.folder, name), bytes)
    this.#names.add(name)
    this.bytes += bytes.length
    await this.#note({
      file: name,
      segment: finding.segment,
      from: finding.range.from,
      to: finding.range.to,
      found_at: new Date(wallMs()).toISOString(),
      found_by: by,
      seems: bytes.length === 0 ? 'cut off' : seems(finding),
      ...(finding.lost === undefined ? {} : { lost: finding.lost }),
    })
    return true
  }

  /** Lines that cannot be read any more are left as they are. */
  async #note(line: Readonly<Record<string, unknown>>): Promise<void> {
    const { disk } = this.#parts
    const file = path.join(this.folder, MANIFEST)
    const before = await disk.readFile(file).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return new Uint8Array(0)
      throw error
    })
    const text = Buffer.from(`${JSON.stringify(line)}\n`)
    await disk.writeFileAtomic(file, Buffer.concat([before, text]))
  }

  /** What of the folder does not hold, for people. */
  async check(): Promise<readonly { readonly file: string; readonly problem: string }[]> {
    const problems: { file: string; problem: string }[] = []
    for (const { name, crc } of await this.list()) {
      const file = path.join(QUARANTINE_FOLDER, name)
      if (crc === undefined) continue
      const { bytes } = await readFileAround(this.#parts.disk, path.join(this.folder, name))
      if (crc32(bytes, 0, bytes.length, 0) === crc) continue
      problems.push({ file, problem: 'was damaged after it was put here; remove it' })
    }
    return [...problems, ...(await this.#checkManifest())]
  }

  async #checkManifest(): Promise<{ file: string; problem: string }[]> {
    const manifest = path.join(this.folder, MANIFEST)
    const bytes = await this.#parts.disk.readFile(manifest).catch(() => new Uint8Array(0))
    const lines = Buffer.from(bytes).toString().split('\n')
    return lines.flatMap((line, at) => {
      try {
        if (line !== '') JSON.parse(line)
        return []
      } catch (error) {
        const problem = `line ${at + 1} cannot be understood (${messageOf(error)}); remove it`
        return [{ file: path.join(QUARANTINE_FOLDER, MANIFEST), problem }]
      }
    })
  }
}

function nameOf({ segment, salt, range, bytes }: FoundBytes): string {
  const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0')
  const id = String(segment).padStart(10, '0')
  return `${id}-${hex(salt)}-${range.from}-${range.to}-${hex(crc32(bytes, 0, bytes.length, 0))}.bin`
}

/** What the bytes would be if their header were right, which nobody vouches for. */
export function seems(
  { bytes, isEncrypted }: Pick<Finding, 'bytes' | 'isEncrypted'>,
  nameOf: (streamId: number) => string = String,
): string {
  const cursor = new RecordCursor(new Chunk(bytes))
  if (bytes.length < RECORD_HEADER_BYTES || !cursor.isPlausible) return 'unknown'
  const name = Object.entries(RecordType).find(([, type]) => type === cursor.type)?.[0]
  const where = `${name} of stream ${nameOf(cursor.streamId)}, seq ${cursor.seq}`
  if (isEncrypted) return where
  const end = Math.min(cursor.subjectStart + cursor.subjectLength, bytes.length)
  const subject = Buffer.from(bytes.subarray(cursor.subjectStart, end)).toString().slice(0, 256)
  return `${where}, ${JSON.stringify(subject)}`
}
