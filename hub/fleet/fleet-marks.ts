import type { Committed, StateTable } from '../../shared/store/index.ts'

/**
 * The fleet's marks in the store, apart for each account. Those of the default account have no prefix, as
 * they had none before there were others:
 *
 *     fleet:press-7                               the default account's
 *     account:"A"fleet:press-7                    the account A's; its name as JSON, which says where it ends
 *
 * Which keys an account has is remembered, so that to open one costs nothing for all the others.
 */

const PREFIX = 'account:'
const NAMED = /^account:("(?:[^"\\]|\\.)*")/

export class FleetMarks {
  readonly #marks: StateTable
  readonly #keys = new Map<string, Set<string>>()

  constructor(marks: StateTable) {
    this.#marks = marks
    for (const [key] of marks.entries()) {
      const name = key.startsWith(PREFIX) ? NAMED.exec(key)?.[1] : undefined
      if (name !== undefined) this.#keysOf(JSON.parse(name) as string).add(key)
    }
  }

  /** The accounts, besides the default one, of which something is kept. */
  get owners(): readonly string[] {
    return [...this.#keys.keys()].filter((account) => this.has(account))
  }

  has(account: string): boolean {
    return (this.#keys.get(account)?.size ?? 0) > 0
  }

  /** Those of the default account: others' begin as none of its own do. */
  get default(): StateTable {
    return this.#marks
  }

  of(account: string): StateTable {
    return new AccountMarks(this.#marks, PREFIX + JSON.stringify(account), this.#keysOf(account))
  }

  #keysOf(account: string): Set<string> {
    const known = this.#keys.get(account) ?? new Set()
    this.#keys.set(account, known)
    return known
  }
}

class AccountMarks implements StateTable {
  readonly #marks: StateTable
  readonly #prefix: string
  /** With the prefix. One whose first commit has failed may be among them: it has no value then. */
  readonly #keys: Set<string>

  constructor(marks: StateTable, prefix: string, keys: Set<string>) {
    this.#marks = marks
    this.#prefix = prefix
    this.#keys = keys
  }

  get(key: string): Uint8Array | undefined {
    return this.#marks.get(this.#prefix + key)
  }

  set(key: string, value: Uint8Array, committed?: Committed): void {
    const full = this.#prefix + key
    this.#marks.set(full, value, committed)
    this.#keys.add(full)
  }

  remove(key: string, committed?: Committed): void {
    const full = this.#prefix + key
    this.#marks.remove(full, (error, seq) => {
      if (error === undefined && this.#marks.get(full) === undefined) this.#keys.delete(full)
      committed?.(error, seq)
    })
  }

  *entries(): IterableIterator<[string, Uint8Array]> {
    for (const full of this.#keys) {
      const value = this.#marks.get(full)
      if (value !== undefined) yield [full.slice(this.#prefix.length), value]
    }
  }
}
