/**
 * `store.json`, the card of a store directory: format, version, id, and the server it belongs to. It
 * lies there twice, each with a checksum of its own, because without it nothing of the store is opened.
 */
import * as path from 'node:path'
import { codeOf, type Disk } from '../runtime/index.ts'
import { crc32 } from './crc.ts'
import { readFileAround } from './read-around.ts'

export const CARD_FILE = 'store.json'
export const CARD_COPY_FILE = 'store.json.copy'

export interface Card {
  readonly format: string
  readonly version: number
  readonly id: string
  readonly owner: string
}

export interface Cards {
  /** What counts; undefined when none can be understood, or none is there. */
  readonly card: Card | undefined
  readonly isAbsent: boolean
  /** Which of the two files must be written again: damaged, absent, older than the other, or without a checksum. */
  readonly stale: readonly string[]
  readonly damaged: readonly string[]
}

interface Reading {
  readonly file: string
  readonly card: Card | undefined
  readonly state: 'absent' | 'damaged' | 'unproven' | 'intact'
}

export async function readCards(disk: Disk, directory: string): Promise<Cards> {
  const readings = [
    await readCard(disk, directory, CARD_FILE),
    await readCard(disk, directory, CARD_COPY_FILE),
  ]
  // A card of an earlier version has no checksum. Damage may make a new one look like that: the copy tells.
  const chosen =
    readings.find(({ state }) => state === 'intact') ??
    readings.find(({ state }) => state === 'unproven')
  const card = chosen?.card
  const text = card === undefined ? '' : textOf(card)
  const isSame = (one: Reading): boolean =>
    one.state === 'intact' && one.card !== undefined && textOf(one.card) === text
  const isDamaged = (one: Reading): boolean =>
    one.state === 'damaged' || (one.state === 'unproven' && chosen?.state === 'intact')
  return {
    card,
    isAbsent: readings.every(({ state }) => state === 'absent'),
    stale: readings.filter((one) => !isSame(one)).map(({ file }) => file),
    damaged: readings.filter(isDamaged).map(({ file }) => file),
  }
}

export function writeCard(disk: Disk, directory: string, file: string, card: Card): Promise<void> {
  const text = textOf(card)
  const checked = { ...(JSON.parse(text) as Card), crc: crcOf(text) }
  return disk.writeFileAtomic(
    path.join(directory, file),
    Buffer.from(`${JSON.stringify(checked)}\n`),
  )
}

async function readCard(disk: Disk, directory: string, file: string): Promise<Reading> {
  let text: string
  try {
    text = Buffer.from((await readFileAround(disk, path.join(directory, file))).bytes).toString()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { file, card: undefined, state: 'absent' }
    throw error
  }
  try {
    const card: unknown = JSON.parse(text)
    if (isCard(card)) return { file, card, state: stateOf(card) }
  } catch {
    // Not JSON: the same as JSON that says something else.
  }
  return { file, card: undefined, state: 'damaged' }
}

function stateOf(card: Card & { readonly crc?: unknown }): Reading['state'] {
  if (card.crc === undefined) return 'unproven'
  return card.crc === crcOf(textOf(card)) ? 'intact' : 'damaged'
}

function textOf({ format, version, id, owner }: Card): string {
  return JSON.stringify({ format, version, id, owner })
}

function crcOf(text: string): string {
  const bytes = Buffer.from(text)
  return crc32(bytes, 0, bytes.length, 0).toString(16).padStart(8, '0')
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
