import type { IPublishPacket, QoS } from 'mqtt-packet'
import type { SeededRandom } from '../../shared/runtime/index.ts'
import type { ProtocolVersion } from './mqtt-script-client.ts'

/**
 * Random legal scripts for MQTT brokers: clients that come and go with sessions that last or do not, subscribe,
 * publish, and leave wills. Left out is what the specification leaves to the server: filters of one client that
 * overlap, who of a group gets a message, and one client beside itself. Sessions last for an hour or not at all.
 */

export const CLIENTS = 3
export const TOPICS = [
  'a',
  'a/b',
  'a/b/c',
  'b',
  '/a',
  'a/',
  'a//b',
  '$x/a',
  'v1.0/a',
  'a b/c',
  '*',
  'c/>',
]
const FILTERS = [
  ...TOPICS,
  '#',
  '+',
  'a/#',
  '+/b',
  'a/+',
  '+/+',
  '/+',
  '+/',
  '$x/#',
  'a/+/#',
  '/#',
  'will/+',
]
const STEPS = 40
const HOUR = 3_600
const CONTENT = ['text/plain', 'application/json']

export function willTopic(client: number): string {
  return `will/${client}`
}

/** One step; all brokers are led through the same. */
export type Step =
  | ({ readonly do: 'connect' } & Connect)
  | ({ readonly do: 'subscribe'; readonly client: number } & Subscription)
  | { readonly do: 'unsubscribe'; readonly client: number; readonly filter: string }
  | { readonly do: 'publish'; readonly client: number; readonly message: DrawnMessage }
  | { readonly do: 'disconnect'; readonly client: number; readonly leaves: Leaving }
  | { readonly do: 'drop'; readonly client: number }

interface Connect {
  readonly client: number
  readonly isClean: boolean
  /** Of MQTT 5; 0 and an hour. */
  readonly expirySeconds: number
  readonly isHolding: boolean
  readonly will: DrawnMessage
}

interface Subscription {
  readonly filter: string
  readonly qos: QoS
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly retainHandling: number
  /** 0: none. */
  readonly identifier: number
}

export interface DrawnMessage {
  readonly topic: string
  readonly payload: string
  readonly qos: QoS
  readonly retain: boolean
  readonly properties: NonNullable<IPublishPacket['properties']>
}

/** How a client says that it leaves: with its will or without; MQTT 5 may end the session with it. */
export interface Leaving {
  readonly withWill: boolean
  readonly endsSession: boolean
}

export function drawScript(random: SeededRandom, version: ProtocolVersion): Step[] {
  const draw = new ScriptDraw(random, version)
  return Array.from({ length: STEPS }, (_, i) => draw.step(i))
}

class ScriptDraw {
  readonly #random: SeededRandom
  readonly #version: ProtocolVersion
  readonly #clients = Array.from({ length: CLIENTS }, () => ({
    isOnline: false,
    lasts: false,
    filters: new Map<string, { readonly noLocal: boolean; readonly retainAsPublished: boolean }>(),
  }))

  constructor(random: SeededRandom, version: ProtocolVersion) {
    this.#random = random
    this.#version = version
  }

  step(i: number): Step {
    const client = i < CLIENTS ? i : this.#random.below(CLIENTS)
    const state = this.#stateOf(client)
    // The others go on publishing while one is away.
    if (!state.isOnline && (i < CLIENTS || this.#odds(3))) return this.#connect(client)
    if (!state.isOnline) return this.#publishOf(this.#anyOnline() ?? -1, i) ?? this.#connect(client)
    const kind = this.#random.below(12)
    if (kind < 4 || i < CLIENTS * 3) {
      const subscribe = this.#subscribe(client)
      if (subscribe !== undefined) return subscribe
    }
    if (kind === 4 && state.filters.size > 0) {
      const filter = this.#pick([...state.filters.keys()])
      state.filters.delete(filter)
      return { do: 'unsubscribe', client, filter }
    }
    if (kind === 5 || kind === 6) return this.#leave(client, kind === 5)
    return this.#publishOf(client, i) ?? this.#connect(client)
  }

  #connect(client: number): Step {
    const state = this.#stateOf(client)
    const isClean = this.#odds(4)
    const isV5 = this.#version === 5
    const expirySeconds = isV5 && !this.#odds(4) ? HOUR : 0
    if (isClean || !state.lasts) state.filters.clear()
    state.isOnline = true
    state.lasts = isV5 ? expirySeconds > 0 : !isClean
    const will = this.#message(willTopic(client), `will of ${client}`)
    const isHolding = false
    return { do: 'connect', client, isClean, expirySeconds, isHolding, will }
  }

  /**
   * A filter that matches no topic that another one of the client matches; undefined when none was found. Who
   * subscribes again keeps two of the options: mosquitto 2.0 does not replace them, against [MQTT-3.8.4-3].
   */
  #subscribe(client: number): Step | undefined {
    const { filters } = this.#stateOf(client)
    const filter = this.#pick(FILTERS)
    if ([...filters.keys()].some((other) => other !== filter && overlap(other, filter)))
      return undefined
    const isV5 = this.#version === 5
    const noLocal = isV5 && this.#odds(4) && !isMatch(filter, willTopic(client))
    const retainAsPublished = isV5 && this.#odds(3)
    const options = filters.get(filter) ?? { noLocal, retainAsPublished }
    filters.set(filter, options)
    return {
      do: 'subscribe',
      client,
      filter,
      qos: this.#qos(),
      ...options,
      retainHandling: isV5 ? this.#random.below(3) : 0,
      identifier: isV5 && this.#odds(2) ? 1 + this.#random.below(300) : 0,
    }
  }

  #publishOf(client: number, i: number): Step | undefined {
    if (client < 0) return undefined
    const message = this.#message(this.#pick(TOPICS), this.#odds(6) ? '' : `m${i}`)
    return { do: 'publish', client, message }
  }

  #leave(client: number, isOrderly: boolean): Step {
    const state = this.#stateOf(client)
    state.isOnline = false
    const isV5 = this.#version === 5
    const leaves = { withWill: isV5 && this.#odds(3), endsSession: isV5 && this.#odds(4) }
    if (isOrderly && leaves.endsSession) state.lasts = false
    if (!state.lasts) state.filters.clear()
    return isOrderly ? { do: 'disconnect', client, leaves } : { do: 'drop', client }
  }

  #message(topic: string, payload: string): DrawnMessage {
    const properties = this.#version === 5 ? this.#properties() : {}
    return { topic, payload, qos: this.#qos(), retain: this.#odds(4), properties }
  }

  #properties(): DrawnMessage['properties'] {
    return {
      ...(this.#odds(3) ? { contentType: this.#pick(CONTENT) } : {}),
      ...(this.#odds(4) ? { payloadFormatIndicator: true } : {}),
      ...(this.#odds(4) ? { messageExpiryInterval: HOUR } : {}),
      ...(this.#odds(4) ? { responseTopic: this.#pick(TOPICS) } : {}),
      ...(this.#odds(4) ? { correlationData: Buffer.from([0, 13, 10, 255]) } : {}),
      ...(this.#odds(3) ? { userProperties: { site: ['north', 'ü: x'], '': 'empty name' } } : {}),
    }
  }

  #anyOnline(): number | undefined {
    const online = this.#clients.flatMap(({ isOnline }, client) => (isOnline ? [client] : []))
    return online.length === 0 ? undefined : online[this.#random.below(online.length)]
  }

  #stateOf(client: number) {
    const state = this.#clients[client]
    if (state === undefined) throw new Error(`no client ${client}`)
    return state
  }

  #qos(): QoS {
    return ([0, 1, 2] as const)[this.#random.below(3)] ?? 0
  }

  #pick(from: readonly string[]): string {
    return from[this.#random.below(from.length)] ?? ''
  }

  /** One time in `n`. */
  #odds(n: number): boolean {
    return this.#random.below(n) === 0
  }
}

const ALL_TOPICS = [...TOPICS, ...Array.from({ length: CLIENTS }, (_, client) => willTopic(client))]

function overlap(one: string, other: string): boolean {
  return ALL_TOPICS.some((topic) => isMatch(one, topic) && isMatch(other, topic))
}

/** Topic matching as section 4.7 has it, level by level. */
function isMatch(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[#+]/.test(filter)) return false
  const levels = topic.split('/')
  const wanted = filter.split('/')
  const isOpen = wanted.at(-1) === '#'
  if (isOpen) wanted.pop()
  if (isOpen ? levels.length < wanted.length : levels.length !== wanted.length) return false
  return wanted.every((level, i) => level === '+' || level === levels[i])
}
