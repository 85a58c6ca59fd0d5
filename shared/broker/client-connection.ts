import type { Expulsion, Identity } from '../account/index.ts'
import { GLOBAL_ACCOUNT } from '../account/index.ts'
import type { Log } from '../log/index.ts'
import type { PetioleError } from '../runtime/index.ts'
import {
  arenaBytes,
  arenaView,
  CARRY_BYTES_MAX,
  type Channel,
  type ChannelHandler,
  type ChannelSecurity,
} from '../transport/index.ts'
import {
  ClientParser,
  type ConnectOptions,
  encodeError,
  encodeInfo,
  type OperationSink,
  SERVER_ERRORS,
  type Violation,
} from '../wire/index.ts'
import { ClientInlet } from './client-inlet.ts'
import { ClientOutlet, type OutletOwner } from './client-outlet.ts'
import type { ClientSubscription } from './client-subscription.ts'
import { ClientSubscriptions } from './client-subscriptions.ts'
import { type CloseReason, endStatusOf, isSilent, lossOf, reasonOf } from './close-reason.ts'
import type { ConnectionContext, Door } from './connection-context.ts'
import { Expiry } from './expiry.ts'
import { Handshake, type HandshakeEffects } from './handshake.ts'
import { lowest } from './lowest-limit.ts'
import { PermissionGuard } from './permission-guard.ts'
import { type PingEffects, PingTimer } from './ping-timer.ts'
import { ProtocolTrace, TracedInput, TracedOutlet } from './protocol-trace.ts'
import { ParserHold, TurnShare } from './turn-share.ts'
import { authenticationError, logTextOf } from './violation-log.ts'
import { WORK_UNITS, work } from './work.ts'

/**
 * One NATS client: `#parser` reads what it sends, `handshake` finds out who it is, `inlet` publishes
 * for it, `outlet` writes to it. Here is what is left: subscriptions, liveness and the end.
 *
 * A client that need not authenticate may do without CONNECT; then the protocol's defaults hold,
 * which are verbose and pedantic. An error always leaves before the PONG of the same input, because
 * clients take that PONG for "connected".
 */
export class ClientConnection
  implements ChannelHandler, OperationSink, OutletOwner, HandshakeEffects, PingEffects
{
  readonly id: number
  readonly channel: Channel
  readonly door: Door
  /** How the channel stood with TLS when INFO went out. */
  readonly security: ChannelSecurity
  readonly handshake: Handshake
  readonly outlet: ClientOutlet
  readonly inlet: ClientInlet
  readonly turn: TurnShare
  readonly startedMs: number
  lastActivityMs: number
  closeReason: CloseReason | undefined
  /** Text of the last -ERR; '' for none. */
  lastError = ''
  payloadBytesMax: number
  /** CONNECT was accepted. */
  isConnected = false
  readonly #context: ConnectionContext
  readonly #parser: ClientParser
  readonly #hold: ParserHold
  readonly #subscriptions: ClientSubscriptions
  readonly #expiry: Expiry
  #guard: PermissionGuard | undefined
  #pings: PingTimer | undefined
  #hasToldAccount = false

  constructor(context: ConnectionContext, channel: Channel, id: number, door: Door = {}) {
    const { clock, options } = context
    this.#context = context
    this.id = id
    this.channel = channel
    this.door = door
    this.security = channel.security
    this.startedMs = clock.wallMs()
    this.lastActivityMs = this.startedMs
    this.payloadBytesMax = options.payloadBytesMax
    const space = context.space(GLOBAL_ACCOUNT)
    this.#expiry = new Expiry(clock, (error) => this.expel(error))
    const trace = options.tracesProtocol ? new ProtocolTrace(context.log, channel, id) : undefined
    this.outlet =
      trace === undefined
        ? new ClientOutlet(clock, channel, id, options, this)
        : new TracedOutlet(clock, channel, id, options, this, trace)
    this.#subscriptions = new ClientSubscriptions(this.outlet, space, clock)
    this.inlet = new ClientInlet(this.outlet, space, this)
    this.inlet.tracer = context.tracer
    const traced = trace && new TracedInput(trace, this.inlet, this)
    const [messages, operations] = [traced ?? this.inlet, traced ?? this]
    this.#parser = new ClientParser({ bytes: arenaBytes, view: arenaView }, messages, operations, {
      controlLineBytesMax: options.controlLineBytesMax,
      payloadBytesMax: options.payloadBytesMax,
      carryBytesMax: CARRY_BYTES_MAX,
    })
    this.#hold = new ParserHold(this.#parser)
    this.turn = new TurnShare(clock, this.outlet.flow, this.#hold)
    const authenticator = door.authenticator ?? context.authenticator
    this.handshake = new Handshake(context, authenticator, channel, id, door, this)
    this.#parser.expectsConnect = true
  }

  /** Made for each line, of which there are few: the address may come later, in a PROXY header. */
  get #log(): Log {
    return this.#context.log.child({ client_id: this.id, address: this.channel.remoteAddress })
  }

  /** undefined until the client is let in. */
  get identity(): Identity | undefined {
    return this.handshake.identity
  }

  get options(): ConnectOptions {
    return this.handshake.options
  }

  get subscriptions(): ReadonlyMap<string, ClientSubscription> {
    return this.#subscriptions.bySid
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
    this.handshake.start()
    this.tellInfo()
    this.channel.start(this)
    const { pingIntervalMs = options.pingIntervalMs } = this.door
    const pinging = { ...options, pingIntervalMs }
    this.#pings = new PingTimer(clock, random, pinging, this.outlet.flow, this)
  }

  /** Greets the client to tell it that there is no room for it. */
  refuse(): void {
    this.tellInfo()
    this.channel.start(this)
    this.refused('connections')
  }

  /** INFO, the first or another: something in it has changed. `ldm` for one who is sent away. */
  tellInfo(isSentAway = false): void {
    this.outlet.write(encodeInfo(this.#context.info(this, isSentAway)))
  }

  /** Whether the client takes INFO at any time. */
  get takesInfo(): boolean {
    return this.handshake.hasSaidConnect && this.options.protocol >= 1
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

  onPlainRefused(): void {
    this.refused('tls_required')
  }

  onClose(error: PetioleError | undefined): void {
    if (error !== undefined) this.#log.debug({ err: error }, 'client connection lost')
    this.#leave(lossOf(error))
  }

  connect(json: string): void {
    this.#pings?.connected()
    this.handshake.connect(json)
    this.turn.spend(WORK_UNITS.login)
  }

  uninvited(): void {
    this.handshake.uninvited()
  }

  subscribe(subject: string, queue: string, sid: string): void {
    const { subscriptionTokensMax } = this.#context.options
    const error = this.#subscriptions.add(subject, queue, sid, subscriptionTokensMax)
    if (error === undefined) this.#acknowledge()
    else this.complain(error, sid)
    this.turn.spend(WORK_UNITS.interestChange)
  }

  unsubscribe(sid: string, deliveredMax: number): void {
    this.#acknowledge()
    this.#subscriptions.end(sid, deliveredMax)
    this.turn.spend(WORK_UNITS.line)
  }

  ping(): void {
    this.outlet.write(PONG)
    this.turn.spend(WORK_UNITS.line)
    if (this.#hasToldAccount || !this.handshake.hasSaidConnect) return
    this.#hasToldAccount = true
    if (this.takesInfo) this.tellInfo()
  }

  pong(): void {
    this.#pings?.pong()
  }

  sendPing(): void {
    this.outlet.write(PING)
  }

  stale(): void {
    this.refused('stale')
  }

  reportedError(text: string): void {
    this.#log.error({}, `client error ${text}`)
    this.#end('Parse Error')
  }

  violated(error: Violation): void {
    this.refused(error)
  }

  exhausted(subscription: ClientSubscription): void {
    this.#subscriptions.remove(subscription)
  }

  slowConsumer(reason: CloseReason = 'Slow Consumer (Pending Bytes)'): void {
    if (this.isClosed) return
    this.#log.info({ pending_bytes: this.outlet.output.pendingBytes, reason }, 'slow consumer')
    this.#leave(reason)
    this.channel.destroy()
  }

  /** Sends what is gathered, then closes. */
  end(): void {
    this.#end('Server Shutdown')
  }

  destroy(): void {
    this.#leave('Server Shutdown')
    this.channel.destroy()
  }

  kick(): void {
    this.#end('Kicked')
  }

  /** Whoever was let in may stay no longer. */
  expel(error: Expulsion | 'account_connections'): void {
    this.refused(error)
  }

  /** Limits and permissions as they are now: of the server, the account and the user, the lowest each. */
  applyLimits(): void {
    const { identity } = this
    const { options } = this.#context
    const limits = this.#context.limitsOf(identity?.account ?? GLOBAL_ACCOUNT)
    this.payloadBytesMax = lowest(
      options.payloadBytesMax,
      limits.payloadBytes,
      identity?.limits?.payloadBytes ?? -1,
    )
    this.#parser.payloadBytesMax = this.payloadBytesMax
    this.#subscriptions.max = lowest(
      options.subscriptionsMax === 0 ? -1 : options.subscriptionsMax,
      limits.subscriptions,
      identity?.limits?.subscriptions ?? -1,
    )
    this.#expiry.arm(identity?.expiresMs, limits.expiresMs)
    this.inlet.watch(this.#guard)
    if (this.subscriptions.size > this.#subscriptions.max) this.refused('subscriptions')
  }

  /** Subscriptions made as somebody else are gone. */
  forget(): void {
    this.#subscriptions.clear()
  }

  letIn(identity: Identity, isUnasked: boolean): boolean {
    if (!this.#context.enter(this, identity, isUnasked)) return false
    const space = this.#context.space(identity.account)
    this.#parser.expectsConnect = isUnasked && identity.user !== ''
    this.#subscriptions.enter(space)
    this.turn.owner = identity.account
    this.inlet.enter(space, this.#context.isSystemAccount(identity.account))
    this.#restrict(identity)
    this.applyLimits()
    return !this.isClosed
  }

  /** The same user has other permissions or limits now: what they do not allow any more ends. */
  renew(identity: Identity): void {
    this.handshake.identity = identity
    this.#restrict(identity)
    for (const error of this.#subscriptions.recheck()) this.complain(error)
    this.applyLimits()
  }

  accepted(options: ConnectOptions): void {
    this.outlet.echo = options.echo
    this.outlet.supportsHeaders = options.headers && this.#context.options.supportsHeaders
    this.inlet.isVerbose = options.verbose
    this.inlet.isPedantic = options.pedantic
    this.inlet.wantsNoResponders = options.no_responders
    this.#parser.acceptsHeaders = this.outlet.supportsHeaders
    this.#acknowledge()
    if (this.isConnected) return
    this.isConnected = true
    this.#context.connected(this)
  }

  pause(isLong = false): void {
    this.#hold.take()
    this.outlet.flow.pause(isLong)
  }

  resume(): void {
    this.#hold.release()
    this.outlet.flow.resume()
  }

  /** Sends the error, if it has a text, and closes. */
  refused(error: Violation, cause: Violation = error): void {
    if (this.isClosed) return
    const reason = reasonOf(cause)
    if (error !== 'malformed' && !isSilent(error)) this.complain(SERVER_ERRORS[error])
    if (error === 'authorization') {
      this.#context.violations.tell(this, authenticationError(this.options, this.identity?.user))
      this.#context.notLetIn(this, reason)
    } else this.#log.debug({ error }, 'client connection refused')
    this.#end(reason)
  }

  failed(error: unknown): void {
    this.#log.error({ err: error }, 'client login failed')
    this.#end('Authentication Failure')
  }

  /** An error that does not end the connection. */
  complain(text: string, sid = ''): void {
    this.lastError = text
    work.units += WORK_UNITS.line
    const logged = logTextOf(text, sid)
    if (logged === undefined) this.#log.debug({ error: text }, 'error sent to client')
    else this.#context.violations.tell(this, logged)
    this.outlet.write(encodeError(text))
  }

  #restrict({ permissions }: Identity): void {
    this.#guard =
      permissions === undefined ? undefined : new PermissionGuard(permissions, this.#context.clock)
    this.outlet.guard = this.#guard
    this.#subscriptions.guard = this.#guard
  }

  #acknowledge(): void {
    if (this.inlet.isVerbose) this.outlet.write(OK)
  }

  #end(reason: CloseReason): void {
    this.#leave(reason)
    this.channel.end(endStatusOf(reason))
  }

  #leave(reason: CloseReason): void {
    if (this.isClosed) return
    this.closeReason = reason
    this.outlet.isClosed = true
    this.#parser.stop()
    this.#pings?.stop()
    this.handshake.stop()
    this.#expiry.stop()
    this.#context.closed(this)
    this.#subscriptions.leave()
    this.outlet.releasePublishers()
  }
}

const OK = Buffer.from('+OK\r\n')
const PING = Buffer.from('PING\r\n')
const PONG = Buffer.from('PONG\r\n')
