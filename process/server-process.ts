/**
 * A server as a process: it reads its configuration, starts a role, and obeys signals as nats-server does.
 *
 *   SIGHUP   reads the file again and goes on with it, or says why not and stays as it is
 *   SIGUSR1  opens the log file anew
 *   SIGUSR2  lame duck: clients are sent elsewhere, then it ends
 *   SIGINT, SIGTERM  finishes what is in hand, then ends; a second one ends at once
 */
import { createHash } from 'node:crypto'
import {
  ConfigError,
  compareConfigs,
  type FlagReading,
  formatProblem,
  type HubConfig,
  type LeafConfig,
  type Loaded,
  loadConfig,
  type Role,
} from '../shared/config/index.ts'
import { createLog, type ProcessLog } from '../shared/log/index.ts'
import { type Disk, messageOf } from '../shared/runtime/index.ts'
import type { ServerPorts } from '../shared/server/index.ts'
import { SERVER_VERSION } from '../shared/wire/index.ts'
import { openFilesWarning } from './open-files.ts'
import { ProcessFiles } from './process-files.ts'

const DRAIN_DEADLINE_MS = 30_000
const DESTROY_DEADLINE_MS = 2_000

const NODE_CHARS = 8
const NODE_DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** nats-server's names for what a process was sent, which are Go's. */
const SIGNAL_NAMES: Readonly<Record<string, string>> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGTERM: 'terminated',
  SIGUSR1: 'user defined signal 1',
  SIGUSR2: 'user defined signal 2',
}

/** A role that runs: what the library's door hands out. */
export interface Served {
  readonly id: string
  readonly ports: ServerPorts
  reload(config: HubConfig | LeafConfig): Promise<void>
  lameDuck(): Promise<void>
  drain(): Promise<void>
  destroy(): Promise<void>
}

export interface ServerProcessOptions {
  readonly role: Role
  readonly flags: FlagReading
  /** `nats-server` when it stands in for it: then it looks like it, too. */
  readonly program: 'petiole' | 'nats-server'
  readonly version: string
  readonly disk: Disk
  readonly start: (
    config: HubConfig | LeafConfig,
    options: {
      readonly log: ProcessLog
      readonly reload: () => Promise<void>
      readonly onIdentity: (server: Identified) => void
    },
  ) => Promise<Served>
}

interface Identified {
  readonly id: string
  readonly name: string
}

type Configured = Loaded<HubConfig | LeafConfig>

/** Resolves when the server runs; rejects when it cannot. */
export async function serve(options: ServerProcessOptions): Promise<void> {
  const loaded = await load(options)
  const isDropIn = options.program === 'nats-server'
  const log = createLog(loaded.config, isDropIn ? { format: 'text' } : {})
  process.title = processName(options)
  await new ServerProcess(options, loaded, log).run()
}

/** What a server is called in the list of processes, and found by. Its flags, which may hold a password, are not shown. */
export function processName({
  program,
  role,
}: Pick<ServerProcessOptions, 'program' | 'role'>): string {
  return program === 'petiole' ? `petiole ${role}` : program
}

/** The configuration as the command line and its file make it. */
export function load({ role, flags, disk }: ServerProcessOptions): Promise<Configured> {
  return role === 'hub'
    ? loadConfig(disk, flags.configFile, 'hub', flags.overrides)
    : loadConfig(disk, flags.configFile, 'leaf', flags.overrides)
}

class ServerProcess {
  readonly #options: ServerProcessOptions
  readonly #log: ProcessLog
  readonly #files: ProcessFiles
  #loaded: Configured
  #starting: Promise<Served> | undefined
  #state: 'running' | 'lame_duck' | 'draining' = 'running'
  /** Reloads come one after the other. */
  #reloading: Promise<void> = Promise.resolve()

  constructor(options: ServerProcessOptions, loaded: Configured, log: ProcessLog) {
    this.#options = options
    this.#loaded = loaded
    this.#log = log
    this.#files = new ProcessFiles(options.program, log)
  }

  async run(): Promise<void> {
    const log = this.#log
    this.#introduce()
    this.#files.claim(this.#loaded.config)
    const reload = (): Promise<void> => this.#reload()
    const onIdentity = (server: Identified): void => this.#identify(server)
    const starting = this.#options.start(this.#loaded.config, { log, reload, onIdentity })
    this.#starting = starting
    this.#obeySignals()
    const served = await starting
    this.#files.write(this.#loaded.config, served.ports)
  }

  /** nats-server's first lines, as far as they are known before it has started. */
  #introduce(): void {
    const { program, version } = this.#options
    const { config } = this.#loaded
    const log = this.#log
    log.info({}, `Starting ${program}`)
    if (program === 'nats-server') {
      const cluster = config.cluster?.name || config.gateway?.name
      log.info({}, `  Version:  ${SERVER_VERSION}`)
      log.info({}, `  Git:      [petiole ${version}]`)
      if (cluster !== undefined) log.info({}, `  Cluster:  ${cluster}`)
    } else {
      log.info({ version, role: config.role }, 'petiole')
    }
  }

  /** The rest of them, and what there is to say of the configuration. */
  #identify({ id, name }: Identified): void {
    const { program, flags } = this.#options
    const { config, digest, warnings } = this.#loaded
    const log = this.#log
    if (program === 'nats-server') {
      log.info({}, `  Name:     ${name}`)
      if (config.jetstream.enabled) log.info({}, `  Node:     ${nodeOf(name)}`)
      log.info({}, `  ID:       ${id}`)
    }
    if (flags.configFile !== undefined) {
      log.info({}, `Using configuration file: ${flags.configFile} (${digest})`)
    }
    for (const warning of flags.warnings) log.warn({}, warning)
    for (const warning of warnings) log.warn({}, formatProblem(warning))
    const tooFew = openFilesWarning(config)
    if (tooFew !== undefined) log.warn({}, tooFew)
  }

  #obeySignals(): void {
    const on = (signal: NodeJS.Signals, obey: () => void): void => {
      process.on(signal, () => {
        this.#log.info({}, `Trapped "${SIGNAL_NAMES[signal]}" signal`)
        obey()
      })
    }
    on('SIGINT', () => this.#stop())
    // A lame duck ends by itself, in its own time.
    on('SIGTERM', () => this.#state !== 'lame_duck' && this.#stop())
    on('SIGHUP', () => {
      this.#reload().catch(() => {})
    })
    on('SIGUSR1', () => this.#reopen())
    on('SIGUSR2', () => this.#leave())
  }

  #stop(): void {
    if (this.#state === 'draining') {
      this.#stopAtOnce()
      return
    }
    this.#state = 'draining'
    this.#log.info({}, 'Initiating Shutdown...')
    setTimeout(() => this.#stopAtOnce(), DRAIN_DEADLINE_MS)
    this.#end((served) => served.drain())
  }

  #stopAtOnce(): void {
    this.#log.warn({}, 'stopping at once')
    const exit = (): never => process.exit(1)
    setTimeout(exit, DESTROY_DEADLINE_MS)
    this.#starting?.then((served) => served.destroy()).then(exit, exit)
  }

  #leave(): void {
    if (this.#state !== 'running') return
    this.#state = 'lame_duck'
    this.#end((served) => served.lameDuck())
  }

  #end(how: (served: Served) => Promise<void>): void {
    // With its listeners closed nothing else may hold the process until it has said goodbye.
    setInterval(() => {}, DRAIN_DEADLINE_MS)
    this.#starting
      ?.then(how)
      .then(() => {
        this.#log.info({}, 'Server Exiting..')
        process.exit(0)
      })
      .catch((error: unknown) => {
        this.#log.error({ err: error }, 'could not drain')
        process.exit(1)
      })
  }

  #reopen(): void {
    if (this.#loaded.config.log_file === '') {
      this.#log.info({}, 'File log re-open ignored, not a file logger')
      return
    }
    try {
      this.#log.reopen()
      this.#log.info({}, 'File log re-opened')
    } catch (error) {
      this.#log.error({ err: error }, 'could not open the log file anew')
    }
  }

  /**
   * Either all of a new configuration is taken, or nothing: then it rejects with what was wrong, which is
   * logged already.
   */
  #reload(): Promise<void> {
    const reloading = this.#reloading.then(() => this.#reloadNow())
    this.#reloading = reloading.catch(() => {})
    return reloading
  }

  async #reloadNow(): Promise<void> {
    try {
      if (this.#options.flags.configFile === undefined) {
        throw new Error('can only reload config when a file is provided using -c or --config')
      }
      const served = await this.#starting
      if (served !== undefined) await this.#exchange(served, await load(this.#options))
    } catch (error) {
      const reasons =
        error instanceof ConfigError ? error.problems.map(formatProblem) : [messageOf(error)]
      for (const reason of reasons) {
        this.#log.error({}, `Failed to reload server configuration: ${reason}`)
      }
      throw error
    }
  }

  async #exchange(served: Served, next: Configured): Promise<void> {
    const before = this.#loaded.config
    const { changes, refused } = compareConfigs(before, next.config)
    if (refused.length > 0) throw new ConfigError(refused.map(withoutPath))
    // Any free port: the one that was taken stays.
    const config = { ...next.config, port: next.config.port || before.port }
    this.#log.configure(config)
    try {
      await served.reload(config)
    } catch (error) {
      this.#log.configure(before)
      throw error
    }
    this.#loaded = { ...next, config }
    this.#files.write(config, served.ports)
    for (const warning of next.warnings) this.#log.warn({}, formatProblem(warning))
    for (const change of changes) this.#log.info({}, `Reloaded: ${change}`)
    this.#log.info({}, `Reloaded server configuration (${next.digest})`)
  }
}

/** nats-server's short name of a server among the others of its cluster. */
function nodeOf(name: string): string {
  const bytes = createHash('sha256').update(name).digest().subarray(0, NODE_CHARS)
  return Array.from(bytes, (byte) => NODE_DIGITS[byte % NODE_DIGITS.length]).join('')
}

function withoutPath<T extends { readonly path: string }>(problem: T): T {
  return { ...problem, path: '' }
}
