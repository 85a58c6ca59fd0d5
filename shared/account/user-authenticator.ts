import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { PetioleError } from '../runtime/index.ts'
import {
  type Authenticator,
  type Credentials,
  GLOBAL_ACCOUNT,
  type Identity,
} from './authenticator.ts'

export interface UserOptions {
  readonly user: string
  readonly password: string
  /** `$G` when it is not named. */
  readonly account?: string
}

/** nats-server's `authorization` block. Without users and token everybody is let in. */
export interface AuthenticatorOptions {
  readonly users: readonly UserOptions[]
  readonly token?: string
  /** The user that a connection without credentials is taken for. */
  readonly noAuthUser?: string
}

/**
 * Users with passwords, and one token. Secrets are compared as keyed digests of equal length, and
 * an unknown user costs the same comparison as a wrong password, so that neither the time nor the
 * answer tells the two apart.
 */
export class UserAuthenticator implements Authenticator {
  readonly isRequired: boolean
  readonly #isOpen: boolean
  readonly #users = new Map<string, { readonly digest: Buffer; readonly identity: Identity }>()
  readonly #tokenDigest: Buffer | undefined
  readonly #nobodysDigest = randomBytes(DIGEST_BYTES)
  readonly #key = randomBytes(DIGEST_BYTES)
  readonly #default: Identity | undefined

  /** Throws PETIOLE_AUTHORIZATION_INVALID. */
  constructor(options: AuthenticatorOptions) {
    for (const { user, password, account = GLOBAL_ACCOUNT } of options.users) {
      check(!this.#users.has(user), `user ${JSON.stringify(user)} is listed twice`)
      check(
        !/^\$2[abxy]\$/.test(password),
        `user ${JSON.stringify(user)} has a bcrypt password, which is not supported: write it in plain, or keep it in a variable`,
      )
      this.#users.set(user, { digest: this.#digest(password), identity: { user, account } })
    }
    this.#tokenDigest = options.token === undefined ? undefined : this.#digest(options.token)
    this.#isOpen = this.#users.size === 0 && this.#tokenDigest === undefined
    this.#default = this.#defaultIdentity(options.noAuthUser)
    this.isRequired = this.#default === undefined
  }

  readonly needsNonce = false

  recheck(): undefined {
    return undefined
  }

  authenticate(credentials: Credentials): Identity | undefined {
    const { user, password, token } = credentials
    if (this.#isOpen) return { user: user ?? '', account: GLOBAL_ACCOUNT }
    const known = user === undefined ? undefined : this.#checkUser(user, password ?? '')
    if (known !== undefined) return known
    if (token !== undefined) return this.#checkToken(token)
    return user === undefined ? this.#default : undefined
  }

  #defaultIdentity(noAuthUser: string | undefined): Identity | undefined {
    if (noAuthUser === undefined) {
      return this.#isOpen ? { user: '', account: GLOBAL_ACCOUNT } : undefined
    }
    const known = this.#users.get(noAuthUser)
    check(
      known !== undefined,
      `no_auth_user ${JSON.stringify(noAuthUser)} is not one of the users: name one of them`,
    )
    return known?.identity
  }

  #checkUser(user: string, password: string): Identity | undefined {
    const known = this.#users.get(user)
    const isRight = timingSafeEqual(this.#digest(password), known?.digest ?? this.#nobodysDigest)
    return isRight ? known?.identity : undefined
  }

  #checkToken(token: string): Identity | undefined {
    const digest = this.#tokenDigest ?? this.#nobodysDigest
    const isRight = timingSafeEqual(this.#digest(token), digest)
    return isRight ? { user: '', account: GLOBAL_ACCOUNT } : undefined
  }

  #digest(secret: string): Buffer {
    return createHmac('sha256', this.#key).update(secret).digest()
  }
}

const DIGEST_BYTES = 32

function check(condition: boolean, problem: string): void {
  if (!condition)
    throw new PetioleError('PETIOLE_AUTHORIZATION_INVALID', `authorization: ${problem}`)
}
