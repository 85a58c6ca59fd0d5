import { type Credentials, current, type Identity } from '../shared/account/index.ts'
import type { Member } from '../shared/broker/index.ts'
import type { PeerTraffic } from '../shared/monitor/index.ts'
import { PetioleError, type Random } from '../shared/runtime/index.ts'
import type { Core } from '../shared/server/index.ts'
import { onDisk } from '../shared/store/index.ts'
import type { Channel } from '../shared/transport/index.ts'
import { Authentication } from './auth/index.ts'
import { CONNACK, type ConnectPacket, REASON } from './codec/index.ts'
import type { MqttCounters } from './counters.ts'
import type { AccountLog, DurableLogs, DurableSession } from './durable/index.ts'
import type { MqttLimits } from './limits.ts'
import type { Notices } from './notices.ts'
import {
  type Admission,
  type Applicant,
  type ClientConnection,
  ENDING,
  type Refusal,
  type Terms,
} from './session/index.ts'
import type { Tallies } from './tallies.ts'

type Verdict = Identity | undefined | Promise<Identity | undefined>

export interface ClientsOptions {
  readonly limits: MqttLimits
  readonly counters: MqttCounters
  readonly notices: Notices
  /** undefined: nothing outlives a connection. */
  readonly logs: DurableLogs | undefined
  readonly tallies: Tallies
}

const NOTHING_KEPT =
  'sessions are kept while connected only: there is no store, which `jetstream` in the configuration makes'

/** What a client comes back to, or begins. */
type SessionOfClient = Pick<
  Extract<Admission, { kind: 'admitted' }>,
  'kept' | 'isSessionPresent' | 'settled'
>

/** Who is connected, by account and client id: lets clients in, one connection for each id. */
export class Clients {
  readonly #core: Core
  readonly #options: ClientsOptions
  readonly #byKey = new Map<string, ClientConnection>()
  readonly #seats = new Map<ClientConnection, Seat>()
  readonly #isStored = new WeakMap<AccountLog, IsStored>()

  constructor(core: Core, options: ClientsOptions) {
    this.#core = core
    this.#options = options
  }

  /**
   * As nats-server has it, a password may be a token or the JWT of a user as well: most devices can send
   * nothing else.
   */
  authenticate(packet: ConnectPacket, channel: Channel): Verdict {
    const { user } = packet
    const password = packet.password && Buffer.from(packet.password).toString()
    return this.#core.authenticator.authenticate({
      ...this.#credentialsOf(packet, channel),
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password, token: password }),
    })
  }

  /** For a CONNECT that names an authentication method; undefined: none is offered. */
  enhanced(packet: ConnectPacket, channel: Channel): Authentication | undefined {
    if (!this.#options.limits.offersScram) return undefined
    const { authenticator, machine } = this.#core
    const credentials = this.#credentialsOf(packet, channel)
    return new Authentication(authenticator, machine.random, credentials)
  }

  /** Lets a client in, or says why not. */
  admit({ packet, terms, identity: claimed }: Applicant, client: ClientConnection): Admission {
    // Others may have been asked about him, and a reload may have come before their answer.
    const identity = current(this.#core.authenticator, claimed)
    if (identity === undefined) return refused(this.#refusalOf(packet))
    const clientId = packet.clientId === '' ? assignId(this.#core.machine.random) : packet.clientId
    const key = `${identity.account}\0${clientId}`
    const elder = this.#byKey.get(key)
    const { counters, limits } = this.#options
    if (elder === undefined && this.#byKey.size >= limits.clientsMax) {
      return refused(REFUSAL.tooMany)
    }
    // Who comes in somebody's place takes his seat: there may be no other.
    const eldersSeat = elder && this.#seats.get(elder)
    const seat = eldersSeat ?? new Seat(identity.account, key, this.#byKey)
    if (eldersSeat === undefined && !this.#core.seats.takeSeat(identity.account, seat)) {
      return refused(REFUSAL.noSeat)
    }
    if (elder !== undefined) {
      seat.isPassedOn = true
      elder.takeOver()
      seat.isPassedOn = false
    }
    this.#seats.set(client, seat)
    this.#byKey.set(key, client)
    this.#options.tallies.entered(identity.account)
    counters.clients = this.#byKey.size
    if (packet.isClean && elder === undefined) this.#dropWill(identity.account, clientId)
    const session = this.#sessionOf(identity.account, clientId, packet.isClean, terms)
    if ('refusal' in session) return { kind: 'refused', refusal: session.refusal }
    counters.clientsTotal++
    const space = this.#core.space(identity.account)
    return { kind: 'admitted', clientId, identity, space, ...session }
  }

  /**
   * What was kept for the client, if it wants that, and what will be kept. A clean start ends what was
   * [MQTT-3.1.2-4]; an elder connection has left it before.
   */
  #sessionOf(
    account: string,
    clientId: string,
    isClean: boolean,
    { sessionExpirySeconds: expirySeconds }: Terms,
  ): SessionOfClient | { readonly refusal: Refusal } {
    const { logs, notices } = this.#options
    const log = logs?.of(account)
    if (log === undefined) {
      if (expirySeconds > 0) notices.once({ client: clientId }, NOTHING_KEPT)
      return { kept: {}, isSessionPresent: false }
    }
    const isStored = this.#storedBy(log)
    let settled: Promise<Refusal | undefined> | undefined
    try {
      const found = log.sessions.get(clientId)
      if (isClean && found !== undefined) settled = this.#end(found)
      else if (found !== undefined) {
        return { kept: { durable: found, isStored }, isSessionPresent: true }
      }
      if (expirySeconds === 0) return { kept: { isStored }, isSessionPresent: false, settled }
      const durable = log.sessions.create(clientId, { expirySeconds })
      return { kept: { durable, isStored }, isSessionPresent: false, settled }
    } catch (error) {
      if (!(error instanceof PetioleError)) throw error
      return { refusal: { ...REFUSAL.noSession, err: error } }
    }
  }

  /**
   * The will of who is back within its delay is not published, be it with a clean start [MQTT-3.1.2-8]. Of a
   * connection that is taken over it is: the clean start ends the session (3.1.4).
   */
  #dropWill(account: string, clientId: string): void {
    this.#options.logs?.of(account)?.sessions.get(clientId)?.dropDelayedWill()
  }

  #end(session: DurableSession): Promise<Refusal | undefined> {
    const ended = onDisk((done) => session.end((error) => done(error, 0)))
    const failed = (err: unknown): Refusal => ({ ...REFUSAL.sessionStays, err })
    return ended.then(() => undefined, failed)
  }

  /** Those of one account, or of all, in the order in which their ids came first. */
  *connected(account?: string): Generator<ClientConnection> {
    const prefix = account === undefined ? '' : `${account}\0`
    for (const [key, client] of this.#byKey) if (key.startsWith(prefix)) yield client
  }

  find(account: string, clientId: string): ClientConnection | undefined {
    return this.#byKey.get(`${account}\0${clientId}`)
  }

  left(client: ClientConnection, moved: PeerTraffic | undefined): void {
    const seat = this.#seats.get(client)
    if (seat === undefined) return
    this.#seats.delete(client)
    const { account, key } = seat
    if (!seat.isPassedOn) this.#core.seats.leaveSeat(account, seat)
    this.#byKey.delete(key)
    this.#options.counters.clients = this.#byKey.size
    this.#options.tallies.left(account, moved)
  }

  /** Of who is not known: a JWT that would do for NATS deserves a word. */
  #refusalOf({ password }: ConnectPacket): Refusal {
    const presented = { password: Buffer.from(password ?? NO_PASSWORD).toString() }
    const { authenticator } = this.#core
    const reason = authenticator.bearerRefusalOf?.({ ...presented, connectionType: 'MQTT' })
    return REFUSAL[reason ?? 'unknown']
  }

  /** Where and how a client comes. */
  #credentialsOf({ clientId }: ConnectPacket, channel: Channel): Credentials {
    return {
      connectionType: channel.kind === 'websocket' ? 'MQTT_WS' : 'MQTT',
      remoteAddress: channel.remoteAddress,
      applicant: channel,
      tls: channel.tls,
      client: {
        id: this.#core.nextPeerId(),
        name: '',
        lang: '',
        version: '',
        protocol: 0,
        mqttClientId: clientId,
      },
    }
  }

  /** One function for all of an account. */
  #storedBy(log: AccountLog): IsStored {
    let isStored = this.#isStored.get(log)
    if (isStored === undefined) {
      isStored = (subject) => log.isStored(subject)
      this.#isStored.set(log, isStored)
    }
    return isStored
  }
}

const NO_PASSWORD = new Uint8Array(0)

type IsStored = (subject: Uint8Array) => boolean

/** A client's place among the connections of its account. */
class Seat implements Member {
  readonly account: string
  readonly key: string
  /** The client leaves, and who comes in its place takes it. */
  isPassedOn = false
  readonly #byKey: ReadonlyMap<string, ClientConnection>

  constructor(account: string, key: string, byKey: ReadonlyMap<string, ClientConnection>) {
    this.account = account
    this.key = key
    this.#byKey = byKey
  }

  /** Seats pass on with their client id: whoever has it now must go. */
  expel(): void {
    this.#byKey.get(this.key)?.end(ENDING.noSeat)
  }
}

const REFUSAL = {
  not_bearer: {
    returnCode: CONNACK.notAuthorized,
    reason: REASON.notAuthorized,
    text: 'JWT needs bearer_token: its user would have to sign a nonce, which MQTT has not',
  },
  bearers_disallowed: {
    returnCode: CONNACK.notAuthorized,
    reason: REASON.notAuthorized,
    text: 'JWT is of a bearer, which its account disallows (disallow_bearer)',
  },
  unknown: {
    returnCode: CONNACK.notAuthorized,
    reason: REASON.notAuthorized,
    text: 'user name or password is wrong',
  },
  tooMany: {
    returnCode: CONNACK.serverUnavailable,
    reason: REASON.quotaExceeded,
    text: 'too many clients (mqtt.max_connections)',
  },
  noSession: {
    returnCode: CONNACK.serverUnavailable,
    reason: REASON.quotaExceeded,
    text: 'session could not be kept',
  },
  sessionStays: {
    returnCode: CONNACK.serverUnavailable,
    reason: REASON.quotaExceeded,
    text: 'session that was could not be ended',
  },
  noSeat: {
    returnCode: CONNACK.serverUnavailable,
    reason: REASON.quotaExceeded,
    text: 'maximum connections exceeded',
  },
} as const satisfies Readonly<Record<string, Refusal>>

function refused(refusal: Refusal): Admission {
  return { kind: 'refused', refusal }
}

/** `auto-` and a random UUID, which is the form that mosquitto's clients know. */
function assignId(random: Random): string {
  const bytes = Buffer.from(random.bytes(UUID_BYTES))
  bytes.writeUInt8(((bytes[6] ?? 0) & 0x0f) | 0x40, 6)
  bytes.writeUInt8(((bytes[8] ?? 0) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  const groups = UUID_GROUPS.map(([start, end]) => hex.slice(start, end))
  return `auto-${groups.join('-')}`
}

/** Version and variant of a random one stand in bytes 6 and 8 [RFC 9562, 5.4]. */
const UUID_BYTES = 16
const UUID_GROUPS = [
  [0, 8],
  [8, 12],
  [12, 16],
  [16, 20],
  [20, 32],
] as const
