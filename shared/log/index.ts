/** Logging: what code writes to, and the log of a process. */
export { type Log, type LogFields, silentLog } from './log.ts'
export { createLog, type LogLevel, type LogOptions, logLevel } from './pino-log.ts'
