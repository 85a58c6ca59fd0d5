import type { OperatorConfig } from '../config/index.ts'
import { type Log, silentLog } from '../log/index.ts'
import { invariant, messageOf, PetioleError } from '../runtime/index.ts'
import type { Account } from './account-book.ts'
import {
  type Accounts,
  type AccountsDependencies,
  CALLOUT_SUBJECT,
  type PreparedAccounts,
  withoutPublish,
} from './accounts.ts'
import { AuthCallout } from './auth-callout.ts'
import type { Authenticator, Credentials, Expulsion, Identity } from './authenticator.ts'
import type { UserClaims } from './claims/index.ts'
import { type ClaimsService, createClaimsService } from './claims-service.ts'
import { DirectoryResolver } from './directory-resolver.ts'
import { DirectoryStore } from './directory-store.ts'
import { operatorChanged } from './file-accounts.ts'
import type { FileLogin, Verdict } from './file-login.ts'
import { LeafUsers } from './leaf-users.ts'
import { type AccountsConfig, type Listener, listenerOf, makeLogins } from './listener-logins.ts'
import { OperatorBook } from './operator-book.ts'
import { OperatorLogin } from './operator-login.ts'
import { Secrets } from './password.ts'
import { checkProxy, type ProxyCheck } from './proxy-check.ts'
import { type AccountResolver, MemoryResolver, UrlResolver } from './resolver.ts'
import { plainAccount } from './static-account-book.ts'
import { TrustedOperators } from './trusted-operators.ts'

export type OperatedConfig = AccountsConfig & { readonly operator: OperatorConfig }

/** Used when neither the file nor the operator names a system account. */
const DEFAULT_SYSTEM_ACCOUNT = '$SYS'

interface Parts {
  readonly operators: TrustedOperators
  readonly resolver: AccountResolver
  readonly book: OperatorBook
}

/** Accounts and users that an operator's JWTs vouch for. */
export class OperatorAccounts implements Accounts {
  readonly book: OperatorBook
  readonly authenticator: Authenticator
  readonly #dependencies: AccountsDependencies
  readonly #secrets: Secrets
  readonly #callout: AuthCallout | undefined
  #claims: ClaimsService
  #config: OperatedConfig
  #login: OperatorLogin
  readonly #leafUsers: LeafUsers

  private constructor(config: OperatedConfig, dependencies: AccountsDependencies, parts: Parts) {
    const { callout, clock, log = silentLog, passwords } = dependencies
    const { book } = parts
    this.#dependencies = dependencies
    this.#secrets = new Secrets(passwords)
    this.#config = config
    this.book = book
    this.#claims = claimsServiceOf(parts, dependencies)
    this.#callout = callout && new AuthCallout({ ...callout, book, clock, log })
    this.#login = new OperatorLogin(book, clock, config.operator)
    this.#leafUsers = new LeafUsers(leafLoginOf(config, this.#secrets))
    this.authenticator = this.#authenticatorAt(undefined)
  }

  static async open(
    config: OperatedConfig,
    dependencies: AccountsDependencies,
  ): Promise<OperatorAccounts> {
    const { clock, log = silentLog, version } = dependencies
    const operators = new TrustedOperators(config.operator, version)
    const resolver = await resolverOf(config.operator, dependencies)
    await preload(resolver, config.operator, log)
    const systemAccount = config.system_account || operators.systemAccount || DEFAULT_SYSTEM_ACCOUNT
    const plain = plainAccounts(config, systemAccount, clock.wallMs())
    const book = new OperatorBook({ operators, resolver, clock, log, plain, systemAccount })
    if ((await book.fetch(systemAccount)) === undefined) {
      book.close()
      throw new PetioleError(
        'PETIOLE_SYSTEM_ACCOUNT_UNKNOWN',
        `system_account: the resolver has no valid JWT for ${systemAccount}: add it to resolver_preload`,
      )
    }
    return new OperatorAccounts(config, dependencies, { operators, resolver, book })
  }

  get claims(): ClaimsService {
    return this.#claims
  }

  get xkey(): string {
    return this.#callout?.xkey ?? ''
  }

  at(listener: Listener): Authenticator {
    return this.#authenticatorAt(listener)
  }

  async update(config: AccountsConfig): Promise<void> {
    const prepared = await this.prepare(config)
    await prepared.commit()
    await prepared.refresh?.()
  }

  async prepare(config: AccountsConfig): Promise<PreparedAccounts> {
    const { operator } = config
    if (operator === undefined) throw operatorChanged()
    const operators = new TrustedOperators(operator, this.#dependencies.version)
    const leafLogin = leafLoginOf({ ...config, operator }, this.#secrets)
    const resolver = await this.#nextResolver(operator)
    return {
      commit: async () => {
        // First what takes a while: until all of the file counts, none of it does.
        await preload(resolver, operator, this.#dependencies.log ?? silentLog)
        this.#config = { ...config, operator }
        this.#leafUsers.reconfigure(leafLogin)
        this.#login.reconfigure(operator)
        await this.book.reconfigure(operators, resolver)
        this.#claims = claimsServiceOf({ operators, resolver, book: this.book }, this.#dependencies)
      },
      refresh: async () => {
        if (!(resolver instanceof MemoryResolver)) await this.book.refresh()
      },
      cancel: () => {
        if (resolver !== this.book.resolver) resolver.close()
      },
    }
  }

  close(): void {
    this.book.close()
    this.#dependencies.passwords.close()
  }

  /** A directory is opened once; what the file has for it, and it has not, is added by the commit. */
  async #nextResolver(operator: OperatorConfig): Promise<AccountResolver> {
    const { resolver } = this.book
    const { resolver: config } = operator
    if (!(resolver instanceof DirectoryResolver) || config.type !== resolver.config.type) {
      return resolverOf(operator, this.#dependencies)
    }
    if (config.dir !== resolver.config.dir) return resolverOf(operator, this.#dependencies)
    await resolver.store.check(operator.resolver_preload)
    await resolver.store.checkRoom(operator.resolver_preload)
    return resolver
  }

  #authenticatorAt(only: Listener | undefined): Authenticator {
    return {
      isRequired: true,
      needsNonce: true,
      authenticate: (credentials) =>
        this.#authenticate(only ?? listenerOf(credentials.connectionType), credentials),
      refusalOf: (credentials) => {
        const proxy = checkProxy(credentials, this.#config.authorization.trusted_proxies)
        if (proxy.kind === 'refused') return 'proxy_not_trusted'
        const isRequired = this.#login.userOf(credentials)?.terms.isProxyRequired === true
        return isRequired && proxy.kind !== 'trusted' ? 'proxy_required' : undefined
      },
      bearerRefusalOf: (credentials) => this.#login.bearerRefusalOf(credentials),
      recheck: (identity) => this.#recheck(identity),
      renewed: (identity) => this.#renewed(identity),
    }
  }

  #authenticate(listener: Listener, credentials: Credentials): Verdict {
    const proxy = checkProxy(credentials, this.#config.authorization.trusted_proxies)
    if (proxy.kind === 'refused') return undefined
    if (listener !== 'leafnode') return this.#asUser(credentials, proxy)
    if (this.#leafUsers.isNamed) return this.#asLeaf(credentials, proxy)
    const verdict = this.#asUser(credentials, proxy)
    const remember = (identity: Identity | undefined): Identity | undefined =>
      identity && this.#leafUsers.remember(identity, credentials)
    return verdict instanceof Promise ? verdict.then(remember) : remember(verdict)
  }

  #asUser(credentials: Credentials, proxy: ProxyCheck): Verdict {
    const user = this.#login.userOf(credentials)
    if (user === undefined) return undefined
    const account = this.#login.accountOf(user)
    const decide = (known: Account | undefined): Verdict =>
      known === undefined ? undefined : this.#decide(user, known, credentials, proxy)
    return account instanceof Promise ? account.then(decide) : decide(account)
  }

  #decide(
    user: UserClaims,
    account: Account,
    credentials: Credentials,
    proxy: ProxyCheck,
  ): Verdict {
    const admission = this.#login.check(user, account, credentials, proxy)
    if (admission === undefined) return undefined
    const authUsers = account.claims?.authorization.authUsers ?? []
    if (authUsers.length === 0) return this.#login.remember(admission)
    if (authUsers.includes(user.subject)) {
      const identity = withoutPublish(admission.identity, CALLOUT_SUBJECT)
      return this.#login.remember({ ...admission, identity })
    }
    return this.#ask(user, account, credentials, proxy)
  }

  async #ask(
    user: UserClaims,
    account: Account,
    credentials: Credentials,
    proxy: ProxyCheck,
  ): Promise<Identity | undefined> {
    const { allowedAccounts = [], xkey = '' } = account.claims?.authorization ?? {}
    const answer = await this.#callout?.ask(
      { account, issuer: undefined, xkey, allowedAccounts },
      {
        credentials,
        user: credentials.nkey || credentials.user || user.subject,
        proxy,
        isProxyRequired: user.terms.isProxyRequired,
        jwt: user.text,
      },
      this.#config.authorization.timeout,
    )
    if (answer === undefined) return undefined
    const isService = answer.identity.account === account.name
    const identity = isService ? withoutPublish(answer.identity, CALLOUT_SUBJECT) : answer.identity
    return this.#login.remember({ ...answer, identity })
  }

  /** `leafnodes.authorization` names a user and the account that its links are bound to. */
  async #asLeaf(credentials: Credentials, proxy: ProxyCheck): Promise<Identity | undefined> {
    const identity = await this.#leafUsers.check(credentials, proxy)
    if (identity === undefined) return undefined
    return (await this.book.fetch(identity.account)) === undefined ? undefined : identity
  }

  #recheck(identity: Identity): Expulsion | undefined {
    const { proxyKey } = identity
    const proxies = this.#config.authorization.trusted_proxies
    if (proxyKey !== undefined && !proxies.includes(proxyKey)) return 'authorization'
    return this.#leafUsers.recheck(identity) ?? this.#login.recheck(identity)
  }

  #renewed(identity: Identity): Identity | undefined {
    const renewed = this.#login.renewed(identity)
    if (renewed !== undefined) return this.#leafUsers.inherit(renewed, identity)
    return this.#leafUsers.renewed(identity)
  }
}

function claimsServiceOf(parts: Parts, { log = silentLog }: AccountsDependencies): ClaimsService {
  const { book, operators, resolver } = parts
  const directory = resolver instanceof DirectoryResolver ? resolver : undefined
  return createClaimsService({ book, operators, directory, log })
}

function leafLoginOf(config: OperatedConfig, secrets: Secrets): FileLogin | undefined {
  const own = config.leafnodes.authorization
  const isEmpty = own === undefined || (own.users.length === 0 && own.token === '')
  return isEmpty ? undefined : makeLogins(config, secrets).leafnode
}

/** Accounts that are no JWT: `$G`, where nobody can log in, and the system account when it has no id. */
function plainAccounts(config: OperatedConfig, systemAccount: string, nowMs: number): Account[] {
  const configs = config.accounts.filter(({ name }) => name !== systemAccount)
  const accounts = configs.map((each) => plainAccount(each, false, nowMs))
  const [model] = config.accounts
  if (systemAccount !== DEFAULT_SYSTEM_ACCOUNT || model === undefined) return accounts
  const system = { ...model, name: systemAccount, mappings: [], jetstream: false }
  return [...accounts, plainAccount(system, true, nowMs)]
}

/** Writes nothing: see `preload`. Rejects with what that could not take. */
async function resolverOf(
  operator: OperatorConfig,
  dependencies: AccountsDependencies,
): Promise<AccountResolver> {
  const { resolver: config, resolver_preload } = operator
  const { clock, disk, exchange, http, log = silentLog } = dependencies
  if (config.type === 'url') {
    return http === undefined
      ? new MemoryResolver(resolver_preload)
      : new UrlResolver(config.url, resolver_preload, http, log)
  }
  if (config.type === 'memory') return new MemoryResolver(resolver_preload)
  invariant(disk !== undefined, 'a resolver with a directory needs a disk')
  const isCache = config.type === 'cache'
  const store = await DirectoryStore.open(disk, clock, {
    directory: config.dir,
    limit: config.limit,
    ttlMs: isCache ? config.ttl : 0,
    evicts: isCache,
    deletion: isCache ? 'remove' : config.allow_delete ? 'rename' : 'none',
  })
  await store.check(resolver_preload)
  return new DirectoryResolver({ config, store, exchange, clock, log })
}

/**
 * All of it was checked: what is left is a directory without room, or a disk that fails. Nobody of the accounts
 * that are not written can log in, as in nats-server; the others are served. Never rejects.
 */
async function preload(
  resolver: AccountResolver,
  operator: OperatorConfig,
  log: Log,
): Promise<void> {
  if (!(resolver instanceof DirectoryResolver)) return
  for (const [account, jwt] of Object.entries(operator.resolver_preload)) {
    try {
      await resolver.store.saveIfNewer(account, jwt)
    } catch (error) {
      log.error({ account, reason: messageOf(error) }, 'resolver_preload could not be written')
    }
  }
}
