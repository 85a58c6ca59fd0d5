export type { CapturedMessage, PortMessage, StreamPort } from './port.ts'
