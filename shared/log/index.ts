/** Logging: what code writes to, and the log of a process. */
export { type Log, type LogFields, silentLog } from './log.ts'
export {
  createLog,
  type LogFormat,
  type LogOptions,
  type LogSettings,
  type ProcessLog,
} from './pino-log.ts'
