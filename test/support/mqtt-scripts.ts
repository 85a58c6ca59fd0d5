import type { IPublishPacket, QoS } from 'mqtt-packet'
import type { SeededRandom } from '../../shared/runtime/index.ts'
import type { ProtocolVersion } from './mqtt-script-client.ts'

/**
 * Random legal scripts for MQTT brokers: clients that come and go with sessions that last or do not, subscribe,
 * publish, leave wills, acknowledge nothing for a while, and take their own connections over. Left out is what the
 * specification leaves to the server: filters of one client that overlap, and who of a group gets a message. Groups
 * have one member, or take in all whose sessions end with their connections and who take everything at once: of these
 * it is compared what all of them have got. Sessions last for an hour or not at all; so long wait wills, too.
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
const NOT_SYSTEM = FILTERS.filter((filter) => !filter.startsWith('$'))
/** Without empty levels, and not in `$`. */
const PLAIN = TOPICS.filter((topic) => !/^\$|^\/|\/\/|\/$/.test(topic))
const STEPS = 40
const HOUR = 3_600
/** As many as mosquitto lets a client have. */
const ALIASES = 10
/** What is over in the step `elapse`. */
const SHORT_SECONDS = 2
const SHORT_MESSAGES = 3
/** Subscription identifiers of groups with several members, in the order of FILTERS. */
export const GROUP_IDENTIFIER_MIN = 1_000
const CONTENT = ['text/plain', 'application/json']

export function willTopic(client: number): string {
  return `will/${client}`
}

/** One step; all brokers are led through the same. */
export type Step =
  | ({ readonly do: 'connect' } & Connect)
  | ({ readonly do: 'subscribe'; readonly client: number } & Subscribing)
  | { readonly do: 'unsubscribe'; readonly client: number; readonly filters: readonly string[] }
  | { readonly do: 'publish'; readonly client: number; readonly message: DrawnMessage }
  | { readonly do: 'disconnect'; readonly client: number; readonly leaves: Leaving }
  | { readonly do: 'drop'; readonly client: number; readonly isWillPublished: boolean }
  /** Messages with the short interval are over. */
  | { readonly do: 'elapse'; readonly seconds: number }

interface Connect {
  readonly client: number
  readonly isClean: boolean
  /** Of MQTT 5; 0 and an hour. */
  readonly expirySeconds: number
  readonly isHolding: boolean
  /** Of MQTT 5; 0: not said. */
  readonly receiveMaximum: number
  readonly topicAliasMaximum: number
  readonly maximumPacketSize: number
  readonly will: DrawnMessage | undefined
  /** Its client has a connection already, whose will is published. */
  readonly isWillPublished: boolean
}

interface Subscribing {
  readonly subscriptions: readonly Subscription[]
  /** Of all of them; 0: none. */
  readonly identifier: number
}

interface Subscription {
  readonly filter: string
  readonly qos: QoS
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly retainHandling: number
}

/** What a client keeps of a subscription that it makes again. */
interface Kept {
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly identifier: number
}

export interface DrawnMessage {
  readonly topic: string
  readonly payload: string
  readonly qos: QoS
  readonly retain: boolean
  readonly properties: NonNullable<IPublishPacket['properties']> & {
    readonly willDelayInterval?: number
  }
}

/** How a client says that it leaves: with its will or without; MQTT 5 may end the session with it. */
export interface Leaving {
  readonly withWill: boolean
  readonly endsSession: boolean
  /** At once: with a delay it waits. */
  readonly isWillPublished: boolean
}

/** What is drawn: all that the version has, or what the broker that is compared with does by it. */
export interface Drawing {
  readonly version: ProtocolVersion
  /**
   * aedes matches topics in `$` by wildcards in front, and empty levels by none, when a message is kept; it delivers
   * what waited at the QoS at which it was published, with RETAIN as it was, and what was not acknowledged again
   * without DUP; and it closes a lasting session ("no such packet") for the answer to a retained message of QoS 2.
   */
  readonly isForAedes: boolean
}

export function drawScript(random: SeededRandom, drawing: Drawing): Step[] {
  const draw = new ScriptDraw(random, drawing)
  return Array.from({ length: STEPS }, (_, i) => draw.step(i))
}

class ScriptDraw {
  readonly #random: SeededRandom
  readonly #version: ProtocolVersion
  readonly #isForAedes: boolean
  readonly #drawsSessions: boolean
  readonly #clients = Array.from({ length: CLIENTS }, () => ({
    isOnline: false,
    lasts: false,
    isHolding: false,
    hasHeld: false,
    isHeldUp: false,
    takesAll: true,
    hasWill: false,
    isWillDelayed: false,
    aliases: new Map<number, string>(),
    filters: new Map<string, Kept>(),
  }))
  /** From this step on messages are over soon, and after some of them they are; never in most scripts: it takes time. */
  readonly #shortFrom: number

  constructor(random: SeededRandom, { version, isForAedes }: Drawing) {
    this.#random = random
    this.#version = version
    this.#isForAedes = isForAedes
    this.#drawsSessions = !isForAedes || this.#odds(2)
    this.#shortFrom = version === 5 && this.#odds(4) ? STEPS / 2 : STEPS
  }

  step(i: number): Step {
    const late = i - this.#shortFrom
    if (late === SHORT_MESSAGES) return { do: 'elapse', seconds: SHORT_SECONDS }
    const publisher = this.#anyOnline()
    if (late >= 0 && late < SHORT_MESSAGES && publisher !== undefined) {
      const topic = this.#pick(TOPICS)
      const drawn = this.#message(topic, `m${i} of ${publisher}`)
      // mosquitto 2.0 delivers late what waits for one who is away, against [MQTT-3.3.2-5], and forgets what one
      // has got who acknowledges nothing, against [MQTT-4.3.3-7].
      const message = this.#isAwaited(topic) ? { ...drawn, qos: 0 as const } : drawn
      const properties = { ...message.properties, messageExpiryInterval: SHORT_SECONDS }
      return { do: 'publish', client: publisher, message: { ...message, properties } }
    }
    const client = i < CLIENTS ? i : this.#random.below(CLIENTS)
    const state = this.#stateOf(client)
    // The others go on publishing while one is away.
    if (!state.isOnline && (i < CLIENTS || this.#odds(3))) return this.#connect(client)
    if (!state.isOnline) return this.#publishOf(this.#anyOnline() ?? -1, i) ?? this.#connect(client)
    const kind = this.#random.below(13)
    if (kind === 12 && !this.#hearsItself(client)) return this.#connect(client)
    if (kind < 4 || i < CLIENTS * 3) {
      const subscribe = this.#subscribe(client)
      if (subscribe !== undefined) return subscribe
    }
    if (kind === 4 && state.filters.size > 0) {
      const filters = [this.#pick([...state.filters.keys()])]
      // One that may be there or not, or once more. Below a `$` level that nobody ever asked for, mosquitto says
      // 0 of what is not there, instead of 17 (3.11.3).
      while (this.#odds(3)) filters.push(this.#pick([...NOT_SYSTEM, ...filters]))
      // What comes again may have RETAIN as the subscription had it, or as if there were none by now.
      const isPublished = filters.some((it) => state.filters.get(it)?.retainAsPublished)
      if (state.isHolding && isPublished) return this.#publishOf(client, i) ?? this.#connect(client)
      for (const filter of filters) state.filters.delete(filter)
      return { do: 'unsubscribe', client, filters }
    }
    if (kind === 5 || kind === 6) return this.#leave(client, kind === 5 || !state.hasWill)
    return this.#publishOf(client, i) ?? this.#connect(client)
  }

  /**
   * Whoever has a connection takes it over. When the session goes on mosquitto publishes no will, against
   * [MQTT-3.1.2-8], so there is none or one that waits [MQTT-3.1.3-9]; and when it ends by that, none that waits, against
   * 3.1.4.
   */
  #connect(client: number): Step {
    const state = this.#stateOf(client)
    const leavesWill = state.isOnline && state.hasWill && !state.isWillDelayed
    const goesOn = state.isOnline && state.lasts
    const mustEnd = (goesOn && leavesWill && !this.#isForAedes) || !this.#drawsSessions
    const mustStay = state.isOnline && state.isWillDelayed
    const isClean = mustEnd || (this.#odds(4) && !mustStay)
    const isWillPublished = leavesWill
    const isV5 = this.#version === 5
    const expirySeconds = isV5 && !this.#odds(4) ? HOUR : 0
    if (isClean || !state.lasts) state.filters.clear()
    state.isOnline = true
    state.lasts = isV5 ? expirySeconds > 0 : !isClean
    state.aliases.clear()
    // Of a session that ends with the connection mosquitto lets a will wait nevertheless.
    state.hasWill = !state.lasts || !this.#odds(3)
    state.isWillDelayed = isV5 && state.lasts && state.hasWill && this.#odds(4)
    const left = this.#message(willTopic(client), `will of ${client}`)
    const delay = state.isWillDelayed ? { willDelayInterval: HOUR } : {}
    const isHolding = !this.#isForAedes && this.#odds(4)
    const will = { ...left, properties: { ...left.properties, ...delay } }
    // Of what is sent again mosquitto 2.0 holds nothing against Receive Maximum [MQTT-3.3.4-9]; and it leaves out an
    // interval that is over, so that its packet is smaller.
    const isAgain = state.hasHeld && !isClean
    const receiveMaximum = isV5 && !isAgain && this.#odds(3) ? 1 + this.#random.below(3) : 0
    state.hasHeld = isHolding || isAgain
    state.isHeldUp = isHolding && receiveMaximum > 0
    // With both mosquitto 2.0 leaves out messages that fit, and for which its window has room.
    const mayBound = isV5 && !state.hasHeld && receiveMaximum === 0
    const maximumPacketSize = mayBound && this.#odds(4) ? 60 + this.#random.below(60) : 0
    state.isHolding = isHolding
    state.takesAll = !isHolding && maximumPacketSize === 0
    return {
      do: 'connect',
      client,
      isClean,
      expirySeconds,
      isHolding,
      receiveMaximum,
      // mosquitto sets none, so that its packets would be larger.
      topicAliasMaximum:
        isV5 && maximumPacketSize === 0 && this.#odds(2) ? 1 + this.#random.below(3) : 0,
      maximumPacketSize,
      will: state.hasWill ? will : undefined,
      isWillPublished,
    }
  }

  /** Whoever is away, or acknowledges nothing, has a filter that matches. */
  #isAwaited(topic: string): boolean {
    return this.#clients.some(
      ({ isOnline, isHolding, filters }) =>
        (!isOnline || isHolding) && [...filters.keys()].some((it) => isMatch(it, topic)),
    )
  }

  /** Undefined when no filter was found. */
  #subscribe(client: number): Step | undefined {
    const { filters, lasts, takesAll } = this.#stateOf(client)
    const isV5 = this.#version === 5
    if (isV5 && !this.#isForAedes && !lasts && takesAll && this.#odds(3)) {
      return this.#joinGroup(client)
    }
    const drawn = isV5 && this.#odds(2) ? 1 + this.#random.below(300) : 0
    const first = this.#subscription(client, drawn)
    if (first === undefined) return undefined
    const identifier = filters.get(first.filter)?.identifier ?? 0
    const subscriptions = [first]
    while (this.#odds(3)) {
      const more = this.#subscription(client, identifier)
      // A filter that is in one SUBSCRIBE twice, or has an identifier already, is drawn by itself.
      const isNew = !subscriptions.some(({ filter }) => filter === more?.filter)
      const hasSame = filters.get(more?.filter ?? '')?.identifier === identifier
      if (more !== undefined && isNew && hasSame) subscriptions.push(more)
    }
    return { do: 'subscribe', client, subscriptions, identifier }
  }

  /** As all of its members do it; of wills nobody knows whether whoever leaves them is still a member. */
  #joinGroup(client: number): Step | undefined {
    const { filters } = this.#stateOf(client)
    const index = this.#random.below(FILTERS.length)
    const matched = FILTERS[index] ?? ''
    const filter = `$share/all/${matched}`
    // Of two filters of one name that match a message one counts here, as of a queue group, and both at mosquitto.
    const ofGroup = this.#clients.flatMap((it) => [...it.filters.keys()].filter(isOfAll))
    const taken = [...filters.keys(), ...ofGroup]
    const isOverlapping = taken.some((it) => it !== filter && overlap(it, filter))
    if (isOverlapping || matched.startsWith('$') || isMatch(matched, willTopic(0))) return undefined
    const identifier = GROUP_IDENTIFIER_MIN + index
    const options = { noLocal: false, retainAsPublished: false }
    filters.set(filter, { ...options, identifier })
    const qos = ([0, 1, 2] as const)[index % 3] ?? 0
    const subscriptions = [{ filter, qos, ...options, retainHandling: 2 }]
    return { do: 'subscribe', client, subscriptions, identifier }
  }

  /**
   * A filter that matches no topic that another one of the client matches. Who subscribes again keeps two of the
   * options: mosquitto 2.0 does not replace them, against [MQTT-3.8.4-3]. He keeps the identifier, too, while messages
   * are held: whether they come with that of their time or with the one of today is the server's choice.
   */
  #subscription(client: number, drawn: number): Subscription | undefined {
    const { filters, isHolding, isHeldUp } = this.#stateOf(client)
    const isV5 = this.#version === 5
    const matched = this.#pick(FILTERS)
    // mosquitto 2.0 sends members of a group nothing of topics in `$`.
    const isShared = isV5 && !matched.startsWith('$') && this.#odds(5)
    const filter = isShared ? `$share/of ${client}/${matched}` : matched
    if ([...filters.keys()].some((other) => other !== filter && overlap(other, filter)))
      return undefined
    const noLocal = isV5 && !isShared && this.#odds(4) && !isMatch(filter, willTopic(client))
    const retainAsPublished = isV5 && this.#odds(3)
    const known = filters.get(filter)
    const options = { noLocal, retainAsPublished, ...known }
    const identifier = isHolding ? (known?.identifier ?? drawn) : drawn
    filters.set(filter, { ...options, identifier })
    return {
      filter,
      qos: this.#isForAedes ? 2 : this.#qos(),
      noLocal: options.noLocal,
      retainAsPublished: options.retainAsPublished,
      // To a member of a group mosquitto may send what is retained, against 4.8.2. Retained messages of QoS 0 wait for
      // those of subscriptions before, and so for acknowledgements, or they do not: that is the server's choice (4.9).
      retainHandling: isShared || isHeldUp ? 2 : isV5 ? this.#random.below(3) : 0,
    }
  }

  /** Whether it still hears its will by a session that is about to end is the server's choice. */
  #hearsItself(client: number): boolean {
    return [...this.#stateOf(client).filters.keys()].some((it) => isMatch(it, willTopic(client)))
  }

  #publishOf(client: number, i: number): Step | undefined {
    if (client < 0) return undefined
    const message = this.#message(
      this.#pick(this.#isForAedes ? PLAIN : TOPICS),
      this.#odds(6) ? '' : `m${i} of ${client}`,
    )
    const isAliased = this.#version === 5 && this.#odds(3)
    return { do: 'publish', client, message: isAliased ? this.#aliased(client, message) : message }
  }

  /** The topic goes with the first message for which the alias stands for it. */
  #aliased(client: number, message: DrawnMessage): DrawnMessage {
    const { aliases } = this.#stateOf(client)
    const topicAlias = 1 + this.#random.below(ALIASES)
    const { topic } = message
    const isKnown = aliases.get(topicAlias) === topic
    aliases.set(topicAlias, topic)
    const properties = { ...message.properties, topicAlias }
    return { ...message, topic: isKnown ? '' : topic, properties }
  }

  #leave(client: number, isOrderly: boolean): Step {
    const state = this.#stateOf(client)
    state.isOnline = false
    const isV5 = this.#version === 5
    const withWill = isV5 && this.#odds(3)
    const endsSession = isV5 && this.#odds(4) && !(withWill && state.isWillDelayed)
    const isWillPublished = state.hasWill && !state.isWillDelayed
    if (isOrderly && endsSession) state.lasts = false
    if (!state.lasts) state.filters.clear()
    if (!isOrderly) return { do: 'drop', client, isWillPublished }
    const leaves = { withWill, endsSession, isWillPublished: withWill && isWillPublished }
    return { do: 'disconnect', client, leaves }
  }

  #message(topic: string, payload: string): DrawnMessage {
    const properties = this.#version === 5 ? this.#properties() : {}
    const retain = this.#odds(4) && (!this.#isForAedes || !this.#drawsSessions)
    return { topic, payload, qos: this.#qos(), retain, properties }
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

function isOfAll(filter: string): boolean {
  return filter.startsWith('$share/all/')
}

function overlap(one: string, other: string): boolean {
  return ALL_TOPICS.some((topic) => isMatch(one, topic) && isMatch(other, topic))
}

/** Topic matching as section 4.7 has it, level by level. */
function isMatch(subscribed: string, topic: string): boolean {
  const filter = subscribed.replace(/^\$share\/[^/]+\//, '')
  if (topic.startsWith('$') && /^[#+]/.test(filter)) return false
  const levels = topic.split('/')
  const wanted = filter.split('/')
  const isOpen = wanted.at(-1) === '#'
  if (isOpen) wanted.pop()
  if (isOpen ? levels.length < wanted.length : levels.length !== wanted.length) return false
  return wanted.every((level, i) => level === '+' || level === levels[i])
}
