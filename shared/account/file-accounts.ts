import { silentLog } from '../log/index.ts'
import { PetioleError } from '../runtime/index.ts'
import { type Accounts, type AccountsDependencies, withoutPublish } from './accounts.ts'
import { AuthCallout, CALLOUT_SUBJECT } from './auth-callout.ts'
import {
  type Authenticator,
  type Credentials,
  type Expulsion,
  GLOBAL_ACCOUNT,
  type Identity,
} from './authenticator.ts'
import type { FileLogin, Verdict } from './file-login.ts'
import { type AccountsConfig, type Listener, listenerOf, makeLogins } from './listener-logins.ts'
import { type UserGrant, userExpulsion } from './operator-login.ts'
import { Secrets } from './password.ts'
import { checkProxy, type ProxyCheck } from './proxy-check.ts'
import { StaticAccountBook } from './static-account-book.ts'

/** What let somebody in: a line of the file, or the service that was asked. */
type Grant =
  | { readonly kind: 'file'; readonly listener: Listener; readonly line: string | undefined }
  | { readonly kind: 'callout'; readonly user: UserGrant; readonly issuer: string }

/** Accounts, users and tokens as they stand in the file. */
export class FileAccounts implements Accounts {
  readonly book: StaticAccountBook
  readonly authenticator: Authenticator
  readonly claims = undefined
  readonly #dependencies: AccountsDependencies
  readonly #secrets: Secrets
  readonly #callout: AuthCallout | undefined
  readonly #grants = new WeakMap<Identity, Grant>()
  #config: AccountsConfig
  #logins: Readonly<Record<Listener, FileLogin>>

  constructor(config: AccountsConfig, dependencies: AccountsDependencies) {
    const { callout, clock, log = silentLog, passwords } = dependencies
    const { accounts, system_account } = config
    this.#dependencies = dependencies
    this.#secrets = new Secrets(passwords)
    this.#config = config
    this.#logins = makeLogins(config, this.#secrets)
    this.book = new StaticAccountBook(accounts, system_account, clock.wallMs())
    const { book } = this
    this.#callout = callout && new AuthCallout({ ...callout, book, clock, log })
    this.authenticator = this.#authenticatorAt(undefined)
  }

  get xkey(): string {
    return this.#callout?.xkey ?? ''
  }

  at(listener: Listener): Authenticator {
    return this.#authenticatorAt(listener)
  }

  async update(config: AccountsConfig): Promise<void> {
    if (config.operator !== undefined) throw operatorChanged()
    const { accounts, system_account } = config
    this.#config = config
    this.#logins = makeLogins(config, this.#secrets)
    this.book.update(accounts, system_account, this.#dependencies.clock.wallMs())
  }

  close(): void {
    this.#dependencies.passwords.close()
  }

  #authenticatorAt(only: Listener | undefined): Authenticator {
    const isRequired = (): boolean => this.#isRequired(only ?? 'client')
    const needsNonce = (): boolean => this.#needsNonce()
    return {
      get isRequired(): boolean {
        return isRequired()
      },
      get needsNonce(): boolean {
        return needsNonce()
      },
      authenticate: (credentials) =>
        this.#authenticate(only ?? listenerOf(credentials.connectionType), credentials),
      recheck: (identity) => this.#recheck(identity),
    }
  }

  /** A service may want to see whoever comes, so that nobody is in before CONNECT. */
  #isRequired(listener: Listener): boolean {
    return (
      this.#logins[listener].isRequired || this.#config.authorization.auth_callout !== undefined
    )
  }

  #needsNonce(): boolean {
    if (this.#config.authorization.trusted_proxies.length > 0) return true
    return Object.values(this.#logins).some(({ hasKeys }) => hasKeys)
  }

  #authenticate(listener: Listener, credentials: Credentials): Verdict {
    const proxy = checkProxy(credentials, this.#config.authorization.trusted_proxies)
    if (proxy.kind === 'refused') return undefined
    const login = this.#logins[listener]
    const verdict = login.check(credentials, proxy)
    const decide = (identity: Identity | undefined): Verdict =>
      this.#decide(listener, login, credentials, proxy, identity)
    return verdict instanceof Promise ? verdict.then(decide) : decide(verdict)
  }

  #decide(
    listener: Listener,
    login: FileLogin,
    credentials: Credentials,
    proxy: ProxyCheck,
    identity: Identity | undefined,
  ): Verdict {
    const callout = this.#config.authorization.auth_callout
    // A listener with users of its own does not ask; nor does one without any.
    const isAsked =
      callout !== undefined &&
      !(listener === 'leafnode' && this.#config.leafnodes.authorization !== undefined)
    if (!isAsked) return this.#admit(identity, listener, login)
    const account = identity?.account ?? GLOBAL_ACCOUNT
    const isDelegated =
      listener === 'leafnode' ||
      account === GLOBAL_ACCOUNT ||
      callout.allowed_accounts.length === 0 ||
      callout.allowed_accounts.includes(account)
    const user = identity?.user || credentials.nkey || credentials.user || ''
    if (!isDelegated || callout.auth_users.includes(user)) {
      const isService = identity?.account === callout.account
      const own = isService ? withoutPublish(identity, CALLOUT_SUBJECT) : identity
      return this.#admit(own, listener, login)
    }
    return this.#ask(credentials, proxy, user)
  }

  async #ask(
    credentials: Credentials,
    proxy: ProxyCheck,
    user: string,
  ): Promise<Identity | undefined> {
    const { auth_callout: callout, proxy_required, timeout } = this.#config.authorization
    const account = this.book.get(callout?.account ?? '')
    if (callout === undefined || account === undefined) return undefined
    const { issuer, xkey } = callout
    const answer = await this.#callout?.ask(
      { account, issuer, xkey, allowedAccounts: [] },
      { credentials, user, proxy, isProxyRequired: proxy_required, jwt: '' },
      timeout,
    )
    if (answer === undefined) return undefined
    const isService = answer.identity.account === account.name
    const identity = isService ? withoutPublish(answer.identity, CALLOUT_SUBJECT) : answer.identity
    this.#grants.set(identity, { kind: 'callout', user: answer.grant, issuer })
    return identity
  }

  #admit(identity: Identity | undefined, listener: Listener, login: FileLogin): Verdict {
    if (identity !== undefined) {
      this.#grants.set(identity, { kind: 'file', listener, line: login.grantOf(identity) })
    }
    return identity
  }

  #recheck(identity: Identity): Expulsion | undefined {
    const { proxyKey, account: name } = identity
    const { auth_callout: callout, trusted_proxies } = this.#config.authorization
    if (proxyKey !== undefined && !trusted_proxies.includes(proxyKey)) return 'authorization'
    const account = this.book.get(name)
    if (account === undefined) return 'authorization'
    const grant = this.#grants.get(identity)
    if (grant?.kind === 'callout') {
      if (callout?.issuer !== grant.issuer) return 'authorization'
      return userExpulsion(identity, grant.user, account, this.#dependencies.clock.wallMs())
    }
    const line = this.#logins[grant?.listener ?? 'client'].grantOf(identity)
    if (line === undefined) return 'authorization'
    return grant === undefined || grant.line === line ? undefined : 'authorization'
  }
}

export function operatorChanged(): PetioleError {
  return new PetioleError(
    'PETIOLE_RELOAD_UNSUPPORTED',
    'operator: a reload cannot bring or remove it: restart the server',
  )
}
