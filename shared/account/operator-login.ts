import { isDeepStrictEqual } from 'node:util'
import type { OperatorConfig, PermissionsConfig } from '../config/index.ts'
import type { Clock } from '../runtime/index.ts'
import type { Account } from './account-book.ts'
import { CALLOUT_SUBJECT, withoutPublish } from './accounts.ts'
import type { BearerRefusal, Credentials, Expulsion, Identity } from './authenticator.ts'
import {
  accountOfUser,
  connectionTypesOf,
  decodeUser,
  fillTemplates,
  isInRanges,
  isRevoked,
  openForMs,
  permissionsOf,
  type SignerClaims,
  saysNothing,
  type UserClaims,
  type UserTerms,
  userProblems,
} from './claims/index.ts'
import { compilePermissions } from './compiled-permissions.ts'
import { isTypeAllowed } from './file-login.ts'
import { isNonceSigned } from './nkey.ts'
import { isExpired, type OperatorBook } from './operator-book.ts'
import type { ProxyCheck } from './proxy-check.ts'

/** What let a user in, for looking again after its account has changed. */
export interface UserGrant {
  /** User nkey, and when its JWT was issued, in seconds: what revocations speak of. */
  readonly subject: string
  readonly issuedAt: number
  readonly issuer: string
  readonly isBearer: boolean
  readonly signer: SignerClaims | undefined
  /** The account's, when the user has none of its own. */
  readonly defaults: PermissionsConfig | undefined
  readonly hasDefaults: boolean
}

export interface Admission {
  readonly identity: Identity
  readonly grant: UserGrant
}

/**
 * Users who present JWTs. Source: nats-server's server/auth.go: the account that issued the JWT, itself
 * or by a signing key, must be signed by a trusted operator; then times, connection type, the
 * signature of the nonce (unless the JWT is a bearer's), revocation, address and time of day.
 */
export class OperatorLogin {
  readonly #book: OperatorBook
  readonly #clock: Clock
  #config: OperatorConfig
  readonly #grants = new WeakMap<Identity, UserGrant>()

  constructor(book: OperatorBook, clock: Clock, config: OperatorConfig) {
    this.#book = book
    this.#clock = clock
    this.#config = config
  }

  reconfigure(config: OperatorConfig): void {
    this.#config = config
  }

  /** The user whose JWT is presented, or stands in for none; undefined: no valid one. */
  userOf(credentials: Credentials): UserClaims | undefined {
    return this.#valid(presentedIn(credentials) ?? decodeOrNothing(this.#config.default_sentinel))
  }

  /** The account of a user as far as it may log in at all: signed, unexpired, and not shut out by the file. */
  accountOf(user: UserClaims): Account | undefined | Promise<Account | undefined> {
    const name = accountOfUser(user)
    const pinned = this.#config.resolver_pinned_accounts
    const isPinned = pinned.includes(name) || name === this.#book.systemAccount
    if (pinned.length > 0 && !isPinned) return undefined
    const known = this.#book.get(name)
    if (known !== undefined && !isExpired(known, this.#clock.wallMs())) return known
    return this.#book.fetch(name)
  }

  /** undefined: refused. */
  check(
    user: UserClaims,
    account: Account,
    credentials: Credentials,
    proxy: ProxyCheck,
  ): Admission | undefined {
    const admission = admit(user, account, this.#clock.wallMs())
    if (admission === undefined) return undefined
    const { terms, identity } = admission
    if (terms.isProxyRequired && proxy.kind !== 'trusted') return undefined
    if (terms.isBearer && account.claims?.limits.disallowBearer === true) return undefined
    const types = connectionTypesOf(terms)
    if (types === undefined || !isTypeAllowed({ connection_types: types }, credentials)) {
      return undefined
    }
    const { nonce, remoteAddress, signature } = credentials
    if (!terms.isBearer && !isNonceSigned(user.subject, 'U', nonce, signature)) return undefined
    if (terms.sources.length > 0 && !isInRanges(remoteAddress ?? '', terms.sources)) {
      return undefined
    }
    const proxied = proxy.kind === 'trusted' ? { proxyKey: proxy.key } : {}
    return { ...admission, identity: { ...identity, ...proxied } }
  }

  /** For who presents nothing but a JWT of his own. Nobody hears it whose JWT the account has not signed. */
  bearerRefusalOf(credentials: Credentials): BearerRefusal | undefined {
    const user = this.#valid(presentedIn(credentials))
    const account = user && this.#book.get(accountOfUser(user))
    if (user === undefined || account === undefined) return undefined
    const terms = admit(user, account, this.#clock.wallMs())?.terms
    if (terms?.isBearer === false) return 'not_bearer'
    const areDisallowed = account.claims?.limits.disallowBearer === true
    return terms !== undefined && areDisallowed ? 'bearers_disallowed' : undefined
  }

  /** Lets it in: keeps by what. */
  remember({ grant, identity }: Admission): Identity {
    this.#grants.set(identity, grant)
    return identity
  }

  recheck(identity: Identity): Expulsion | undefined {
    const nowMs = this.#clock.wallMs()
    const account = this.#book.get(identity.account)
    if (account === undefined && this.#book.isWithdrawn(identity.account)) return 'authorization'
    if (account === undefined || isExpired(account, nowMs)) return 'account_expired'
    const grant = this.#grants.get(identity)
    if (grant === undefined) return undefined
    const signer = account.signers?.get(grant.issuer)
    if (signer === undefined || !isDeepStrictEqual(signer, grant.signer)) return 'disowned'
    return userExpulsion(identity, grant, account, nowMs)
  }

  /** The same user with what its account allows by default now; undefined when that is as it was. */
  renewed(identity: Identity): Identity | undefined {
    const account = this.#book.get(identity.account)
    const grant = this.#grants.get(identity)
    if (account === undefined || grant === undefined) return undefined
    const admission = renewedUser(identity, grant, account)
    return admission && this.remember(admission)
  }

  #valid(user: UserClaims | undefined): UserClaims | undefined {
    if (user === undefined) return undefined
    return userProblems(user, this.#clock.wallMs()).length === 0 ? user : undefined
  }
}

/** undefined: what is presented is no JWT of a user. */
function presentedIn({ connectionType, jwt, password }: Credentials): UserClaims | undefined {
  const isMqtt = connectionType === 'MQTT' || connectionType === 'MQTT_WS'
  const presented = isMqtt && (jwt === undefined || jwt === '') ? password : jwt
  return decodeOrNothing(presented ?? '')
}

/** Why a user may stay no longer in an account as it is now, whoever let it in. */
export function userExpulsion(
  identity: Identity,
  grant: UserGrant,
  { claims }: Account,
  nowMs: number,
): Expulsion | undefined {
  if (identity.expiresMs !== undefined && identity.expiresMs <= nowMs) return 'user_expired'
  if (isRevoked(claims?.revocations ?? NONE, grant.subject, grant.issuedAt)) return 'user_revoked'
  if (grant.isBearer && claims?.limits.disallowBearer === true) return 'authorization'
  return undefined
}

/** A user without permissions of its own has those of its account, as they are now; undefined: as before. */
export function renewedUser(
  identity: Identity,
  grant: UserGrant,
  { config }: Account,
): Admission | undefined {
  const { default_permissions: defaults } = config
  if (!grant.hasDefaults || isDeepStrictEqual(defaults, grant.defaults)) return undefined
  const { permissions: before, ...others } = identity
  const plain = {
    ...others,
    ...(defaults === undefined ? {} : { permissions: compilePermissions(defaults) }),
  }
  const isService = before?.config.publish.deny.includes(CALLOUT_SUBJECT) === true
  const renewed = isService ? withoutPublish(plain, CALLOUT_SUBJECT) : plain
  return { identity: renewed, grant: { ...grant, defaults } }
}

/**
 * What a user may do in an account by a signer that the account knows; undefined when none of its keys
 * signed the user, the user is revoked, or may not be here at this time of the day.
 */
export function admit(
  user: UserClaims,
  account: Account,
  nowMs: number,
): (Admission & { readonly terms: UserTerms }) | undefined {
  const signer = account.signers?.get(user.issuer)
  const terms = signer === undefined ? undefined : termsOf(user, account, signer)
  if (terms === undefined) return undefined
  if (isRevoked(account.claims?.revocations ?? NONE, user.subject, user.issuedAt)) return undefined
  return admitOn(user, account, terms, signer, nowMs)
}

/** The same on terms that are known, for a user that no account of an operator signed. */
export function admitOn(
  user: UserClaims,
  account: Account,
  terms: UserTerms,
  signer: SignerClaims | undefined,
  nowMs: number,
): (Admission & { readonly terms: UserTerms }) | undefined {
  const openMs = openForMs(terms.times, terms.timesLocation, nowMs)
  if (openMs === undefined) return undefined
  const own = permissionsOf(terms.permissions)
  const defaults = account.config.default_permissions
  const permissions = own ?? defaults
  const expiresMs = earliest(user.expires * 1_000, openMs === 0 ? 0 : nowMs + openMs)
  return {
    terms,
    identity: {
      user: user.subject,
      account: account.name,
      ...(permissions === undefined ? {} : { permissions: compilePermissions(permissions) }),
      limits: { subscriptions: terms.subscriptions, payloadBytes: terms.payloadBytes },
      ...(expiresMs === 0 ? {} : { expiresMs }),
      jwt: user.text,
      issuerKey: user.issuerAccount === '' ? account.name : user.issuer,
      nameTag: user.name,
      tags: user.tags,
    },
    grant: {
      subject: user.subject,
      issuedAt: user.issuedAt,
      issuer: user.issuer,
      isBearer: terms.isBearer,
      signer,
      defaults,
      hasDefaults: own === undefined,
    },
  }
}

const NONE: ReadonlyMap<string, number> = new Map()

/** A scoped signing key says all that its users may; they must not say anything themselves. */
function termsOf(user: UserClaims, account: Account, signer: SignerClaims): UserTerms | undefined {
  const { template } = signer
  if (template === undefined) return user.terms
  if (!saysNothing(user.terms)) return undefined
  try {
    const permissions = fillTemplates(template.permissions, {
      name: user.name,
      subject: user.subject,
      accountName: account.claims?.name ?? '',
      accountSubject: user.issuerAccount,
      tags: user.tags,
      accountTags: account.tags,
    })
    return { ...template, permissions }
  } catch {
    return undefined
  }
}

/** 0 stands for never. */
function earliest(left: number, right: number): number {
  return left === 0 || right === 0 ? left + right : Math.min(left, right)
}

export function decodeOrNothing(jwt: string): UserClaims | undefined {
  if (!jwt.startsWith('eyJ')) return undefined
  try {
    return decodeUser(jwt)
  } catch {
    return undefined
  }
}
