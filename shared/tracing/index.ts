/** Message tracing: what becomes of messages whose headers ask to be told. */
export { Tracer, type TracerOptions } from './tracer.ts'
