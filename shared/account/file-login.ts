import type { AuthorizationConfig, ConnectionType, UserConfig } from '../config/index.ts'
import {
  type Credentials,
  type Expulsion,
  GLOBAL_ACCOUNT,
  type Identity,
  type ProxyRefusal,
} from './authenticator.ts'
import { userOfCertificate } from './certificate-user.ts'
import { compilePermissions } from './compiled-permissions.ts'
import { isNonceSigned } from './nkey.ts'
import type { Secret, Secrets } from './password.ts'
import type { ProxyCheck } from './proxy-check.ts'
import { type ScramChallenge, ScramUsers } from './scram-users.ts'

export type Verdict = Identity | undefined | Promise<Identity | undefined>

/** Who may log in at one kind of listener, and how. */
export interface FileLoginOptions {
  readonly authorization: AuthorizationConfig
  /** What a verified certificate says is the user (`verify_and_map`). */
  readonly mapsCertificates: boolean
  /** Where connections go that need not say who they are, and those with the token. */
  readonly openAccount: string
  /** Only the system account has users: who presents nothing gets into the open account all the same. */
  readonly letsStrangersIn: boolean
  /** A listener elsewhere knows this user by certificate: no password must not mean any. */
  readonly isCertificateUser: (user: UserConfig) => boolean
  readonly secrets: Secrets
}

interface Member {
  readonly config: UserConfig
  readonly identity: Identity
  readonly secret: Secret
}

/**
 * The users, nkeys and the token of a file, asked in nats-server's order (server/auth.go,
 * `processClientOrLeafAuthentication`): nkey, certificate or user name, token.
 *
 * An unknown user costs what some user of the file costs, always the same for one name, so that
 * neither the answer nor its time tells who exists.
 */
export class FileLogin {
  /** INFO `auth_required`. */
  readonly isRequired: boolean
  readonly hasKeys: boolean
  readonly #options: FileLoginOptions
  readonly #users = new Map<string, Member>()
  readonly #keys = new Map<string, Member>()
  readonly #members: readonly Member[]
  readonly #token: Secret | undefined
  readonly #open: Identity
  readonly #isOpen: boolean
  #scramUsers: ScramUsers | undefined

  constructor(options: FileLoginOptions) {
    const { authorization, secrets, openAccount } = options
    this.#options = options
    for (const config of authorization.users) {
      const member = makeMember(config, authorization.proxy_required, secrets)
      if (config.nkey === '') this.#users.set(config.user, member)
      else this.#keys.set(config.nkey, member)
    }
    this.#members = [...this.#users.values()]
    this.#token = authorization.token === '' ? undefined : secrets.of(authorization.token)
    this.#open = { user: '', account: openAccount }
    this.hasKeys = this.#keys.size > 0
    this.#isOpen = this.#users.size === 0 && !this.hasKeys && this.#token === undefined
    this.isRequired = !this.#isOpen && authorization.no_auth_user === ''
  }

  /** Whether this listener refuses nobody. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  check(credentials: Credentials, proxy: ProxyCheck): Verdict {
    const verdict = this.#login(credentials, proxy)
    if (proxy.kind !== 'trusted') return verdict
    const vouched = (identity: Identity | undefined): Identity | undefined =>
      identity === undefined ? undefined : { ...identity, proxyKey: proxy.key }
    return verdict instanceof Promise ? verdict.then(vouched) : vouched(verdict)
  }

  /** @param user as he calls himself */
  challenge(user: string): ScramChallenge | undefined {
    const { authorization, secrets } = this.#options
    this.#scramUsers ??= new ScramUsers(authorization.users, secrets)
    return this.#scramUsers.challenge(user)
  }

  /** What is asked of proxies comes before what is asked of users. */
  refusalOf({ nkey, user }: Credentials, proxy: ProxyCheck): ProxyRefusal | undefined {
    if (proxy.kind === 'refused') return 'proxy_not_trusted'
    const member = nkey ? this.#keys.get(nkey) : this.#users.get(user ?? '')
    const { proxy_required } = member?.config ?? this.#options.authorization
    return proxy_required && proxy.kind !== 'trusted' ? 'proxy_required' : undefined
  }

  /** What let an identity in, for looking again after a reload. */
  proofOf(identity: Identity): string {
    if (this.#isOpen) return 'open'
    const member = this.#memberOf(identity)
    if (member !== undefined) return `password ${member.config.password}`
    const { token } = this.#options.authorization
    return token === '' ? 'stranger' : `token ${token}`
  }

  /**
   * Why somebody who was let in by `proof` may stay no longer. As nats-server has it (server/reload.go,
   * `reloadAuthorization`), who has another account now is not told that he did something wrong.
   */
  expulsionOf(
    identity: Identity,
    proof: string,
    connectionType: ConnectionType,
  ): Expulsion | undefined {
    if (this.#isOpen) return identity.user === '' || proof === 'open' ? undefined : 'moved'
    const member = this.#memberOf(identity)
    if (identity.user !== '' && member?.identity.account !== identity.account) return 'moved'
    if (proof !== this.proofOf(identity)) return 'authorization'
    if (proof === 'stranger') return this.#options.letsStrangersIn ? undefined : 'authorization'
    const { proxy_required } = member?.config ?? this.#options.authorization
    const isTypeRight = member === undefined || isTypeAllowed(member.config, { connectionType })
    const isVouchedFor = !proxy_required || identity.proxyKey !== undefined
    return isTypeRight && isVouchedFor ? undefined : 'authorization'
  }

  /** The same user as the file has it now; undefined: no user of the file. */
  current({ user, proxyKey, ...rest }: Identity): Identity | undefined {
    const member = this.#memberOf({ user, ...rest })
    if (member === undefined || this.#isOpen) return undefined
    return { ...member.identity, ...(proxyKey === undefined ? {} : { proxyKey }) }
  }

  #memberOf({ user }: Identity): Member | undefined {
    return user === '' ? undefined : (this.#users.get(user) ?? this.#keys.get(user))
  }

  #login(credentials: Credentials, proxy: ProxyCheck): Verdict {
    if (this.#isOpen) {
      const { user } = credentials
      return user === undefined ? this.#open : { ...this.#open, user }
    }
    const isBare = presentsNothing(credentials)
    const noAuthUser = this.#options.authorization.no_auth_user
    const nkey = credentials.nkey ?? (isBare && this.#keys.has(noAuthUser) ? noAuthUser : '')
    if (this.hasKeys && nkey !== '') return this.#checkKey(nkey, credentials, proxy)
    if (isBare && this.#options.letsStrangersIn) return this.#open
    if (this.#users.size > 0) {
      if (this.#options.mapsCertificates) return this.#checkCertificate(credentials, proxy)
      const member = isBare ? this.#users.get(noAuthUser) : undefined
      if (member !== undefined) return admits(member, credentials, proxy)
      const { user } = credentials
      if (user !== undefined && user !== '') return this.#checkUser(user, credentials, proxy)
    }
    return this.#checkToken(credentials, proxy)
  }

  #checkKey(nkey: string, credentials: Credentials, proxy: ProxyCheck): Identity | undefined {
    const member = this.#keys.get(nkey)
    // The no_auth_user is one whom everybody may be.
    const isProven =
      nkey === this.#options.authorization.no_auth_user ||
      isNonceSigned(nkey, 'U', credentials.nonce, credentials.signature)
    return member !== undefined && isProven ? admits(member, credentials, proxy) : undefined
  }

  #checkCertificate(credentials: Credentials, proxy: ProxyCheck): Verdict {
    const users = this.#users
    const allowed = (member: Member | undefined): Member | undefined =>
      member !== undefined && isTypeAllowed(member.config, credentials) ? member : undefined
    const member = userOfCertificate(credentials.tls, {
      find: (name) => allowed(users.get(name)),
      all: () => [...users].filter(([, each]) => allowed(each) !== undefined),
    })
    if (member === undefined) return undefined
    return this.#comparePassword(member, credentials, proxy)
  }

  #checkUser(user: string, credentials: Credentials, proxy: ProxyCheck): Verdict {
    const member = this.#users.get(user)
    if (member === undefined) return this.#refuseSlowly(user, credentials)
    const { config } = member
    const isNobodysPassword =
      config.password === '' &&
      user !== this.#options.authorization.no_auth_user &&
      this.#options.isCertificateUser(config)
    return isNobodysPassword ? undefined : this.#comparePassword(member, credentials, proxy)
  }

  #comparePassword(member: Member, credentials: Credentials, proxy: ProxyCheck): Verdict {
    const admitted = admits(member, credentials, proxy)
    const { scram } = credentials
    if (scram !== undefined) return scram.isProofOf(member.config) ? admitted : undefined
    return settle(member.secret.matches(credentials.password ?? '', credentials), admitted)
  }

  #refuseSlowly(user: string, credentials: Credentials): Verdict {
    const nth = this.#options.secrets.digest(user).readUInt32LE(0) % this.#members.length
    const secret = this.#members[nth]?.secret
    return settle(secret?.matches(credentials.password ?? '', credentials) ?? false, undefined)
  }

  #checkToken(credentials: Credentials, proxy: ProxyCheck): Verdict {
    if (this.#token === undefined) return undefined
    if (this.#options.authorization.proxy_required && proxy.kind !== 'trusted') return undefined
    return settle(this.#token.matches(credentials.token ?? '', credentials), this.#open)
  }
}

export function isTypeAllowed(
  rule: { readonly connection_types: readonly ConnectionType[] },
  credentials: Credentials,
): boolean {
  const { connection_types } = rule
  if (connection_types.length === 0) return true
  return connection_types.includes(credentials.connectionType ?? 'STANDARD')
}

/** nats-server tells an absent field by its being empty. */
export function presentsNothing(credentials: Credentials): boolean {
  const { user, password, token, nkey } = credentials
  return [user, password, token, nkey].every((field) => field === undefined || field === '')
}

function admits(member: Member, credentials: Credentials, proxy: ProxyCheck): Identity | undefined {
  const { config, identity } = member
  if (!isTypeAllowed(config, credentials)) return undefined
  return config.proxy_required && proxy.kind !== 'trusted' ? undefined : identity
}

function settle(isRight: boolean | Promise<boolean>, identity: Identity | undefined): Verdict {
  if (typeof isRight === 'boolean') return isRight ? identity : undefined
  return isRight.then((matches) => (matches ? identity : undefined))
}

function makeMember(user: UserConfig, isProxyRequired: boolean, secrets: Secrets): Member {
  const config = { ...user, proxy_required: user.proxy_required || isProxyRequired }
  const { nkey, account, permissions } = config
  const identity: Identity = {
    user: nkey === '' ? config.user : nkey,
    account: account === '' ? GLOBAL_ACCOUNT : account,
    ...(permissions === undefined ? {} : { permissions: compilePermissions(permissions) }),
  }
  return { config, identity, secret: secrets.of(config.password) }
}
