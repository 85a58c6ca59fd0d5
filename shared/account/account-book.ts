import type { AccountConfig } from '../config/index.ts'
import type { AccountClaims, SignerClaims } from './claims/index.ts'

/** One account as it stands now: from the file, or from its JWT. Replaced as a whole when it changes. */
export interface Account {
  /** In operator mode the account's id. */
  readonly name: string
  /** What the account is called; the same as `name` without an operator. */
  readonly displayName: string
  readonly config: AccountConfig
  readonly isSystem: boolean
  /** '' without an operator. */
  readonly jwt: string
  readonly issuerKey: string
  readonly tags: readonly string[]
  readonly updatedMs: number
  readonly expiresMs: number | undefined
  /** Of an account that came as a JWT. */
  readonly claims?: AccountClaims
  /** Keys that may sign in its name, with the templates of the scoped ones. */
  readonly signers?: ReadonlyMap<string, SignerClaims>
}

/** All accounts that this server knows of. */
export interface AccountBook {
  /** '' when there is none. */
  readonly systemAccount: string
  /** What is known without asking anybody. */
  get(name: string): Account | undefined
  /** Asks the resolver for what is not known, or is out of date; undefined: nobody knows it. */
  fetch(name: string): Promise<Account | undefined>
  accounts(): Iterable<Account>
  /**
   * Called after an account has come, changed (`before` is what it was), expired (both are the same) or
   * gone (`after` undefined).
   */
  onChange(listener: AccountListener): () => void
}

export type AccountListener = (after: Account | undefined, before: Account | undefined) => void
