import { parseJsonObject } from './json-object.ts'

/** What a client says of itself with CONNECT. */
export interface ConnectOptions {
  readonly verbose: boolean
  readonly pedantic: boolean
  readonly echo: boolean
  readonly headers: boolean
  readonly no_responders: boolean
  /** 1 takes INFO at any time. */
  readonly protocol: number
  readonly name: string
  readonly lang: string
  readonly version: string
  readonly user: string | undefined
  readonly pass: string | undefined
  readonly auth_token: string | undefined
  readonly nkey: string | undefined
  readonly jwt: string | undefined
  readonly sig: string | undefined
  /** Asks for an account by name, which nobody may. */
  readonly account: string | undefined
}

/** What holds before CONNECT, and for what it does not say. */
export const CONNECT_DEFAULTS: ConnectOptions = {
  verbose: true,
  pedantic: true,
  echo: true,
  headers: false,
  no_responders: false,
  protocol: 0,
  name: '',
  lang: '',
  version: '',
  user: undefined,
  pass: undefined,
  auth_token: undefined,
  nkey: undefined,
  jwt: undefined,
  sig: undefined,
  account: undefined,
}

const KIND_OF = {
  verbose: 'boolean',
  pedantic: 'boolean',
  echo: 'boolean',
  headers: 'boolean',
  no_responders: 'boolean',
  protocol: 'number',
  name: 'string',
  lang: 'string',
  version: 'string',
  user: 'string',
  pass: 'string',
  auth_token: 'string',
  nkey: 'string',
  jwt: 'string',
  sig: 'string',
  account: 'string',
} as const satisfies Record<keyof ConnectOptions, 'boolean' | 'number' | 'string'>

/**
 * Reads the JSON of a CONNECT line. What it does not say stays as it was in `before`: a client may
 * send CONNECT again. undefined when it is no JSON object, or a known field has another type.
 */
export function decodeConnect(json: string, before = CONNECT_DEFAULTS): ConnectOptions | undefined {
  const object = parseJsonObject(json)
  if (object === undefined) return undefined
  const said: Record<string, unknown> = {}
  for (const [key, kind] of Object.entries(KIND_OF)) {
    const value = object[key]
    if (value === undefined || value === null) continue
    if (typeof value !== kind) return undefined
    said[key] = value
  }
  return { ...before, ...said }
}
