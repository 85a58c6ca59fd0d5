import type { Authenticator } from '../../shared/account/index.ts'
import type {
  AuthorizationConfig,
  ClusterConfig,
  GatewayConfig,
  PeerUrl,
  TlsConfig,
} from '../../shared/config/index.ts'
import {
  type DialSecurity,
  type ListenOptions,
  type TlsFacts,
  TlsSettings,
} from '../../shared/transport/index.ts'
import type { PeerLinkKind } from './peer-card.ts'

interface Blocks {
  readonly cluster: ClusterConfig | undefined
  readonly gateway: GatewayConfig | undefined
}

/** Of one block; undefined where it has no `tls`, or no `authorization`. */
interface Gate {
  readonly listener: TlsSettings | undefined
  readonly dial: TlsSettings | undefined
  readonly authenticator: Authenticator | undefined
}

const IP_ADDRESS = /^\d+(\.\d+){3}$|:/

/**
 * TLS and passwords between hubs. With `tls` both ends show a certificate and check the other one's,
 * before any INFO, as nats-server's routes do. Passwords are those of the configured URLs; where they
 * have none, those that this hub asks for itself, since a region shares its configuration.
 */
export class PeerSecurity {
  readonly #blocks: Blocks
  readonly #gates: Readonly<Record<PeerLinkKind, Gate>>

  constructor(blocks: Blocks, authenticatorOf: (config: AuthorizationConfig) => Authenticator) {
    const { cluster, gateway } = blocks
    this.#blocks = blocks
    this.#gates = {
      route: gateOf('cluster', cluster, authenticatorOf),
      gateway: gateOf('gateway', gateway, authenticatorOf),
    }
  }

  ofListener(kind: PeerLinkKind): ListenOptions['tls'] {
    const { listener } = this.#gates[kind]
    return listener === undefined ? undefined : { settings: listener, allowPlain: false }
  }

  /** ms that an accepted hub has for its login; undefined where the block does not say. */
  authTimeoutMs(kind: PeerLinkKind): number | undefined {
    return this.#block(kind)?.auth_timeout
  }

  /** A hub that was heard of is mostly known by its IP: its certificate has the name of a configured one. */
  ofDial(kind: PeerLinkKind, host: string): DialSecurity | undefined {
    const { dial } = this.#gates[kind]
    if (dial === undefined) return undefined
    const named = this.#urls(kind, '').find((url) => !IP_ADDRESS.test(url.host))
    return { settings: dial, serverName: IP_ADDRESS.test(host) ? (named?.host ?? host) : host }
  }

  /** The last reload has pinned other certificates than this one. */
  isUnpinned(kind: PeerLinkKind, facts: TlsFacts | undefined): boolean {
    return this.#gates[kind].listener?.isUnpinned(facts) === true
  }

  /** Never rejects. */
  async isAllowed(kind: PeerLinkKind, user: string, password: string): Promise<boolean> {
    const { authenticator } = this.#gates[kind]
    if (authenticator === undefined) return true
    return (await authenticator.authenticate({ user, password })) !== undefined
  }

  /** What is presented to a hub whose URL has no user; '' for nothing. */
  loginOf(kind: PeerLinkKind, region: string): Pick<PeerUrl, 'user' | 'password'> {
    const url = this.#urls(kind, region).find(({ user }) => user !== '')
    if (url !== undefined) return { user: url.user, password: url.password }
    const [own] = this.#block(kind)?.authorization?.users ?? []
    return { user: own?.user ?? '', password: own?.password ?? '' }
  }

  /** Reads the certificates again, or throws PETIOLE_TLS_INVALID; the result goes on with them. */
  prepare({ cluster, gateway }: Blocks): () => void {
    const steps = [
      ...stepsOf(this.#gates.route, cluster?.tls),
      ...stepsOf(this.#gates.gateway, gateway?.tls),
    ]
    return () => {
      for (const step of steps) step()
    }
  }

  #block(kind: PeerLinkKind): ClusterConfig | GatewayConfig | undefined {
    return kind === 'route' ? this.#blocks.cluster : this.#blocks.gateway
  }

  /** Of a region's gateways, or of all when it is '' or not configured. */
  #urls(kind: PeerLinkKind, region: string): readonly PeerUrl[] {
    const { cluster, gateway } = this.#blocks
    if (kind === 'route') return cluster?.routes ?? []
    const remotes = gateway?.gateways ?? []
    const own = remotes.filter(({ name }) => name === region)
    return (own.length > 0 ? own : remotes).flatMap(({ urls }) => urls)
  }
}

function gateOf(
  name: 'cluster' | 'gateway',
  block: ClusterConfig | GatewayConfig | undefined,
  authenticatorOf: (config: AuthorizationConfig) => Authenticator,
): Gate {
  const { tls, authorization } = block ?? {}
  const where = `${name}.tls`
  return {
    listener: tls === undefined ? undefined : new TlsSettings(ofListener(tls), 'server', where),
    dial: tls === undefined ? undefined : new TlsSettings(ofDial(tls), 'client', where),
    authenticator: authorization === undefined ? undefined : authenticatorOf(authorization),
  }
}

function stepsOf({ listener, dial }: Gate, tls: TlsConfig | undefined): readonly (() => void)[] {
  if (tls === undefined || listener === undefined || dial === undefined) return []
  return [listener.prepare(ofListener(tls)), dial.prepare(ofDial(tls))]
}

function ofListener(tls: TlsConfig): TlsConfig {
  return { ...tls, verify: true, handshake_first: 'always' }
}

function ofDial(tls: TlsConfig): TlsConfig {
  return { ...tls, handshake_first: 'always' }
}
