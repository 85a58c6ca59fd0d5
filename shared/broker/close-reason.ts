import { codeOf, type PetioleError } from '../runtime/index.ts'
import type { EndStatus } from '../transport/index.ts'
import type { Violation } from '../wire/index.ts'

/** Why a connection ended, in nats-server's words (`ClosedState`): monitoring tools know them. */
export type CloseReason =
  | 'Authentication Expired'
  | 'Authentication Failure'
  | 'Authentication Timeout'
  | 'Bad Client Protocol Version'
  | 'Client Closed'
  | 'Cluster Name Conflict'
  | 'Cluster Names Identical'
  | 'Credentials Revoked'
  | 'Duplicate Client ID'
  | 'Duplicate Remote LeafNode Connection'
  | 'Duplicate Route'
  | 'Duplicate Server Name'
  | 'Incorrect Port'
  | 'Internal Client'
  | 'Kicked'
  | 'Maximum Account Connections Exceeded'
  | 'Maximum Connections Exceeded'
  | 'Maximum Control Line Exceeded'
  | 'Maximum Message Payload Exceeded'
  | 'Maximum Subscriptions Exceeded'
  | 'Message Header Violation'
  | 'Minimum Version Required'
  | 'Missing Account'
  | 'No Responders Requires Headers'
  | 'Parse Error'
  | 'Protocol Violation'
  | 'Proxy Not Trusted'
  | 'Proxy Required'
  | 'Read Error'
  | 'Route Removed'
  | 'Server Shutdown'
  | 'Slow Consumer (Pending Bytes)'
  | 'Slow Consumer (Write Deadline)'
  | 'Stale Connection'
  | 'TLS Handshake Failure'
  | 'Write Error'
  | 'Wrong Gateway'

const REASONS: Readonly<Partial<Record<Violation, CloseReason>>> = {
  account_connections: 'Maximum Account Connections Exceeded',
  account_expired: 'Authentication Expired',
  account_registration: 'Missing Account',
  authentication_timeout: 'Authentication Timeout',
  authorization: 'Authentication Failure',
  client_protocol: 'Bad Client Protocol Version',
  connections: 'Maximum Connections Exceeded',
  control_line: 'Maximum Control Line Exceeded',
  disowned: 'Authentication Failure',
  gateway_port: 'Incorrect Port',
  leafnode_port: 'Incorrect Port',
  moved: 'Client Closed',
  no_responders: 'No Responders Requires Headers',
  payload: 'Maximum Message Payload Exceeded',
  proxy_not_trusted: 'Proxy Not Trusted',
  proxy_required: 'Proxy Required',
  route_port: 'Incorrect Port',
  stale: 'Stale Connection',
  subscriptions: 'Maximum Subscriptions Exceeded',
  throttled: 'Maximum Connections Exceeded',
  tls_required: 'TLS Handshake Failure',
  user_expired: 'Authentication Expired',
  user_revoked: 'Credentials Revoked',
  wrong_port: 'Incorrect Port',
}

export function reasonOf(error: Violation): CloseReason {
  return REASONS[error] ?? 'Protocol Violation'
}

/** Ends that nats-server says nothing about. */
export function isSilent(error: Violation): boolean {
  return error === 'malformed' || error === 'moved' || error === 'disowned'
}

/** Close codes of WebSockets [RFC 6455, 7.4.1], as nats-server chooses them. */
const CODES: readonly (readonly [code: number, reasons: readonly CloseReason[]])[] = [
  [1000, ['Client Closed']],
  [1001, ['Write Error', 'Read Error', 'Stale Connection', 'Server Shutdown']],
  [1002, ['Parse Error', 'Protocol Violation', 'Bad Client Protocol Version']],
  [
    1008,
    [
      'Authentication Timeout',
      'Authentication Failure',
      'Slow Consumer (Pending Bytes)',
      'Slow Consumer (Write Deadline)',
      'Maximum Account Connections Exceeded',
      'Maximum Connections Exceeded',
      'Maximum Control Line Exceeded',
      'Maximum Subscriptions Exceeded',
      'Missing Account',
      'Authentication Expired',
      'Credentials Revoked',
    ],
  ],
  [1009, ['Maximum Message Payload Exceeded']],
]
const OTHER_CODE = 1011

export function endStatusOf(reason: CloseReason): EndStatus {
  const code = CODES.find(([, reasons]) => reasons.includes(reason))?.[0] ?? OTHER_CODE
  return { code, reason }
}

/** Why a channel has closed by itself. */
export function lossOf(error: PetioleError | undefined): CloseReason {
  if (error === undefined) return 'Client Closed'
  const code = codeOf(error)
  if (code === 'PETIOLE_OUTPUT_OVERFLOW') return 'Slow Consumer (Pending Bytes)'
  return code?.startsWith('PETIOLE_TLS_') ? 'TLS Handshake Failure' : 'Read Error'
}
