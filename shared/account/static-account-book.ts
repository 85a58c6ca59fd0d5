import { isDeepStrictEqual } from 'node:util'
import type { AccountConfig } from '../config/index.ts'
import type { Account, AccountBook, AccountListener } from './account-book.ts'

/** The accounts of a file: all known from the start, changed by a reload only. */
export class StaticAccountBook implements AccountBook {
  readonly #accounts = new Map<string, Account>()
  readonly #listeners = new Set<AccountListener>()
  #systemAccount = ''

  constructor(accounts: readonly AccountConfig[], systemAccount: string, nowMs = 0) {
    this.update(accounts, systemAccount, nowMs)
  }

  get systemAccount(): string {
    return this.#systemAccount
  }

  get(name: string): Account | undefined {
    return this.#accounts.get(name)
  }

  fetch(name: string): Promise<Account | undefined> {
    return Promise.resolve(this.#accounts.get(name))
  }

  accounts(): Iterable<Account> {
    return this.#accounts.values()
  }

  onChange(listener: AccountListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What is equal to what it was stays the same object, and nobody is told of it. */
  update(configs: readonly AccountConfig[], systemAccount: string, nowMs: number): void {
    this.#systemAccount = systemAccount
    const names = new Set(configs.map(({ name }) => name))
    for (const account of [...this.#accounts.values()]) {
      if (names.has(account.name)) continue
      this.#accounts.delete(account.name)
      this.#tell(undefined, account)
    }
    for (const config of configs) {
      const before = this.#accounts.get(config.name)
      const after = plainAccount(config, config.name === systemAccount, nowMs)
      if (before?.isSystem === after.isSystem && isDeepStrictEqual(before.config, config)) continue
      this.#accounts.set(config.name, after)
      this.#tell(after, before)
    }
  }

  #tell(after: Account | undefined, before: Account | undefined): void {
    for (const listener of this.#listeners) listener(after, before)
  }
}

/** An account of the file. */
export function plainAccount(config: AccountConfig, isSystem: boolean, nowMs: number): Account {
  return {
    name: config.name,
    displayName: config.name,
    config,
    isSystem,
    jwt: '',
    issuerKey: '',
    tags: [],
    updatedMs: nowMs,
    expiresMs: undefined,
  }
}
