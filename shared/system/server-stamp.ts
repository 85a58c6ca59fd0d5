import { given, type MonitorSources, timeText } from '../monitor/index.ts'
import type { Clock } from '../runtime/index.ts'

/** ServerCapability: JetStream is on. */
const FLAG_JETSTREAM = 1

/** The `server` of every answer and event: who says it, and a number that tells what came first. */
export class ServerStamp {
  readonly #sources: MonitorSources
  readonly #clock: Clock
  #seq = 0

  constructor(sources: MonitorSources, clock: Clock) {
    this.#sources = sources
    this.#clock = clock
  }

  next(): Readonly<Record<string, unknown>> {
    const { id, name, version, config } = this.#sources.server()
    const hasJetStream = this.#sources.jetStream() !== undefined
    return {
      name,
      host: config.host,
      id,
      ...given({
        cluster: this.cluster,
        domain: hasJetStream ? config.jetstream.domain : '',
      }),
      ver: version,
      ...given({ tags: config.server_tags }),
      ...(Object.keys(config.server_metadata).length === 0
        ? {}
        : { metadata: config.server_metadata }),
      jetstream: hasJetStream,
      flags: hasJetStream ? FLAG_JETSTREAM : 0,
      seq: ++this.#seq,
      time: timeText(this.#clock.wallMs()),
    }
  }

  /** What IDZ answers. */
  identity(): object {
    const { id, name, config } = this.#sources.server()
    return { name, host: config.host, id }
  }

  /** '' outside of any. */
  get cluster(): string {
    const { config } = this.#sources.server()
    return config.gateway?.name ?? config.cluster?.name ?? ''
  }
}
