import type { Broker } from '../broker/index.ts'
import type { CoreConfig, TlsConfig } from '../config/index.ts'
import type { LinkAcceptor } from '../link/index.ts'
import type { Log } from '../log/index.ts'
import { type Channel, TlsSettings } from '../transport/index.ts'
import { SERVER_ERRORS } from '../wire/index.ts'

/** Whose `tls` block. */
export type TlsListener = 'client' | 'websocket' | 'leafnodes' | 'mqtt' | 'cluster' | 'gateway'

const BLOCKS: Readonly<Record<TlsListener, string>> = {
  client: 'tls',
  websocket: 'websocket.tls',
  leafnodes: 'leafnodes.tls',
  mqtt: 'mqtt.tls',
  cluster: 'cluster.tls',
  gateway: 'gateway.tls',
}

/**
 * The certificates of all listeners, read once and again at each reload. Making it throws
 * PETIOLE_TLS_INVALID, which names block and file, and so does `prepare`, which changes nothing yet.
 */
export class ServerTls {
  readonly #settings = new Map<TlsListener, TlsSettings>()

  constructor(config: CoreConfig) {
    for (const [listener, tls] of blocksOf(config)) {
      this.#settings.set(listener, new TlsSettings(tls, 'server', BLOCKS[listener]))
    }
  }

  /** undefined: the listener is plain. */
  of(listener: TlsListener): TlsSettings | undefined {
    return this.#settings.get(listener)
  }

  /**
   * Reads all files again; with what this returns new handshakes get the new certificates. A listener that
   * was plain stays so until a restart.
   */
  prepare(config: CoreConfig): () => void {
    const steps = blocksOf(config).flatMap(([listener, tls]) => {
      const settings = this.#settings.get(listener)
      return settings === undefined ? [] : [settings.prepare(tls)]
    })
    return () => {
      for (const step of steps) step()
    }
  }
}

interface PinnedParts {
  readonly tls: ServerTls
  readonly broker: Pick<Broker, 'connections'>
  readonly acceptor: Pick<LinkAcceptor, 'leaves'>
  readonly log: Log
}

/**
 * After a reload: who has shown a certificate that is pinned no longer goes, by the block of the listener that
 * he came in by. Front doors look at their own clients, and hubs at each other.
 */
export function closeUnpinned({ tls, broker, acceptor, log }: PinnedParts): void {
  const isOut = (own: TlsListener, { kind, tls: facts }: Pick<Channel, 'kind' | 'tls'>): boolean =>
    tls.of(kind === 'websocket' ? 'websocket' : own)?.isUnpinned(facts) === true
  const clients = [...broker.connections.values()].filter(({ channel }) => isOut('client', channel))
  for (const client of clients) client.kick()
  const links = [...acceptor.leaves].filter(({ channel }) => isOut('leafnodes', channel))
  for (const leaf of links) leaf.close(SERVER_ERRORS.authorization)
  const count = clients.length + links.length
  if (count > 0) log.info({}, `Disconnect ${count} clients due to pinned certs reload`)
}

function blocksOf(config: CoreConfig): (readonly [TlsListener, TlsConfig])[] {
  const all: readonly (readonly [TlsListener, TlsConfig | undefined])[] = [
    ['client', config.tls],
    ['websocket', config.websocket?.tls],
    ['leafnodes', config.leafnodes.tls],
    ['mqtt', config.mqtt?.tls],
    ['cluster', config.cluster?.tls],
    ['gateway', config.gateway?.tls],
  ]
  return all.flatMap(([listener, tls]) => (tls === undefined ? [] : [[listener, tls] as const]))
}
