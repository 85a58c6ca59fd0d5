import type { Account, AccountBook } from '../account/index.ts'
import type { AccountSpace, Subscription } from '../broker/index.ts'
import type { ExportConfig, ImportConfig } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import { type Cancel, type Clock, messageOf, type Random } from '../runtime/index.ts'
import type { Describe, ServerPlace } from './client-info.ts'
import type { ImportContext } from './import-context.ts'
import { type ActivatedUntil, exportFor, ImportGraph, isByToken } from './import-rules.ts'
import { ImporterIndex } from './importer-index.ts'
import { ResponseDesk } from './response-desk.ts'
import { ServiceExport } from './service-export.ts'
import { ServiceImport } from './service-import.ts'
import { StreamImport } from './stream-import.ts'
import { StreamShadows } from './stream-shadows.ts'

/** A service of the system account that other accounts have without asking for it. */
export interface BuiltInImport {
  /** In the system account. */
  readonly subject: string
  /** In the importing account. */
  readonly to: string
  readonly share: boolean
}

export interface ImportsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly book: AccountBook
  readonly space: (account: string) => AccountSpace
  readonly nextPeerId: () => number
  readonly place: ServerPlace
  /** Who is behind a peer, for shared requests and measurements. */
  readonly describe: Describe
  /** Until when an import's token lets the account in; nobody gets in by one when this is absent. */
  readonly activatedUntil?: ActivatedUntil
  /** What every account but the system account imports from that. */
  readonly builtIns?: (account: Account) => readonly BuiltInImport[]
}

/**
 * Exports and imports between the accounts of one server. Each import that holds is at work between two
 * subject spaces; what an account's new configuration leaves as it was goes on undisturbed. An import
 * that is not allowed is passed over with a warning, and takes effect when the other account allows it.
 */
export class Imports {
  readonly #options: ImportsOptions
  readonly #context: ImportContext
  readonly #graph = new ImportGraph()
  readonly #desks = new Map<string, ResponseDesk>()
  readonly #shadows = new Map<string, StreamShadows>()
  /** By importing account, and in it by what it comes to. */
  readonly #atWork = new Map<string, Map<string, AtWork>>()
  /** By exporting account, and in it by configuration. */
  readonly #services = new Map<string, Map<string, ServiceExport>>()
  /** Accounts that the resolver is asked for. */
  readonly #asked = new Set<string>()
  readonly #index = new ImporterIndex()
  readonly #stop: () => void
  readonly #activatedUntil: ActivatedUntil

  constructor(options: ImportsOptions) {
    this.#options = options
    this.#activatedUntil = options.activatedUntil ?? (() => 0)
    const { clock, random, log, place, describe, nextPeerId, space, book } = options
    this.#context = {
      clock,
      random,
      log,
      place,
      describe,
      nextPeerId,
      space,
      systemAccount: () => book.systemAccount,
      desk: (account) => this.#desk(account),
    }
    for (const account of [...book.accounts()]) this.#arrange(account.name)
    this.#stop = book.onChange((after, before) => {
      const name = after?.name ?? before?.name
      if (name === undefined) return
      this.#changed(name)
      if (after === undefined) this.#forget(name)
    })
  }

  /** How many imports of the account are at work. */
  count(account: string): number {
    return this.#atWork.get(account)?.size ?? 0
  }

  /** Requests that responders of the account have not answered yet. */
  pendingResponses(account: string): number {
    return this.#desks.get(account)?.pendingCount ?? 0
  }

  destroy(): void {
    this.#stop()
    for (const name of [...this.#atWork.keys()]) this.#arrangeAs(name, [])
    for (const desk of this.#desks.values()) desk.close()
    for (const services of this.#services.values()) {
      for (const service of services.values()) service.close()
    }
  }

  /** The account itself, and those that import from it, see its new exports. */
  #changed(name: string): void {
    this.#arrange(name)
    const { book, builtIns } = this.#options
    const isForAll = builtIns !== undefined && name === book.systemAccount
    const importers = isForAll
      ? [...book.accounts()].map((account) => account.name)
      : [...this.#index.importersOf(name)]
    for (const importer of importers) if (importer !== name) this.#arrange(importer)
    this.#closeServices(name)
  }

  #arrange(name: string): void {
    const { book, builtIns } = this.#options
    const account = book.get(name)
    const imports = account?.config.imports ?? []
    this.#index.set(name, new Set(imports.map((config) => config.account)))
    const wanted: Wanted[] = imports.map((config) => ({ config, isBuiltIn: false }))
    const system = book.systemAccount
    if (account !== undefined && system !== '' && name !== system) {
      for (const { subject, to, share } of builtIns?.(account) ?? []) {
        wanted.push({
          config: { ...BUILT_IN, account: system, subject, to, share },
          isBuiltIn: true,
        })
      }
    }
    this.#arrangeAs(name, wanted)
  }

  #arrangeAs(name: string, wanted: readonly Wanted[]): void {
    const atWork = this.#atWork.get(name) ?? new Map<string, AtWork>()
    this.#atWork.set(name, atWork)
    const kept = new Map(wanted.map((it) => [this.#keyOf(it), it]))
    for (const [key, import_] of atWork) {
      const it = kept.get(key)
      if (it !== undefined && this.#expectEnd(name, it, import_)) continue
      atWork.delete(key)
      this.#graph.remove(name, import_.config)
      import_.cancelEnd?.()
      import_.end()
    }
    for (const it of wanted) {
      const key = this.#keyOf(it)
      if (atWork.has(key)) continue
      const started = this.#start(name, it)
      if (started === undefined) continue
      atWork.set(key, started)
      this.#expectEnd(name, it, started)
      if (!it.isBuiltIn) this.#graph.add(name, it.config)
    }
    if (atWork.size === 0) this.#atWork.delete(name)
  }

  /** The same key: the same import of the same export. */
  #keyOf({ config, isBuiltIn }: Wanted): string {
    return JSON.stringify([config, isBuiltIn, this.#offerOf(config)])
  }

  #offerOf({ account, kind, subject }: ImportConfig): ExportConfig | undefined {
    const exporter = this.#options.book.get(account)
    return exporter && exportFor(exporter.config, kind, subject)
  }

  /**
   * Whether an import at work may go on: a token expires, is revoked, or loses the key that signed it,
   * while export and import stay as they are. Looks again when it expires.
   */
  #expectEnd(importer: string, { config, isBuiltIn }: Wanted, import_: AtWork): boolean {
    const offered = isBuiltIn ? undefined : this.#offerOf(config)
    if (offered === undefined || !isByToken(offered)) return true
    const { clock } = this.#options
    const untilMs = this.#activatedUntil(importer, config, offered)
    const restMs = untilMs - clock.wallMs()
    import_.cancelEnd?.()
    import_.cancelEnd = undefined
    if (restMs <= 0) return false
    if (restMs < Number.POSITIVE_INFINITY) {
      import_.cancelEnd = clock.after(restMs, () => this.#arrange(importer))
    }
    return true
  }

  #start(importer: string, { config, isBuiltIn }: Wanted): AtWork | undefined {
    const { log } = this.#options
    const exporter = this.#options.book.get(config.account)
    if (exporter === undefined && !isBuiltIn) this.#ask(config.account)
    const fault = isBuiltIn
      ? undefined
      : this.#graph.faultOf(importer, config, exporter?.config, this.#activatedUntil)
    const { kind, account, subject } = config
    if (fault !== undefined) {
      log.warn({ account: importer, from: account, kind, subject, reason: fault }, 'import ignored')
      return undefined
    }
    try {
      return kind === 'stream'
        ? this.#startStream(importer, config)
        : this.#startService(importer, config, exporter)
    } catch (err) {
      const reason = messageOf(err)
      log.warn({ account: importer, from: account, kind, subject, reason }, 'import ignored')
      return undefined
    }
  }

  #startStream(importer: string, config: ImportConfig): AtWork {
    const source = new StreamImport(config)
    let shadows = this.#shadows.get(importer)
    if (shadows === undefined) {
      const { space, random } = this.#options
      shadows = new StreamShadows(space(importer), space, random)
      this.#shadows.set(importer, shadows)
    }
    shadows.add(source)
    return { config, cancelEnd: undefined, end: () => shadows.remove(source) }
  }

  #startService(importer: string, config: ImportConfig, exporter: Account | undefined): AtWork {
    const offered = exporter && exportFor(exporter.config, 'service', config.subject)
    const service = this.#service(config.account, offered ?? { ...PLAIN, subject: config.subject })
    const import_ = new ServiceImport(this.#context, importer, config, service)
    const space = this.#options.space(importer)
    const subscription: Subscription = space.subscribe(import_, {
      subject: import_.from,
      isConfined: true,
    })
    return { config, cancelEnd: undefined, end: () => space.unsubscribe(subscription) }
  }

  #service(account: string, config: ExportConfig): ServiceExport {
    const services = this.#services.get(account) ?? new Map<string, ServiceExport>()
    this.#services.set(account, services)
    const key = JSON.stringify(config)
    let service = services.get(key)
    if (service === undefined) {
      service = new ServiceExport(this.#options.clock, account, config, (response) =>
        this.#desk(response.responder).expired(response),
      )
      services.set(key, service)
    }
    return service
  }

  /** Nobody answers for what is exported no more. */
  #closeServices(account: string): void {
    const services = this.#services.get(account)
    if (services === undefined) return
    const exports = this.#options.book.get(account)?.config.exports ?? []
    const kept = new Set(exports.map((config) => JSON.stringify(config)))
    const isSystem = account === this.#options.book.systemAccount
    for (const [key, service] of services) {
      if (kept.has(key) || isSystem) continue
      services.delete(key)
      service.close()
    }
    if (services.size === 0) this.#services.delete(account)
  }

  #desk(account: string): ResponseDesk {
    let desk = this.#desks.get(account)
    if (desk === undefined) {
      desk = new ResponseDesk(this.#context, account)
      this.#desks.set(account, desk)
    }
    return desk
  }

  #forget(account: string): void {
    this.#desks.get(account)?.close()
    this.#desks.delete(account)
    this.#shadows.delete(account)
  }

  /** When the resolver knows the account, the book tells of it and the import is tried again. */
  #ask(account: string): void {
    if (this.#asked.has(account)) return
    this.#asked.add(account)
    const done = (): void => {
      this.#asked.delete(account)
    }
    this.#options.book.fetch(account).then(done, done)
  }
}

interface Wanted {
  readonly config: ImportConfig
  readonly isBuiltIn: boolean
}

interface AtWork {
  readonly config: ImportConfig
  /** While its token has an end. */
  cancelEnd: Cancel | undefined
  end(): void
}

const BUILT_IN = { kind: 'service', allow_trace: false, token: '' } as const

const PLAIN: Omit<ExportConfig, 'subject'> = {
  kind: 'service',
  accounts: undefined,
  account_token_position: 0,
  token_required: false,
  response_type: 'single',
  response_threshold: 0,
  latency: undefined,
  allow_trace: false,
}
