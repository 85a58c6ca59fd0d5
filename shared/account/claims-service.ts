import type { Log } from '../log/index.ts'
import { messageOf } from '../runtime/index.ts'
import { type AccountClaims, accountProblems, decodeAccount, decodeToken } from './claims/index.ts'
import type { DirectoryResolver } from './directory-resolver.ts'
import { DELETIONS_MAX } from './limits.ts'
import { isPublicKey } from './nkey.ts'
import type { OperatorBook } from './operator-book.ts'
import type { TrustedOperators } from './trusted-operators.ts'

/** `data` or `error` of an answer, which also names the server. */
export type ClaimsAnswer =
  | {
      readonly data: { readonly account?: string; readonly code: number; readonly message: string }
    }
  | {
      readonly error: {
        readonly account?: string
        readonly code: number
        readonly description: string
      }
    }

/**
 * What tools do with account JWTs over the system account: `nsc push`, `nats auth account push`. The words
 * are nats-server's (server/accounts.go), since tools show them. One thing is stricter: what no trusted
 * operator signed is refused at once, where nats-server stores it and refuses to use it.
 */
export interface ClaimsService {
  /** Whether JWTs are kept here (`full`, `cache`): then lists, packs and deletions are answered. */
  readonly kind: 'full' | 'cache' | 'none'
  /** How often a full resolver compares what it has with others; 0: never. */
  readonly intervalMs: number
  /** What is stored for an account; '' when nothing is. */
  lookup(id: string): Promise<string>
  /** @param id the account that the subject names; undefined for that of the JWT */
  update(jwt: string, id?: string): Promise<ClaimsAnswer>
  list(): readonly string[]
  /** XOR of the SHA-256 of all JWTs, 32 bytes. */
  digest(): Uint8Array
  /** One `id|jwt` after the other; none when the other side's digest is the same. */
  pack(digest: Uint8Array): AsyncIterable<string>
  /** Takes lines of a pack that are newer than what is here. */
  merge(pack: string): Promise<void>
  /** @param request a JWT that an operator signed for itself, with `accounts` */
  delete(request: string): Promise<ClaimsAnswer>
}

export interface ClaimsServiceOptions {
  readonly book: OperatorBook
  readonly operators: TrustedOperators
  /** undefined: accounts are kept in memory or by somebody else. */
  readonly directory: DirectoryResolver | undefined
  readonly log: Log
}

export function createClaimsService(options: ClaimsServiceOptions): ClaimsService {
  return new AccountClaimsService(options)
}

class AccountClaimsService implements ClaimsService {
  readonly kind: 'full' | 'cache' | 'none'
  readonly intervalMs: number
  readonly #options: ClaimsServiceOptions

  constructor(options: ClaimsServiceOptions) {
    const config = options.directory?.config
    this.#options = options
    this.kind = config?.type ?? 'none'
    this.intervalMs = config?.type === 'full' ? config.interval : 0
  }

  async lookup(id: string): Promise<string> {
    const { book, directory } = this.#options
    if (directory === undefined) return book.get(id)?.jwt ?? ''
    return (await directory.store.load(id)) ?? ''
  }

  async update(jwt: string, id?: string): Promise<ClaimsAnswer> {
    const what = this.kind === 'cache' ? 'jwt update cache' : 'jwt update'
    let claims: AccountClaims
    try {
      claims = decodeAccount(jwt)
    } catch (error) {
      return failure('n/a', `${what} resulted in error`, messageOf(error))
    }
    const account = id ?? claims.subject
    const problem = this.#problemOf(claims, account)
    if (problem !== undefined) return failure(account, `${what} resulted in error`, problem)
    const problems = accountProblems(claims)
    if (problems.length > 0) {
      const where = this.kind === 'cache' ? `${what} validation failed` : 'jwt validation failed'
      return failure(claims.subject, where, `validation errors: [${problems.join(' ')}]`)
    }
    return this.#take(claims, what)
  }

  list(): readonly string[] {
    return this.#options.directory?.store.ids() ?? []
  }

  digest(): Uint8Array {
    return this.#options.directory?.store.digest() ?? new Uint8Array(0)
  }

  async *pack(digest: Uint8Array): AsyncIterable<string> {
    const store = this.#options.directory?.store
    if (store === undefined || store.digest().equals(digest)) return
    for (const id of store.ids()) {
      const jwt = await store.load(id)
      if (jwt !== undefined) yield `${id}|${jwt}`
    }
  }

  async merge(pack: string): Promise<void> {
    const { book, directory, log } = this.#options
    if (directory === undefined) return
    for (const line of pack.split('\n')) {
      const [id = '', jwt = '', ...more] = line.split('|')
      if (line === '') continue
      try {
        if (more.length > 0) throw new Error('line in package did not contain 2 entries')
        book.verify(jwt, id)
        if (await directory.store.saveIfNewer(id, jwt)) this.#refresh(id, jwt)
      } catch (error) {
        log.error({ account: id, reason: messageOf(error) }, 'account jwt could not be merged')
      }
    }
  }

  async delete(request: string): Promise<ClaimsAnswer> {
    const { book, directory } = this.#options
    let subject = ''
    let ids: readonly string[]
    try {
      const token = decodeToken(request)
      subject = token.subject
      const list = token.claims.raw('accounts')
      const problem = this.#deletionProblem(token.subject, token.issuer, list)
      if (problem !== '') throw new Error(problem)
      ids = list as readonly string[]
    } catch (error) {
      return failure('', `delete accounts request by ${subject} failed`, messageOf(error))
    }
    const errors: string[] = []
    for (const id of ids) {
      try {
        if (await directory?.store.delete(id)) book.remove(id)
      } catch (error) {
        errors.push(messageOf(error))
      }
    }
    if (errors.length === 0) return success('', `deleted ${ids.length} accounts`)
    const what = `deleted ${ids.length - errors.length} accounts, failed for ${errors.length}`
    return failure('', what, errors.join('\n'))
  }

  #problemOf(claims: AccountClaims, account: string): string | undefined {
    const { operators } = this.#options
    if (claims.subject !== account) return 'subject does not match jwt content'
    if (operators.isStrict && claims.issuer === operators.id) {
      return 'operator requires issuer to be a signing key'
    }
    return operators.keys.has(claims.issuer) ? undefined : 'account jwt is not trusted'
  }

  async #take(claims: AccountClaims, what: string): Promise<ClaimsAnswer> {
    const { book, directory } = this.#options
    const { subject: id, text } = claims
    const isKnown = book.get(id) !== undefined
    if (!isKnown && this.kind !== 'full') return success(id, `${what} skipped`)
    try {
      if (directory !== undefined) await directory.store.save(id, text)
      if (isKnown) book.apply(text, id)
      else book.heardOf(id)
    } catch (error) {
      return failure(id, `${what} resulted in error`, messageOf(error))
    }
    return success(id, this.kind === 'cache' ? 'jwt updated cache' : 'jwt updated')
  }

  /** Accounts that nobody has asked for yet are fetched when somebody does. */
  #refresh(id: string, jwt: string): void {
    const { book } = this.#options
    if (book.get(id) !== undefined) book.apply(jwt, id)
    else book.heardOf(id)
  }

  #deletionProblem(subject: string, issuer: string, list: unknown): string {
    const { book, directory, operators } = this.#options
    const mayDelete = directory?.config.type === 'cache' || directory?.config.allow_delete === true
    if (!mayDelete) return 'delete must be enabled in server config'
    if (subject !== issuer) return 'not self signed'
    if (!operators.ownKeys.has(issuer)) return 'not trusted'
    const isList = Array.isArray(list) && list.length <= DELETIONS_MAX
    if (!isList || !list.every((id) => typeof id === 'string' && isPublicKey(id, 'A'))) {
      return 'malformed request'
    }
    return list.includes(book.systemAccount) ? 'not allowed to delete system account' : ''
  }
}

function success(account: string, message: string): ClaimsAnswer {
  return { data: { ...(account === '' ? {} : { account }), code: 200, message } }
}

function failure(account: string, what: string, problem: string): ClaimsAnswer {
  const description = `${what} - ${problem}`
  return { error: { ...(account === '' ? {} : { account }), code: 500, description } }
}
