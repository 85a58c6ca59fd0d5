import {
  type Authenticator,
  atOnce,
  type Credentials,
  current,
  type Identity,
} from '../account/index.ts'
import type { Cancel } from '../runtime/index.ts'
import type { Channel } from '../transport/index.ts'
import {
  CONNECT_DEFAULTS,
  type ConnectOptions,
  decodeConnect,
  type Violation,
} from '../wire/index.ts'
import type { CookieNames } from './broker-options.ts'
import type { ConnectionContext, Door } from './connection-context.ts'

export interface HandshakeEffects {
  /** CONNECT comes again: what the client was is over. */
  forget(): void
  /**
   * The client is somebody; false when there is no room for him.
   * @param isUnasked nobody has said so yet: CONNECT is still to come, or will be left out
   */
  letIn(identity: Identity, isUnasked: boolean): boolean
  /** CONNECT is complete, and all that it asks for can be had. */
  accepted(options: ConnectOptions): void
  /** @param cause what monitoring is told, where that is more than the client is */
  refused(error: Violation, cause?: Violation): void
  /** Something of ours went wrong while nobody called us who could be told. */
  failed(error: unknown): void
  /**
   * Nothing more is to be done until `resume`: somebody is being asked.
   * @param isLong it may take longer than the client has patience, which is to be noticed
   */
  pause(isLong: boolean): void
  resume(): void
}

/**
 * From the greeting to the client that is let in:
 *
 *     waiting ──CONNECT──▶ asking ──identity──▶ in ──CONNECT again──▶ asking …
 *        │                   └── nobody ──▶ refused
 *        └── auth timeout (until somebody is asked) ──▶ refused
 *
 * Without required authentication there is an identity from the start, and CONNECT may be left out.
 * The order of checks is nats-server's: who it is, then what it asks for.
 */
export class Handshake {
  options: ConnectOptions = CONNECT_DEFAULTS
  /** undefined until the client is let in. */
  identity: Identity | undefined
  hasSaidConnect = false
  /** What the client is to sign; '' for nothing. */
  readonly nonce: string
  readonly authenticator: Authenticator
  readonly #context: ConnectionContext
  readonly #channel: Channel
  readonly #id: number
  readonly #authTimeoutMs: number
  readonly #effects: HandshakeEffects
  #cancelTimeout: Cancel | undefined
  #isStopped = false

  constructor(
    context: ConnectionContext,
    authenticator: Authenticator,
    channel: Channel,
    id: number,
    door: Door,
    effects: HandshakeEffects,
  ) {
    this.#context = context
    this.#channel = channel
    this.#id = id
    this.#effects = effects
    this.#authTimeoutMs = door.authTimeoutMs ?? context.options.authTimeoutMs
    this.authenticator = authenticator
    this.nonce = authenticator.needsNonce
      ? Buffer.from(context.random.bytes(NONCE_BYTES)).toString('base64url')
      : ''
  }

  /** Lets in who need not say who he is, and gives the others their time. */
  start(): void {
    if (!this.authenticator.isRequired) {
      const identity = atOnce(this.authenticator.authenticate(this.#credentials()))
      if (identity === undefined) return
      this.identity = identity
      this.#effects.letIn(identity, true)
      // Where there are users, who is taken for one of them still has to say something in time.
      if (identity.user === '') return
    }
    this.#cancelTimeout = this.#context.clock.after(this.#authTimeoutMs, () =>
      this.#effects.refused('authentication_timeout'),
    )
  }

  connect(json: string): void {
    // The client has said who it is in time; how long others take to find it out is not its fault.
    this.#cancelTimeout?.()
    const options = decodeConnect(json, this.options)
    if (options === undefined) {
      this.#effects.refused('malformed')
      return
    }
    const before = this.hasSaidConnect ? this.options : undefined
    // Who has been somebody by name until now, if only by `no_auth_user`, was let in before.
    if (this.hasSaidConnect || (this.identity?.user ?? '') !== '') this.#effects.forget()
    this.hasSaidConnect = true
    this.options = this.#withCookies(options, this.#context.options.cookies)
    const admitted = (): void => {
      const problem = problemOf(this.options, this.#context.options.supportsHeaders)
      if (problem === undefined) this.#effects.accepted(this.options)
      else this.#effects.refused(problem)
    }
    // What it presented before stands as long as it presents nothing else.
    const isKnown = this.identity !== undefined && before !== undefined
    if (isKnown && presentsTheSame(before, this.options)) this.#answered(this.identity, admitted)
    else this.#ask(admitted)
  }

  /** Something else came first: allowed to those who become somebody without saying who. */
  uninvited(): void {
    if (this.authenticator.isRequired) this.#effects.refused('authorization')
    else {
      this.#cancelTimeout?.()
      this.#ask(() => {})
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTimeout?.()
  }

  #ask(admitted: () => void): void {
    const answer = this.authenticator.authenticate(this.#credentials())
    if (!(answer instanceof Promise)) {
      this.#answered(answer, admitted)
      return
    }
    this.#effects.pause(true)
    void this.#await(answer, admitted)
  }

  async #await(answer: Promise<Identity | undefined>, admitted: () => void): Promise<void> {
    // By its contract it never rejects; if it does all the same, nobody is let in for that.
    const identity = await answer.catch(() => undefined)
    try {
      this.#answered(current(this.authenticator, identity), admitted)
      this.#effects.resume()
    } catch (error) {
      this.#effects.failed(error)
    }
  }

  #answered(identity: Identity | undefined, admitted: () => void): void {
    if (this.#isStopped) return
    if (identity === undefined) {
      this.#effects.refused('authorization', this.authenticator.refusalOf?.(this.#credentials()))
    } else {
      this.identity = identity
      this.options = withoutSecrets(this.options)
      if (this.#effects.letIn(identity, false)) admitted()
      else this.#effects.refused('account_connections')
    }
  }

  #credentials(): Credentials {
    const { options, nonce } = this
    const { remoteAddress, tls } = this.#channel
    return {
      ...present('user', options.user),
      ...present('password', options.pass),
      ...present('token', options.auth_token),
      ...present('nkey', options.nkey),
      ...present('jwt', options.jwt),
      ...present('signature', options.sig),
      ...present('proxySignature', options.proxy_sig),
      ...present('nonce', nonce === '' ? undefined : nonce),
      connectionType: CONNECTION_TYPES[this.#channel.kind],
      remoteAddress,
      applicant: this.#channel,
      ...(tls === undefined ? {} : { tls }),
      client: {
        id: this.#id,
        name: options.name,
        lang: options.lang,
        version: options.version,
        protocol: options.protocol,
      },
    }
  }

  /** Cookies of the upgrade request stand for what CONNECT leaves out. */
  #withCookies(options: ConnectOptions, names: CookieNames): ConnectOptions {
    if (this.#channel.kind !== 'websocket') return options
    const { cookies } = this.#channel
    // A cookie may come without a name; '' is none that is configured.
    const cookie = (name: string): string | undefined => (name === '' ? undefined : cookies[name])
    return {
      ...options,
      jwt: options.jwt || cookie(names.jwt),
      user: options.user || cookie(names.user),
      pass: options.pass || cookie(names.password),
      auth_token: options.auth_token || cookie(names.token),
    }
  }
}

/** 15 characters of base64url, as nats-server's. */
const NONCE_BYTES = 11

const CONNECTION_TYPES = { tcp: 'STANDARD', websocket: 'WEBSOCKET', memory: 'IN_PROCESS' } as const

function present<Key extends string>(
  key: Key,
  value: string | undefined,
): Partial<Record<Key, string>> {
  return value === undefined ? {} : ({ [key]: value } as Record<Key, string>)
}

/** Stands for what was right once: a connection may live for months, and so would a password. */
const FORGOTTEN = '[REDACTED]'

/** A JWT stays, which monitoring shows; it proves nothing without its key. */
function withoutSecrets(options: ConnectOptions): ConnectOptions {
  const { pass, auth_token, sig, proxy_sig } = options
  return {
    ...options,
    pass: pass && FORGOTTEN,
    auth_token: auth_token && FORGOTTEN,
    sig: sig && FORGOTTEN,
    proxy_sig: proxy_sig && FORGOTTEN,
  }
}

const PRESENTED = ['user', 'pass', 'auth_token', 'nkey', 'jwt', 'sig', 'proxy_sig'] as const

function presentsTheSame(before: ConnectOptions, options: ConnectOptions): boolean {
  return PRESENTED.every((field) => before[field] === options[field])
}

function problemOf(options: ConnectOptions, supportsHeaders: boolean): Violation | undefined {
  if (options.new_account || (options.account ?? '') !== '') return 'authorization'
  if (options.protocol !== 0 && options.protocol !== 1) return 'client_protocol'
  const hasHeaders = options.headers && supportsHeaders
  return options.no_responders && !hasHeaders ? 'no_responders' : undefined
}
