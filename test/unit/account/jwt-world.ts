import { createPrivateKey, sign as signEd25519 } from 'node:crypto'
import {
  type Account as AccountBody,
  encodeAccount,
  encodeOperator,
  encodeUser,
  type Operator,
  type User,
} from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import * as nkeys from '@nats-io/nkeys'
import type { Accounts, Credentials } from '../../../shared/account/index.ts'
import { createAccounts } from '../../../shared/account/index.ts'
import { decodeBase32 } from '../../../shared/account/nkey.ts'
import type { OperatorConfig } from '../../../shared/config/index.ts'
import { accountConfig, accountsConfig, authorizationConfig, dependencies } from './setup.ts'

export const NONCE = 'dLWh0m6tGOnZgcw'

export const UNLIMITED = {
  conn: -1,
  leaf: -1,
  subs: -1,
  payload: -1,
  data: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
}

/** An operator with its keys, and JWTs as NATS' own library makes them. */
export class JwtWorld {
  readonly operator = createOperator()
  readonly account = createAccount()
  readonly system = createAccount()
  readonly user = createUser()

  get id(): string {
    return this.account.getPublicKey()
  }

  operatorJwt(body: Partial<Operator> & Record<string, unknown> = {}): Promise<string> {
    const claims = { version: 2, system_account: this.system.getPublicKey(), ...body }
    return encodeOperator('Acme', this.operator, claims)
  }

  accountJwt(
    body: Partial<AccountBody> & Record<string, unknown> = {},
    options: {
      readonly account?: KeyPair
      readonly signer?: KeyPair
      readonly exp?: number
      readonly nbf?: number
      readonly name?: string
    } = {},
  ): Promise<string> {
    const { account = this.account, name = 'red', signer = this.operator, ...times } = options
    const claims = { version: 2, limits: UNLIMITED, ...body } as Partial<AccountBody>
    return encodeAccount(name, account, claims, { signer, ...times })
  }

  userJwt(
    body: Partial<User> & Record<string, unknown> = {},
    options: {
      readonly user?: KeyPair
      readonly issuer?: KeyPair
      readonly signer?: KeyPair
      readonly exp?: number
      readonly nbf?: number
      readonly name?: string
      readonly scopedUser?: boolean
      readonly aud?: string
    } = {},
  ): Promise<string> {
    const { issuer = this.account, name = 'ada', user = this.user, ...rest } = options
    return encodeUser(name, user, issuer, body as Partial<User>, rest)
  }

  /** What a client presents with a user's JWT. */
  credentials(jwt: string, pair: KeyPair = this.user): Credentials {
    return { jwt, nonce: NONCE, signature: sign(pair, NONCE), remoteAddress: '10.1.2.3' }
  }

  async config(accountJwt: string, parts: Partial<OperatorConfig> = {}): Promise<OperatorConfig> {
    const system = await this.accountJwt({}, { account: this.system, name: 'SYS' })
    return {
      jwts: [await this.operatorJwt()],
      trusted_keys: [],
      resolver: { type: 'memory' },
      resolver_preload: { [this.id]: accountJwt, [this.system.getPublicKey()]: system },
      resolver_pinned_accounts: [],
      default_sentinel: '',
      ...parts,
    }
  }

  async accounts(
    accountJwt: string,
    parts: Partial<OperatorConfig> = {},
    ...[with_]: Parameters<typeof dependencies>
  ): Promise<Accounts> {
    const operator = await this.config(accountJwt, parts)
    return createAccounts(operated(operator), dependencies(with_))
  }
}

export function operated(
  operator: OperatorConfig,
  authorization: Parameters<typeof authorizationConfig>[0] = {},
) {
  return accountsConfig({
    accounts: [accountConfig('$G')],
    authorization: authorizationConfig(authorization),
    operator,
    system_account: '',
  })
}

export function sign(pair: KeyPair, text: string): string {
  return Buffer.from(pair.sign(Buffer.from(text))).toString('base64url')
}

export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds
}

/** Key pairs that sign with Node's Ed25519, tens of times faster than the nkeys library's. */
export function createOperator(): KeyPair {
  return quick(nkeys.createOperator())
}

export function createAccount(): KeyPair {
  return quick(nkeys.createAccount())
}

export function createUser(): KeyPair {
  return quick(nkeys.createUser())
}

function quick(pair: KeyPair): KeyPair {
  const raw = decodeBase32(Buffer.from(pair.getSeed()).toString())!.subarray(2, 34)
  const head = Buffer.from('302e020100300506032b657004220420', 'hex')
  const key = createPrivateKey({ key: Buffer.concat([head, raw]), format: 'der', type: 'pkcs8' })
  return Object.assign(pair, { sign: (bytes: Uint8Array) => signEd25519(null, bytes, key) })
}
