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

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface LogOptions {
  readonly level: LogLevel
  /** For people (a terminal) instead of one JSON object per line. */
  readonly isPretty: boolean
  /** Every line says when. */
  readonly hasTime: boolean
  /** A file to append to; '' writes to standard output. */
  readonly file: string
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
export function createLog(options: LogOptions): Log {
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: options.hasTime ? stdTimeFunctions.isoTime : false,
    formatters: { level: (level) => ({ level }) },
    serializers: { err: errorFields, error: errorFields },
    redact: {
      paths: [...SECRETS, ...SECRETS.map((name) => `*.${name}`), ...(options.redact ?? [])],
      censor: REDACTED,
    },
  }
  return pino(settings, streamOf(options))
}

/** The level that nats-server's `debug` and `trace` ask for. */
export function logLevel(config: { readonly debug: boolean; readonly trace: boolean }): LogLevel {
  if (config.trace) return 'trace'
  return config.debug ? 'debug' : 'info'
}

function streamOf(options: LogOptions): DestinationStream {
  const { write } = options
  const target =
    write === undefined
      ? destination({ dest: options.file === '' ? 1 : options.file, mkdir: true, sync: true })
      : { write }
  return options.isPretty ? prettyStream(target, options) : target
}

/** Loaded only when somebody looks: it costs more memory than the whole log. */
function prettyStream(target: DestinationStream, options: LogOptions): DestinationStream {
  const pretty: typeof pinoPretty = createRequire(import.meta.url)('pino-pretty')
  const format = pretty.prettyFactory({
    colorize: options.file === '' && options.write === undefined,
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
