import type { IConnectPacket } from 'mqtt-packet'
import { until } from './fleet-harness.ts'
import { type ProtocolVersion, type Received, ScriptClient } from './mqtt-script-client.ts'
import {
  CLIENTS,
  type DrawnMessage,
  GROUP_IDENTIFIER_MIN,
  type Step,
  TOPICS,
  willTopic,
} from './mqtt-scripts.ts'
import { DEADLINE_MS } from './patience.ts'

const OBSERVER = CLIENTS
/** Nobody's filter matches it. */
const PROBE = '$probe/a'

/**
 * One broker and the clients of one script at it, and an observer who is subscribed to all that does not begin
 * with `$`: what he has got has been routed.
 */
export class ScriptStage {
  readonly #port: number
  readonly #version: ProtocolVersion
  readonly #name: string
  readonly #uncounted: number
  readonly #clients: (ScriptClient | undefined)[] = []
  /** What each client received since the script began, over all its connections; the observer's is the last. */
  readonly #received: Received[][] = Array.from({ length: CLIENTS + 1 }, () => [])

  private constructor(port: number, version: ProtocolVersion, name: string, uncounted: number) {
    this.#port = port
    this.#uncounted = uncounted
    this.#version = version
    this.#name = name
  }

  /**
   * @param name of the script: part of the client identifiers, so that scripts share no session
   * @param uncounted bytes of a packet that the broker leaves out when it holds it against Maximum Packet Size
   */
  static async open(
    port: number,
    version: ProtocolVersion,
    name: string,
    uncounted = 0,
  ): Promise<ScriptStage> {
    const stage = new ScriptStage(port, version, name, uncounted)
    await stage.#open(OBSERVER, { clean: true }, false)
    await stage.#clientOf(OBSERVER).subscribe({ subscriptions: [{ topic: '#', qos: 2 }] })
    return stage
  }

  /** What the step's client is told. */
  async perform(step: Step): Promise<string> {
    switch (step.do) {
      case 'connect': {
        const { client, isClean: clean, expirySeconds, isHolding, will } = step
        const { receiveMaximum, topicAliasMaximum, maximumPacketSize } = step
        const properties = {
          ...(expirySeconds > 0 ? { sessionExpiryInterval: expirySeconds } : {}),
          ...(receiveMaximum > 0 ? { receiveMaximum } : {}),
          ...(topicAliasMaximum > 0 ? { topicAliasMaximum } : {}),
          ...(maximumPacketSize > 0
            ? { maximumPacketSize: maximumPacketSize - this.#uncounted }
            : {}),
        }
        const left = will === undefined ? {} : { will: willOf(will) }
        return this.#open(client, { clean, properties, ...left }, isHolding)
      }
      case 'subscribe': {
        const { identifier } = step
        const properties = identifier === 0 ? {} : { subscriptionIdentifier: identifier }
        const subscriptions = step.subscriptions.map(({ filter: topic, qos, ...asked }) => {
          const { noLocal: nl, retainAsPublished: rap, retainHandling: rh } = asked
          return { topic, qos, ...(this.#version === 5 ? { nl, rap, rh } : {}) }
        })
        return this.#clientOf(step.client).subscribe({ subscriptions, properties })
      }
      case 'unsubscribe':
        return this.#clientOf(step.client).unsubscribe(step.filters)
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
      case 'elapse':
        await this.#elapse(step.seconds)
        return ''
    }
  }

  /** Until a message that comes behind all others with this interval is retained no more. */
  async #elapse(seconds: number): Promise<void> {
    const received: Received[] = []
    const options = { version: this.#version, received, isHolding: false }
    const packet = { clientId: `${this.#name}-probe` }
    const { client } = await ScriptClient.open(this.#port, packet, options)
    const properties = { messageExpiryInterval: seconds }
    const message = { topic: PROBE, payload: '1', qos: 1, retain: true, properties } as const
    await client.publish(message)
    const retained = async (): Promise<number> => {
      received.length = 0
      await client.subscribe({ subscriptions: [{ topic: PROBE, qos: 0, rh: 0 }] })
      await client.ping()
      return received.length
    }
    await until('the end of a message', retained, (count) => count === 0, DEADLINE_MS)
    await client.disconnect()
  }

  /** Round trips of all clients: what was on its way to them has come. */
  async settle(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client?.ping()))
  }

  /**
   * What each client received, by topic, QoS and publisher: in each of these order is kept [MQTT-4.6.0-5]. The last is
   * what members of the groups got that have several, whoever of them.
   */
  seen(): Record<string, string[]>[] {
    const shared: string[] = []
    const seen = this.#received.map((messages) => {
      const streams: Record<string, string[]> = {}
      for (const { topic, qos, text, publisher, identifier } of messages) {
        const stream = `${topic} q${qos}${publisher}`
        if (identifier >= GROUP_IDENTIFIER_MIN) shared.push(`${stream}: ${text}`)
        else {
          const texts = streams[stream] ?? []
          texts.push(text)
          streams[stream] = texts
        }
      }
      return streams
    })
    return [...seen, { shared: shared.sort() }]
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
