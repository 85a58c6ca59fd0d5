import { createRequire } from 'node:module'
import {
  type DestinationStream,
  destination,
  type LoggerOptions,
  pino,
  stdTimeFunctions,
} from 'pino'
import type pinoPretty from 'pino-pretty'
import { codeOf, messageOf } from '../runtime/index.ts'
import type { Log } from './log.ts'

/** What a configuration says of the log; the names are its keys. */
export interface LogSettings {
  readonly debug: boolean
  readonly trace: boolean
  /** Every line says when. */
  readonly logtime: boolean
  /** A file to append to; '' writes to standard output. */
  readonly log_file: string
}

export interface LogOptions {
  /** For people, instead of one JSON object per line. By default in a terminal. */
  readonly isPretty?: boolean
  /** Paths in the fields whose values are secrets, beside the usual ones; pino's syntax. */
  readonly redact?: readonly string[]
  /** Takes the lines instead of a file or standard output. */
  readonly write?: (line: string) => void
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

/**
 * The log of a process. Lines are written before the call returns: the last one before a crash is
 * there, and logging happens per connection, not per message.
 */
export function createLog(settings: LogSettings, options: LogOptions = {}): Log {
  const loggerOptions: LoggerOptions = {
    level: levelOf(settings),
    base: null,
    timestamp: settings.logtime ? stdTimeFunctions.isoTime : false,
    formatters: { level: (level) => ({ level }) },
    serializers: { err: errorFields, error: errorFields },
    redact: {
      paths: [...SECRETS, ...SECRETS.map((name) => `*.${name}`), ...(options.redact ?? [])],
      censor: REDACTED,
    },
  }
  return pino(loggerOptions, streamOf(settings, options))
}

function levelOf(settings: LogSettings): string {
  if (settings.trace) return 'trace'
  return settings.debug ? 'debug' : 'info'
}

function streamOf(settings: LogSettings, options: LogOptions): DestinationStream {
  const { write } = options
  const isTerminal = write === undefined && settings.log_file === '' && process.stdout.isTTY
  const target =
    write === undefined
      ? destination({ dest: settings.log_file || 1, mkdir: true, sync: true })
      : { write }
  return (options.isPretty ?? isTerminal) ? prettyStream(target, isTerminal) : target
}

/** Loaded only when somebody looks: it costs more memory than the whole log. */
function prettyStream(target: DestinationStream, isTerminal: boolean): DestinationStream {
  const pretty: typeof pinoPretty = createRequire(import.meta.url)('pino-pretty')
  const format = pretty.prettyFactory({
    colorize: isTerminal,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  return {
    write: (line) => {
      target.write(format(line))
    },
  }
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
