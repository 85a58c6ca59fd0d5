import {
  type AccountBook,
  type Authenticator,
  StaticAccountBook,
} from '../../shared/account/index.ts'
import {
  type AccountLimits,
  BROKER_DEFAULTS,
  Broker,
  type Message,
  type Peer,
  type PublishCommitted,
  type Seats,
  type SubjectSpace,
  type Subscription,
} from '../../shared/broker/index.ts'
import { MQTT_DEFAULTS, type MqttConfig } from '../../shared/config/index.ts'
import type { Log, LogFields } from '../../shared/log/index.ts'
import { SeededRandom, SystemClock, SystemDisk } from '../../shared/runtime/index.ts'
import type { Core } from '../../shared/server/index.ts'
import type { Store } from '../../shared/store/index.ts'
import { type Listener, SystemNetwork } from '../../shared/transport/index.ts'
import { accountConfig } from '../unit/account/setup.ts'
import { userDoor } from './user-door.ts'

/** A core without streams: real sockets and the real router, for tests of the MQTT front door. */
export class MqttCore implements Core {
  readonly serverName = 'mqtt-test'
  readonly version = '0.0.0'
  readonly identity = { id: 'NMQTT' }
  readonly accounts: { readonly book: AccountBook }
  readonly payloadBytesMax: number
  readonly authenticator: Authenticator
  readonly log = new RecordingLog()
  readonly tls = { of: () => undefined }
  readonly machine: Core['machine']
  readonly store: Store | undefined
  readonly broker: Broker
  #natsListener: Listener | undefined

  constructor(
    options: {
      authenticator?: Authenticator
      accounts?: AccountBook
      payloadBytesMax?: number
      connectionsMax?: number
      store?: Store
    } = {},
  ) {
    this.store = options.store
    this.authenticator = options.authenticator ?? userDoor()
    this.payloadBytesMax = options.payloadBytesMax ?? 1024 * 1024
    const book = options.accounts ?? new StaticAccountBook([accountConfig('$G')], '')
    this.accounts = { book }
    const clock = new SystemClock()
    const random = new SeededRandom(1)
    const network = new SystemNetwork({ clock, onTrouble: () => {} })
    this.machine = { clock, random, disk: new SystemDisk(), network }
    this.broker = new Broker(
      {
        clock,
        random,
        log: this.log,
        authenticator: this.authenticator,
        ...(options.accounts === undefined ? {} : { accounts: options.accounts }),
      },
      {
        ...BROKER_DEFAULTS,
        serverId: 'NMQTT',
        serverName: this.serverName,
        connectionsMax: options.connectionsMax ?? BROKER_DEFAULTS.connectionsMax,
      },
    )
  }

  space(account: string): SubjectSpace {
    return this.broker.space(account)
  }

  nextPeerId(): number {
    return this.broker.nextPeerId()
  }

  /** Opens a listener for NATS clients; returns its port. */
  async listenForNats(): Promise<number> {
    const where = { protocol: 'tcp', host: '127.0.0.1', port: 0 } as const
    this.#natsListener = await this.machine.network.listen(where, (channel) =>
      this.broker.accept(channel),
    )
    return this.#natsListener.port
  }

  limitsOf(account: string): AccountLimits {
    return this.broker.limitsOf(account)
  }

  get seats(): Seats {
    return this.broker
  }

  async close(): Promise<void> {
    this.broker.destroy()
    await this.#natsListener?.close()
  }
}

export const MQTT_CONFIG: MqttConfig = {
  ...MQTT_DEFAULTS,
  listen: { host: '127.0.0.1', port: 0 },
  ack_wait: 30_000,
  max_ack_pending: 100,
  tls: undefined,
  no_auth_user: '',
  authorization: undefined,
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: LogFields
}

/** Keeps what was logged above debug. */
export class RecordingLog implements Log {
  readonly lines: LogLine[] = []

  trace(): void {}
  debug(): void {}
  info(fields: LogFields, message: string): void {
    this.lines.push({ level: 'info', message, fields })
  }
  warn(fields: LogFields, message: string): void {
    this.lines.push({ level: 'warn', message, fields })
  }
  error(fields: LogFields, message: string): void {
    this.lines.push({ level: 'error', message, fields })
  }
  fatal(fields: LogFields, message: string): void {
    this.lines.push({ level: 'fatal', message, fields })
  }
  child(): Log {
    return this
  }

  messages(): string[] {
    return this.lines.map((line) => line.message)
  }
}

/** Stands for a stream: takes what is published and commits it when the test says so. */
export class HeldCapture implements Peer {
  readonly kind = 'local'
  readonly echo = true
  readonly id = 999_999
  readonly held: {
    readonly subject: string
    readonly payload: string
    readonly headers: string
  }[] = []
  readonly #owed: PublishCommitted[] = []

  constructor(space: SubjectSpace, subject: string) {
    space.subscribe(this, { subject, isCapture: true })
  }

  get owed(): readonly PublishCommitted[] {
    return this.#owed
  }

  deliver(_subscription: Subscription, message: Message): void {
    this.held.push({
      subject: message.subject,
      payload: Buffer.from(message.payload).toString(),
      headers: Buffer.from(message.headers).toString(),
    })
    const committed = message.takeCommitted()
    if (committed !== undefined) this.#owed.push(committed)
  }

  /** Commits the eldest `count` that are owed. */
  commit(count: number): void {
    for (const committed of this.#owed.splice(0, count)) committed(undefined)
  }

  refuse(error: Parameters<PublishCommitted>[0]): void {
    this.#owed.shift()?.(error)
  }
}
