import type { CoreConfig, TlsConfig } from '../config/index.ts'
import { TlsSettings } from '../transport/index.ts'

/** Whose `tls` block. */
export type TlsListener = 'client' | 'websocket' | 'leafnodes' | 'mqtt' | 'cluster' | 'gateway'

/**
 * The certificates of all listeners, read once and again at each reload. Making it throws
 * PETIOLE_TLS_INVALID, which names the file; a reload that throws changes nothing.
 */
export class ServerTls {
  readonly #settings = new Map<TlsListener, TlsSettings>()

  constructor(config: CoreConfig) {
    for (const [listener, tls] of blocksOf(config)) {
      this.#settings.set(listener, new TlsSettings(tls, 'server'))
    }
  }

  /** undefined: the listener is plain. */
  of(listener: TlsListener): TlsSettings | undefined {
    return this.#settings.get(listener)
  }

  /** New handshakes get the new certificates. A listener that was plain stays so until a restart. */
  reload(config: CoreConfig): void {
    const blocks = blocksOf(config)
    // All files are read before anything changes: one that is broken must not leave half of them new.
    for (const [, tls] of blocks) new TlsSettings(tls, 'server')
    for (const [listener, tls] of blocks) this.#settings.get(listener)?.reload(tls)
  }
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
