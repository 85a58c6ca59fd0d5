import { isDeepStrictEqual } from 'node:util'
import type { ConnectionType } from '../config/index.ts'
import type { Credentials, Expulsion, Identity } from './authenticator.ts'
import type { FileLogin, Verdict } from './file-login.ts'
import type { ProxyCheck } from './proxy-check.ts'

interface LeafGrant {
  readonly connectionType: ConnectionType
  /** undefined: a user's JWT, there being no users for leaves at the time. */
  readonly proof: string | undefined
}

/**
 * Leaves of a server that an operator runs. Users in `leafnodes.authorization` come before JWTs, so a block
 * that comes or goes changes who all of them are: whom neither let in as the file is now may not stay.
 */
export class LeafUsers {
  readonly #grants = new WeakMap<Identity, LeafGrant>()
  #login: FileLogin | undefined

  /** @param login of `leafnodes.authorization`; undefined when it names nobody: then JWTs decide */
  constructor(login: FileLogin | undefined) {
    this.#login = login
  }

  reconfigure(login: FileLogin | undefined): void {
    this.#login = login
  }

  get isNamed(): boolean {
    return this.#login !== undefined
  }

  check(credentials: Credentials, proxy: ProxyCheck): Verdict {
    const login = this.#login
    if (login === undefined) return undefined
    const verdict = login.check(credentials, proxy)
    // By the login that was asked: a reload may have put another in its place meanwhile.
    const admit = (identity: Identity | undefined): Identity | undefined =>
      identity && this.#admit(identity, credentials, login.proofOf(identity))
    return verdict instanceof Promise ? verdict.then(admit) : admit(verdict)
  }

  /** A leaf that a JWT let in. */
  remember(identity: Identity, credentials: Credentials): Identity {
    return this.#admit(identity, credentials, undefined)
  }

  recheck(identity: Identity): Expulsion | undefined {
    const grant = this.#grants.get(identity)
    if (grant === undefined) return undefined
    const { proof, connectionType } = grant
    if (proof === undefined) return this.#login === undefined ? undefined : 'authorization'
    if (this.#login === undefined) return 'authorization'
    return this.#login.expulsionOf(identity, proof, connectionType)
  }

  /** The same user with other permissions; undefined: as before, or no user of the file. */
  renewed(identity: Identity): Identity | undefined {
    const grant = this.#grants.get(identity)
    if (grant?.proof === undefined) return undefined
    const current = this.#login?.current(identity)
    const isAsBefore = isDeepStrictEqual(current?.permissions?.config, identity.permissions?.config)
    if (current === undefined || isAsBefore) return undefined
    this.#grants.set(current, grant)
    return current
  }

  /** What a JWT's user has become is the same leaf's. */
  inherit(renewed: Identity, identity: Identity): Identity {
    const grant = this.#grants.get(identity)
    if (grant !== undefined) this.#grants.set(renewed, grant)
    return renewed
  }

  /** One identity for each login: a user of the file may be many links at a time. */
  #admit(identity: Identity, credentials: Credentials, proof: string | undefined): Identity {
    const { connectionType = 'LEAFNODE' } = credentials
    const admitted = proof === undefined ? identity : { ...identity }
    this.#grants.set(admitted, { connectionType, proof })
    return admitted
  }
}
