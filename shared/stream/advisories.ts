import type { Clock, Random } from '../runtime/index.ts'
import { NO_BYTES } from './headers.ts'
import type { StreamPort } from './port.ts'
import { formatTime } from './timestamp.ts'

/** Events about streams and consumers on `$JS.EVENT.ADVISORY.>`. Made only when somebody listens. */
export class Advisories {
  readonly #clock: Clock
  readonly #random: Random
  readonly #port: StreamPort
  readonly #domain: string
  /** Whose streams these are. */
  readonly account: string

  constructor(clock: Clock, random: Random, port: StreamPort, domain: string, account = '') {
    this.account = account
    this.#clock = clock
    this.#random = random
    this.#port = port
    this.#domain = domain
  }

  /**
   * @param event what follows `$JS.EVENT.ADVISORY.`
   * @param type what follows `io.nats.jetstream.advisory.v1.`
   */
  publish(event: string, type: string, facts: Readonly<Record<string, unknown>>): void {
    this.#publish(`$JS.EVENT.ADVISORY.${event}`, `advisory.v1.${type}`, facts)
  }

  /**
   * @param event what follows `$JS.EVENT.METRIC.`
   * @param type what follows `io.nats.jetstream.metric.v1.`
   */
  metric(event: string, type: string, facts: Readonly<Record<string, unknown>>): void {
    this.#publish(`$JS.EVENT.METRIC.${event}`, `metric.v1.${type}`, facts)
  }

  #publish(subject: string, type: string, facts: Readonly<Record<string, unknown>>): void {
    if (!this.#port.hasInterest(subject)) return
    const advisory = {
      type: `io.nats.jetstream.${type}`,
      id: Buffer.from(this.#random.bytes(12)).toString('hex'),
      timestamp: formatTime(this.#clock.wallMs()),
      ...facts,
      ...(this.#domain === '' ? {} : { domain: this.#domain }),
    }
    this.#port.publish(subject, '', NO_BYTES, Buffer.from(JSON.stringify(advisory)))
  }
}
