import type { Log } from '../log/index.ts'
import type { Cancel, Clock } from '../runtime/index.ts'
import { messageOf, PetioleError } from '../runtime/index.ts'
import type { Account, AccountBook, AccountListener } from './account-book.ts'
import { accountOfClaims } from './account-of-claims.ts'
import { type AccountClaims, accountProblems, decodeAccount, timeProblem } from './claims/index.ts'
import { FETCHES_MAX, UNKNOWN_ACCOUNTS_MAX, UNKNOWN_MS } from './limits.ts'
import { isPublicKey } from './nkey.ts'
import { type AccountResolver, MemoryResolver } from './resolver.ts'
import type { TrustedOperators } from './trusted-operators.ts'

export interface OperatorBookOptions {
  readonly operators: TrustedOperators
  readonly resolver: AccountResolver
  readonly clock: Clock
  readonly log: Log
  /** Accounts that are no JWT: `$G`, and `$SYS` when no id is given for it. */
  readonly plain: readonly Account[]
  readonly systemAccount: string
}

/**
 * Accounts that came as JWTs, each fetched when somebody first asks for it and kept. Nothing is kept
 * that a trusted operator did not sign. What nobody knows is remembered for a moment, and the number of
 * questions at a time is bounded, since whoever connects chooses the ids that are asked for.
 */
export class OperatorBook implements AccountBook {
  readonly systemAccount: string
  readonly #options: OperatorBookOptions
  readonly #accounts = new Map<string, Account>()
  readonly #listeners = new Set<AccountListener>()
  readonly #fetching = new Map<string, Promise<Account | undefined>>()
  /** Until when an account is believed to be unknown, or as expired as it was. */
  readonly #unknown = new Map<string, number>()
  readonly #expiries = new Map<string, Cancel>()
  readonly #withdrawn = new Set<string>()
  #operators: TrustedOperators
  #resolver: AccountResolver

  constructor(options: OperatorBookOptions) {
    this.#options = options
    this.systemAccount = options.systemAccount
    this.#operators = options.operators
    this.#resolver = options.resolver
    for (const account of options.plain) this.#accounts.set(account.name, account)
  }

  get resolver(): AccountResolver {
    return this.#resolver
  }

  get(name: string): Account | undefined {
    return this.#accounts.get(name)
  }

  accounts(): Iterable<Account> {
    return this.#accounts.values()
  }

  onChange(listener: AccountListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  fetch(name: string): Promise<Account | undefined> {
    const known = this.#accounts.get(name)
    const nowMs = this.#options.clock.wallMs()
    if (known !== undefined && !isExpired(known, nowMs)) return Promise.resolve(known)
    if (!isPublicKey(name, 'A') || this.#isUnknown(name)) return NOBODY
    const running = this.#fetching.get(name)
    if (running !== undefined) return running
    if (this.#fetching.size >= FETCHES_MAX) return NOBODY
    const fetching = this.#fetch(name).finally(() => this.#fetching.delete(name))
    this.#fetching.set(name, fetching)
    return fetching
  }

  /** Whether the JWT is one that a trusted operator signed; throws PETIOLE_TOKEN_INVALID, PETIOLE_ACCOUNT_INVALID. */
  verify(jwt: string, id: string): AccountClaims {
    const claims = decodeAccount(jwt)
    if (claims.subject !== id) throw refused('subject does not match jwt content')
    if (!this.#operators.keys.has(claims.issuer)) throw refused('account jwt not trusted')
    const time = timeProblem(claims, this.#options.clock.wallMs())
    const [problem] = time === '' ? accountProblems(claims) : [time]
    if (problem !== undefined) throw refused(problem)
    return claims
  }

  /** Takes a JWT for the account, as `verify` allows, and tells whom it concerns. */
  apply(jwt: string, id: string): Account {
    const before = this.#accounts.get(id)
    if (before?.jwt === jwt) return before
    return this.#take(this.verify(jwt, id), before)
  }

  /** There is news of an account: whether anybody knows it is asked anew. */
  heardOf(id: string): void {
    this.#unknown.delete(id)
  }

  /** The account was deleted: nobody may use it any more. */
  remove(id: string): void {
    const before = this.#accounts.get(id)
    if (before === undefined) return
    this.#accounts.delete(id)
    this.#expiries.get(id)?.()
    this.#expiries.delete(id)
    this.#tell(undefined, before)
  }

  /**
   * After a reload: what the operators no longer vouch for goes, and what the file had and has no more, as in
   * nats-server (server/reload.go, `reloadAuthorization`). What a resolver has to look for comes with `refresh`.
   */
  async reconfigure(operators: TrustedOperators, resolver: AccountResolver): Promise<void> {
    if (resolver !== this.#resolver) this.#resolver.close()
    const before = this.#operators
    this.#operators = operators
    this.#resolver = resolver
    this.#unknown.clear()
    this.#withdrawn.clear()
    for (const [name, account] of [...this.#accounts]) {
      if (account.claims === undefined) continue
      const { issuer } = account.claims
      if (!operators.keys.has(issuer)) {
        this.#withdraw(name)
        continue
      }
      // Who may sign for an account is its operator's to say as well: the same JWT can mean another thing now.
      const isStrict = operators.requiresSigningKeys(issuer)
      if (isStrict !== before.requiresSigningKeys(issuer)) this.#take(account.claims, account)
    }
    if (resolver instanceof MemoryResolver) await this.refresh()
  }

  /**
   * Asks the resolver for all accounts anew, several at a time: it may ask other servers for each, which takes as
   * long as they take to say nothing. Another reload meanwhile goes on in its place.
   */
  async refresh(): Promise<void> {
    const resolver = this.#resolver
    const names = [...this.#accounts].flatMap(([name, { claims }]) => (claims ? [name] : []))
    const next = names.values()
    const work = async (): Promise<void> => {
      for (const name of next) {
        if (resolver !== this.#resolver) return
        await this.#refresh(name, resolver)
      }
    }
    await Promise.all(Array.from({ length: Math.min(FETCHES_MAX, names.length) }, work))
  }

  async #refresh(name: string, resolver: AccountResolver): Promise<void> {
    if (!this.#accounts.has(name)) return
    const isKnown = (await this.#fetch(name)) !== undefined
    const isGone = !isKnown && resolver instanceof MemoryResolver && name !== this.systemAccount
    if (isGone) this.#withdraw(name)
  }

  /** The last reload took the account away: the file has it no more, or trusts who signed it no more. */
  isWithdrawn(name: string): boolean {
    return this.#withdrawn.has(name)
  }

  close(): void {
    for (const cancel of this.#expiries.values()) cancel()
    this.#expiries.clear()
    this.#resolver.close()
  }

  #take(claims: AccountClaims, before: Account | undefined): Account {
    const { clock } = this.#options
    const { subject: id } = claims
    const account = accountOfClaims(claims, {
      isSystem: id === this.systemAccount,
      requiresSigningKeys: this.#operators.requiresSigningKeys(claims.issuer),
      nowMs: clock.wallMs(),
    })
    this.#accounts.set(id, account)
    this.#unknown.delete(id)
    this.#withdrawn.delete(id)
    this.#expectExpiry(account)
    this.#tell(account, before)
    return account
  }

  async #fetch(name: string): Promise<Account | undefined> {
    const { log } = this.#options
    try {
      const jwt = await this.#resolver.fetch(name)
      if (jwt !== undefined) {
        const account = this.apply(jwt, name)
        await this.#keep(name, jwt)
        if (!isExpired(account, this.#options.clock.wallMs())) return account
      }
    } catch (error) {
      log.warn({ account: name, reason: messageOf(error) }, 'account could not be taken')
    }
    this.#rememberUnknown(name)
    return undefined
  }

  /** An account that is trusted serves, also where it cannot be written down. */
  async #keep(account: string, jwt: string): Promise<void> {
    try {
      await this.#resolver.keep?.(account, jwt)
    } catch (error) {
      this.#options.log.warn({ account, reason: messageOf(error) }, 'account could not be kept')
    }
  }

  #withdraw(name: string): void {
    this.#withdrawn.add(name)
    this.remove(name)
  }

  #isUnknown(name: string): boolean {
    return (this.#unknown.get(name) ?? 0) > this.#options.clock.monotonicMs()
  }

  #rememberUnknown(name: string): void {
    this.#unknown.delete(name)
    this.#unknown.set(name, this.#options.clock.monotonicMs() + UNKNOWN_MS)
    const [oldest] = this.#unknown.keys()
    if (this.#unknown.size > UNKNOWN_ACCOUNTS_MAX && oldest !== undefined) {
      this.#unknown.delete(oldest)
    }
  }

  #expectExpiry(account: Account): void {
    const { clock } = this.#options
    const { expiresMs, name } = account
    this.#expiries.get(name)?.()
    this.#expiries.delete(name)
    if (expiresMs === undefined) return
    const cancel = clock.after(expiresMs - clock.wallMs(), () => {
      // A timer may come a moment early, and the wall clock may have been put back: not yet, then.
      if (!isExpired(account, clock.wallMs())) return this.#expectExpiry(account)
      this.#expiries.delete(name)
      this.#tell(account, account)
    })
    this.#expiries.set(name, cancel)
  }

  #tell(after: Account | undefined, before: Account | undefined): void {
    for (const listener of this.#listeners) listener(after, before)
  }
}

export function isExpired(account: Account, nowMs: number): boolean {
  return account.expiresMs !== undefined && account.expiresMs <= nowMs
}

const NOBODY: Promise<undefined> = Promise.resolve(undefined)

function refused(problem: string): PetioleError {
  return new PetioleError('PETIOLE_ACCOUNT_INVALID', problem)
}
