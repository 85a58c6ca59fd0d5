/** An account with durable sessions on a store, publishers, and clients whose connections tests look at. */

import type { WillMessage } from '../../bridge-mqtt/codec/index.ts'
import {
  type DeliveryLine,
  type DurableLimits,
  DurableLogs,
  type DurableSession,
  type LoggedMessage,
  type MqttPublisher,
  NEVER_EXPIRES,
  type StoredFilter,
} from '../../bridge-mqtt/durable/index.ts'
import { AccountSpace, type Message, type PublishCommitted } from '../../shared/broker/index.ts'
import { type Log, silentLog } from '../../shared/log/index.ts'
import { type Clock, SeededRandom } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'

const NOTHING = new Uint8Array(0)

export interface Sent {
  readonly packetId: number
  readonly subject: string
  readonly payload: string
  readonly headers: string
  readonly qos: number
  readonly isDup: boolean
  readonly ids: readonly number[]
  readonly isRetainAsPublished: boolean
}

/** A client's connection that keeps what it is sent. */
export class TestLine implements DeliveryLine {
  readonly clientId: string
  isBehind = false
  caughtUps = 0
  readonly sent: Sent[] = []
  readonly pubrels: number[] = []
  readonly directs: string[] = []
  /** Whether it takes a message. */
  accepts: (message: LoggedMessage) => boolean = () => true
  /** Whether its user may receive a subject as a member of a queue group. */
  allows: (subject: string, group: string) => boolean = () => true
  onSent: (sent: Sent) => void = () => {}
  onPubrel: (packetId: number) => void = () => {}

  constructor(clientId: string) {
    this.clientId = clientId
  }

  mayReceive(subject: Uint8Array, group: string): boolean {
    return this.allows(Buffer.from(subject).toString(), group)
  }

  filtersTakenBack(): void {}

  caughtUp(): void {
    this.caughtUps++
  }

  publish(message: LoggedMessage, packetId: number, isDup: boolean): boolean {
    if (!this.accepts(message)) return false
    const sent = {
      packetId,
      subject: Buffer.from(message.subject).toString(),
      payload: Buffer.from(message.payload).toString(),
      headers: Buffer.from(message.headers).toString(),
      qos: message.qos,
      isDup,
      ids: [...message.subscriptionIds],
      isRetainAsPublished: message.isRetainAsPublished,
    }
    this.sent.push(sent)
    this.onSent(sent)
    return true
  }

  pubrel(packetId: number): void {
    this.pubrels.push(packetId)
    this.onPubrel(packetId)
  }

  direct(message: Message): void {
    this.directs.push(Buffer.from(message.payload).toString())
  }

  get payloads(): string[] {
    return this.sent.map(({ payload }) => payload)
  }
}

export class TestPublisher implements MqttPublisher {
  readonly kind = 'mqtt'
  readonly echo = true
  readonly id: number
  readonly clientId: string
  account = 'A'
  publishingQos = 0
  publishingRetain = false
  hasNoLocal = false
  /** Of the publish that is being routed. */
  #waits = 0
  #told: PublishCommitted = () => {}

  constructor(id: number, clientId = 'publisher') {
    this.id = id
    this.clientId = clientId
  }

  deliver(): void {}

  hold(): PublishCommitted {
    this.#waits++
    return this.#told
  }

  /** Calls `committed` when all that stores it has; at once when nobody does. */
  publish(
    space: AccountSpace,
    subject: string,
    payload: string,
    qos: number,
    committed: PublishCommitted = () => {},
  ): void {
    let waits = Number.POSITIVE_INFINITY
    let told = 0
    let failure: Parameters<PublishCommitted>[0]
    this.#waits = 0
    this.#told = (error) => {
      failure ??= error
      if (++told === waits) committed(failure)
    }
    this.publishingQos = qos
    space.publish(this, {
      subject: Buffer.from(subject),
      reply: NOTHING,
      headers: qos === 0 ? NOTHING : Buffer.from(`NATS/1.0\r\nPetiole-Qos: ${qos}\r\n\r\n`),
      payload: Buffer.from(payload),
    })
    waits = this.#waits
    if (told === waits) committed(failure)
  }
}

export function filterOf(
  filter: string,
  qos = 1,
  options: Partial<StoredFilter> = {},
): StoredFilter {
  return {
    filter,
    qos,
    isNoLocal: false,
    isRetainAsPublished: false,
    subscriptionId: 0,
    retainHandling: 0,
    ...options,
  }
}

export interface DurableWorldOptions {
  readonly store: Store
  readonly clock: Clock
  readonly seed?: number
  readonly log?: Log
  readonly limits?: Partial<DurableLimits>
}

/** One process: made anew on the same store it stands for the next one. */
export class DurableWorld {
  readonly space: AccountSpace
  readonly wills: { readonly clientId: string; readonly will: WillMessage }[] = []
  readonly publisher: TestPublisher
  logs: DurableLogs
  #peerIds = 0

  private constructor(logs: (world: DurableWorld) => DurableLogs, space: AccountSpace) {
    this.space = space
    this.publisher = new TestPublisher(this.nextPeerId())
    this.logs = logs(this)
  }

  static async start(options: DurableWorldOptions): Promise<DurableWorld> {
    const random = new SeededRandom(options.seed ?? 1)
    const space = new AccountSpace(random.fork(), 'A')
    let world: DurableWorld | undefined
    let ids = 1_000
    const wills: { clientId: string; will: WillMessage }[] = []
    const logs = await DurableLogs.open({
      store: options.store,
      clock: options.clock,
      random,
      log: options.log ?? silentLog,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      space: () => space,
      nextPeerId: () => ++ids,
      publishWill: (_account, clientId, will) => (world?.wills ?? wills).push({ clientId, will }),
    })
    world = new DurableWorld(() => logs, space)
    world.wills.push(...wills)
    return world
  }

  nextPeerId(): number {
    return ++this.#peerIds
  }

  get log() {
    return this.logs.of('A')
  }

  session(clientId: string, expirySeconds: number = NEVER_EXPIRES): DurableSession {
    const { sessions } = this.log
    return sessions.get(clientId) ?? sessions.create(clientId, { expirySeconds })
  }

  attach(clientId: string): TestLine {
    const line = new TestLine(clientId)
    this.session(clientId).attach(line)
    return line
  }

  subscribe(clientId: string, ...filters: readonly (string | StoredFilter)[]): Promise<void> {
    const asked = filters.map((one) => (typeof one === 'string' ? filterOf(one) : one))
    return new Promise((resolve, reject) => {
      this.session(clientId).subscribe(asked, (error) =>
        error === undefined ? resolve() : reject(error),
      )
    })
  }

  /** Resolves when it is acknowledged. */
  publish(subject: string, payload: string, qos = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      this.publisher.publish(this.space, subject, payload, qos, (error) =>
        error === undefined ? resolve() : reject(error),
      )
    })
  }
}
