import * as fs from 'node:fs/promises'
import { resolve } from 'node:path'
import { codeOf, PetioleError } from './petiole-error.ts'

/**
 * The lock file of a directory. It says who holds it: `pid boot-id start-time`. A pid alone is not
 * enough: after a power cut another process may have the dead holder's, and the leaf must still
 * start. Where the system tells neither (not Linux), `-` stands in and the pid decides.
 *
 * A lock that is given back stays, filled with blanks, and a stale one is written over in place: a
 * server must be able to start on a full disk, where no new file gets a block.
 */
const FILE_MODE = 0o640
const UNKNOWN = '-'
/** Every record is filled up to this, so that one can take the place of another. */
const RECORD_BYTES = 96
const WORDS = 3

/** What this process holds: its own pid in a file proves nothing, a restarted container has it again. */
const held = new Set<string>()

/** Takes the lock; rejects with PETIOLE_STORE_LOCKED when a living process has it. */
export async function takeLock(file: string): Promise<() => Promise<void>> {
  const path = resolve(file)
  if (held.has(path)) throw lockedBy(file, process.pid)
  held.add(path)
  try {
    await takeFromOthers(file)
  } catch (error) {
    held.delete(path)
    throw error
  }
  return async () => {
    if (!held.has(path)) return
    try {
      await overwrite(file, '')
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    held.delete(path)
  }
}

async function takeFromOthers(file: string): Promise<void> {
  const token = `${process.pid} ${await bootId()} ${await startTimeOf(process.pid)}`
  for (let attempt = 0; attempt < 3; attempt++) {
    const found = await contentOf(file)
    if (found === undefined) {
      if (await createWhole(file, padded(token))) return
      continue
    }
    const owner = await ownerOf(found)
    if (owner !== undefined) throw lockedBy(file, owner)
    if (await takeStale(file, found, token)) return
  }
  throw new PetioleError('PETIOLE_STORE_LOCKED', `${file} was taken by another process just now`)
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function padded(text: string): string {
  return `${text.padEnd(RECORD_BYTES - 1)}\n`
}

/** Changes what the file says without a new block for it. */
async function overwrite(file: string, text: string): Promise<void> {
  const handle = await fs.open(file, 'r+')
  try {
    const bytes = Buffer.from(padded(text), 'latin1')
    await handle.write(bytes, 0, bytes.length, 0)
    await handle.truncate(bytes.length)
  } finally {
    await handle.close()
  }
}

/** Creates the file with its content in one step; false when it is there already. */
async function createWhole(file: string, text: string): Promise<boolean> {
  const draft = `${file}.${process.pid}`
  await fs.writeFile(draft, text, { mode: FILE_MODE })
  try {
    await fs.link(draft, file)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    return await createPlainly(file, text)
  } finally {
    await fs.rm(draft, { force: true })
  }
}

/** For file systems without hard links, FAT for one. */
async function createPlainly(file: string, text: string): Promise<boolean> {
  try {
    await fs.writeFile(file, text, { flag: 'wx', mode: FILE_MODE })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * Takes a stale file aside, where no other process looks, makes it this one's and puts it back.
 * False when another process was faster.
 */
async function takeStale(file: string, stale: string, token: string): Promise<boolean> {
  const aside = `${file}.stale.${process.pid}`
  try {
    await fs.rename(file, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
  if ((await fs.readFile(aside, 'latin1')) !== stale) {
    await fs.rename(aside, file)
    return false
  }
  try {
    await overwrite(aside, token)
    await fs.link(aside, file)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (codeOf(error) === 'ENOSPC') throw error
  } finally {
    await fs.rm(aside, { force: true })
  }
  return await createPlainly(file, padded(token))
}

/** The living process that wrote `text`, if there is one. */
async function ownerOf(text: string): Promise<number | undefined> {
  const words = text.trim().split(' ')
  // A blank record in which a byte was damaged may read like a pid, and whose that is nobody can say.
  if (words.length < WORDS && text.length >= RECORD_BYTES) return undefined
  const [pidText = '', boot = UNKNOWN, startTime = UNKNOWN] = words
  const pid = Number.parseInt(pidText, 10)
  if (!(pid > 0) || pid === process.pid || !isAlive(pid)) return undefined
  if (differs(boot, await bootId()) || differs(startTime, await startTimeOf(pid))) return undefined
  return pid
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

function differs(recorded: string, actual: string): boolean {
  return recorded !== UNKNOWN && actual !== UNKNOWN && recorded !== actual
}

/** New at each start of the machine [random(4)]. */
async function bootId(): Promise<string> {
  const text = await fs.readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '')
  return text.trim() || UNKNOWN
}

/** Clock ticks from boot to the start of a process: field 22, counted behind the name [proc(5)]. */
async function startTimeOf(pid: number): Promise<string> {
  const text = await fs.readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? UNKNOWN
}

function lockedBy(file: string, pid: number): PetioleError {
  const holder = pid === process.pid ? 'this process already' : `process ${pid}`
  return new PetioleError(
    'PETIOLE_STORE_LOCKED',
    `${file} is held by ${holder}: stop the other server, or give this one another store_dir`,
  )
}
