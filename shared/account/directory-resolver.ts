import type { ResolverConfig } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import { type Cancel, type Clock, every, messageOf } from '../runtime/index.ts'
import { decodeToken } from './claims/index.ts'
import type { DirectoryStore } from './directory-store.ts'
import { EXPIRY_CHECK_MS } from './limits.ts'
import type { AccountResolver } from './resolver.ts'

export type DirectoryConfig = Extract<ResolverConfig, { readonly type: 'full' | 'cache' }>

/** Other servers that may know an account, asked over `$SYS.REQ.ACCOUNT.<id>.CLAIMS.LOOKUP`. */
export interface ClaimsExchange {
  /** undefined: nobody answered with a JWT in time. */
  lookup(id: string, timeoutMs: number): Promise<string | undefined>
}

export interface DirectoryResolverOptions {
  readonly config: DirectoryConfig
  readonly store: DirectoryStore
  readonly exchange: ClaimsExchange | undefined
  readonly clock: Clock
  readonly log: Log
}

/**
 * `resolver: { type: full | cache }`: what the directory does not hold, other servers are asked for, and
 * it is kept when it is verified. A full resolver holds all accounts, a cache those that were asked for.
 */
export class DirectoryResolver implements AccountResolver {
  readonly store: DirectoryStore
  readonly config: DirectoryConfig
  readonly #options: DirectoryResolverOptions
  readonly #cancel: Cancel

  constructor(options: DirectoryResolverOptions) {
    this.#options = options
    this.store = options.store
    this.config = options.config
    const interval = Math.min(EXPIRY_CHECK_MS, Math.max(options.config.ttl / 2, 1_000))
    this.#cancel = every(options.clock, interval, () => this.#expire())
  }

  async fetch(id: string): Promise<string | undefined> {
    const { config, exchange, log } = this.#options
    const own = await this.store.load(id)
    const problem = own === undefined ? undefined : problemOf(own)
    if (own !== undefined && problem === undefined) return own
    if (problem !== undefined) {
      const file = this.store.fileOf(id)
      log.error({ account: id, file, reason: problem }, 'damaged account jwt: push it again')
    }
    // What others have takes the damaged one's place, once it is verified.
    const found = await exchange?.lookup(id, config.timeout)
    return found === '' || found === undefined ? own : found
  }

  async keep(id: string, jwt: string): Promise<void> {
    await this.store.saveIfNewer(id, jwt)
  }

  close(): void {
    this.#cancel()
  }

  #expire(): void {
    this.store.expire().then(
      (ids) => {
        for (const account of ids) this.#options.log.debug({ account }, 'account jwt expired')
      },
      (err: unknown) => {
        this.#options.log.warn({ reason: messageOf(err) }, 'expired account jwts are still there')
      },
    )
  }
}

/** A JWT holds its own checksum, which is the signature: what does not verify was damaged where it lies. */
function problemOf(jwt: string): string | undefined {
  try {
    decodeToken(jwt)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
