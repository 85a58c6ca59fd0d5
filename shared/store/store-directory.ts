/** Takes a store directory into possession: writable, locked, of this format and this owner. */
import * as path from 'node:path'
import type { Log } from '../log/index.ts'
import { codeOf, type Disk, messageOf, PetioleError, type Random } from '../runtime/index.ts'
import { RESERVE_FILE } from './reserve-file.ts'
import { CARD_COPY_FILE, CARD_FILE, type Card, readCards, writeCard } from './store-card.ts'

export const FORMAT = 'petiole-store'
export const VERSION = 1
const ID_BYTES = 16

export const JOURNAL_GONE =
  'is gone with all that was in it: stop the server and bring it back from a backup of the directory'

/** Whether a server had a journal in a directory with these names: the reserve is made behind it. */
export function isJournalGone(names: readonly string[]): boolean {
  return names.includes(RESERVE_FILE) && !names.includes('journal')
}

export interface ClaimOptions {
  readonly disk: Disk
  readonly random: Random
  readonly directory: string
  readonly journalDirectory: string
  readonly owner: string
  readonly log: Log
}

export interface Claim {
  /** Releases the lock. */
  readonly unlock: () => Promise<void>
  /** How many cards were damaged, and were written again. */
  readonly mendedFiles: number
}

/** A full disk is no reason not to start: the reserve file gives way. */
export async function claimDirectory(options: ClaimOptions): Promise<Claim> {
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

async function claim(options: ClaimOptions): Promise<Claim> {
  const { disk, directory, journalDirectory } = options
  let unlock: () => Promise<void>
  try {
    await disk.makeDirectory(directory)
    unlock = await disk.lock(path.join(directory, 'lock'))
  } catch (error) {
    throw unwritable(directory, error)
  }
  try {
    const mendedFiles = await checkCard(options)
    await disk.makeDirectory(journalDirectory)
    await disk.syncDirectory(directory)
    return { unlock, mendedFiles }
  } catch (error) {
    await unlock()
    throw unwritable(directory, error)
  }
}

/** How many of them were damaged. */
async function checkCard(options: ClaimOptions): Promise<number> {
  const { disk, random, directory, owner, log } = options
  const file = path.join(directory, CARD_FILE)
  const { card, isAbsent, stale, damaged } = await readCards(disk, directory)
  if (card === undefined) {
    if (!isAbsent) throw foreign(`${file} cannot be understood`)
    if ((await disk.list(directory)).includes('journal')) {
      throw foreign(`${directory} has a journal but no store.json`)
    }
    const id = Buffer.from(random.bytes(ID_BYTES)).toString('hex')
    const made = { format: FORMAT, version: VERSION, id, owner }
    await writeCards(options, [CARD_FILE, CARD_COPY_FILE], made)
    return 0
  }
  if (card.format !== FORMAT) throw foreign(`${file} is not a petiole store's`)
  if (card.version > VERSION) {
    throw foreign(
      `${file} has version ${card.version}, this program knows ${VERSION}: update petiole`,
    )
  }
  if (owner !== '' && card.owner !== '' && card.owner !== owner) {
    throw foreign(`${directory} belongs to server ${card.owner}, this one is ${owner}`)
  }
  if (isJournalGone(await disk.list(directory))) log.error({ directory }, `journal ${JOURNAL_GONE}`)
  if (damaged.length > 0) log.error({ files: damaged }, 'damaged store card written again')
  const isOurs = owner === '' || card.owner === owner
  if (isOurs) await writeCards(options, stale, card)
  else await writeCards(options, [CARD_FILE, CARD_COPY_FILE], { ...card, owner })
  return damaged.length
}

async function writeCards(
  { disk, directory }: ClaimOptions,
  files: readonly string[],
  card: Card,
): Promise<void> {
  for (const file of files) await writeCard(disk, directory, file, card)
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
