import type { Committed, StateTable } from '../../shared/store/index.ts'
import {
  BUFFERS_PER_LEAF_MAX,
  INCARNATIONS_MAX,
  type LedgerEntry,
  lostOf,
} from '../../shared/sync/index.ts'

/**
 * All the hub's ledger entries, in memory and in the store's marks, one per (leaf, buffer,
 * incarnation). Each lies there twice: when its newest record is damaged an older one shows, and by that the
 * leaf would send again what is here. Of two that differ the one of the higher watermark holds.
 *
 * An account has two states: `committed`, which is on disk with its records, and `staged`, which
 * is appended and waits for its commit. Batches are decided by the staged one, so that they need not
 * wait for each other's commits; only the committed one is ever told to a leaf. When a commit fails,
 * what was staged falls back to what is committed.
 *
 * An incarnation that was only announced is kept in memory, one per buffer, until its first batch is
 * written with it. The oldest of too many goes with that commit, and its figures into the new one's.
 */

const KEY_PREFIX = 'sync:'
const COPY_PREFIX = 'sync-copy:'
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
  earlier: EarlierCounts
  /** Written and perhaps not committed yet; false for one that was only announced. */
  isWritten: boolean
  isOnDisk: boolean
  /** Those that are gone once its first commit is done. */
  replaces: readonly LedgerAccount[]
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
  /** How many accounts there are of each history. */
  readonly #histories = new Map<string, number>()
  /** By leaf: the accounts that are not on disk, oldest first. */
  readonly #announced = new Map<string, Set<LedgerAccount>>()
  readonly #released = new Map<string, ReleasedLeaf>()

  constructor(marks: StateTable) {
    this.#marks = marks
    const newest = new Map<string, LedgerAccount>()
    for (const [key, value] of marks.entries()) {
      const prefix = [KEY_PREFIX, COPY_PREFIX].find((one) => key.startsWith(one))
      if (prefix !== undefined) {
        const account = decodeAccount(key.slice(prefix.length), value)
        const other = newest.get(keyOf(account))
        const isOlder =
          other !== undefined && other.committed.watermark >= account.committed.watermark
        if (!isOlder) newest.set(keyOf(account), account)
      }
      if (!key.startsWith(RELEASED_PREFIX)) continue
      const released = JSON.parse(Buffer.from(value).toString()) as ReleasedLeaf
      this.#released.set(key.slice(RELEASED_PREFIX.length), released)
    }
    for (const account of newest.values()) this.#insert(account)
  }

  find(leaf: string, buffer: string, incarnation: string): LedgerAccount | undefined {
    const siblings = this.incarnations(leaf, buffer)
    const account = siblings.find((it) => it.incarnation === incarnation)
    return account === undefined || isLeaving(account, siblings) ? undefined : account
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

  /** Lets the figures of a leaf start anew, and keeps what exactly once depends on. Rejects when it could not be written. */
  release(leaf: string): Promise<void> {
    const released: Record<string, ReleasedBuffer> = {}
    for (const buffer of this.buffersOf(leaf)) {
      const accounts = this.incarnations(leaf, buffer)
      const watermarks = accounts.map((it) => [it.incarnation, it.committed.watermark] as const)
      released[buffer] = { ...sumOf(accounts), watermarks: Object.fromEntries(watermarks) }
    }
    return new Promise((resolve, reject) => {
      this.#marks.set(RELEASED_PREFIX + leaf, Buffer.from(JSON.stringify(released)), (error) => {
        if (error !== undefined) return reject(error)
        this.#released.set(leaf, released)
        resolve()
      })
    })
  }

  get leaves(): readonly string[] {
    return [...this.#leaves.keys()]
  }

  /**
   * Makes room for a new incarnation that a leaf has announced. It is in memory only until its first
   * batch is stored with it: nothing is lost if the hub forgets an announcement.
   */
  open(leaf: string, buffer: string, incarnation: string, entry: LedgerEntry): LedgerAccount {
    const siblings = this.incarnations(leaf, buffer)
    const known = siblings.find((it) => it.incarnation === incarnation)
    if (known !== undefined) return known
    for (const it of siblings.filter((other) => !other.isWritten)) this.#drop(it)
    this.#forgetAnnounced(leaf)
    const account: LedgerAccount = {
      leaf,
      buffer,
      incarnation,
      generation: (siblings.at(-1)?.generation ?? 0) + 1,
      earlier: NOTHING_EARLIER,
      ...{ isWritten: false, isOnDisk: false, replaces: [] },
      committed: entry,
      staged: entry,
      rollbacks: 0,
    }
    this.#insert(account)
    const announced = this.#announced.get(leaf) ?? new Set()
    this.#announced.set(leaf, announced.add(account))
    return account
  }

  /** Writes the staged entry; to be called inside the transaction that appends its records. */
  write(account: LedgerAccount, entry: LedgerEntry, committed?: Committed): void {
    const replaces = account.isWritten ? account.replaces : this.#tooMany(account)
    // What waits for its commit on them is committed before this is, or this is not.
    const counts = replaces.map((it) => ({ earlier: it.earlier, committed: it.staged }))
    const earlier = sumOf(counts, account.earlier)
    const value = encodeAccount({ generation: account.generation, earlier }, entry)
    this.#marks.set(COPY_PREFIX + keyOf(account), value)
    this.#marks.set(KEY_PREFIX + keyOf(account), value, (error, seq) => {
      if (error === undefined) this.#written(account, earlier)
      else if (!account.isOnDisk) Object.assign(account, { isWritten: false, replaces: [] })
      committed?.(error, seq)
    })
    for (const it of replaces) {
      this.#marks.remove(COPY_PREFIX + keyOf(it))
      this.#marks.remove(KEY_PREFIX + keyOf(it))
    }
    Object.assign(account, { isWritten: true, replaces })
  }

  /** The oldest ones that must go when this one is written for the first time. */
  #tooMany(account: LedgerAccount): LedgerAccount[] {
    const siblings = this.incarnations(account.leaf, account.buffer)
    const others = siblings.filter(
      (it) => it !== account && it.isWritten && !isLeaving(it, siblings),
    )
    return others.slice(0, Math.max(0, others.length + 1 - INCARNATIONS_MAX))
  }

  #written(account: LedgerAccount, earlier: EarlierCounts): void {
    account.isOnDisk = true
    this.#forget(account)
    if (account.replaces.length === 0) return
    for (const it of account.replaces) this.#drop(it)
    account.earlier = earlier
    account.replaces = []
  }

  /** Makes room for one more announcement of this leaf. */
  #forgetAnnounced(leaf: string): void {
    const announced = this.#announced.get(leaf) ?? []
    for (const it of [...announced].slice(0, -(BUFFERS_PER_LEAF_MAX - 1))) {
      if (!it.isWritten) this.#drop(it)
    }
  }

  #drop(account: LedgerAccount): void {
    const siblings = this.#leaves.get(account.leaf)?.get(account.buffer)
    const at = siblings?.indexOf(account) ?? -1
    if (at < 0) return
    siblings?.splice(at, 1)
    if (siblings?.length === 0) this.#leaves.get(account.leaf)?.delete(account.buffer)
    const history = historyOf(account.buffer, account.incarnation)
    const others = (this.#histories.get(history) ?? 0) - 1
    if (others > 0) this.#histories.set(history, others)
    else this.#histories.delete(history)
    this.#forget(account)
  }

  #forget(account: LedgerAccount): void {
    const announced = this.#announced.get(account.leaf)
    announced?.delete(account)
    if (announced?.size === 0) this.#announced.delete(account.leaf)
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
    const history = historyOf(account.buffer, account.incarnation)
    this.#histories.set(history, (this.#histories.get(history) ?? 0) + 1)
    accounts.sort((a, b) => a.generation - b.generation)
  }
}

/** Its place is taken by a newer one whose commit is under way. */
function isLeaving(account: LedgerAccount, siblings: readonly LedgerAccount[]): boolean {
  return siblings.some(({ replaces }) => replaces.includes(account))
}

function sumOf(
  accounts: readonly Pick<LedgerAccount, 'earlier' | 'committed'>[],
  start = NOTHING_EARLIER,
): EarlierCounts {
  const sum = { ...start }
  for (const { committed, earlier } of accounts) {
    sum.evicted += earlier.evicted + committed.evicted + committed.removed
    sum.duplicates += earlier.duplicates + committed.duplicates
    sum.lost += earlier.lost + lostOf(committed)
  }
  return sum
}

function historyOf(buffer: string, incarnation: string): string {
  return `${buffer}\n${incarnation}`
}

function keyOf({ leaf, buffer, incarnation }: LedgerAccount): string {
  return JSON.stringify([leaf, buffer, incarnation])
}

function encodeAccount(
  { generation, earlier }: Pick<LedgerAccount, 'generation' | 'earlier'>,
  entry: LedgerEntry,
): Buffer {
  return Buffer.from(JSON.stringify({ generation, earlier, entry }))
}

function decodeAccount(key: string, value: Uint8Array): LedgerAccount {
  const [leaf, buffer, incarnation] = JSON.parse(key) as [string, string, string]
  const { generation, earlier, entry } = JSON.parse(Buffer.from(value).toString()) as {
    generation: number
    earlier: EarlierCounts
    entry: LedgerEntry
  }
  return {
    ...{ leaf, buffer, incarnation, generation, earlier },
    ...{ isWritten: true, isOnDisk: true, replaces: [] },
    ...{ committed: entry, staged: entry, rollbacks: 0 },
  }
}
