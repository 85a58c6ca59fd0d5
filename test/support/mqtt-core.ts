import type { Authenticator } from '../../shared/account/index.ts'
import { GLOBAL_ACCOUNT } from '../../shared/account/index.ts'
import {
  AccountSpace,
  type Message,
  type Peer,
  type PublishCommitted,
  type SubjectSpace,
  type Subscription,
} from '../../shared/broker/index.ts'
import type { MqttConfig } from '../../shared/config/index.ts'
import type { Log, LogFields } from '../../shared/log/index.ts'
import { SeededRandom, SystemClock, SystemDisk } from '../../shared/runtime/index.ts'
import type { Core } from '../../shared/server/index.ts'
import { SystemNetwork } from '../../shared/transport/index.ts'

/** A core without streams: real sockets and the real router, for tests of the MQTT front door. */
export class MqttCore implements Core {
  readonly serverName = 'mqtt-test'
  readonly payloadBytesMax: number
  readonly authenticator: Authenticator
  readonly log: RecordingLog
  readonly machine: Core['machine']
  readonly #spaces = new Map<string, AccountSpace>()
  #peerId = 0

  constructor(options: { authenticator?: Authenticator; payloadBytesMax?: number } = {}) {
    this.authenticator = options.authenticator ?? LETS_ALL_IN
    this.payloadBytesMax = options.payloadBytesMax ?? 1024 * 1024
    this.log = new RecordingLog([])
    const clock = new SystemClock()
    const network = new SystemNetwork({ clock, onTrouble: () => {} })
    this.machine = { clock, random: new SeededRandom(1), disk: new SystemDisk(), network }
  }

  space(account: string): SubjectSpace {
    let space = this.#spaces.get(account)
    if (space === undefined) {
      space = new AccountSpace(this.machine.random, account)
      this.#spaces.set(account, space)
    }
    return space
  }

  nextPeerId(): number {
    return ++this.#peerId
  }
}

const LETS_ALL_IN: Authenticator = {
  isRequired: false,
  authenticate: () => ({ user: '', account: GLOBAL_ACCOUNT }),
}

export const MQTT_CONFIG: MqttConfig = {
  listen: { host: '127.0.0.1', port: 0 },
  ack_wait: 30_000,
  max_ack_pending: 100,
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: LogFields
}

/** Keeps what was logged above debug. */
export class RecordingLog implements Log {
  readonly lines: LogLine[]

  constructor(lines: LogLine[]) {
    this.lines = lines
  }

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
