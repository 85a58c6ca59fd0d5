import type { NatsConnection } from '@nats-io/transport-node'
import type { Door, Login, Transport } from './doors.ts'

/** What the client library makes of a refused login. */
export const NO = 'AuthorizationError: Authorization Violation'

export interface LoginCase {
  readonly login?: Login
  /** `in`, or the error; where it differs by transport, both. */
  readonly expects: string | { readonly tcp: string; readonly ws: string }
  /** Tried with clients of WebSocket only. */
  readonly needs?: 'ws'
}

/** A way to let clients in, as it is configured, and who comes. */
export interface Mode {
  readonly name: string
  /** All but what doors say of TLS and WebSocket. */
  readonly config: string
  readonly webSocket?: string
  /** All where it is not said. */
  readonly doors?: readonly Door[]
  readonly isMapped?: boolean
  readonly cases: Readonly<Record<string, LoginCase>>
  /** What must run beside the server, given a way to connect to it. */
  readonly beside?: (connect: (login: Login) => Promise<NatsConnection>) => Promise<void>
}

export function expectation({ expects }: LoginCase, transport: Transport): string {
  if (typeof expects === 'string') return expects
  return transport.includes('ws') ? expects.ws : expects.tcp
}
