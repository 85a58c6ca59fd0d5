/** Takes a store directory into possession: writable, locked, of this format and this owner. */
import * as path from 'node:path'
import { codeOf, type Disk, messageOf, PetioleError, type Random } from '../runtime/index.ts'
import { RESERVE_FILE } from './reserve-file.ts'

const FORMAT = 'petiole-store'
const VERSION = 1
const ID_BYTES = 16

export interface ClaimOptions {
  readonly disk: Disk
  readonly random: Random
  readonly directory: string
  readonly journalDirectory: string
  readonly owner: string
}

interface Card {
  readonly format: string
  readonly version: number
  readonly id: string
  readonly owner: string
}

/** Returns what releases the lock. A full disk is no reason not to start: the reserve file gives way. */
export async function claimDirectory(options: ClaimOptions): Promise<() => Promise<void>> {
  const { disk, directory } = options
  try {
    return await claim(options)
  } catch (error) {
    const { cause } = error as Error
    if (codeOf(cause) !== 'ENOSPC') throw error
    await disk.remove(path.join(directory, RESERVE_FILE))
  }
  return await claim(options)
}

async function claim(options: ClaimOptions): Promise<() => Promise<void>> {
  const { disk, directory, journalDirectory } = options
  let unlock: () => Promise<void>
  try {
    await disk.makeDirectory(directory)
    unlock = await disk.lock(path.join(directory, 'lock'))
  } catch (error) {
    throw unwritable(directory, error)
  }
  try {
    await checkCard(options)
    await disk.makeDirectory(journalDirectory)
    await disk.syncDirectory(directory)
    return unlock
  } catch (error) {
    await unlock()
    throw unwritable(directory, error)
  }
}

async function checkCard(options: ClaimOptions): Promise<void> {
  const { disk, random, directory, owner } = options
  const file = path.join(directory, 'store.json')
  const card = await readCard(disk, file)
  if (card === undefined) {
    if ((await disk.list(directory)).includes('journal')) {
      throw foreign(`${directory} has a journal but no store.json`)
    }
    const id = Buffer.from(random.bytes(ID_BYTES)).toString('hex')
    return writeCard(disk, file, { format: FORMAT, version: VERSION, id, owner })
  }
  if (card.format !== FORMAT) throw foreign(`${file} is not a petiole store's`)
  if (card.version > VERSION) {
    throw foreign(
      `${file} has version ${card.version}, this program knows ${VERSION}: update petiole`,
    )
  }
  if (owner === '' || card.owner === owner) return
  if (card.owner !== '') {
    throw foreign(`${directory} belongs to server ${card.owner}, this one is ${owner}`)
  }
  await writeCard(disk, file, { ...card, owner })
}

async function readCard(disk: Disk, file: string): Promise<Card | undefined> {
  let text: string
  try {
    text = Buffer.from(await disk.readFile(file)).toString()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const card: unknown = JSON.parse(text)
    if (isCard(card)) return card
  } catch {
    // Not JSON: the same as JSON that says something else.
  }
  throw foreign(`${file} cannot be understood`)
}

function isCard(card: unknown): card is Card {
  if (typeof card !== 'object' || card === null) return false
  const { format, version, id, owner } = card as Record<string, unknown>
  return (
    typeof format === 'string' &&
    typeof version === 'number' &&
    typeof id === 'string' &&
    typeof owner === 'string'
  )
}

function writeCard(disk: Disk, file: string, card: Card): Promise<void> {
  return disk.writeFileAtomic(file, Buffer.from(`${JSON.stringify(card)}\n`))
}

function foreign(what: string): PetioleError {
  return new PetioleError(
    'PETIOLE_STORE_FOREIGN',
    `${what}; nothing was changed: give this server another store_dir, or move that one away`,
  )
}

export function unwritable(directory: string, error: unknown): unknown {
  if (error instanceof PetioleError) return error
  const advice =
    codeOf(error) === 'ENOSPC'
      ? 'free some space'
      : 'make it writable for this user, or set another store_dir'
  return new PetioleError(
    'PETIOLE_STORE_UNWRITABLE',
    `store directory ${directory} cannot be used (${messageOf(error)}): ${advice}`,
    { cause: error },
  )
}
