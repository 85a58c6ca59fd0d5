import { createUser } from '@nats-io/nkeys'
import type { ConnectionType } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import { type Clock, messageOf } from '../runtime/index.ts'
import type { Account, AccountBook } from './account-book.ts'
import { CALLOUT_SUBJECT } from './accounts.ts'
import type { Credentials } from './authenticator.ts'
import {
  connectionTypesOf,
  decodeToken,
  decodeUser,
  encodeToken,
  isInRanges,
  isRevoked,
  type TokenSigner,
  timeProblem,
  type UserClaims,
  userProblems,
} from './claims/index.ts'
import { CurveKey } from './curve-key.ts'
import { isTypeAllowed } from './file-login.ts'
import { CALLOUTS_MAX } from './limits.ts'
import { isPublicKey } from './nkey.ts'
import { type Admission, admit, admitOn } from './operator-login.ts'
import type { ProxyCheck } from './proxy-check.ts'

const AUDIENCE = 'nats-authorization-request'
const XKEY_HEADER = 'Nats-Server-Xkey'
const TOKEN_START = 'eyJ'

/** Asks in an account; rejects when nobody answers in time. */
export interface CalloutPort {
  request(
    account: string,
    subject: string,
    headers: Readonly<Record<string, string>>,
    payload: Uint8Array,
    timeoutMs: number,
  ): Promise<Uint8Array>
}

/** What a server says of itself, and signs with. */
export interface ServerFacts extends TokenSigner {
  readonly name: string
  readonly host: string
  readonly version: string
  /** '' for none. */
  readonly cluster: string
  readonly tags: readonly string[]
}

/** Who decides, and for whom. */
export interface CalloutService {
  /** Where the service listens. */
  readonly account: Account
  /** The key that signs users; undefined with an operator, where accounts sign. */
  readonly issuer: string | undefined
  /** Curve key that requests are sealed for; '' for none. */
  readonly xkey: string
  /** Accounts that users may be put in, beside the service's own; `*`: all. With an operator only. */
  readonly allowedAccounts: readonly string[]
}

export interface CalloutRequest {
  readonly credentials: Credentials
  /** User name or nkey that is presented. */
  readonly user: string
  readonly proxy: ProxyCheck
  readonly isProxyRequired: boolean
  /** A user's JWT that was presented in another place than `credentials.jwt`. */
  readonly jwt: string
}

export interface AuthCalloutOptions {
  readonly port: CalloutPort
  readonly server: ServerFacts
  readonly book: AccountBook
  readonly clock: Clock
  readonly log: Log
}

/**
 * Auth callouts [ADR-26]: a service decides about a connection. It is told who connects in a JWT that
 * the server signs, sealed when the service has a curve key, and answers with the JWT of a user. Each
 * request names a user key of its own, which the answer must be for, so that no answer serves twice.
 * Source of what is checked: nats-server's server/auth_callout.go.
 */
export class AuthCallout {
  readonly #options: AuthCalloutOptions
  readonly #curve = new CurveKey()
  #waiting = 0

  constructor(options: AuthCalloutOptions) {
    this.#options = options
  }

  /** The server's public curve key, INFO `xkey`. */
  get xkey(): string {
    return this.#curve.publicKey
  }

  /** Never rejects; what was wrong is logged, as only the operator may know. */
  async ask(
    service: CalloutService,
    request: CalloutRequest,
    timeoutMs: number,
  ): Promise<Admission | undefined> {
    const { log } = this.#options
    if (this.#waiting >= CALLOUTS_MAX) {
      log.warn({ max: CALLOUTS_MAX }, 'too many auth callouts: refusing a connection')
      return undefined
    }
    this.#waiting++
    try {
      return await this.#ask(service, request, timeoutMs)
    } catch (error) {
      const fields = { account: service.account.name, reason: messageOf(error) }
      log.warn(fields, 'auth callout refused a connection')
      return undefined
    } finally {
      this.#waiting--
    }
  }

  async #ask(
    service: CalloutService,
    request: CalloutRequest,
    timeoutMs: number,
  ): Promise<Admission> {
    const user = createUser().getPublicKey()
    const jwt = this.#requestToken(service, request, user, timeoutMs)
    const isSealed = service.xkey !== ''
    const plain = Buffer.from(jwt)
    const payload = isSealed ? this.#seal(plain, service.xkey) : plain
    const headers: Readonly<Record<string, string>> = isSealed ? { [XKEY_HEADER]: this.xkey } : {}
    const { port } = this.#options
    const answer = await port.request(
      service.account.name,
      CALLOUT_SUBJECT,
      headers,
      payload,
      timeoutMs,
    )
    const claims = this.#readAnswer(service, answer, user)
    return this.#admission(service, request, claims, user)
  }

  #requestToken(
    service: CalloutService,
    request: CalloutRequest,
    user: string,
    timeoutMs: number,
  ): string {
    const { clock, server } = this.#options
    const { cluster, tags } = server
    const issuedAt = Math.floor(clock.wallMs() / 1_000)
    const head = {
      subject: service.issuer ?? service.account.name,
      audience: AUDIENCE,
      issuedAt,
      expires: issuedAt + Math.ceil(timeoutMs / 1_000),
    }
    const claims = {
      server_id: {
        name: server.name,
        host: server.host,
        id: server.id,
        version: server.version,
        cluster: cluster === '' ? undefined : cluster,
        tags: tags.length === 0 ? undefined : tags,
        xkey: service.xkey === '' ? undefined : this.xkey,
      },
      user_nkey: user,
      client_info: clientInfo(request),
      connect_opts: connectOptions(request),
      client_tls: clientTls(request.credentials),
    }
    return encodeToken(head, 'authorization_request', claims, server)
  }

  #readAnswer(service: CalloutService, answer: Uint8Array, user: string): UserClaims {
    if (answer.length === 0) throw new Error('auth callout violation: no reason supplied')
    let text = Buffer.from(answer).toString('latin1')
    const wasSealed = service.xkey !== '' && !text.startsWith(TOKEN_START)
    if (wasSealed) text = Buffer.from(this.#open(answer, service.xkey)).toString('latin1')
    const response = decodeToken(text)
    const { claims } = response
    const error = claims.text('error')
    const jwt = claims.text('jwt')
    const issuerAccount = claims.text('issuer_account')
    const time = timeProblem(response, this.#options.clock.wallMs())
    expect(response.type === 'authorization_response', 'not an authorization response claim')
    expect(time === '', `authorization response had validation errors: ${time}`)
    expect((error === '') !== (jwt === ''), 'authorization response needs an error or a jwt')
    expect(
      issuerAccount === '' || isPublicKey(issuerAccount, 'A'),
      'issuer_account is not an account public key',
    )
    expect(response.subject === user, 'auth callout response is not for expected user')
    expect(response.audience === this.#options.server.id, 'auth callout response is not for server')
    expect(error === '', `auth callout service returned an error: ${error}`)
    if (service.issuer === undefined && !wasSealed) {
      const { signers } = service.account
      expect(signers?.has(response.issuer) === true, 'auth callout signing key is unknown')
    }
    return decodeUser(jwt)
  }

  async #admission(
    service: CalloutService,
    request: CalloutRequest,
    user: UserClaims,
    expected: string,
  ): Promise<Admission> {
    const nowMs = this.#options.clock.wallMs()
    const [problem] = userProblems(user, nowMs)
    expect(problem === undefined, `user JWT is not valid: ${problem}`)
    expect(user.subject === expected, `expected authorized user of ${expected}`)
    const admission =
      service.issuer === undefined
        ? await this.#byAccount(service, user, nowMs)
        : this.#byIssuer(service.issuer, user, nowMs)
    const { grant, identity, terms } = admission
    const { credentials, isProxyRequired, proxy } = request
    const isProxied = proxy.kind === 'trusted'
    expect(isProxied || !(isProxyRequired || terms.isProxyRequired), 'proxy required')
    const types = connectionTypesOf(terms)
    const isAllowed = types !== undefined && isTypeAllowed({ connection_types: types }, credentials)
    expect(isAllowed, 'authorized user using invalid connection type')
    const { remoteAddress = '' } = credentials
    expect(
      terms.sources.length === 0 || isInRanges(remoteAddress, terms.sources),
      'authorized user connects from elsewhere',
    )
    const { jwt: _, nameTag, tags: __, ...shown } = identity
    const name = nameTag === undefined || nameTag === '' ? identity.user : nameTag
    const proxied = isProxied ? { proxyKey: proxy.key } : {}
    return { grant, identity: { ...shown, user: name, ...proxied } }
  }

  /** With an operator the user belongs to the account that signed it. */
  async #byAccount(service: CalloutService, user: UserClaims, nowMs: number) {
    const { account, allowedAccounts } = service
    const name = user.issuerAccount === '' ? user.issuer : user.issuerAccount
    const mayBe = name === account.name || allowedAccounts.includes(name)
    expect(
      mayBe || (allowedAccounts.length === 1 && allowedAccounts[0] === '*'),
      `account ${name} not permitted as valid account option for auth callout`,
    )
    const target = await this.#options.book.fetch(name)
    const admission = target === undefined ? undefined : admit(user, target, nowMs)
    if (admission === undefined) throw new Error(`no valid account ${name} for the user`)
    return admission
  }

  /** Without one the user's audience names its account. */
  #byIssuer(issuer: string, user: UserClaims, nowMs: number) {
    expect(user.issuerAccount === '', 'attempted to use issuer_account')
    expect(user.issuer === issuer, `wrong issuer, expected ${issuer} got ${user.issuer}`)
    const target = this.#options.book.get(user.audience)
    if (target === undefined) throw new Error(`no valid account ${user.audience} for the user`)
    expect(
      !isRevoked(target.claims?.revocations ?? new Map(), user.subject, user.issuedAt),
      'user is revoked',
    )
    const admission = admitOn(user, target, user.terms, undefined, nowMs)
    if (admission === undefined) throw new Error('authorized user outside of valid connect times')
    return admission
  }

  #seal(plain: Uint8Array, xkey: string): Uint8Array {
    return this.#curve.seal(plain, xkey)
  }

  #open(sealed: Uint8Array, xkey: string): Uint8Array {
    const plain = this.#curve.open(sealed, xkey)
    if (plain === null) throw new Error('error decrypting auth callout response')
    return plain
  }
}

const CLIENT_TYPES: Readonly<Record<ConnectionType, string>> = {
  STANDARD: 'nats',
  IN_PROCESS: 'nats',
  WEBSOCKET: 'websocket',
  MQTT: 'mqtt',
  MQTT_WS: 'mqtt',
  LEAFNODE: '',
  LEAFNODE_WS: '',
}

function clientInfo({ credentials, user }: CalloutRequest) {
  const { client, connectionType = 'STANDARD', nonce, remoteAddress, signature } = credentials
  const isLeaf = connectionType === 'LEAFNODE' || connectionType === 'LEAFNODE_WS'
  return {
    host: present(remoteAddress),
    id: client?.id,
    user: present(user),
    name: present(client?.name),
    kind: isLeaf ? 'Leafnode' : 'Client',
    type: present(CLIENT_TYPES[connectionType]),
    mqtt_id: present(client?.mqttClientId),
    nonce: present(signature) === undefined ? undefined : nonce,
  }
}

function connectOptions({ credentials, jwt }: CalloutRequest) {
  const { client, nkey, password, signature, token, user } = credentials
  return {
    jwt: present(jwt) ?? present(credentials.jwt),
    nkey: present(nkey),
    sig: present(signature),
    auth_token: present(token),
    user: present(user),
    pass: present(password),
    name: present(client?.name),
    lang: present(client?.lang),
    version: present(client?.version),
    protocol: client?.protocol ?? 0,
  }
}

function clientTls({ tls }: Credentials) {
  if (tls === undefined) return undefined
  const { certificate, cipherSuite, version } = tls
  return {
    version,
    cipher: cipherSuite,
    verified_chains: certificate === undefined ? undefined : [certificate.pem],
  }
}

function present(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function expect(isSo: boolean, problem: string): void {
  if (!isSo) throw new Error(problem)
}
