import type { ServerErrorName } from '../wire/index.ts'

/** Why a connection ended, in nats-server's words: monitoring tools know them. */
export type CloseReason =
  | 'Authentication Failure'
  | 'Authentication Timeout'
  | 'Client Closed'
  | 'Maximum Connections Exceeded'
  | 'Maximum Payload Exceeded'
  | 'Protocol Violation'
  | 'Read Error'
  | 'Server Shutdown'
  | 'Slow Consumer (Pending Bytes)'
  | 'Stale Connection'

const REASONS: Readonly<Partial<Record<ServerErrorName, CloseReason>>> = {
  authentication_timeout: 'Authentication Timeout',
  authorization: 'Authentication Failure',
  connections: 'Maximum Connections Exceeded',
  payload: 'Maximum Payload Exceeded',
  stale: 'Stale Connection',
}

export function reasonOf(error: ServerErrorName): CloseReason {
  return REASONS[error] ?? 'Protocol Violation'
}
