import type { LocalClient } from '../client/index.ts'
import {
  type AccountFacts,
  type ConnectionFacts,
  given,
  nanos,
  type Reports,
  timeText,
} from '../monitor/index.ts'
import { type Cancel, type Clock, every, type Random } from '../runtime/index.ts'
import {
  CONNECTIONS_DELAY_MS,
  CONNECTIONS_HEARTBEAT_MS,
  STATSZ_FIRST_MS,
  STATSZ_GAP_MS,
  STATSZ_INTERVAL_MS,
} from './limits.ts'
import type { ServerStamp } from './server-stamp.ts'

const TYPE = 'io.nats.server.advisory.v1.'
const ID_BYTES = 22
const ID_LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

export interface SystemEventsOptions {
  /** Of the system account. */
  readonly client: LocalClient
  readonly reports: Reports
  readonly stamp: ServerStamp
  readonly clock: Clock
  readonly random: Random
}

/**
 * Events of the system account, in nats-server's form. An event is made only when somebody listens to
 * it; nobody waits for it to be sent. Source: server/events.go.
 */
export class SystemEvents {
  readonly #options: SystemEventsOptions
  readonly #changed = new Set<string>()
  #cancels: Cancel[] = []
  #cancelStatsz: Cancel = () => {}
  #statszMs = Number.NEGATIVE_INFINITY

  constructor(options: SystemEventsOptions) {
    this.#options = options
  }

  start(): void {
    const { clock } = this.#options
    this.#scheduleStatsz(STATSZ_FIRST_MS)
    this.#cancels = [every(clock, CONNECTIONS_HEARTBEAT_MS, () => this.#heartbeat())]
  }

  stop(): void {
    this.#cancelStatsz()
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
    this.#changed.clear()
  }

  connected(facts: ConnectionFacts): void {
    this.#publish(`$SYS.ACCOUNT.${facts.account}.CONNECT`, () => ({
      ...this.#typed('client_connect'),
      server: this.#options.stamp.next(),
      client: clientInfo({ ...facts, roundTripMs: undefined }),
    }))
  }

  /** `facts` are those of a closed connection: when it stopped, and why. */
  disconnected(facts: ConnectionFacts): void {
    this.#publish(`$SYS.ACCOUNT.${facts.account}.DISCONNECT`, () => this.#ended(facts))
  }

  /** Somebody was not let in. `notify` tells the account that was named, where there is one. */
  authenticationFailed(facts: ConnectionFacts, account: LocalClient | undefined): void {
    const { id } = this.#options.reports.sources.server()
    this.#publish(`$SYS.SERVER.${id}.CLIENT.AUTH.ERR`, () => this.#ended(facts))
    const subject = '$SYS.ACCOUNT.CLIENT.AUTH.ERR'
    if (account?.hasInterest(subject)) account.publish(subject, bytesOf(this.#ended(facts)))
  }

  /** Clients or leaves have come to the account, or gone. Never told of $G, as in nats-server. */
  accountConnections(account: string): void {
    if (account === '$G' || account === '') return
    if (this.#changed.size === 0) {
      this.#options.clock.after(CONNECTIONS_DELAY_MS, () => this.#tellConnections())
    }
    this.#changed.add(account)
  }

  leafConnected(account: string): void {
    this.#publish(`$SYS.ACCOUNT.${account}.LEAFNODE.CONNECT`, () => ({
      server: this.#options.stamp.next(),
      acc: account,
    }))
  }

  lameDuck(): void {
    const { id } = this.#options.reports.sources.server()
    this.#publish(`$SYS.SERVER.${id}.LAMEDUCK`, () => this.#options.stamp.next())
  }

  shutdown(): void {
    const { id } = this.#options.reports.sources.server()
    this.#publish(`$SYS.SERVER.${id}.SHUTDOWN`, () => this.#options.stamp.next())
  }

  /** STATSZ to who listens to it, because somebody asked for that. */
  broadcastStatsz(): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#statszMs < STATSZ_GAP_MS) return
    this.#statszMs = nowMs
    const { id } = this.#options.reports.sources.server()
    this.#publish(`$SYS.SERVER.${id}.STATSZ`, () => this.statsz())
  }

  /** The answer to who asks for an account's connections, too. */
  connectionsOf(facts: AccountFacts): object {
    const { stamp, reports } = this.#options
    return {
      ...this.#typed('account_connections'),
      server: stamp.next(),
      ...reports.accountStat(facts),
    }
  }

  /** The answer to a ping, too. */
  statsz(): object {
    const { stamp, reports } = this.#options
    return { server: stamp.next(), statsz: reports.statsz() }
  }

  /** Short at first, so that others soon know of this server, then ever longer. */
  #scheduleStatsz(delayMs: number): void {
    this.#cancelStatsz = this.#options.clock.after(delayMs, () => {
      this.#scheduleStatsz(Math.min(delayMs * 2, STATSZ_INTERVAL_MS))
      this.broadcastStatsz()
    })
  }

  #heartbeat(): void {
    for (const facts of this.#options.reports.sources.accounts()) {
      if (facts.connections + facts.leafNodes > 0) this.accountConnections(facts.account.name)
    }
  }

  #tellConnections(): void {
    if (this.#changed.size === 0) return
    const { reports } = this.#options
    for (const facts of reports.sources.accounts()) {
      const { name } = facts.account
      if (!this.#changed.has(name)) continue
      for (const subject of [
        `$SYS.SERVER.ACCOUNT.${name}.CONNS`,
        `$SYS.ACCOUNT.${name}.SERVER.CONNS`,
      ]) {
        this.#publish(subject, () => this.connectionsOf(facts))
      }
    }
    this.#changed.clear()
  }

  #ended(facts: ConnectionFacts): object {
    return {
      ...this.#typed('client_disconnect'),
      server: this.#options.stamp.next(),
      client: clientInfo(facts),
      sent: { msgs: facts.inMessages, bytes: facts.inBytes },
      received: { msgs: facts.outMessages, bytes: facts.outBytes },
      reason: facts.reason ?? '',
    }
  }

  #typed(type: string): object {
    const { clock, random } = this.#options
    const id = Array.from(random.bytes(ID_BYTES), (byte) => ID_LETTERS[byte % ID_LETTERS.length])
    return { type: TYPE + type, id: id.join(''), timestamp: timeText(clock.wallMs()) }
  }

  #publish(subject: string, make: () => object): void {
    const { client } = this.#options
    if (client.hasInterest(subject)) client.publish(subject, bytesOf(make()))
  }
}

/** Round trip in nanoseconds. What a connect event does not know yet is left out. */
function clientInfo(facts: ConnectionFacts): object {
  return {
    start: timeText(facts.startedMs),
    ...given({
      host: facts.ip,
      id: facts.id,
      acc: facts.account,
      user: facts.user,
      name: facts.name,
      lang: facts.lang,
      ver: facts.version,
      rtt: nanos(facts.roundTripMs ?? 0),
      stop: facts.stoppedMs === undefined ? '' : timeText(facts.stoppedMs),
      jwt: facts.jwt,
      issuer_key: facts.issuerKey,
      name_tag: facts.nameTag,
      tags: facts.tags,
      kind: facts.kind,
      client_type: facts.type,
      client_id: facts.mqttClient,
    }),
  }
}

function bytesOf(body: object): Uint8Array {
  return Buffer.from(JSON.stringify(body))
}
