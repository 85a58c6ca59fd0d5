import type { ConnectionType } from '../config/index.ts'
import type { Permissions } from './permissions.ts'
import type { ScramChallenge } from './scram-users.ts'

/** What a peer's certificate says, as far as it was verified. Source: RFC 5280, RFC 2253. */
export interface TlsFacts {
  /** `1.2` or `1.3`. */
  readonly version: string
  readonly cipherSuite: string
  /** undefined: the peer showed no certificate, or none was asked for. */
  readonly certificate:
    | {
        /** The subject's distinguished name, most specific part first (`CN=…,OU=…,O=…`). */
        readonly subject: string
        readonly emails: readonly string[]
        readonly dnsNames: readonly string[]
        readonly uris: readonly string[]
        /** The chain as PEM, the peer's own first. */
        readonly pem: readonly string[]
      }
    | undefined
}

/** Whoever waits for an answer: a channel. */
export interface Applicant {
  /** He is gone: nobody needs the answer. */
  readonly isClosed: boolean
  /** He has hung up, and has perhaps left something that is to be done when he is let in. */
  readonly hasEnded: boolean
}

/** What a connection presents, whatever its protocol. Absent fields were not sent. */
export interface Credentials {
  readonly user?: string
  readonly password?: string
  readonly token?: string
  readonly nkey?: string
  readonly jwt?: string
  /** Of the nonce, base64url. */
  readonly signature?: string
  /** A password that was proven and not said; then there is none. */
  readonly scram?: ScramChallenge
  readonly proxySignature?: string
  /** What INFO asked to sign; absent when it asked for nothing. */
  readonly nonce?: string
  /** Default STANDARD. */
  readonly connectionType?: ConnectionType
  readonly remoteAddress?: string
  /** Absent: he waits as long as it takes. */
  readonly applicant?: Applicant
  readonly tls?: TlsFacts | undefined
  /** What the client says of itself, for auth callouts. */
  readonly client?: {
    readonly id: number
    readonly name: string
    readonly lang: string
    readonly version: string
    readonly protocol: number
    readonly mqttClientId?: string
  }
}

/** Limits of one user; -1: none. */
export interface UserLimits {
  readonly subscriptions: number
  readonly payloadBytes: number
}

/** Who a connection is, once it is let in. */
export interface Identity {
  /** '' for a connection without a user name; the nkey of a user who has no other name. */
  readonly user: string
  /** The subject space it is bound to; `$G` when no accounts are configured. */
  readonly account: string
  /** undefined: everything is allowed. */
  readonly permissions?: Permissions
  readonly limits?: UserLimits
  /** Wall time at which the connection ends. */
  readonly expiresMs?: number
  /** Shown by monitoring: a user's JWT, its issuer, its name and tags. */
  readonly jwt?: string
  readonly issuerKey?: string
  readonly nameTag?: string
  readonly tags?: readonly string[]
  /** The proxy that vouched for it. */
  readonly proxyKey?: string
}

/**
 * Why somebody who was let in may stay no longer; names of `SERVER_ERRORS`. `moved`: the user is gone, or
 * belongs to another account now. `disowned`: who signed for the user does so no more, or otherwise.
 */
export type Expulsion =
  | 'authorization'
  | 'user_revoked'
  | 'user_expired'
  | 'account_expired'
  | 'moved'
  | 'disowned'

/** Of clients that come by the wrong way; names of `SERVER_ERRORS`. */
export type ProxyRefusal = 'proxy_not_trusted' | 'proxy_required'

/** Of a JWT that is good but for what its client, which can sign nothing, would have to sign. */
export type BearerRefusal = 'not_bearer' | 'bearers_disallowed'

export interface Authenticator {
  /** INFO `auth_required`. */
  readonly isRequired: boolean
  /** INFO must carry a nonce: somebody may log in by a signature. */
  readonly needsNonce: boolean
  /**
   * undefined: refused. Takes the same time for an unknown user as for a wrong password. A promise when
   * somebody else must be asked (bcrypt, a resolver, an auth callout); it never rejects.
   */
  authenticate(credentials: Credentials): Identity | undefined | Promise<Identity | undefined>
  /**
   * What a user who will not say his password has to prove; he is authenticated with it afterwards. There is one
   * for unknown users too, which nobody passes. undefined, or absent: nobody here can log in like this.
   */
  challenge?(credentials: Credentials): ScramChallenge | undefined
  /** Why somebody was refused, where it is more than that nobody knows him; for monitoring. */
  refusalOf?(credentials: Credentials): ProxyRefusal | undefined
  /** Why the JWT of a client that can sign nothing let nobody in; undefined, or absent: for another reason. */
  bearerRefusalOf?(credentials: Credentials): BearerRefusal | undefined
  /** Whether the identity, given out earlier, still holds: after a reload or an account's update. */
  recheck(identity: Identity): Expulsion | undefined
  /**
   * What an identity that still holds has become: the same user with other permissions or limits.
   * undefined when it is as it was.
   */
  renewed?(identity: Identity): Identity | undefined
}

export const GLOBAL_ACCOUNT = '$G'

/** For a protocol that cannot change what its peers may do: they end, and come again. */
export function recheckWhole(door: Authenticator, identity: Identity): Expulsion | undefined {
  const hasChanged = door.renewed?.(identity) !== undefined
  return door.recheck(identity) ?? (hasChanged ? 'authorization' : undefined)
}

/**
 * Who somebody is by now about whom others had to be asked: a reload may have come before their answer.
 * undefined: nobody any more.
 */
export function current(door: Authenticator, identity: Identity | undefined): Identity | undefined {
  if (identity === undefined || door.recheck(identity) !== undefined) return undefined
  return door.renewed?.(identity) ?? identity
}

/** For a protocol that cannot wait: an answer that is not there yet counts as a refusal. */
export function atOnce(
  answer: Identity | undefined | Promise<Identity | undefined>,
): Identity | undefined {
  return answer instanceof Promise ? undefined : answer
}
