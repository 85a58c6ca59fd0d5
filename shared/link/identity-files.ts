/**
 * The seed of a server's identity on disk, twice: `identity.nk` and a copy. A seed carries a checksum of its
 * own, so one that was damaged is known, and is written again from the other one. Where both hold and differ
 * `identity.nk` counts: an operator put it there.
 */
import { codeOf, type Disk } from '../runtime/index.ts'

const FILE = 'identity.nk'
const COPY_FILE = 'identity.nk.copy'
const OWNER_ONLY = 0o600

/** A file that was written again from the other one. */
export interface MendedFile {
  readonly file: string
  readonly was: 'absent' | 'damaged' | 'another'
  /** Why it could not be written; it is tried again at the next start. */
  readonly error?: unknown
}

export interface IdentityFiles {
  /** For texts. */
  readonly path: string
  /** What counts: a seed that holds, or else what lies there all the same; undefined: nothing does. */
  readonly seed: string | undefined
  readonly isIntact: boolean
  readonly stale: readonly MendedFile[]
}

export async function readIdentity(
  disk: Disk,
  directory: string,
  isIntact: (seed: string) => boolean,
): Promise<IdentityFiles> {
  const path = `${directory}/${FILE}`
  const own = await textOf(disk, path)
  const copy = await textOf(disk, `${directory}/${COPY_FILE}`)
  const whole = [own, copy].find((text) => text !== undefined && isIntact(seedIn(text)))
  if (whole === undefined) {
    return { path, seed: (own ?? copy)?.trim(), isIntact: false, stale: [] }
  }
  const seed = seedIn(whole)
  const stale = [
    { file: FILE, text: own },
    { file: COPY_FILE, text: copy },
  ].flatMap(({ file, text }): MendedFile[] => {
    if (text === undefined) return [{ file, was: 'absent' }]
    if (seedIn(text) === seed) return []
    return [{ file, was: isIntact(seedIn(text)) ? 'another' : 'damaged' }]
  })
  return { path, seed, isIntact: true, stale }
}

/** Writes both, or those that are given. */
export async function writeIdentity(
  disk: Disk,
  directory: string,
  seed: string,
  files: readonly string[] = [FILE, COPY_FILE],
): Promise<void> {
  for (const file of files) {
    const bytes = Buffer.from(`${seed}\n`)
    await disk.writeFileAtomic(`${directory}/${file}`, bytes, { mode: OWNER_ONLY })
  }
}

/** The first line: what stands behind it is no part of the seed. */
function seedIn(text: string): string {
  return (text.trim().split(/\s/, 1)[0] ?? '').trim()
}

async function textOf(disk: Disk, path: string): Promise<string | undefined> {
  try {
    return Buffer.from(await disk.readFile(path)).toString('latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
