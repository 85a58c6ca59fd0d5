import { createRequire } from 'node:module'
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type pinoPretty from 'pino-pretty'
import { codeOf, messageOf } from '../runtime/index.ts'
import { WAITING_BYTES_MAX } from './limits.ts'
import type { Log, LogFields } from './log.ts'
import { RotatingFile } from './rotating-file.ts'
import { textLine } from './text-line.ts'

/** What a configuration says of the log; the names are its keys. */
export interface LogSettings {
  readonly debug: boolean
  readonly trace: boolean
  /** Every line says when. */
  readonly logtime: boolean
  readonly logtime_utc: boolean
  /** A file to append to; '' writes to standard error. */
  readonly log_file: string
  readonly logfile_size_limit: number
  readonly logfile_max_num: number
  /** '': what `LogOptions.format` says. */
  readonly log_format: LogFormat | ''
}

/** `text`: nats-server's lines. `json`: one object per line. `pretty`: for people. */
export type LogFormat = 'text' | 'json' | 'pretty'

export interface LogOptions {
  /** Unless the settings say. By default `pretty` in a terminal, else `json`. */
  readonly format?: LogFormat
  /** Paths in the fields whose values are secrets, beside the usual ones; pino's syntax. */
  readonly redact?: readonly string[]
  /** Takes the lines instead of a file or standard error. */
  readonly write?: (line: string) => void
}

/** The log of a process, which a reload changes and a signal makes open its file anew. */
export interface ProcessLog extends Log {
  /** Takes other settings; children that were made before follow. Throws when a file cannot be opened. */
  configure(settings: LogSettings): void
  /** Goes on in a new file under the same name, when somebody has moved the old one away. */
  reopen(): void
}

/** Values under these names never reach the log, at the top of the fields or one level down. */
const SECRETS = [
  'password',
  'pass',
  'token',
  'auth_token',
  'jwt',
  'nkey',
  'seed',
  'sig',
  'credentials',
]

const REDACTED = '…'
const STANDARD_ERROR = 2

const LEVELS = { trace: 0, debug: 1, info: 2 } as const

/**
 * Lines are written before the call returns: the last one before a crash is there, and logging happens
 * per connection, not per message.
 */
export function createLog(settings: LogSettings, options: LogOptions = {}): ProcessLog {
  const sink = new Sink(settings, options)
  const logger = pino(
    {
      level: 'trace',
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: errorFields, error: errorFields },
      redact: {
        paths: [...SECRETS, ...SECRETS.map((name) => `*.${name}`), ...(options.redact ?? [])],
        censor: REDACTED,
      },
    },
    sink,
  )
  const log = new GatedLog(logger, sink)
  return Object.assign(log, {
    configure: (next: LogSettings) => sink.configure(next),
    reopen: () => sink.reopen(),
  })
}

/** Asks the sink what is wanted, at each line: pino's children keep the level they were born with. */
class GatedLog implements Log {
  readonly #logger: Logger
  readonly #sink: Sink

  constructor(logger: Logger, sink: Sink) {
    this.#logger = logger
    this.#sink = sink
  }

  trace(fields: LogFields, message: string): void {
    if (this.#sink.level <= LEVELS.trace) this.#logger.trace(fields, message)
  }

  debug(fields: LogFields, message: string): void {
    if (this.#sink.level <= LEVELS.debug) this.#logger.debug(fields, message)
  }

  info(fields: LogFields, message: string): void {
    this.#logger.info(fields, message)
  }

  warn(fields: LogFields, message: string): void {
    this.#logger.warn(fields, message)
  }

  error(fields: LogFields, message: string): void {
    this.#logger.error(fields, message)
  }

  fatal(fields: LogFields, message: string): void {
    this.#logger.fatal(fields, message)
  }

  child(fields: LogFields): Log {
    return new GatedLog(this.#logger.child(fields), this.#sink)
  }
}

/** Where lines go and how they look. */
class Sink implements DestinationStream {
  readonly #options: LogOptions
  #settings: LogSettings
  #file: RotatingFile | undefined
  #format: (json: string) => string
  #write: (line: string) => void

  constructor(settings: LogSettings, options: LogOptions) {
    this.#options = options
    this.#settings = settings
    this.#format = this.#formatter()
    this.#write = this.#writer()
  }

  get level(): number {
    if (this.#settings.trace) return LEVELS.trace
    return this.#settings.debug ? LEVELS.debug : LEVELS.info
  }

  write(json: string): void {
    this.#write(this.#format(json))
  }

  configure(settings: LogSettings): void {
    const before = this.#settings
    this.#settings = settings
    if (settings.log_file !== before.log_file) {
      const old = this.#file
      try {
        this.#write = this.#writer()
      } catch (error) {
        this.#settings = before
        throw error
      }
      old?.close()
    }
    this.#file?.configure(this.#rotation())
    this.#format = this.#formatter()
  }

  reopen(): void {
    this.#file?.reopen()
  }

  #writer(): (line: string) => void {
    const { write } = this.#options
    if (write !== undefined) return write
    if (this.#settings.log_file === '') {
      this.#file = undefined
      return toStandardError()
    }
    const file = new RotatingFile(this.#settings.log_file, this.#rotation(), {
      now: isoNow,
      line: (level, message) =>
        this.#format(`${JSON.stringify({ level, time: isoNow(), msg: message })}\n`),
      instead: toStandardError(),
    })
    this.#file = file
    return (line) => file.write(line)
  }

  #rotation() {
    const { logfile_size_limit: sizeMax, logfile_max_num: filesMax } = this.#settings
    return { sizeMax, filesMax }
  }

  #formatter(): (json: string) => string {
    const { log_format, log_file, logtime } = this.#settings
    const isTerminal =
      this.#options.write === undefined && log_file === '' && process.stderr.isTTY === true
    const format = log_format || (this.#options.format ?? (isTerminal ? 'pretty' : 'json'))
    if (format === 'pretty') return prettyFormat(isTerminal)
    if (format === 'json') return logtime ? (json) => json : withoutTime
    const style = { ...this.#settings, pid: process.pid, isColoured: isTerminal }
    return (json) => textLine(json, style)
  }
}

/** Whatever becomes of it, logging goes on: a pipe that breaks or a disk that is full ends no server. */
function toStandardError(): (line: string) => void {
  const stream = destination({
    dest: STANDARD_ERROR,
    sync: true,
    maxLength: WAITING_BYTES_MAX,
  })
  stream.on('error', () => {})
  return (line) => void stream.write(line)
}

function withoutTime(json: string): string {
  return json.replace(/,"time":"[^"]*"/, '')
}

/** Loaded only when somebody looks: it costs more memory than the whole log. */
function prettyFormat(isTerminal: boolean): (json: string) => string {
  const pretty: typeof pinoPretty = createRequire(import.meta.url)('pino-pretty')
  const format = pretty.prettyFactory({
    colorize: isTerminal,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  return (json) => format(json)
}

/** pino's clock: the log stamps its own lines as it does all others. */
function isoNow(): string {
  return stdTimeFunctions.isoTime().slice(',"time":"'.length, -1)
}

/** What was thrown, as fields. Only the unexpected brings its stack: an error with a code explains itself. */
function errorFields(thrown: unknown): Record<string, unknown> {
  const code = codeOf(thrown)
  const fields: Record<string, unknown> = { message: messageOf(thrown) }
  if (code !== '') fields['code'] = code
  if (thrown instanceof Error) {
    if (code === '') fields['stack'] = thrown.stack
    if (thrown.cause !== undefined) fields['cause'] = messageOf(thrown.cause)
  }
  return fields
}
