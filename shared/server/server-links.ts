import { isDeepStrictEqual } from 'node:util'
import type { Authenticator } from '../account/index.ts'
import type { AccountSpace, Message, MessageTracer, Subscription } from '../broker/index.ts'
import type { CoreConfig, RemoteConfig } from '../config/index.ts'
import {
  type AttachedLeaf,
  type LeafHello,
  LINK_LIMITS,
  LinkAcceptor,
  LinkAccounts,
  type LinkLimits,
  readLogin,
  type ServerCard,
  type ServerIdentity,
  Uplink,
  type UplinkOptions,
} from '../link/index.ts'
import type { Log } from '../log/index.ts'
import { PetioleError } from '../runtime/index.ts'
import { TlsSettings } from '../transport/index.ts'
import { SERVER_VERSION } from '../wire/index.ts'
import { clusterNameOf } from './broker-settings.ts'
import type { Machine } from './core.ts'
import { linkTraces } from './link-traces.ts'

/** What a role decides about leaf links. */
export interface LinkRules {
  /** Local subscriptions that no hub is to hear of. */
  readonly isConfined?: (subscription: Subscription) => boolean
  readonly admit?: (leaf: LeafHello) => string | undefined
  readonly withhold?: (leaf: LeafHello, message: Message) => boolean
  readonly onAttached?: (leaf: AttachedLeaf) => void
  readonly onDetached?: (leaf: AttachedLeaf) => void
}

export interface ServerLinksParts {
  readonly config: CoreConfig
  readonly machine: Machine
  readonly log: Log
  readonly identity: ServerIdentity
  readonly serverName: string
  /** Petiole's own version. */
  readonly version: string
  /** New at each start. */
  readonly boot: string
  readonly hasStore: boolean
  readonly payloadBytesMax: number
  readonly authenticator: Authenticator
  /** `max_leafnodes` of an account; -1 for none. */
  readonly leavesMaxOf: (account: string) => number
  readonly space: (account: string) => AccountSpace
  readonly tracer: MessageTracer | undefined
  readonly nextPeerId: () => number
}

/** What a role decides about the links that it dials. */
export type UplinkRules = Pick<UplinkOptions, 'withhold' | 'acceptsInbound'>

/** A remote of the configuration, and the link to it. */
export interface Dialled {
  readonly remote: RemoteConfig
  readonly uplink: Uplink
  readonly tls: TlsSettings | undefined
}

/** Throws what would keep a link to one of the remotes from being made. */
export function checkRemotes(remotes: readonly RemoteConfig[]): void {
  for (const remote of remotes) {
    tlsOf(remote)
    if (!remote.hub) continue
    throw new PetioleError(
      'PETIOLE_REMOTE_HUB',
      `leafnodes: remote ${remote.urls[0]?.text}: \`hub: true\` is not supported: let the other server dial this one`,
    )
  }
}

/** Both ends of leaf links as a server has them: those that attach here, and those it dials. */
export class ServerLinks {
  readonly acceptor: LinkAcceptor
  readonly #parts: ServerLinksParts
  readonly #card: ServerCard
  readonly #limits: LinkLimits
  /** The registry of interest, for links of any kind. */
  readonly accounts: LinkAccounts
  #dialled: readonly Dialled[] = []
  #hasEnded = false
  #authTimeoutMs: number

  constructor(parts: ServerLinksParts, rules: LinkRules) {
    const { machine, space, payloadBytesMax } = parts
    this.#parts = parts
    this.#card = cardOf(parts)
    this.#limits = { ...LINK_LIMITS, payloadBytesMax }
    this.#authTimeoutMs = authTimeoutOf(parts.config)
    this.accounts = new LinkAccounts({
      space,
      random: machine.random,
      clock: machine.clock,
      ...(parts.tracer === undefined ? {} : { tracer: linkTraces(parts.tracer, space) }),
      ...(rules.isConfined === undefined ? {} : { isConfined: rules.isConfined }),
    })
    this.acceptor = this.#makeAcceptor(rules)
  }

  get uplinks(): readonly Uplink[] {
    return this.#dialled.map(({ uplink }) => uplink)
  }

  /** In the order of the configuration. */
  get dialled(): readonly Dialled[] {
    return this.#dialled
  }

  /** An uplink to a configured remote; `start` it when the role is ready for what comes over it. */
  uplink(remote: RemoteConfig, rules: UplinkRules): Uplink {
    const dialled = this.#makeUplink(remote, rules)
    this.#dialled = [...this.#dialled, dialled]
    return dialled.uplink
  }

  /** Whether no remote, and no leaf that is here, is bound to the account. */
  isFree(account: string): boolean {
    const isDialledFor = this.#dialled.some(({ remote }) => remote.account === account)
    return !isDialledFor && this.accounts.isFree(account)
  }

  /**
   * What a reload changes for leaves that attach here, and for the links that are dialled again. Throws what
   * keeps it from being taken; the result takes it.
   */
  prepare(config: CoreConfig): () => void {
    checkRemotes(config.leafnodes.remotes)
    const steps = this.#dialled.flatMap(({ remote, tls }) =>
      remote.tls === undefined || tls === undefined ? [] : [tls.prepare(remote.tls)],
    )
    return () => {
      this.#authTimeoutMs = authTimeoutOf(config)
      for (const step of steps) step()
    }
  }

  /**
   * Goes on with the remotes of another configuration: links to those that it does not have are given what
   * waits for them and end, those that are new are dialled, and the rest stays as it is.
   */
  async exchangeRemotes(remotes: readonly RemoteConfig[], rules: UplinkRules): Promise<void> {
    const left = [...this.#dialled]
    const kept = remotes.map((remote) => {
      const index = left.findIndex((it) => isDeepStrictEqual(it.remote, remote))
      return index < 0 ? undefined : left.splice(index, 1)[0]
    })
    // First they, so that a remote that has only changed does not meet its own earlier link at the hub.
    await Promise.all(left.map(({ uplink }) => uplink.drain()))
    // The server may end while what is left drains: it knows the old links only, and none may come after.
    if (this.#hasEnded) return
    this.#dialled = remotes.map((remote, i) => kept[i] ?? this.#makeUplink(remote, rules))
    for (const { uplink } of this.#dialled) uplink.start()
  }

  async drain(reason: string): Promise<void> {
    this.#hasEnded = true
    await Promise.all(this.uplinks.map((uplink) => uplink.drain()))
    await this.acceptor.drain(reason)
  }

  async destroy(reason: string): Promise<void> {
    this.#hasEnded = true
    await Promise.all(this.uplinks.map((uplink) => uplink.destroy()))
    this.acceptor.destroy(reason)
  }

  #makeUplink(remote: RemoteConfig, rules: UplinkRules): Dialled {
    const { machine, config, log, nextPeerId, hasStore } = this.#parts
    const { reconnect, dial_timeout } = config.leafnodes
    checkRemotes([remote])
    const tls = tlsOf(remote)
    const uplink = new Uplink({
      network: machine.network,
      urls: remote.urls,
      isShuffled: !remote.no_randomize,
      dialTimeoutMs: dial_timeout,
      backoffBaseMs: reconnect,
      links: this.accounts.of(remote.account),
      server: this.#card,
      clock: machine.clock,
      random: machine.random,
      log: log.child({ link: 'uplink' }),
      limits: this.#limits,
      nextPeerId,
      hasJetStream: hasStore,
      tls,
      login: () => readLogin(machine.disk, remote),
      denyExports: remote.deny_exports,
      denyImports: remote.deny_imports,
      isIsolated: remote.is_isolated,
      ...rules,
    })
    return { remote, uplink, tls }
  }

  #makeAcceptor(rules: LinkRules): LinkAcceptor {
    const { machine, log, authenticator, leavesMaxOf, nextPeerId } = this.#parts
    const { admit, withhold, onAttached, onDetached } = rules
    const authTimeoutMs = (): number => this.#authTimeoutMs
    return new LinkAcceptor({
      accounts: this.accounts,
      authenticator,
      server: this.#card,
      clock: machine.clock,
      random: machine.random,
      log: log.child({ part: 'links' }),
      limits: {
        ...this.#limits,
        get authTimeoutMs() {
          return authTimeoutMs()
        },
      },
      nextPeerId,
      hasJetStream: this.#parts.hasStore,
      leafnodeUrls: [],
      leavesMaxOf,
      ...(admit === undefined ? {} : { admit }),
      ...(withhold === undefined ? {} : { withhold }),
      ...(onAttached === undefined ? {} : { onAttached }),
      ...(onDetached === undefined ? {} : { onDetached }),
    })
  }
}

function tlsOf({ tls, urls }: RemoteConfig): TlsSettings | undefined {
  if (tls === undefined) return undefined
  return new TlsSettings(tls, 'client', `leafnodes: remote ${urls[0]?.text}: tls`)
}

function authTimeoutOf({ leafnodes, authorization }: CoreConfig): number {
  return leafnodes.auth_timeout ?? (leafnodes.authorization ?? authorization).timeout
}

function cardOf(parts: ServerLinksParts): ServerCard {
  const { identity, serverName, config, version, boot, hasStore } = parts
  return {
    identity,
    name: serverName,
    domain: hasStore ? config.jetstream.domain : '',
    cluster: clusterNameOf(config),
    protocolVersion: SERVER_VERSION,
    version,
    boot,
  }
}
