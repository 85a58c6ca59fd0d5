import { invariant } from '../../shared/runtime/index.ts'
import type { Committed, StateTable } from '../../shared/store/index.ts'
import { INCARNATIONS_MAX, type LedgerEntry, lostOf } from '../../shared/sync/index.ts'

/**
 * All the hub's ledger entries, in memory and in the store's marks, one per (leaf, buffer,
 * incarnation).
 *
 * An account has two states: `committed`, which is on disk with its records, and `staged`, which
 * is appended and waits for its commit. Batches are decided by the staged one, so that they need not
 * wait for each other's commits; only the committed one is ever told to a leaf. When a commit fails,
 * what was staged falls back to what is committed.
 */

const KEY_PREFIX = 'sync:'
const RELEASED_PREFIX = 'sync-released:'

/** What became of the records of incarnations that are no longer kept. */
export interface EarlierCounts {
  readonly evicted: number
  readonly duplicates: number
  readonly lost: number
}

export interface LedgerAccount {
  readonly leaf: string
  readonly buffer: string
  readonly incarnation: string
  /** Orders the incarnations of a buffer: the newest has the highest. */
  readonly generation: number
  readonly earlier: EarlierCounts
  committed: LedgerEntry
  staged: LedgerEntry
  /** Counts the times that what was staged fell back, so that it falls back once per failure. */
  rollbacks: number
}

/** A buffer's figures over all its incarnations, as far as they are committed. */
export interface BufferTotals {
  readonly account: LedgerAccount
  readonly evicted: number
  readonly duplicates: number
  readonly lost: number
}

/**
 * What the figures of a released leaf's buffer were. The accounts themselves stay: a leaf that comes
 * back must find its watermarks, or it would send again what is here. Only what is shown starts anew.
 */
interface ReleasedBuffer extends EarlierCounts {
  /** By incarnation: an account that has not moved since belongs to the past. */
  readonly watermarks: Readonly<Record<string, number>>
}

type ReleasedLeaf = Readonly<Record<string, ReleasedBuffer>>

const NOTHING_EARLIER: EarlierCounts = { evicted: 0, duplicates: 0, lost: 0 }

export class LedgerBook {
  readonly #marks: StateTable
  /** By leaf, then by buffer: the incarnations, oldest first. */
  readonly #leaves = new Map<string, Map<string, LedgerAccount[]>>()
  readonly #histories = new Set<string>()
  readonly #released = new Map<string, ReleasedLeaf>()

  constructor(marks: StateTable) {
    this.#marks = marks
    for (const [key, value] of marks.entries()) {
      if (key.startsWith(KEY_PREFIX)) this.#insert(decodeAccount(key, value))
      if (!key.startsWith(RELEASED_PREFIX)) continue
      const released = JSON.parse(Buffer.from(value).toString()) as ReleasedLeaf
      this.#released.set(key.slice(RELEASED_PREFIX.length), released)
    }
  }

  find(leaf: string, buffer: string, incarnation: string): LedgerAccount | undefined {
    return this.incarnations(leaf, buffer).find((account) => account.incarnation === incarnation)
  }

  /** Whether some leaf, under whatever name, has this history: it was renamed, or its disk copied. */
  knowsHistory(buffer: string, incarnation: string): boolean {
    return this.#histories.has(historyOf(buffer, incarnation))
  }

  /** Oldest first. */
  incarnations(leaf: string, buffer: string): readonly LedgerAccount[] {
    return this.#leaves.get(leaf)?.get(buffer) ?? []
  }

  buffersOf(leaf: string): readonly string[] {
    return [...(this.#leaves.get(leaf)?.keys() ?? [])]
  }

  /** Those of them that are not of a time before the leaf's name was given free. */
  shownBuffersOf(leaf: string): readonly string[] {
    return this.buffersOf(leaf).filter((buffer) => {
      const watermarks = this.#released.get(leaf)?.[buffer]?.watermarks ?? {}
      return this.incarnations(leaf, buffer).some(
        ({ incarnation, committed }) => watermarks[incarnation] !== committed.watermark,
      )
    })
  }

  /** Lets the figures of a leaf start anew, and keeps what exactly once depends on. Throws as the store does. */
  release(leaf: string): void {
    const released: Record<string, ReleasedBuffer> = {}
    for (const buffer of this.buffersOf(leaf)) {
      const accounts = this.incarnations(leaf, buffer)
      const watermarks = accounts.map((it) => [it.incarnation, it.committed.watermark] as const)
      released[buffer] = { ...sumOf(accounts), watermarks: Object.fromEntries(watermarks) }
    }
    this.#marks.set(RELEASED_PREFIX + leaf, Buffer.from(JSON.stringify(released)))
    this.#released.set(leaf, released)
  }

  get leaves(): readonly string[] {
    return [...this.#leaves.keys()]
  }

  /**
   * Makes room for a new incarnation that a leaf has announced. It is in memory only until its first
   * batch is stored with it: nothing is lost if the hub forgets an announcement.
   */
  open(leaf: string, buffer: string, incarnation: string, entry: LedgerEntry): LedgerAccount {
    const known = this.find(leaf, buffer, incarnation)
    if (known !== undefined) return known
    const siblings = this.incarnations(leaf, buffer)
    const account: LedgerAccount = {
      leaf,
      buffer,
      incarnation,
      generation: (siblings.at(-1)?.generation ?? 0) + 1,
      earlier: siblings.length < INCARNATIONS_MAX ? NOTHING_EARLIER : countsOf(siblings[0]),
      committed: entry,
      staged: entry,
      rollbacks: 0,
    }
    this.#insert(account)
    return account
  }

  /** Writes the staged entry; to be called inside the transaction that appends its records. */
  write(account: LedgerAccount, entry: LedgerEntry, committed?: Committed): void {
    this.#marks.set(keyOf(account), encodeAccount(account, entry), committed)
    const siblings = this.#leaves.get(account.leaf)?.get(account.buffer) ?? []
    while (siblings.length > INCARNATIONS_MAX) {
      const oldest = siblings.shift()
      invariant(oldest !== undefined && oldest !== account, 'the oldest incarnation goes first')
      this.#marks.remove(keyOf(oldest))
      this.#histories.delete(historyOf(oldest.buffer, oldest.incarnation))
    }
  }

  totals(leaf: string, buffer: string): BufferTotals | undefined {
    const incarnations = this.incarnations(leaf, buffer)
    const account = incarnations.at(-1)
    if (account === undefined) return undefined
    const sum = sumOf(incarnations)
    const past = this.#released.get(leaf)?.[buffer] ?? NOTHING_EARLIER
    return {
      account,
      evicted: sum.evicted - past.evicted,
      // Repeats are counted in memory between commits, so a restart may know of fewer.
      duplicates: Math.max(0, sum.duplicates - past.duplicates),
      lost: sum.lost - past.lost,
    }
  }

  #insert(account: LedgerAccount): void {
    const buffers = this.#leaves.get(account.leaf) ?? new Map<string, LedgerAccount[]>()
    this.#leaves.set(account.leaf, buffers)
    const accounts = buffers.get(account.buffer) ?? []
    buffers.set(account.buffer, accounts)
    accounts.push(account)
    this.#histories.add(historyOf(account.buffer, account.incarnation))
    accounts.sort((a, b) => a.generation - b.generation)
  }
}

function countsOf(account: LedgerAccount | undefined): EarlierCounts {
  if (account === undefined) return NOTHING_EARLIER
  const { committed, earlier } = account
  return {
    evicted: earlier.evicted + committed.evicted + committed.removed,
    duplicates: earlier.duplicates + committed.duplicates,
    lost: earlier.lost + lostOf(committed),
  }
}

function sumOf(accounts: readonly LedgerAccount[]): EarlierCounts {
  const sum = { evicted: 0, duplicates: 0, lost: 0 }
  for (const account of accounts) {
    const counts = countsOf(account)
    sum.evicted += counts.evicted
    sum.duplicates += counts.duplicates
    sum.lost += counts.lost
  }
  return sum
}

function historyOf(buffer: string, incarnation: string): string {
  return `${buffer}\n${incarnation}`
}

function keyOf({ leaf, buffer, incarnation }: LedgerAccount): string {
  return KEY_PREFIX + JSON.stringify([leaf, buffer, incarnation])
}

function encodeAccount({ generation, earlier }: LedgerAccount, entry: LedgerEntry): Buffer {
  return Buffer.from(JSON.stringify({ generation, earlier, entry }))
}

function decodeAccount(key: string, value: Uint8Array): LedgerAccount {
  const [leaf, buffer, incarnation] = JSON.parse(key.slice(KEY_PREFIX.length)) as [
    string,
    string,
    string,
  ]
  const { generation, earlier, entry } = JSON.parse(Buffer.from(value).toString()) as {
    generation: number
    earlier: EarlierCounts
    entry: LedgerEntry
  }
  return {
    ...{ leaf, buffer, incarnation, generation, earlier },
    ...{ committed: entry, staged: entry, rollbacks: 0 },
  }
}
