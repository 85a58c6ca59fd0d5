/**
 * The `-ERR` texts, as clients match them. All of them end the connection but for those marked.
 * Source: nats-server's client protocol errors.
 */
export const SERVER_ERRORS = {
  authentication_timeout: 'Authentication Timeout',
  authorization: 'Authorization Violation',
  client_protocol: 'invalid client protocol',
  connections: 'maximum connections exceeded',
  control_line: 'maximum control line exceeded',
  /** Not fatal. */
  invalid_publish_subject: 'Invalid Publish Subject',
  /** Not fatal. */
  invalid_subject: 'Invalid Subject',
  no_responders: 'no responders requires headers support',
  payload: 'Maximum Payload Violation',
  stale: 'Stale Connection',
  /** Not fatal. */
  subscriptions: 'maximum subscriptions exceeded',
  unknown_operation: 'Unknown Protocol Operation',
} as const

export type ServerErrorName = keyof typeof SERVER_ERRORS

export function encodeError(text: string): Uint8Array {
  return Buffer.from(`-ERR '${text}'\r\n`)
}
