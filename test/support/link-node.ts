import { AccountSpace, type SubjectSpace } from '../../shared/broker/index.ts'
import type { RemoteUrl } from '../../shared/config/index.ts'
import {
  LINK_LIMITS,
  LinkAcceptor,
  type LinkAcceptorOptions,
  LinkAccounts,
  type LinkLimits,
  type ServerCard,
  ServerIdentity,
  Uplink,
  type UplinkOptions,
} from '../../shared/link/index.ts'
import type { Log, LogFields } from '../../shared/log/index.ts'
import { SystemClock, SystemRandom } from '../../shared/runtime/index.ts'
import {
  type Listener,
  type ListenOptions,
  SystemNetwork,
  type TransportProtocol,
} from '../../shared/transport/index.ts'
import { DEADLINE_MS } from './patience.ts'
import { RecordingPeer } from './recording-peer.ts'
import { type DoorUser, userDoor } from './user-door.ts'

export interface LinkNodeOptions {
  readonly domain?: string
  readonly cluster?: string
  readonly users?: readonly DoorUser[]
  readonly identity?: ServerIdentity
  readonly limits?: Partial<LinkLimits>
  readonly acceptor?: Partial<LinkAcceptorOptions>
}

/** A log that keeps its lines. */
export class RecordingLog implements Log {
  readonly lines: { level: string; fields: LogFields; message: string }[] = []
  readonly trace = this.#writer('trace')
  readonly debug = this.#writer('debug')
  readonly info = this.#writer('info')
  readonly warn = this.#writer('warn')
  readonly error = this.#writer('error')
  readonly fatal = this.#writer('fatal')

  child(): Log {
    return this
  }

  text(): string {
    return this.lines.map((line) => JSON.stringify(line)).join('\n')
  }

  #writer(level: string): (fields: LogFields, message: string) => void {
    return (fields, message) => {
      this.lines.push({ level, fields, message })
    }
  }
}

/**
 * A server reduced to its links: subject spaces, an acceptor on real sockets, and uplinks. Its
 * peers publish and subscribe in the spaces themselves.
 */
export class LinkNode {
  readonly clock = new SystemClock()
  readonly random = new SystemRandom()
  readonly network: SystemNetwork
  readonly accounts: LinkAccounts
  readonly acceptor: LinkAcceptor
  readonly log = new RecordingLog()
  readonly limits: LinkLimits
  readonly card: ServerCard
  readonly uplinks: Uplink[] = []
  readonly #spaces = new Map<string, AccountSpace>()
  readonly #listeners: Listener[] = []
  #peerIds = 0

  constructor(name: string, options: LinkNodeOptions = {}) {
    this.network = new SystemNetwork({ clock: this.clock, onTrouble: () => {} })
    const { clock, random } = this
    this.accounts = new LinkAccounts({ space: (it) => this.space(it), random, clock })
    this.limits = { ...LINK_LIMITS, ...options.limits }
    this.card = {
      identity: options.identity ?? ServerIdentity.create(this.random),
      name,
      domain: options.domain ?? '',
      cluster: options.cluster ?? '',
      protocolVersion: '2.15.2',
      version: '0.1.0',
      boot: 'boot-1',
    }
    this.acceptor = new LinkAcceptor({
      accounts: this.accounts,
      authenticator: userDoor(options),
      server: this.card,
      clock: this.clock,
      random: this.random,
      log: this.log,
      limits: this.limits,
      nextPeerId: () => this.nextPeerId(),
      hasJetStream: true,
      leafnodeUrls: [],
      ...options.acceptor,
    })
  }

  get space$G(): SubjectSpace {
    return this.space('$G')
  }

  nextPeerId(): number {
    return ++this.#peerIds
  }

  space(account: string): AccountSpace {
    const known = this.#spaces.get(account)
    if (known !== undefined) return known
    const space = new AccountSpace(this.random, account)
    this.#spaces.set(account, space)
    return space
  }

  /** Returns the port. */
  async listen(
    protocol: TransportProtocol = 'tcp',
    port = 0,
    options: Partial<ListenOptions> = {},
  ): Promise<number> {
    const where = { protocol, host: '127.0.0.1', port, ...options }
    const listener = await this.network.listen(where, (channel) => this.acceptor.accept(channel))
    this.#listeners.push(listener)
    return listener.port
  }

  /** An uplink that has been started. */
  dial(url: string | readonly string[], options: Partial<UplinkOptions> = {}): Uplink {
    const urls = typeof url === 'string' ? [url] : url
    const uplink = new Uplink({
      network: this.network,
      urls: urls.map(remoteUrl),
      isShuffled: false,
      dialTimeoutMs: 2_000,
      backoffBaseMs: 20,
      links: this.accounts.of('$G'),
      server: this.card,
      clock: this.clock,
      random: this.random,
      log: this.log,
      limits: this.limits,
      nextPeerId: () => this.nextPeerId(),
      hasJetStream: true,
      ...options,
    })
    this.uplinks.push(uplink)
    uplink.start()
    return uplink
  }

  /** A client of this node with a subscription. */
  subscriber(subject: string, queue = ''): RecordingPeer {
    const peer = new RecordingPeer('local')
    this.space$G.subscribe(peer, { subject, queue })
    return peer
  }

  /** A service that answers each request with `answer` and the request's payload. */
  responder(subject: string, answer: string, queue = ''): RecordingPeer {
    const peer = this.subscriber(subject, queue)
    peer.onDeliver = (_subscription, message) => {
      const { reply } = message
      const payload = `${answer}${Buffer.from(message.payload).toString()}`
      if (reply !== '') setImmediate(() => this.publish(reply, payload, '', peer))
    }
    return peer
  }

  publish(
    subject: string,
    payload: string,
    reply = '',
    origin = new RecordingPeer('local'),
  ): number {
    return this.space$G.publish(origin, {
      subject: Buffer.from(subject),
      reply: Buffer.from(reply),
      headers: new Uint8Array(0),
      payload: Buffer.from(payload),
    })
  }

  /** Waits until somebody other than this node's own peers is interested. */
  async linkInterest(subject: string, count = 1): Promise<void> {
    await eventually(() => {
      const links = [...this.space$G.subscriptions()].filter(
        (it) => it.subject === subject && (it.peer.kind === 'leaf' || it.peer.kind === 'uplink'),
      )
      return links.length === count
    }, `${count} links interested in ${subject} at ${this.card.name}`)
  }

  async close(): Promise<void> {
    for (const uplink of this.uplinks) await uplink.destroy()
    this.acceptor.destroy('test is over')
    for (const listener of this.#listeners) await listener.close()
  }
}

export function remoteUrl(text: string): RemoteUrl {
  const url = new URL(text)
  return {
    protocol: url.protocol.startsWith('ws') ? 'websocket' : 'tcp',
    host: url.hostname,
    port: Number(url.port),
    path: url.pathname === '/' ? '' : url.pathname,
    user: url.username,
    password: url.password,
    text,
  }
}

/** Resolves when the uplink is in the state named. */
export async function reached(uplink: Uplink, name: Uplink['state']['name']): Promise<void> {
  await eventually(() => uplink.state.name === name, `uplink ${name}, is ${uplink.state.name}`)
}

/** Looks at a fact in each turn of the loop until it holds, or the deadline passes. */
export async function eventually(
  fact: () => boolean,
  what: string,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!fact()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
