import {
  errors,
  type Msg,
  type NatsConnection,
  type SubscriptionOptions,
} from '@nats-io/transport-node'
import { DEADLINE_MS } from '../../support/patience.ts'
import { describeError } from './outcome.ts'

/** A client that keeps what it hears and what it is told it may not do. */
export class WatchedClient {
  readonly client: NatsConnection
  readonly heard: string[] = []
  readonly #forbidden: string[] = []
  #heardMore: () => void = () => {}

  constructor(client: NatsConnection) {
    this.client = client
    void this.#watch()
  }

  /** `fine`, or what the server forbids. */
  async publish(subject: string, body = subject, reply = ''): Promise<string> {
    this.client.publish(subject, body, reply === '' ? {} : { reply })
    return this.#verdict()
  }

  async subscribe(subject: string, queue = '', react?: (message: Msg) => void): Promise<string> {
    const options: SubscriptionOptions = {
      callback: (error, message) => {
        if (error !== null) return
        this.heard.push(message.subject)
        this.#heardMore()
        react?.(message)
      },
    }
    this.client.subscribe(subject, queue === '' ? options : { ...options, queue })
    return this.#verdict()
  }

  /** What was heard once the first message on `last` is there; it is forgotten then. */
  async until(last: string): Promise<string[]> {
    while (!this.heard.includes(last)) {
      await new Promise<void>((resolve, reject) => {
        const fail = (): void => reject(new Error(`heard ${this.heard.join(' ')}, but no ${last}`))
        const timer = setTimeout(fail, DEADLINE_MS)
        this.#heardMore = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.heard.splice(0)
  }

  /** How the connection ended. */
  async ended(): Promise<string> {
    return describeError(await this.client.closed())
  }

  async #verdict(): Promise<string> {
    await this.client.flush()
    // The library hands errors out by an iterator, some turns after it has read them.
    await new Promise((resolve) => setImmediate(resolve))
    return this.#forbidden.splice(0).join(' and ') || 'fine'
  }

  async #watch(): Promise<void> {
    for await (const status of this.client.status()) {
      if (status.type !== 'error') continue
      const { error } = status
      if (error instanceof errors.PermissionViolationError) {
        const queue = error.queue === undefined ? '' : ` by ${error.queue}`
        this.#forbidden.push(`no ${error.operation} ${error.subject}${queue}`)
      } else this.#forbidden.push(describeError(error))
    }
  }
}
