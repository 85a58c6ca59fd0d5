import type { Account } from '../account/index.ts'
import type { ClientMessage, LocalClient } from '../client/index.ts'
import { ImportedOrigin } from '../imports/index.ts'
import type { ConnectionFacts } from '../monitor/index.ts'
import { AccountRequests } from './account-requests.ts'
import { Answers } from './answers.ts'
import { ClaimsRequests } from './claims-requests.ts'
import { SystemEvents } from './events.ts'
import type { SystemPorts } from './ports.ts'
import { Relay } from './relay.ts'
import { ReportDesk } from './report-desk.ts'
import { concernsServer } from './request-filter.ts'
import { ACCOUNT_REPORTS, accountStats, adminRequest, SERVER_REPORTS } from './server-requests.ts'
import { ServerStamp } from './server-stamp.ts'
import { countSubscribers } from './subscribers-count.ts'

const SERVER = '$SYS.REQ.SERVER'
const ACCOUNT = '$SYS.REQ.ACCOUNT'
/** In `$SYS.REQ.ACCOUNT.<account>.<name>`. */
const ACCOUNT_TOKEN = 3

/** What lives while the services run: all of it belongs to one system account. */
interface Running {
  readonly client: LocalClient
  readonly events: SystemEvents
  readonly desk: ReportDesk
  readonly relay: Relay
  readonly accounts: Map<string, AccountRequests>
  readonly claims: ClaimsRequests | undefined
  readonly unobserve: () => void
}

/**
 * nats-server's system account: monitoring and administration by requests, events about connections and
 * servers, and the few requests that every other account may make. Without a system account it does
 * nothing. Whoever feeds it events need not know whether anybody listens.
 */
export class SystemServices {
  readonly #ports: SystemPorts
  readonly #stamp: ServerStamp
  #running: Running | undefined

  constructor(ports: SystemPorts) {
    this.#ports = ports
    this.#stamp = new ServerStamp(ports.reports.sources, ports.clock)
  }

  start(): void {
    const { book, clock, random, reports, log } = this.#ports
    if (this.#running !== undefined || book.systemAccount === '') return
    const client = this.#ports.client(book.systemAccount)
    const stamp = this.#stamp
    const events = new SystemEvents({ client, reports, stamp, clock, random })
    const relay = new Relay(client, clock, random)
    const accounts = new Map<string, AccountRequests>()
    const unobserve = book.onChange((after, before) => {
      if (after === undefined) this.#forget(before?.name ?? '')
      else this.#serve(after)
    })
    const { claims } = this.#ports
    const claimsRequests =
      claims &&
      new ClaimsRequests({ client, claims, stamp, clock, log, inbox: `${relay.prefix}claims` })
    claimsRequests?.start()
    const answers = new Answers({
      client,
      stamp,
      log,
      concerns: (fields) => concernsServer(reports.sources, stamp.cluster, fields),
    })
    const desk = new ReportDesk(clock, answers)
    this.#running = { client, events, desk, relay, accounts, claims: claimsRequests, unobserve }
    this.#subscribe(client, events, desk, answers)
    relay.start()
    for (const account of book.accounts()) this.#serve(account)
    events.start()
  }

  /** Says that the server goes, then ends. Idempotent, as `destroy`. */
  drain(): Promise<void> {
    this.#running?.events.shutdown()
    return this.destroy()
  }

  async destroy(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    running.unobserve()
    running.events.stop()
    running.desk.stop()
    for (const requests of running.accounts.values()) requests.close()
    running.client.destroy()
    await running.claims?.stop()
  }

  connected(facts: ConnectionFacts): void {
    this.#running?.events.connected(facts)
  }

  disconnected(facts: ConnectionFacts): void {
    this.#running?.events.disconnected(facts)
  }

  authenticationFailed(facts: ConnectionFacts): void {
    const { book } = this.#ports
    const isKnown = book.get(facts.account) !== undefined && facts.account !== book.systemAccount
    const client = isKnown ? this.#ports.client(facts.account) : undefined
    this.#running?.events.authenticationFailed(facts, client)
    client?.destroy()
  }

  accountConnections(account: string): void {
    this.#running?.events.accountConnections(account)
  }

  leafConnected(account: string): void {
    this.#running?.events.leafConnected(account)
    this.accountConnections(account)
  }

  lameDuck(): void {
    this.#running?.events.lameDuck()
  }

  #subscribe(client: LocalClient, events: SystemEvents, desk: ReportDesk, answers: Answers): void {
    const { reports, admin } = this.#ports
    const stamp = this.#stamp
    const { id } = reports.sources.server()
    const both = (name: string, handler: (message: ClientMessage) => void): void => {
      client.subscribe(`${SERVER}.PING.${name}`, handler)
      client.subscribe(`${SERVER}.${id}.${name}`, handler)
    }
    const statsz = (message: ClientMessage): void => {
      if (message.reply === '') events.broadcastStatsz()
      else answers.answerWhole(message, () => events.statsz())
    }
    client.subscribe(`${SERVER}.PING`, statsz)
    both('STATSZ', statsz)
    both('IDZ', (message) => {
      if (message.reply !== '') answers.send(message, stamp.identity())
    })
    for (const [name, report] of Object.entries(SERVER_REPORTS)) {
      both(name, (message) => desk.ask(message, (fields) => report(reports, fields)))
    }
    for (const [name, report] of Object.entries(ACCOUNT_REPORTS)) {
      client.subscribe(`${ACCOUNT}.*.${name}`, (message) => {
        const account = message.subject.split('.')[ACCOUNT_TOKEN] ?? ''
        if (account !== 'PING') desk.ask(message, (fields) => report(reports, account, fields))
      })
    }
    client.subscribe(`${ACCOUNT}.*.CONNS`, (message) => this.#connections(answers, message, events))
    client.subscribe('$SYS.DEBUG.SUBSCRIBERS', (message) => this.#subscribers(answers, message), {
      isConfined: true,
    })
    client.subscribe(`${ACCOUNT}.PING.STATZ`, (message) =>
      desk.ask(message, (fields) => accountStats(reports, undefined, fields)),
    )
    for (const name of ['RELOAD', 'KICK', 'LDM']) {
      const act = adminRequest(name, admin)
      client.subscribe(`${SERVER}.${id}.${name}`, (message) => act?.(answers, message))
    }
  }

  /** An account's connections here, when it has any. */
  #connections(answers: Answers, message: ClientMessage, events: SystemEvents): void {
    const name = message.subject.split('.')[ACCOUNT_TOKEN] ?? ''
    const facts = this.#ports.reports.sources.account(name)
    if (message.reply === '' || facts === undefined || facts.connections === 0) return
    answers.send(message, events.connectionsOf(facts))
  }

  /** Asked in an account that imports it, it counts there and nowhere else, whoever asks. */
  #subscribers(answers: Answers, message: ClientMessage): void {
    if (message.reply === '') return
    const { subscriptions, book } = this.#ports
    const { origin } = message
    const isImported = origin instanceof ImportedOrigin
    const account = isImported ? origin.hops[0]?.importer : book.systemAccount
    if (account === undefined) return
    const asked = Buffer.from(message.payload).toString().trim()
    answers.send(message, countSubscribers(subscriptions(account), asked))
  }

  #serve(account: Account): void {
    const running = this.#running
    if (running === undefined || running.accounts.has(account.name)) return
    const requests = new AccountRequests({
      ports: this.#ports,
      account,
      client: this.#ports.client(account.name),
      stamp: this.#stamp,
      relay: account.isSystem ? undefined : running.relay,
    })
    running.accounts.set(account.name, requests)
    requests.start()
  }

  #forget(name: string): void {
    const requests = this.#running?.accounts.get(name)
    this.#running?.accounts.delete(name)
    requests?.close()
  }
}
