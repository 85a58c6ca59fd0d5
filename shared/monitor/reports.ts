import type { Clock } from '../runtime/index.ts'
import { type AccountzOptions, accountInfo, accountz } from './accountz.ts'
import { type AccstatzOptions, accountStat, accstatz } from './accstatz.ts'
import { type ConnzOptions, connz } from './connz.ts'
import type { AccountFacts, MonitorSources, ProcessFacts } from './facts.ts'
import { type GatewayzOptions, gatewayz } from './gatewayz.ts'
import { type Health, type HealthzOptions, healthz } from './healthz.ts'
import { type JszOptions, jsz, jszAccount } from './jsz.ts'
import { type LeafzOptions, leafz } from './leafz.ts'
import { ProcessMeter } from './process-meter.ts'
import { type RoutezOptions, routez } from './routez.ts'
import { statsz } from './statsz.ts'
import { type SubszOptions, subsz } from './subsz.ts'
import { type HttpFacts, varz } from './varz.ts'

export interface ReportsOptions {
  readonly clock: Clock
  readonly sources: MonitorSources
  /** Where monitoring listens; read when asked, for a port that was chosen freely. */
  readonly http: () => HttpFacts
}

/**
 * Every report that nats-server knows, by options that HTTP and the system account share. Facts are
 * read when a report is asked for, and at no other time. What is wrong with a request is
 * PETIOLE_BAD_QUERY.
 */
export class Reports {
  readonly sources: MonitorSources
  /** HTTP requests by path. */
  readonly requests: Record<string, number> = {}
  readonly #clock: Clock
  readonly #http: () => HttpFacts
  readonly #meter: ProcessMeter

  constructor(options: ReportsOptions) {
    this.sources = options.sources
    this.#clock = options.clock
    this.#http = options.http
    this.#meter = new ProcessMeter(options.clock)
  }

  process(): ProcessFacts {
    return this.#meter.read()
  }

  varz(): object {
    return varz(this.sources, {
      nowMs: this.#clock.wallMs(),
      http: this.#http(),
      requests: this.requests,
      process: this.#meter.read(),
    })
  }

  statsz(): object {
    return statsz(this.sources, this.#meter.read())
  }

  connz(options: ConnzOptions): object {
    return connz(this.sources, options, this.#clock.wallMs())
  }

  subsz(options: SubszOptions): object {
    return subsz(this.sources, options, this.#clock.wallMs())
  }

  routez(options: RoutezOptions): object {
    return routez(this.sources, options, this.#clock.wallMs())
  }

  gatewayz(options: GatewayzOptions): object {
    return gatewayz(this.sources, options, this.#clock.wallMs())
  }

  leafz(options: LeafzOptions): object {
    return leafz(this.sources, options, this.#clock.wallMs())
  }

  accountz(options: AccountzOptions): object {
    return accountz(this.sources, options, this.#clock.wallMs())
  }

  accountInfo(account: string): object {
    return accountInfo(this.sources, account, this.#clock.wallMs())
  }

  accstatz(options: AccstatzOptions): { readonly account_statz: readonly object[] } {
    return accstatz(this.sources, options, this.#clock.wallMs())
  }

  accountStat(account: AccountFacts): object {
    return accountStat(account)
  }

  jsz(options: JszOptions): object {
    return jsz(this.sources, options, this.#clock.wallMs())
  }

  jszAccount(options: JszOptions): object {
    return jszAccount(this.sources, options)
  }

  healthz(options: HealthzOptions): Health {
    return healthz(this.sources, options)
  }

  /** What a Go program publishes of itself, as far as there is the like of it here. */
  expvarz(): object {
    const { rss, heapTotal, heapUsed, external } = process.memoryUsage()
    return {
      cmdline: process.argv.slice(0, 2),
      memstats: {
        Alloc: heapUsed,
        Sys: rss,
        HeapAlloc: heapUsed,
        HeapSys: heapTotal,
        Other: external,
      },
    }
  }
}
