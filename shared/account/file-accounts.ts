import { isDeepStrictEqual } from 'node:util'
import type { AuthCalloutConfig, ConnectionType } from '../config/index.ts'
import { silentLog } from '../log/index.ts'
import { PetioleError } from '../runtime/index.ts'
import {
  type Accounts,
  type AccountsDependencies,
  CALLOUT_SUBJECT,
  withoutPublish,
} from './accounts.ts'
import { AuthCallout } from './auth-callout.ts'
import {
  type Authenticator,
  type Credentials,
  type Expulsion,
  GLOBAL_ACCOUNT,
  type Identity,
} from './authenticator.ts'
import type { FileLogin, Verdict } from './file-login.ts'
import { type AccountsConfig, type Listener, listenerOf, makeLogins } from './listener-logins.ts'
import { renewedUser, type UserGrant, userExpulsion } from './operator-login.ts'
import { Secrets } from './password.ts'
import { checkProxy, type ProxyCheck } from './proxy-check.ts'
import { StaticAccountBook } from './static-account-book.ts'

/** What let somebody in: a line of the file, or the service that was asked. */
type Grant =
  | {
      readonly kind: 'file'
      readonly listener: Listener
      readonly connectionType: ConnectionType
      readonly proof: string
    }
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
      challenge: ({ connectionType, user = '' }) =>
        this.#logins[only ?? listenerOf(connectionType)].challenge(user),
      refusalOf: (credentials) => {
        const listener = only ?? listenerOf(credentials.connectionType)
        const proxy = checkProxy(credentials, this.#config.authorization.trusted_proxies)
        return this.#logins[listener].refusalOf(credentials, proxy)
      },
      recheck: (identity) => this.#recheck(identity),
      renewed: (identity) => this.#renewed(identity),
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
      this.#decide(login, listener, credentials, proxy, identity)
    return verdict instanceof Promise ? verdict.then(decide) : decide(verdict)
  }

  /** @param login that has checked the credentials: a reload may have put another in its place */
  #decide(
    login: FileLogin,
    listener: Listener,
    credentials: Credentials,
    proxy: ProxyCheck,
    identity: Identity | undefined,
  ): Verdict {
    const callout = this.#calloutOf(listener)
    const { connectionType = 'STANDARD', scram } = credentials
    // There is no password that a service could look at: this server has the only proof, or none any more.
    if (scram !== undefined && identity === undefined) return undefined
    if (callout === undefined) return this.#admit(identity, login, listener, connectionType)
    const account = identity?.account ?? GLOBAL_ACCOUNT
    const isDelegated =
      listener === 'leafnode' ||
      account === GLOBAL_ACCOUNT ||
      callout.allowed_accounts.length === 0 ||
      callout.allowed_accounts.includes(account)
    const user = identity?.user || credentials.nkey || credentials.user || ''
    return isDelegated && !callout.auth_users.includes(user)
      ? this.#ask(credentials, proxy, user)
      : this.#admit(identity, login, listener, connectionType)
  }

  /** A listener with users of its own does not ask; nor does one without any. */
  #calloutOf(listener: Listener): AuthCalloutConfig | undefined {
    const { authorization, leafnodes } = this.#config
    const isOwn = listener === 'leafnode' && leafnodes.authorization !== undefined
    return isOwn ? undefined : authorization.auth_callout
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

  #admit(
    identity: Identity | undefined,
    login: FileLogin,
    listener: Listener,
    connectionType: ConnectionType,
  ): Identity | undefined {
    if (identity === undefined) return undefined
    // One for each login: users of the file are many connections at a time.
    const admitted = { ...this.#asService(identity, listener) }
    const proof = login.proofOf(identity)
    this.#grants.set(admitted, { kind: 'file', listener, connectionType, proof })
    return admitted
  }

  /** Those who are in the callout service's account must not publish what only the server asks there. */
  #asService(identity: Identity, listener: Listener): Identity {
    const isService = identity.account === this.#calloutOf(listener)?.account
    return isService ? withoutPublish(identity, CALLOUT_SUBJECT) : identity
  }

  #recheck(identity: Identity): Expulsion | undefined {
    const { proxyKey, account: name } = identity
    const { auth_callout: callout, trusted_proxies } = this.#config.authorization
    if (proxyKey !== undefined && !trusted_proxies.includes(proxyKey)) return 'authorization'
    const account = this.book.get(name)
    if (account === undefined) return 'moved'
    const grant = this.#grants.get(identity)
    if (grant?.kind === 'callout') {
      if (callout?.issuer !== grant.issuer) return 'authorization'
      return userExpulsion(identity, grant.user, account, this.#dependencies.clock.wallMs())
    }
    if (grant === undefined) return 'authorization'
    const { listener, proof, connectionType } = grant
    return this.#logins[listener].expulsionOf(identity, proof, connectionType)
  }

  #renewed(identity: Identity): Identity | undefined {
    const grant = this.#grants.get(identity)
    const account = this.book.get(identity.account)
    if (grant === undefined || account === undefined) return undefined
    if (grant.kind === 'callout') {
      const admission = renewedUser(identity, grant.user, account)
      if (admission === undefined) return undefined
      this.#grants.set(admission.identity, { ...grant, user: admission.grant })
      return admission.identity
    }
    const current = this.#logins[grant.listener].current(identity)
    const renewed = current && this.#asService(current, grant.listener)
    const isAsBefore = isDeepStrictEqual(renewed?.permissions?.config, identity.permissions?.config)
    if (renewed === undefined || isAsBefore) return undefined
    this.#grants.set(renewed, grant)
    return renewed
  }
}

export function operatorChanged(): PetioleError {
  return new PetioleError(
    'PETIOLE_RELOAD_UNSUPPORTED',
    'operator: a reload cannot bring or remove it: restart the server',
  )
}
