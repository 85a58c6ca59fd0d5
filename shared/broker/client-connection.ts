import { type Authenticator, atOnce, GLOBAL_ACCOUNT, type Identity } from '../account/index.ts'
import type { Log } from '../log/index.ts'
import {
  type Cancel,
  type Clock,
  codeOf,
  type PetioleError,
  type Random,
} from '../runtime/index.ts'
import { isValidSubject } from '../subject/index.ts'
import {
  arenaBytes,
  arenaView,
  CARRY_BYTES_MAX,
  type Channel,
  type ChannelHandler,
} from '../transport/index.ts'
import {
  ClientParser,
  CONNECT_DEFAULTS,
  type ConnectOptions,
  decodeConnect,
  encodeError,
  encodeInfo,
  type OperationSink,
  SERVER_ERRORS,
  type ServerErrorName,
  type ServerInfo,
} from '../wire/index.ts'
import type { AccountSpace } from './account-space.ts'
import type { BrokerOptions } from './broker-options.ts'
import { ClientInlet } from './client-inlet.ts'
import { ClientOutlet, type OutletOwner } from './client-outlet.ts'
import { ClientSubscription } from './client-subscription.ts'
import { type CloseReason, reasonOf } from './close-reason.ts'
import { PingTimer } from './ping-timer.ts'

/** What a connection needs of its broker. */
export interface ConnectionContext {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: BrokerOptions
  readonly authenticator: Authenticator
  space(account: string): AccountSpace
  info(connection: ClientConnection): ServerInfo
  /** The connection has left; its subscriptions are gone. */
  closed(connection: ClientConnection): void
}

/**
 * One NATS client: `#parser` reads what it sends, `inlet` publishes for it, `outlet` writes to it.
 * Here is what is left: the handshake, subscriptions, liveness and the end.
 *
 * A client that need not authenticate may do without CONNECT; then the protocol's defaults hold,
 * which are verbose and pedantic. An error always leaves before the PONG of the same input, because
 * clients take that PONG for "connected".
 */
export class ClientConnection implements ChannelHandler, OperationSink, OutletOwner {
  readonly id: number
  readonly channel: Channel
  readonly outlet: ClientOutlet
  readonly inlet: ClientInlet
  readonly startedMs: number
  options: ConnectOptions = CONNECT_DEFAULTS
  /** undefined until the client is let in. */
  identity: Identity | undefined
  lastActivityMs: number
  closeReason: CloseReason | undefined
  readonly #context: ConnectionContext
  readonly #log: Log
  readonly #parser: ClientParser
  readonly #subscriptions = new Map<string, ClientSubscription>()
  #space: AccountSpace
  #pings: PingTimer | undefined
  #hasSaidConnect = false
  #hasToldAccount = false
  #cancelAuthTimeout: Cancel | undefined

  constructor(context: ConnectionContext, channel: Channel, id: number) {
    const { clock, options, authenticator } = context
    this.#context = context
    this.#log = context.log.child({ client_id: id, address: channel.remoteAddress })
    this.id = id
    this.channel = channel
    this.startedMs = clock.wallMs()
    this.lastActivityMs = this.startedMs
    this.identity = authenticator.isRequired ? undefined : atOnce(authenticator.authenticate({}))
    this.#space = context.space(this.identity?.account ?? GLOBAL_ACCOUNT)
    this.outlet = new ClientOutlet(clock, channel, id, options.pendingBytesMax, this)
    this.inlet = new ClientInlet(this.outlet, this.#space)
    this.#parser = new ClientParser({ bytes: arenaBytes, view: arenaView }, this.inlet, this, {
      controlLineBytesMax: options.controlLineBytesMax,
      payloadBytesMax: options.payloadBytesMax,
      carryBytesMax: CARRY_BYTES_MAX,
    })
    this.#parser.expectsConnect = this.identity === undefined
  }

  get subscriptions(): ReadonlyMap<string, ClientSubscription> {
    return this.#subscriptions
  }

  get roundTripMs(): number | undefined {
    return this.#pings?.roundTripMs
  }

  get isClosed(): boolean {
    return this.closeReason !== undefined
  }

  /** Greets the client and begins to read. */
  start(): void {
    const { clock, random, options } = this.#context
    this.tellInfo()
    this.channel.start(this)
    this.#pings = new PingTimer(clock, random, options, {
      ping: () => this.outlet.write(PING),
      stale: () => this.#fail('stale'),
    })
    if (this.identity !== undefined) return
    this.#cancelAuthTimeout = clock.after(options.authTimeoutMs, () =>
      this.#fail('authentication_timeout'),
    )
  }

  /** Greets the client to tell it that there is no room for it. */
  refuse(): void {
    this.tellInfo()
    this.channel.start(this)
    this.#fail('connections')
  }

  /** INFO, the first or another: something in it has changed. */
  tellInfo(): void {
    this.outlet.write(encodeInfo(this.#context.info(this)))
  }

  /** Whether the client takes INFO at any time. */
  get takesInfo(): boolean {
    return this.#hasSaidConnect && this.options.protocol >= 1
  }

  /** INFO says which account the client is in: told once, behind its first PONG. */
  get tellsAccount(): boolean {
    return this.#hasToldAccount
  }

  onChunk(start: number, end: number): number {
    this.#pings?.heard()
    this.lastActivityMs = this.#context.clock.wallMs()
    return this.#parser.parse(start, end)
  }

  onDrain(): void {
    this.outlet.releasePublishers()
  }

  onClose(error: PetioleError | undefined): void {
    if (error !== undefined) this.#log.debug({ err: error }, 'client connection lost')
    if (codeOf(error) === 'PETIOLE_OUTPUT_OVERFLOW') this.#leave('Slow Consumer (Pending Bytes)')
    else this.#leave(error === undefined ? 'Client Closed' : 'Read Error')
  }

  connect(json: string): void {
    const options = decodeConnect(json, this.options)
    if (options === undefined) this.#fail('unknown_operation')
    else {
      const problem = problemOf(options)
      const identity = problem === undefined ? this.#authenticate(options) : undefined
      if (identity === undefined) this.#fail(problem ?? 'authorization')
      else this.#letIn(options, identity)
    }
  }

  subscribe(subject: string, queue: string, sid: string): void {
    const problem = this.#problemWith(subject, sid)
    if (problem !== undefined) this.#complain(problem)
    else {
      if (!this.#subscriptions.has(sid)) {
        const subscription = new ClientSubscription(this.outlet, subject, queue, sid)
        this.#subscriptions.set(sid, subscription)
        this.#space.add(subscription)
      }
      this.#acknowledge()
    }
  }

  unsubscribe(sid: string, deliveredMax: number): void {
    const subscription = this.#subscriptions.get(sid)
    if (subscription !== undefined) {
      if (deliveredMax > subscription.delivered) subscription.deliveredMax = deliveredMax
      else this.exhausted(subscription)
    }
    this.#acknowledge()
  }

  ping(): void {
    this.outlet.write(PONG)
    if (this.#hasToldAccount || !this.takesInfo) return
    this.#hasToldAccount = true
    this.tellInfo()
  }

  pong(): void {
    this.#pings?.pong()
  }

  reportedError(): void {
    this.#leave('Client Closed')
    this.channel.end()
  }

  violated(error: ServerErrorName): void {
    this.#fail(error)
  }

  exhausted(subscription: ClientSubscription): void {
    if (subscription.isClosed) return
    subscription.isClosed = true
    this.#subscriptions.delete(subscription.sid)
    this.#space.unsubscribe(subscription)
  }

  slowConsumer(): void {
    if (this.isClosed) return
    this.#log.warn({ pending_bytes: this.outlet.output.pendingBytes }, 'slow consumer cut off')
    this.#leave('Slow Consumer (Pending Bytes)')
    this.channel.destroy()
  }

  /** Sends what is gathered, then closes. */
  end(): void {
    this.#leave('Server Shutdown')
    this.channel.end()
  }

  destroy(): void {
    this.#leave('Server Shutdown')
    this.channel.destroy()
  }

  #letIn(options: ConnectOptions, identity: Identity): void {
    this.#cancelAuthTimeout?.()
    this.#hasSaidConnect = true
    this.options = options
    this.identity = identity
    this.outlet.echo = options.echo
    this.outlet.supportsHeaders = options.headers
    this.inlet.isVerbose = options.verbose
    this.inlet.isPedantic = options.pedantic
    this.inlet.wantsNoResponders = options.no_responders
    this.#parser.acceptsHeaders = options.headers
    this.#parser.expectsConnect = false
    this.#enter(this.#context.space(identity.account))
    this.#acknowledge()
  }

  #problemWith(subject: string, sid: string): ServerErrorName | undefined {
    if (!isValidSubject(subject)) return 'invalid_subject'
    const max = this.#context.options.subscriptionsMax
    const isOver = max > 0 && this.#subscriptions.size >= max && !this.#subscriptions.has(sid)
    return isOver ? 'subscriptions' : undefined
  }

  #authenticate(options: ConnectOptions): Identity | undefined {
    const { user, pass, auth_token } = options
    const answer = this.#context.authenticator.authenticate({
      ...(user === undefined ? {} : { user }),
      ...(pass === undefined ? {} : { password: pass }),
      ...(auth_token === undefined ? {} : { token: auth_token }),
    })
    const identity = atOnce(answer)
    if (identity === undefined) this.#log.warn({ user: user ?? '' }, 'client not let in')
    return identity
  }

  /** Subscriptions made before CONNECT, or as somebody else, move along. */
  #enter(space: AccountSpace): void {
    if (space === this.#space) return
    for (const subscription of this.#subscriptions.values()) {
      this.#space.unsubscribe(subscription)
      space.add(subscription)
    }
    this.#space = space
    this.inlet.enter(space)
  }

  #acknowledge(): void {
    if (this.inlet.isVerbose) this.outlet.write(OK)
  }

  #complain(error: ServerErrorName): void {
    this.outlet.write(encodeError(SERVER_ERRORS[error]))
  }

  #fail(error: ServerErrorName): void {
    if (this.isClosed) return
    this.#complain(error)
    this.#log.debug({ error: SERVER_ERRORS[error] }, 'client connection refused')
    this.#leave(reasonOf(error))
    this.channel.end()
  }

  #leave(reason: CloseReason): void {
    if (this.isClosed) return
    this.closeReason = reason
    this.outlet.isClosed = true
    this.#parser.stop()
    this.#pings?.stop()
    this.#cancelAuthTimeout?.()
    for (const subscription of this.#subscriptions.values()) {
      subscription.isClosed = true
      this.#space.unsubscribe(subscription)
    }
    this.#subscriptions.clear()
    this.outlet.releasePublishers()
    this.#context.closed(this)
  }
}

const OK = Buffer.from('+OK\r\n')
const PING = Buffer.from('PING\r\n')
const PONG = Buffer.from('PONG\r\n')

function problemOf(options: ConnectOptions): ServerErrorName | undefined {
  if (options.protocol !== 0 && options.protocol !== 1) return 'client_protocol'
  if (options.account !== undefined) return 'authorization'
  return options.no_responders && !options.headers ? 'no_responders' : undefined
}
