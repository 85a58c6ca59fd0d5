import { isDeepStrictEqual } from 'node:util'
import type { CoreConfig, MqttRemoteConfig } from '../../shared/config/index.ts'
import type { Log } from '../../shared/log/index.ts'
import type { Metric } from '../../shared/monitor/index.ts'
import { messageOf, PetioleError } from '../../shared/runtime/index.ts'
import type { Core, FrontDoor } from '../../shared/server/index.ts'
import { onDisk, type Store } from '../../shared/store/index.ts'
import { Remote, tlsOf } from './remote.ts'
import { remoteMetrics } from './remote-metrics.ts'
import { QUEUE_PREFIX } from './remote-queue.ts'

/** Client mode: the brokers of `mqtt { remotes }`. It listens nowhere. */
export class MqttRemotes implements FrontDoor {
  readonly name = 'mqtt-remotes'
  readonly port = 0
  readonly #configs: readonly MqttRemoteConfig[]
  #remotes: readonly Remote[] = []
  #core: Core | undefined
  #log: Log | undefined
  /** One exchange of remotes after the other. */
  #turn: Promise<void> = Promise.resolve()
  #hasEnded = false

  constructor(configs: readonly MqttRemoteConfig[]) {
    this.#configs = configs
  }

  /** In the order of the configuration. */
  get remotes(): readonly Remote[] {
    return this.#remotes
  }

  readonly metrics = (): readonly Metric[] => remoteMetrics(this.#remotes)

  /**
   * Queues capture from here on. Rejects with PETIOLE_NO_STORE, PETIOLE_TLS_INVALID, or with what keeps the store
   * from making a stream.
   */
  async open(core: Core): Promise<void> {
    this.#core = core
    this.#log = core.log.child({ door: this.name })
    if (core.store === undefined) {
      if (this.#configs.length > 0) throw noStore()
      return
    }
    this.#remotes = this.#configs.map((config) => new Remote(config, core, storeOf(core)))
    await onDisk((done) => core.store?.barrier(done))
    this.#lookAtUnconfigured(core.store)
  }

  /** Resolves whether or not a broker is in sight. */
  async start(): Promise<void> {
    for (const remote of this.#remotes) remote.start()
  }

  /** What waits for brokers is the account's: it is removed with all else. */
  async purge(account: string): Promise<void> {
    const own = this.#remotes.filter(({ config }) => config.account === account)
    await Promise.all(own.map(({ queue }) => queue.stream.purge({})))
  }

  judge({ mqtt_remotes: configs }: CoreConfig): void {
    if (configs.length > 0 && this.#core?.store === undefined) throw noStore()
    for (const config of configs) tlsOf(config)
  }

  /**
   * Remotes that are new, or have changed, are made and capture at once; they are dialled when those that are
   * gone have left, so that one that has changed does not meet its own earlier session.
   */
  reload({ mqtt_remotes: configs }: CoreConfig): void {
    const core = this.#core
    if (core?.store === undefined || this.#hasEnded) return
    const left = new Set(this.#remotes)
    const kept = configs.map((config) =>
      [...left].find((remote) => isDeepStrictEqual(remote.config, config)),
    )
    for (const remote of kept) if (remote !== undefined) left.delete(remote)
    for (const remote of left) remote.release()
    this.#remotes = configs.map((config, i) => kept[i] ?? new Remote(config, core, storeOf(core)))
    for (const remote of kept) this.#reloadTls(remote)
    const next = this.#remotes
    this.#turn = this.#turn.then(async () => {
      await Promise.all([...left].map((remote) => remote.drain()))
      if (this.#hasEnded) return
      for (const remote of next) remote.start()
      this.#lookAtUnconfigured(storeOf(core))
    })
  }

  async drain(): Promise<void> {
    this.#hasEnded = true
    await this.#turn
    await Promise.all(this.#remotes.map((remote) => remote.drain()))
  }

  async destroy(): Promise<void> {
    this.#hasEnded = true
    await Promise.all(this.#remotes.map((remote) => remote.destroy()))
    await this.#turn
  }

  #reloadTls(remote: Remote | undefined): void {
    try {
      remote?.reloadTls()
    } catch (error) {
      // `judge` has read the same files a moment ago.
      this.#log?.error(
        { remote: remote?.config.name, reason: messageOf(error) },
        'certificates kept as they were',
      )
    }
  }

  /** Queues of remotes that the configuration does not name any more: what is in them is somebody's. */
  #lookAtUnconfigured(store: Store): void {
    const names = new Set(this.#remotes.map(({ config }) => `${QUEUE_PREFIX}${config.name}`))
    for (const [name, { state }] of [...store.streams]) {
      if (!name.startsWith(QUEUE_PREFIX) || names.has(name)) continue
      const remote = name.slice(QUEUE_PREFIX.length)
      if (state.messages === 0) {
        this.#log?.info({ remote }, 'queue of a removed remote is empty and gone')
        store.removeStream(name)
      } else {
        const advice = 'they are sent when mqtt.remotes has a remote of that name again'
        const fields = { remote, messages: state.messages, advice }
        this.#log?.warn(fields, 'queue of a removed remote still holds messages')
      }
    }
  }
}

function storeOf({ store }: Core): Store {
  if (store === undefined) throw noStore()
  return store
}

function noStore(): PetioleError {
  const message = 'mqtt.remotes need a store for their queues: add `jetstream { store_dir: "…" }`'
  return new PetioleError('PETIOLE_NO_STORE', message)
}
