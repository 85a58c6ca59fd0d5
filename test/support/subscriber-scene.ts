/** Subscribed clients without connections, on a router: what they are sent, packet by packet. */
import {
  type ConnectPacket,
  Frame,
  LEVEL,
  type Level,
  NO_PROPERTIES,
  PACKET,
  type Properties,
  REASON,
  type Violation,
  writeAck,
} from '../../bridge-mqtt/codec/index.ts'
import { MqttCounters } from '../../bridge-mqtt/counters.ts'
import { headersOf, NO_HEADERS } from '../../bridge-mqtt/headers/index.ts'
import { DEFAULT_LIMITS, type MqttLimits } from '../../bridge-mqtt/limits.ts'
import { Notices } from '../../bridge-mqtt/notices.ts'
import { type Terms, termsOf } from '../../bridge-mqtt/session/connection-terms.ts'
import { KeptMessages, type MqttContext, Scratch } from '../../bridge-mqtt/session/index.ts'
import { InputGate } from '../../bridge-mqtt/session/input-gate.ts'
import { SessionGuard } from '../../bridge-mqtt/session/session-guard.ts'
import { type MqttOrigin, Subscriber } from '../../bridge-mqtt/session/subscriber.ts'
import type { SubscriberOwner } from '../../bridge-mqtt/session/subscriber-ports.ts'
import { Translator } from '../../bridge-mqtt/translator.ts'
import type { Identity } from '../../shared/account/index.ts'
import {
  AccountSpace,
  type Message,
  type Peer,
  type Subscription,
} from '../../shared/broker/index.ts'
import { type Clock, type PetioleError, SeededRandom } from '../../shared/runtime/index.ts'
import { allocate, release } from '../../shared/transport/index.ts'
import { ManualClock } from './manual-clock.ts'
import { readPacket } from './mqtt-codec.ts'
import { RecordingLog } from './mqtt-core.ts'
import { RecordingChannel } from './recording-channel.ts'
import { RecordingPeer } from './recording-peer.ts'

const ROOM = 64 * 1024

export interface SentPublish {
  readonly topic: string
  readonly payload: string
  readonly qos: number
  readonly isDup: boolean
  readonly isRetain: boolean
  readonly packetId: number
  readonly topicAlias: number
  readonly properties: Properties
}

/** A client as its subscriber sees it. */
export class SubscribedClient implements Peer, MqttOrigin {
  readonly channel: RecordingChannel
  readonly subscriber: Subscriber
  readonly kind = 'mqtt'
  readonly echo = true
  readonly id: number
  /** Of what it publishes itself. */
  readonly publishing = undefined
  publishingQos = 0
  publishingRetain = false
  readonly uncommitted: PetioleError[] = []
  readonly violations: Violation[] = []
  readonly #level: Level
  readonly #frame = new Frame()
  #read = 0

  constructor(context: MqttContext, space: AccountSpace, at: number, owner: SubscriberOwner) {
    this.channel = new RecordingChannel(at)
    this.#level = owner.terms.level
    const { uncommitted, channel } = this
    const line = {
      channel,
      input: new InputGate(context.clock, channel, { inputOpened: () => {} }),
      uncommitted: (error: PetioleError) => uncommitted.push(error),
      violated: (violation: Violation) => this.violations.push(violation),
      end: () => channel.end(),
    }
    this.id = context.nextPeerId()
    this.subscriber = new Subscriber(context, space, line, owner, this)
    this.subscriber.begin()
  }

  deliver(subscription: Subscription, message: Message): void {
    this.offer(subscription, message)
  }

  offer(subscription: Subscription, message: Message): boolean {
    const { origin } = message
    const publisher = origin instanceof SubscribedClient ? origin : undefined
    return this.subscriber.offer(subscription, message, publisher)
  }

  /** What it was sent since this was asked the last time. */
  take(): object[] {
    const bytes = Buffer.concat(this.channel.written)
    const packets: object[] = []
    while (this.#read < bytes.length) {
      const verdict = readPacket(bytes, this.#level, 'server', { at: this.#read })
      if (typeof verdict === 'string' || 'violation' in verdict) {
        throw new Error(`sent ${bytes.subarray(this.#read).toString('hex')}`)
      }
      packets.push(verdict.packet as object)
      this.#read = verdict.end
    }
    return packets
  }

  publishes(): SentPublish[] {
    return this.take()
      .filter((packet) => 'topic' in packet)
      .map((packet) => {
        const publish = packet as SentPublish
        return { ...publish, payload: Buffer.from(publish.payload, 'hex').toString() }
      })
  }

  payloads(): string[] {
    return this.publishes().map(({ payload }) => payload)
  }

  subscribe(
    filters: Readonly<Record<string, number | { qos?: number; [option: string]: unknown }>>,
    properties: Properties = NO_PROPERTIES,
  ): void {
    const requests = Object.entries(filters).map(([filter, options]) => ({
      filter,
      qos: 0,
      isNoLocal: false,
      isRetainAsPublished: false,
      retainHandling: 0,
      ...(typeof options === 'number' ? { qos: options } : options),
    }))
    this.subscriber.subscribe({ packetId: 1, filters: requests, properties })
  }

  unsubscribe(...filters: string[]): void {
    this.subscriber.unsubscribe({ packetId: 2, filters, properties: NO_PROPERTIES })
  }

  acknowledge(type: 'puback' | 'pubrec' | 'pubcomp', packetId: number, reason = 0): unknown {
    const bytes = new Uint8Array(8)
    const end = writeAck(bytes, 0, PACKET[type], packetId, reason)
    this.#frame.read(bytes, 0, end)
    return this.subscriber.acknowledged(bytes, this.#frame)
  }

  /** Acknowledges all that came at QoS 1, and that too which this makes room for. */
  acknowledgeAll(): SentPublish[] {
    const all: SentPublish[] = []
    for (let got = this.publishes(); got.length > 0; got = this.publishes()) {
      all.push(...got)
      for (const { packetId } of got) {
        if (packetId !== 0) this.acknowledge('puback', packetId, REASON.success)
      }
    }
    return all
  }
}

/** What is known of a client beside its name: its terms differ from those of a bare CONNECT of MQTT 5. */
export type ClientOptions = Partial<Omit<SubscriberOwner, 'terms'>> &
  Partial<Terms> & { readonly filtersMax?: number; readonly identity?: Identity }

const CONNECT: ConnectPacket = {
  level: LEVEL.v5,
  isClean: true,
  keepAliveSeconds: 0,
  properties: NO_PROPERTIES,
  clientId: '',
  user: undefined,
  password: undefined,
  will: undefined,
}

export interface SceneOptions {
  readonly space?: AccountSpace
  readonly limits?: Partial<MqttLimits>
  readonly ackPendingMax?: number
  readonly clock?: MovedClock
}

type MovedClock = Clock & { advance(ms: number): void }

export class SubscriberScene {
  readonly clock: MovedClock
  readonly counters = new MqttCounters()
  readonly log = new RecordingLog()
  readonly space: AccountSpace
  readonly #context: MqttContext
  readonly #output = allocate(ROOM)
  readonly #publisher = new RecordingPeer('client')
  #ids = 0

  constructor({ space, limits, ackPendingMax = 10, clock: moved }: SceneOptions = {}) {
    this.clock = moved ?? new ManualClock()
    this.space = space ?? new AccountSpace(new SeededRandom(1), '$G')
    const { clock, counters } = this
    const all = { ...DEFAULT_LIMITS, ...limits }
    const parts: Partial<MqttContext> = {
      clock,
      limits: all,
      counters,
      notices: new Notices(clock, this.log),
      translator: new Translator(),
      scratch: new Scratch(),
      kept: new KeptMessages({
        counters,
        bytesMax: () => all.queuedTotalBytesMax,
        filled: () => {},
      }),
      payloadBytesMax: 1024 * 1024,
      ackPendingMax,
      nextPeerId: () => ++this.#ids,
    }
    this.#context = parts as MqttContext
  }

  close(): void {
    release(this.#output, ROOM)
  }

  client(
    clientId: string,
    { filtersMax = 1_000, identity = { user: '', account: '$G' }, ...asked }: ClientOptions = {},
  ): SubscribedClient {
    const limits = { payloadBytesMax: 1024, filtersMax, expiresMs: Number.POSITIVE_INFINITY }
    const guard = new SessionGuard(identity, () => limits, new ManualClock())
    const terms = {
      ...termsOf(CONNECT, DEFAULT_LIMITS, Number.POSITIVE_INFINITY),
      wantsReasons: true,
      ...asked,
    }
    const whole = { clientId, guard, ...asked, terms }
    return new SubscribedClient(this.#context, this.space, this.#output, whole)
  }

  /** As somebody who is no MQTT client of this server, unless `origin` is one. */
  publish(
    subject: string,
    payload: string | Buffer,
    options: { qos?: number; properties?: Properties; reply?: string; origin?: Peer } = {},
  ): number {
    const { qos = 0, properties, reply = '', origin = this.#publisher } = options
    const headers = qos === 0 && properties === undefined ? NO_HEADERS : headersOf(qos, properties)
    if ('rule' in headers) throw new Error(headers.text)
    return this.space.publish(origin, {
      subject: Buffer.from(subject),
      reply: Buffer.from(reply),
      headers,
      payload: Buffer.from(payload),
    })
  }
}
