/** A server as a process: signals, the files it leaves beside it, and telling another one what to do. */
export {
  load,
  processName,
  type Served,
  type ServerProcessOptions,
  serve,
} from './server-process.ts'
export { sendSignal } from './signal-sender.ts'
