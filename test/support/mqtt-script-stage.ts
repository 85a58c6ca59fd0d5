import type { IConnectPacket } from 'mqtt-packet'
import { type ProtocolVersion, type Received, ScriptClient } from './mqtt-script-client.ts'
import { CLIENTS, type DrawnMessage, type Step, TOPICS, willTopic } from './mqtt-scripts.ts'

const OBSERVER = CLIENTS

/**
 * One broker and the clients of one script at it, and an observer who is subscribed to all that does not begin
 * with `$`: what he has got has been routed.
 */
export class ScriptStage {
  readonly #port: number
  readonly #version: ProtocolVersion
  readonly #name: string
  readonly #clients: (ScriptClient | undefined)[] = []
  /** What each client received since the script began, over all its connections; the observer's is the last. */
  readonly #received: Received[][] = Array.from({ length: CLIENTS + 1 }, () => [])

  private constructor(port: number, version: ProtocolVersion, name: string) {
    this.#port = port
    this.#version = version
    this.#name = name
  }

  /** @param name of the script: part of the client identifiers, so that scripts share no session */
  static async open(port: number, version: ProtocolVersion, name: string): Promise<ScriptStage> {
    const stage = new ScriptStage(port, version, name)
    await stage.#open(OBSERVER, { clean: true }, false)
    await stage.#clientOf(OBSERVER).subscribe({ subscriptions: [{ topic: '#', qos: 2 }] })
    return stage
  }

  /** What the step's client is told. */
  async perform(step: Step): Promise<string> {
    switch (step.do) {
      case 'connect': {
        const { client, isClean: clean, expirySeconds, isHolding, will } = step
        const { receiveMaximum, topicAliasMaximum } = step
        const properties = {
          ...(expirySeconds > 0 ? { sessionExpiryInterval: expirySeconds } : {}),
          ...(receiveMaximum > 0 ? { receiveMaximum } : {}),
          ...(topicAliasMaximum > 0 ? { topicAliasMaximum } : {}),
        }
        return this.#open(client, { clean, properties, will: willOf(will) }, isHolding)
      }
      case 'subscribe': {
        const { filter: topic, qos, identifier, noLocal: nl } = step
        const { retainAsPublished: rap, retainHandling: rh } = step
        const options = this.#version === 5 ? { nl, rap, rh } : {}
        const properties = identifier === 0 ? {} : { subscriptionIdentifier: identifier }
        const subscriptions = [{ topic, qos, ...options }]
        return this.#clientOf(step.client).subscribe({ subscriptions, properties })
      }
      case 'unsubscribe':
        return this.#clientOf(step.client).unsubscribe(step.filter)
      case 'publish':
        return this.#clientOf(step.client).publish(step.message)
      case 'disconnect': {
        const { withWill, endsSession } = step.leaves
        await this.#clientOf(step.client).disconnect(withWill ? 4 : 0, endsSession ? 0 : undefined)
        this.#clients[step.client] = undefined
        return ''
      }
      case 'drop':
        this.#clientOf(step.client).drop()
        this.#clients[step.client] = undefined
        return ''
    }
  }

  /** Round trips of all clients: what was on its way to them has come. */
  async settle(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client?.ping()))
  }

  /** What each client received, by topic and QoS: in each of these order is kept. */
  seen(): Record<string, string[]>[] {
    return this.#received.map((messages) => {
      const streams: Record<string, string[]> = {}
      for (const { topic, qos, text } of messages) {
        const stream = `${topic} q${qos}`
        const texts = streams[stream] ?? []
        texts.push(text)
        streams[stream] = texts
      }
      return streams
    })
  }

  get messageCount(): number {
    return this.#received.reduce((sum, messages) => sum + messages.length, 0)
  }

  /** How many wills of the client the observer has seen. */
  willsOf(client: number): number {
    const seen = this.#received[OBSERVER] ?? []
    return seen.filter(({ topic }) => topic === willTopic(client)).length
  }

  /** Ends all sessions and leaves nothing retained. */
  async close(): Promise<void> {
    for (let client = 0; client < CLIENTS; client++) {
      await this.#clients[client]?.disconnect()
      await this.#open(client, { clean: true }, false)
      await this.#clientOf(client).disconnect()
    }
    const wills = Array.from({ length: CLIENTS }, (_, client) => willTopic(client))
    for (const topic of [...TOPICS, ...wills]) {
      const cleared = { topic, payload: '', qos: 1, retain: true, properties: {} } as const
      await this.#clientOf(OBSERVER).publish(cleared)
    }
    await this.#clientOf(OBSERVER).disconnect()
  }

  async #open(
    client: number,
    packet: Partial<IConnectPacket>,
    isHolding: boolean,
  ): Promise<string> {
    const received = this.#received[client] ?? []
    const options = { version: this.#version, received, isHolding }
    const clientId = `${this.#name}-${client}`
    const opened = await ScriptClient.open(this.#port, { ...packet, clientId }, options)
    this.#clients[client] = opened.client
    return opened.connack
  }

  #clientOf(client: number): ScriptClient {
    const found = this.#clients[client]
    if (found === undefined) throw new Error(`client ${client} is not connected`)
    return found
  }
}

function willOf({ topic, payload, qos, retain, properties }: DrawnMessage) {
  return { topic, payload: Buffer.from(payload), qos, retain, properties }
}
