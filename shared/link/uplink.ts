import type { Publication } from '../broker/index.ts'
import type { RemoteUrl } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import { type Cancel, type Clock, messageOf, type Random, Tasks } from '../runtime/index.ts'
import type { Channel, Network, TlsSettings } from '../transport/index.ts'
import type { AccountLinks } from './account-links.ts'
import { Backoff } from './backoff.ts'
import { FailureLog } from './failure-log.ts'
import {
  BACKOFF_MAX_MS,
  type LinkLimits,
  SHORT_LINKS_MAX,
  STABLE_AFTER_MS,
  WAIT_JITTER,
} from './limits.ts'
import { Link, type LinkStats } from './link.ts'
import { DOMAIN_TAKEN_ADVICE, refusalOf } from './link-errors.ts'
import { type LinkInfo, parseLinkInfo, TRACING_PROTOCOL } from './link-hello.ts'
import type { LinkLogin } from './link-login.ts'
import { LinkPermissions, narrowed } from './link-permissions.ts'
import { LinkSecurity } from './link-security.ts'
import type { ServerCard } from './server-card.ts'
import { UplinkHandshake } from './uplink-handshake.ts'
import { nextUplinkState, type UplinkEvent, type UplinkState } from './uplink-state.ts'
import { UrlPool } from './url-pool.ts'
import { WithholdRule } from './withhold-rule.ts'

export interface UplinkOptions {
  readonly network: Network
  /** At least one. Several are one hub's, or one region's: the first that answers is taken. */
  readonly urls: readonly RemoteUrl[]
  readonly isShuffled: boolean
  readonly dialTimeoutMs: number
  /** The longest wait before a lost link is dialled again; backoff grows from it. */
  readonly backoffBaseMs: number
  readonly links: AccountLinks
  readonly server: ServerCard
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: LinkLimits
  /** `Core.nextPeerId`. */
  readonly nextPeerId: () => number
  readonly hasJetStream: boolean
  /** True spares this link the interest of the hub's other leaves; they cannot be reached then. */
  readonly isIsolated?: boolean
  /** undefined: TLS only where a URL or the hub asks for it. */
  readonly tls?: TlsSettings | undefined
  /** Read for each dial: a user's JWT or nkey; default: what the URL has. */
  readonly login?: () => Promise<LinkLogin | undefined>
  /** Subjects that the hub is not to hear of, and such that it is not to send. */
  readonly denyExports?: readonly string[]
  readonly denyImports?: readonly string[]
  /** Subjects that a buffer captures: what is born here on them does not cross live. */
  readonly withhold?: (subject: string) => boolean
  /** False: a message from the hub is passed over, such as one that this leaf brought there itself. */
  readonly acceptsInbound?: (publication: Publication) => boolean
}

/**
 * The soliciting side: one link to a hub that is dialled, kept, and dialled again. A link that is
 * down is a normal state; nothing waits for it. State changes are told after they have happened, and
 * the interest of this server is with the hub's socket before `up` is told.
 */
export class Uplink {
  readonly #options: UplinkOptions
  readonly #pool: UrlPool
  readonly #backoff: Backoff
  readonly #failures: FailureLog
  readonly #security: LinkSecurity
  readonly #withhold: WithholdRule | undefined
  readonly #tasks: Tasks
  readonly #listeners = new Set<(state: UplinkState) => void>()
  #state: UplinkState = { name: 'idle' }
  #handshake: UplinkHandshake | undefined
  #link: Link | undefined
  #refusal: string | undefined
  #cancelWait: Cancel | undefined
  /** Links in a row that ended as soon as they were up. */
  #shortLinks = 0

  constructor(options: UplinkOptions) {
    const { urls, random, isShuffled, backoffBaseMs, log, clock, withhold } = options
    this.#options = options
    this.#pool = new UrlPool(urls, random, isShuffled)
    this.#backoff = new Backoff(random, backoffBaseMs, BACKOFF_MAX_MS)
    this.#failures = new FailureLog(log, clock)
    this.#security = new LinkSecurity(options.tls, urls)
    this.#withhold = withhold === undefined ? undefined : new WithholdRule(withhold)
    this.#tasks = new Tasks((name, error) => log.error({ err: error }, `${name} failed`))
  }

  get state(): UplinkState {
    return this.#state
  }

  /** undefined while the link is down. */
  get stats(): LinkStats | undefined {
    return this.#link?.stats
  }

  /** Unique among the connections of this process; 0 while the link is down. */
  get linkId(): number {
    return this.#link?.id ?? 0
  }

  /** What the hub asks for; empty while the link is down. */
  get subjects(): readonly string[] {
    return this.#link?.subjects ?? []
  }

  start(): void {
    if (this.#state.name === 'idle') this.#dial()
  }

  /** Called after each change; the result ends it. */
  onState(listener: (state: UplinkState) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** What `withhold` answered before does not hold any more. */
  forgetWithheld(): void {
    this.#withhold?.forget()
  }

  /** Ends a wait: dials at once, after a network has come back, say. */
  redial(): void {
    if (this.#state.name === 'waiting') this.#dial()
  }

  /** Gives the hub what waits for a slow link, then closes. Idempotent, as `destroy`. */
  async drain(): Promise<void> {
    this.#stop()
    const link = this.#link
    this.#handshake?.connection.destroy('this server stops')
    await link?.connection.drain('this server stops')
    await this.#tasks.destroy()
  }

  async destroy(): Promise<void> {
    this.#stop()
    this.#link?.connection.destroy('this server stops')
    this.#handshake?.connection.destroy('this server stops')
    await this.#tasks.destroy()
  }

  #stop(): void {
    this.#cancelWait?.()
    this.#move({ type: 'stopped' })
  }

  #dial(): void {
    this.#cancelWait?.()
    this.#cancelWait = undefined
    const url = this.#pool.current()
    if (url === undefined) return
    this.#move({ type: 'dial', url: url.text })
    this.#tasks.run('uplink dial', (signal) => this.#connect(url, signal))
  }

  async #connect(url: RemoteUrl, signal: AbortSignal): Promise<void> {
    const { network, dialTimeoutMs, login } = this.#options
    const { protocol, host, port } = url
    let channel: Channel
    let user: LinkLogin | undefined
    try {
      user = await login?.()
    } catch (error) {
      this.#failed(messageOf(error), "look at the remote's credentials")
      return
    }
    try {
      const path = protocol === 'websocket' ? `${url.path}/leafnode` : ''
      const tls = this.#security.dialling(url)
      const where = { protocol, host, port, path, timeoutMs: dialTimeoutMs, tls }
      channel = await network.dial(where, signal)
    } catch (error) {
      this.#failed(messageOf(error), 'is the other server running, and is this its address?')
      return
    }
    if (signal.aborted || this.#state.name !== 'dialing') {
      channel.destroy()
      return
    }
    this.#move({ type: 'connected' })
    this.#shakeHands(url, channel, user)
  }

  #shakeHands(url: RemoteUrl, channel: Channel, login: LinkLogin | undefined): void {
    const { server, links, clock, limits, hasJetStream } = this.#options
    const { isIsolated = false, denyImports = [] } = this.#options
    this.#refusal = undefined
    const handshake = new UplinkHandshake({
      channel,
      server,
      account: links.space.account,
      user: url.user,
      password: url.password,
      login,
      security: () => this.#security.for(url),
      isTlsWanted: this.#security.isWanted(url),
      denyImports,
      hasJetStream,
      isIsolated,
      clock,
      limits,
      onAccepted: (first, accepted) => this.#accepted(url, handshake, first, accepted),
      onFailed: (reason, refusal) => {
        this.#handshake = undefined
        this.#refusal = refusal
        this.#failed(reason, '')
      },
    })
    this.#handshake = handshake
    handshake.start()
  }

  #accepted(url: RemoteUrl, handshake: UplinkHandshake, first: LinkInfo, accepted: LinkInfo): void {
    const { server, links, clock, limits, nextPeerId, acceptsInbound } = this.#options
    const { denyExports = [], denyImports = [] } = this.#options
    const log = this.#options.log.child({ hub: first.name })
    const withhold = this.#withhold
    const { connection } = handshake
    const link = new Link({
      kind: 'uplink',
      id: nextPeerId(),
      connection,
      links,
      clock,
      log,
      limits,
      permissions: new LinkPermissions(
        server.domain,
        narrowed(accepted.exports, denyExports),
        narrowed(accepted.imports, denyImports),
      ),
      isStrict: false,
      responses: undefined,
      remote: {
        cluster: first.cluster,
        hasHeaders: first.hasHeaders,
        isIsolated: false,
        payloadBytesMax: first.payloadBytesMax,
        name: first.name,
        ignoresTraces: first.protocol < TRACING_PROTOCOL,
      },
      withholds: withhold === undefined ? () => false : (message) => withhold.applies(message),
      accepts: acceptsInbound ?? (() => true),
      onInfo: (json) => this.#informed(url, json),
      onRefused: (error) => {
        this.#refusal = error
        connection.close(`the other side refused: ${error}`)
      },
      onEnded: (reason) => this.#lost(reason),
    })
    this.#handshake = undefined
    this.#link = link
    this.#discover(url, first)
    link.attach(limits.pingIntervalMs)
    if (connection.isEnded) return
    log.info({ url: url.text, ...this.#failures.recovered() }, 'uplink up')
    if (server.domain !== '' && server.domain === first.domain) {
      log.warn(
        { domain: server.domain, advice: DOMAIN_TAKEN_ADVICE },
        'two servers with one domain',
      )
    }
    const { name, serverId, version, cluster, domain } = first
    const hub = { name, id: serverId, version, cluster, domain, account: accepted.remoteAccount }
    this.#move({ type: 'accepted', nowMs: clock.monotonicMs(), hub })
  }

  #informed(url: RemoteUrl, json: string): void {
    try {
      this.#discover(url, parseLinkInfo(json))
    } catch (error) {
      this.#options.log.debug({ err: error }, 'INFO of the hub passed over')
    }
  }

  #discover(url: RemoteUrl, info: LinkInfo): void {
    const told = url.protocol === 'websocket' ? info.webSocketUrls : (info.leafnodeUrls ?? [])
    if (told.length > 0) this.#pool.discover(told, url)
  }

  #lost(reason: string): void {
    this.#link = undefined
    this.#failed(reason, '')
  }

  #failed(reason: string, advice: string): void {
    if (this.#state.name === 'stopped') return
    const { clock, random, backoffBaseMs } = this.#options
    // We may have refused too: whichever side hears its own loop subject says so.
    const refusal = refusalOf(this.#refusal ?? reason)
    this.#refusal = undefined
    const backoffMs = this.#advance() ? this.#backoff.nextMs() : random.float() * backoffBaseMs
    const namedMs = (refusal.waitMs ?? 0) * (1 + random.float() * WAIT_JITTER)
    const waitMs = Math.max(backoffMs, namedMs)
    this.#failures.failed({
      url: 'url' in this.#state ? this.#state.url : '',
      reason,
      advice: refusal.advice || advice,
      retryInMs: waitMs,
    })
    this.#cancelWait = clock.after(waitMs, () => this.#dial())
    this.#move({ type: 'failed', untilMs: clock.monotonicMs() + waitMs, reason })
  }

  /** Chooses the next address; true when it is time to wait longer than before. */
  #advance(): boolean {
    const state = this.#state
    if (state.name !== 'up') return this.#pool.advance()
    const isShort = this.#options.clock.monotonicMs() - state.sinceMs < STABLE_AFTER_MS
    this.#shortLinks = isShort ? this.#shortLinks + 1 : 0
    if (this.#shortLinks <= SHORT_LINKS_MAX) this.#backoff.reset()
    if (isShort) return this.#pool.advance()
    this.#pool.restart()
    return true
  }

  #move(event: UplinkEvent): void {
    const before = this.#state
    this.#state = nextUplinkState(before, event)
    if (this.#state === before) return
    for (const listener of this.#listeners) listener(this.#state)
  }
}
