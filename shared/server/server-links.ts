import type { Authenticator } from '../account/index.ts'
import type { AccountSpace, Message, Subscription } from '../broker/index.ts'
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
  readonly nextPeerId: () => number
}

/** Both ends of leaf links as a server has them: those that attach here, and those it dials. */
export class ServerLinks {
  readonly acceptor: LinkAcceptor
  readonly #parts: ServerLinksParts
  readonly #card: ServerCard
  readonly #limits: LinkLimits
  /** The registry of interest, for links of any kind. */
  readonly accounts: LinkAccounts
  #uplinks: readonly Uplink[] = []

  constructor(parts: ServerLinksParts, rules: LinkRules) {
    const { machine, space, payloadBytesMax } = parts
    this.#parts = parts
    this.#card = cardOf(parts)
    this.#limits = { ...LINK_LIMITS, payloadBytesMax }
    this.accounts = new LinkAccounts({
      space,
      random: machine.random,
      ...(rules.isConfined === undefined ? {} : { isConfined: rules.isConfined }),
    })
    this.acceptor = this.#makeAcceptor(rules)
  }

  get uplinks(): readonly Uplink[] {
    return this.#uplinks
  }

  /** An uplink to a configured remote; `start` it when the role is ready for what comes over it. */
  uplink(remote: RemoteConfig, rules: Pick<UplinkOptions, 'withhold' | 'acceptsInbound'>): Uplink {
    const { machine, config, log, nextPeerId, hasStore } = this.#parts
    const { reconnect, dial_timeout } = config.leafnodes
    if (remote.hub) {
      throw new PetioleError(
        'PETIOLE_REMOTE_HUB',
        `leafnodes: remote ${remote.urls[0]?.text}: \`hub: true\` is not supported: let the other server dial this one`,
      )
    }
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
      tls: remote.tls === undefined ? undefined : new TlsSettings(remote.tls, 'client'),
      login: () => readLogin(machine.disk, remote),
      denyExports: remote.deny_exports,
      denyImports: remote.deny_imports,
      isIsolated: remote.is_isolated,
      ...rules,
    })
    this.#uplinks = [...this.#uplinks, uplink]
    return uplink
  }

  async drain(reason: string): Promise<void> {
    await Promise.all(this.#uplinks.map((uplink) => uplink.drain()))
    await this.acceptor.drain(reason)
  }

  async destroy(reason: string): Promise<void> {
    await Promise.all(this.#uplinks.map((uplink) => uplink.destroy()))
    this.acceptor.destroy(reason)
  }

  #makeAcceptor(rules: LinkRules): LinkAcceptor {
    const { config, machine, log, authenticator, leavesMaxOf, nextPeerId } = this.#parts
    const { admit, withhold, onAttached, onDetached } = rules
    const { authorization } = config.leafnodes
    return new LinkAcceptor({
      accounts: this.accounts,
      authenticator,
      server: this.#card,
      clock: machine.clock,
      random: machine.random,
      log: log.child({ part: 'links' }),
      limits: {
        ...this.#limits,
        authTimeoutMs: (authorization ?? config.authorization).timeout,
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
