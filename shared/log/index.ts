/** Logging: what code writes to, and the log of a process. */
export { type Log, type LogFields, silentLog } from './log.ts'
export { createLog, type LogOptions, type LogSettings } from './pino-log.ts'
