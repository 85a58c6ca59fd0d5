import { parseJsonObject } from './json-object.ts'

/** What a client says of itself with CONNECT; '' and false for what it does not say. */
export interface ConnectOptions {
  readonly verbose: boolean
  readonly pedantic: boolean
  readonly echo: boolean
  readonly tls_required: boolean
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
  readonly proxy_sig: string | undefined
  /** Asks for an account by name, which nobody may. */
  readonly account: string | undefined
  readonly new_account: boolean
}

/** What holds before CONNECT, and for what it does not say. */
export const CONNECT_DEFAULTS: ConnectOptions = {
  verbose: true,
  pedantic: true,
  echo: true,
  tls_required: false,
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
  proxy_sig: undefined,
  account: undefined,
  new_account: false,
}

const KIND_OF = {
  verbose: 'boolean',
  pedantic: 'boolean',
  echo: 'boolean',
  tls_required: 'boolean',
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
  proxy_sig: 'string',
  account: 'string',
  new_account: 'boolean',
} as const satisfies Record<keyof ConnectOptions, 'boolean' | 'number' | 'string'>

/**
 * Reads the JSON of a CONNECT line. What it does not say stays as it was in `before`: a client may
 * send CONNECT again. Keys match in any case, as in Go. undefined when it is no JSON object (`null` says
 * nothing), or a known field has another type.
 */
export function decodeConnect(json: string, before = CONNECT_DEFAULTS): ConnectOptions | undefined {
  if (json.trim() === 'null') return before
  const object = parseJsonObject(json)
  if (object === undefined) return undefined
  const said: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(object)) {
    const name = Object.hasOwn(KIND_OF, key) ? key : key.toLowerCase()
    const kind = Object.hasOwn(KIND_OF, name) ? KIND_OF[name as keyof ConnectOptions] : undefined
    if (kind === undefined || value === null) continue
    if (typeof value !== kind) return undefined
    if (kind === 'number' && !Number.isSafeInteger(value)) return undefined
    said[name] = value
  }
  return { ...before, ...said }
}
