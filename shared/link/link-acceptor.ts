import { type Authenticator, type Identity, recheckWhole } from '../account/index.ts'
import type { Message } from '../broker/index.ts'
import type { Log } from '../log/index.ts'
import type { Cancel, Clock, Random } from '../runtime/index.ts'
import type { Channel } from '../transport/index.ts'
import { SERVER_ERRORS } from '../wire/index.ts'
import { AcceptedLeaf, type LeafHello, type LeafUrls } from './accepted-leaf.ts'
import type { LinkAccounts } from './account-links.ts'
import { rulesOfLeaf } from './leaf-rules.ts'
import { ACCEPTOR_PING_FACTOR, HANDSHAKES_MAX, type LinkLimits, MOVE_MIN_MS } from './limits.ts'
import { Link, type LinkStats } from './link.ts'
import { DOMAIN_TAKEN_ADVICE, DUPLICATE_LEAF, nameTaken, TOO_MANY_LEAVES } from './link-errors.ts'
import { type LinkConnect, TRACING_PROTOCOL } from './link-hello.ts'
import { LinkPermissions } from './link-permissions.ts'
import { LinkResponses } from './link-responses.ts'
import type { ServerCard } from './server-card.ts'

/** A leaf on this server, from its admission to its end. */
export interface AttachedLeaf {
  readonly hello: LeafHello
  /** Monotonic. */
  readonly sinceMs: number
  readonly stats: LinkStats
  /** Unique among the connections of this process. */
  readonly id: number
  readonly identity: Identity
  /** What it asks for; made at each call. */
  readonly subjects: readonly string[]
  /** It is not told the interest of other leaves. */
  readonly isIsolated: boolean
  readonly channel: Pick<Channel, 'kind' | 'tls'>
  /** Ends the link with an -ERR of this text; the leaf redials. */
  close(error: string): void
}

export interface LinkAcceptorOptions {
  readonly accounts: LinkAccounts
  readonly authenticator: Authenticator
  readonly server: ServerCard
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: LinkLimits
  /** `Core.nextPeerId`. */
  readonly nextPeerId: () => number
  readonly hasJetStream: boolean
  /** `host:port` of this hub's leafnode listeners, for leaves that find another one; may be empty. */
  readonly leafnodeUrls: readonly string[]
  /** `max_leafnodes` of an account; -1 for none. */
  readonly leavesMaxOf?: (account: string) => number
  /** Decides on a leaf that has logged in: undefined lets it in, a text refuses it (see `comeBackIn`). */
  readonly admit?: (leaf: LeafHello) => string | undefined
  /** True: this message does not go to that leaf, such as one that it brought here itself. */
  readonly withhold?: (leaf: LeafHello, message: Message) => boolean
  readonly onAttached?: (leaf: AttachedLeaf) => void
  readonly onDetached?: (leaf: AttachedLeaf, reason: string) => void
}

/**
 * The accepting side of leaf links, over any channel: the `leafnodes` port, and WebSocket paths that
 * end in `/leafnode`. It knows each attached leaf by (account, name). The same leaf again takes over
 * at once, since its old connection may be half-open for long; another identity under its name is
 * refused as long as the first one is attached. Leaves that prove no identity (nats-server) are told
 * apart by their cluster and accounts, as nats-server does.
 */
export class LinkAcceptor {
  readonly #options: LinkAcceptorOptions
  readonly #handshakes = new Set<AcceptedLeaf>()
  readonly #names = new Map<string, Map<string, Attachment>>()
  /** How many attached leaves have each JetStream domain. */
  readonly #domains = new Map<string, number>()
  #attachedCount = 0
  #isClosing = false
  #urls: LeafUrls

  constructor(options: LinkAcceptorOptions) {
    this.#options = options
    this.#urls = { leafnode: options.leafnodeUrls, webSocket: [] }
  }

  get leaves(): readonly AttachedLeaf[] {
    return this.#attachments()
  }

  /** @param verifiesTls the listener asks for certificates */
  accept(channel: Channel, verifiesTls = false): void {
    if (this.#isClosing || this.#handshakes.size >= HANDSHAKES_MAX) {
      channel.destroy()
      return
    }
    const { nextPeerId, server, authenticator, clock, random, limits } = this.#options
    const handshake = new AcceptedLeaf({
      channel,
      id: nextPeerId(),
      server,
      authenticator,
      clock,
      random,
      limits,
      hasJetStream: this.#options.hasJetStream,
      verifiesTls,
      urls: () => this.#urls,
      onHello: (hello, connect, identity) => this.#decide(hello, connect, identity, handshake),
      onEnded: (ended, reason) => this.#handshakeFailed(ended, reason),
    })
    this.#handshakes.add(handshake)
    handshake.start()
  }

  /** Where else leaves can go, from now on: those that are attached are told. */
  announce(urls: LeafUrls): void {
    this.#urls = urls
    for (const attachment of this.#attachments()) attachment.handshake.tell()
  }

  /**
   * The leaf with this proven identity has attached to another hub: its link here is half-open. One that
   * has just come here has not, whatever was said meanwhile.
   */
  leftFor(hub: string, leaf: Pick<LeafHello, 'account' | 'name' | 'id'>): void {
    const links = this.#names.get(`${leaf.account} ${leaf.name}`)
    for (const attachment of [...(links?.values() ?? [])]) {
      const { hello, sinceMs } = attachment
      const isSettled = this.#options.clock.monotonicMs() - sinceMs > MOVE_MIN_MS
      if (!hello.isVerified || hello.id !== leaf.id || !isSettled) continue
      this.#log(hello).info({ hub }, 'leaf has moved to another hub')
      attachment.close(DUPLICATE_LEAF)
    }
  }

  /** After a reload, or when an account has changed: ends the links of those who may stay no longer. */
  recheck(account?: string): void {
    const { authenticator } = this.#options
    for (const attachment of this.#attachments()) {
      if (account !== undefined && attachment.identity.account !== account) continue
      const expulsion = recheckWhole(authenticator, attachment.identity)
      if (expulsion !== undefined) attachment.close(SERVER_ERRORS[expulsion])
    }
  }

  /** Sends each leaf what waits for it, then closes its link. Idempotent, as `destroy`. */
  async drain(reason: string): Promise<void> {
    this.#isClosing = true
    for (const { connection } of this.#handshakes) connection.close(reason)
    await Promise.all(this.#attachments().map(({ link }) => link.connection.drain(reason)))
  }

  destroy(reason: string): void {
    this.#isClosing = true
    for (const { connection } of this.#handshakes) connection.destroy(reason)
    for (const { link } of this.#attachments()) link.connection.destroy(reason)
  }

  #attachments(): readonly Attachment[] {
    return [...this.#names.values()].flatMap((links) => [...links.values()])
  }

  #decide(
    hello: LeafHello,
    connect: LinkConnect,
    identity: Identity,
    handshake: AcceptedLeaf,
  ): void {
    const { connection } = handshake
    const [holder] = this.#names.get(nameKeyOf(hello, handshake))?.values() ?? []
    const old = this.#names.get(nameKeyOf(hello, handshake))?.get(bindingOf(hello, handshake))
    const refusal = this.#refusalOf(hello, holder)
    if (refusal !== undefined) {
      this.#log(hello).warn({ address: addressOf(hello), refusal }, 'leaf refused')
      connection.fail(refusal)
      return
    }
    if (old !== undefined) {
      this.#log(hello).info({ old: addressOf(old.hello) }, 'leaf takes over its old connection')
      old.close(DUPLICATE_LEAF)
    }
    this.#attach(hello, connect, identity, handshake)
  }

  #refusalOf(hello: LeafHello, holder: Attachment | undefined): string | undefined {
    if (holder !== undefined && !isSame(hello, holder.hello)) {
      const { id, isVerified } = holder.hello
      const who = isVerified ? id : 'a server without a Petiole identity'
      return nameTaken(hello.name, `${who} at ${addressOf(holder.hello)}`)
    }
    const isFull = holder === undefined && this.#attachedCount >= this.#options.limits.leavesMax
    if (isFull || (holder === undefined && this.#isAccountFull(hello.account))) {
      return TOO_MANY_LEAVES
    }
    return this.#options.admit?.(hello)
  }

  #isAccountFull(account: string): boolean {
    const max = this.#options.leavesMaxOf?.(account) ?? -1
    if (max < 0) return false
    return this.#attachments().filter(({ hello }) => hello.account === account).length >= max
  }

  #attach(
    hello: LeafHello,
    connect: LinkConnect,
    identity: Identity,
    handshake: AcceptedLeaf,
  ): void {
    const { accounts, clock, limits, server, withhold } = this.#options
    const { connection, id } = handshake
    this.#handshakes.delete(handshake)
    const { permissions } = identity
    const { send, receive } = rulesOfLeaf(permissions?.config, connect.denyPublish)
    const rule = permissions?.responses
    const link = new Link({
      kind: connect.isHub ? 'uplink' : 'leaf',
      id,
      connection,
      links: accounts.of(hello.account),
      clock,
      log: this.#log(hello),
      limits,
      permissions: new LinkPermissions(server.domain, send, receive),
      isStrict: true,
      publishRules: receive,
      responses: rule === undefined ? undefined : new LinkResponses(clock, rule),
      remote: {
        cluster: hello.cluster,
        hasHeaders: connect.hasHeaders,
        isIsolated: connect.isIsolated,
        payloadBytesMax: 0,
        name: hello.name,
        ignoresTraces: connect.protocol < TRACING_PROTOCOL,
      },
      withholds: withhold === undefined ? never : (message) => withhold(hello, message),
      accepts: always,
      onInfo: () => {},
      onRefused: (error) => connection.close(`the leaf said: ${error}`),
      onEnded: (reason) => this.#detached(attachment, handshake, reason),
    })
    const attachment = new Attachment(hello, identity, link, handshake, clock)
    this.#register(attachment, handshake)
    handshake.confirm(identity)
    link.attach(limits.pingIntervalMs * ACCEPTOR_PING_FACTOR)
    this.#log(hello).info(
      { address: addressOf(hello), verified: hello.isVerified },
      'leaf attached',
    )
    this.#options.onAttached?.(attachment)
  }

  #register(attachment: Attachment, handshake: AcceptedLeaf): void {
    const nameKey = nameKeyOf(attachment.hello, handshake)
    const links = this.#names.get(nameKey) ?? new Map<string, Attachment>()
    this.#names.set(nameKey, links.set(bindingOf(attachment.hello, handshake), attachment))
    this.#attachedCount++
    this.#countDomain(attachment.hello, 1)
  }

  #detached(attachment: Attachment, handshake: AcceptedLeaf, reason: string): void {
    const nameKey = nameKeyOf(attachment.hello, handshake)
    const links = this.#names.get(nameKey)
    links?.delete(bindingOf(attachment.hello, handshake))
    if (links?.size === 0) this.#names.delete(nameKey)
    this.#attachedCount--
    attachment.cancelExpiry()
    this.#countDomain(attachment.hello, -1)
    this.#log(attachment.hello).info({ reason }, 'leaf detached')
    this.#options.onDetached?.(attachment, reason)
  }

  #countDomain(hello: LeafHello, delta: number): void {
    const { domain } = hello
    if (domain === '') return
    const own = domain === this.#options.server.domain ? 1 : 0
    const count = (this.#domains.get(domain) ?? 0) + delta
    if (count > 0) this.#domains.set(domain, count)
    else this.#domains.delete(domain)
    if (delta < 0 || count + own < 2) return
    this.#log(hello).warn({ domain, advice: DOMAIN_TAKEN_ADVICE }, 'two servers with one domain')
  }

  #handshakeFailed(handshake: AcceptedLeaf, reason: string): void {
    if (!this.#handshakes.delete(handshake)) return
    const { remoteAddress, remotePort } = handshake.connection.channel
    this.#options.log.warn(
      { address: `${remoteAddress}:${remotePort}`, reason },
      'leaf not attached',
    )
  }

  #log(hello: LeafHello): Log {
    return this.#options.log.child({ leaf: hello.name, account: hello.account })
  }
}

class Attachment implements AttachedLeaf {
  readonly hello: LeafHello
  readonly identity: Identity
  readonly sinceMs: number
  readonly link: Link
  readonly handshake: AcceptedLeaf
  readonly cancelExpiry: Cancel

  constructor(
    hello: LeafHello,
    identity: Identity,
    link: Link,
    handshake: AcceptedLeaf,
    clock: Clock,
  ) {
    this.hello = hello
    this.identity = identity
    this.link = link
    this.handshake = handshake
    this.sinceMs = clock.monotonicMs()
    const { expiresMs } = identity
    this.cancelExpiry =
      expiresMs === undefined
        ? () => {}
        : clock.after(Math.max(0, expiresMs - clock.wallMs()), () =>
            this.close(SERVER_ERRORS.user_expired),
          )
  }

  get id(): number {
    return this.link.id
  }

  get stats(): LinkStats {
    return this.link.stats
  }

  get subjects(): readonly string[] {
    return this.link.subjects
  }

  get isIsolated(): boolean {
    return this.link.isIsolated
  }

  get channel(): Channel {
    return this.link.connection.channel
  }

  close(error: string): void {
    this.link.connection.fail(error)
  }
}

/**
 * Whether a newcomer under a taken name is the one that has it. Two servers that prove nothing are
 * the same as far as anyone can tell: nats-server's rule, whose id is new at each start.
 */
function isSame(hello: LeafHello, holder: LeafHello): boolean {
  if (hello.isVerified !== holder.isVerified) return false
  return !hello.isVerified || hello.id === holder.id
}

/** A nameless leaf is told apart by its connection, so it never meets another. */
function nameKeyOf(hello: LeafHello, handshake: AcceptedLeaf): string {
  return `${hello.account} ${hello.name === '' ? handshake.id : hello.name}`
}

/**
 * One server may bind several of its accounts to one of ours, each over a link of its own. A server
 * before 2.10 does not say which, so its links never replace each other.
 */
function bindingOf(hello: LeafHello, handshake: AcceptedLeaf): string {
  const account = hello.remoteAccount === '' ? `${handshake.id}` : hello.remoteAccount
  return `${account} ${hello.cluster}`
}

function addressOf(hello: LeafHello): string {
  return `${hello.remoteAddress}:${hello.remotePort}`
}

function always(): boolean {
  return true
}

function never(): boolean {
  return false
}
