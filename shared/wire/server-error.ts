import { quoted } from './quoted-text.ts'

/**
 * The `-ERR` texts, as clients match them. All of them end the connection but for those marked.
 * Source: nats-server's client.go, errors.go, auth.go, route.go, leafnode.go, gateway.go.
 */
export const SERVER_ERRORS = {
  account_connections: 'maximum account active connections exceeded',
  account_expired: 'Account Authentication Expired',
  /** Not fatal by itself. */
  account_registration: 'Failed Account Registration',
  authentication_timeout: 'Authentication Timeout',
  authorization: 'Authorization Violation',
  client_protocol: 'invalid client protocol',
  connections: 'maximum connections exceeded',
  control_line: 'maximum control line exceeded',
  /** Clients are told nothing. */
  disowned: 'Authorization Violation',
  gateway_port: 'attempted to connect to gateway port',
  /** Not fatal. */
  invalid_publish_subject: 'Invalid Publish Subject',
  /** Not fatal. */
  invalid_subject: 'Invalid Subject',
  leafnode_port: 'attempted to connect to leaf node port',
  /** Clients are told nothing: they come again, and are let in where they belong now. */
  moved: 'Authorization Violation',
  no_responders: 'no responders requires headers support',
  payload: 'Maximum Payload Violation',
  proxy_not_trusted: 'proxy is not trusted',
  proxy_required: 'proxy connection required',
  route_port: 'attempted to connect to route port',
  stale: 'Stale Connection',
  /** Fatal only when an account's limit sinks below what is there. */
  subscriptions: 'maximum subscriptions exceeded',
  throttled: 'Connection throttling is active. Please try again later.',
  tls_required: 'Secure Connection - TLS Required',
  unknown_operation: 'Unknown Protocol Operation',
  user_expired: 'User Authentication Expired',
  user_revoked: 'User Authentication Revoked',
  wrong_port: 'attempted to connect to wrong port',
} as const

export type ServerErrorName = keyof typeof SERVER_ERRORS

export function encodeError(text: string): Uint8Array {
  return Buffer.from(`-ERR '${text}'\r\n`)
}

/** Refusals that name a subject; none of them ends the connection. */
export const PERMISSION_ERRORS = {
  publish: (subject: string) => `Permissions Violation for Publish to ${quoted(subject)}`,
  reply: (reply: string) => `Permissions Violation for Publish with Reply of ${quoted(reply)}`,
  subscription: (subject: string, queue: string) =>
    `Permissions Violation for Subscription to ${quoted(subject)}${usingQueue(queue)}`,
  tokens: (subject: string) =>
    `Permissions Violation for Subscription to ${quoted(subject)}, too many tokens`,
  /** A subscription that was let in before permissions changed. */
  removed: (subject: string, queue: string, sid: string) =>
    `${PERMISSION_ERRORS.subscription(subject, queue)} (sid ${quoted(sid)})`,
} as const

function usingQueue(queue: string): string {
  return queue === '' ? '' : ` using queue ${quoted(queue)}`
}
