import { PetioleError } from '../runtime/index.ts'

/**
 * The JSON that the two sides of a link introduce themselves with: INFO from the accepting side
 * (twice: at once, and with `connect_info` as its yes to a CONNECT), CONNECT from the soliciting
 * side. Both are read field by field: what comes from the network has the type it has, not the one
 * it should have. Unknown fields are passed over, as every NATS server does.
 */

/** Server-to-server protocol: accounts, and message tracing [leafnode protocol, 1.1]. */
export const LINK_PROTOCOL = 3
/** Servers from this on tell what became of a message that is traced. */
export const TRACING_PROTOCOL = 3

export interface SubjectRules {
  /** undefined: everything is allowed that is not denied. */
  readonly allow: readonly string[] | undefined
  readonly deny: readonly string[]
}

/** INFO as a soliciting side reads it. */
export interface LinkInfo {
  readonly serverId: string
  readonly name: string
  readonly version: string
  readonly domain: string
  readonly cluster: string
  readonly clientId: number
  readonly protocol: number
  readonly nonce: string
  readonly hasHeaders: boolean
  readonly payloadBytesMax: number
  readonly isTlsRequired: boolean
  /** The accepting side will answer CONNECT with another INFO. */
  readonly answersConnect: boolean
  readonly isConnectInfo: boolean
  readonly leafnodeUrls: readonly string[] | undefined
  readonly webSocketUrls: readonly string[]
  readonly remoteAccount: string
  /** What the soliciting side may subscribe to, and may publish. */
  readonly imports: SubjectRules | undefined
  readonly exports: SubjectRules | undefined
}

/** What a Petiole leaf adds to CONNECT: who it is, proven by a signature of INFO's nonce. */
export interface PetioleHello {
  readonly id: string
  readonly sig: string
  /** New for every start of the process. */
  readonly boot: string
  readonly version: string
}

/** CONNECT as an accepting side reads it. */
export interface LinkConnect {
  readonly name: string
  readonly serverId: string
  readonly version: string
  readonly cluster: string
  readonly domain: string
  readonly hasHeaders: boolean
  readonly isHub: boolean
  readonly isIsolated: boolean
  readonly remoteAccount: string
  readonly user: string | undefined
  readonly password: string | undefined
  readonly token: string | undefined
  readonly jwt: string | undefined
  readonly nkey: string | undefined
  readonly signature: string | undefined
  readonly protocol: number
  readonly denyPublish: readonly string[]
  /** Set by clients and gateways that dialled the wrong port. */
  readonly lang: string
  readonly gateway: string
  readonly petiole: PetioleHello | undefined
}

export function parseLinkInfo(json: string): LinkInfo {
  const fields = parseObject(json, 'INFO')
  const connectInfo = fields['connect_info']
  return {
    serverId: text(fields, 'server_id'),
    name: text(fields, 'server_name') || text(fields, 'server_id'),
    version: text(fields, 'version'),
    domain: text(fields, 'domain'),
    cluster: text(fields, 'cluster'),
    clientId: number(fields, 'client_id'),
    protocol: number(fields, 'proto'),
    nonce: text(fields, 'nonce'),
    hasHeaders: fields['headers'] === true,
    payloadBytesMax: number(fields, 'max_payload'),
    isTlsRequired: fields['tls_required'] === true,
    answersConnect: fields['info_on_connect'] === true,
    isConnectInfo: connectInfo === true,
    leafnodeUrls: Array.isArray(fields['leafnode_urls'])
      ? texts(fields, 'leafnode_urls')
      : undefined,
    webSocketUrls: texts(fields, 'ws_connect_urls'),
    remoteAccount: text(fields, 'remote_account'),
    imports: rules(fields['import']),
    exports: rules(fields['export']),
  }
}

export function parseLinkConnect(json: string): LinkConnect {
  const fields = parseObject(json, 'CONNECT')
  const petiole = fields['petiole']
  return {
    name: text(fields, 'name'),
    serverId: text(fields, 'server_id'),
    version: text(fields, 'version'),
    cluster: text(fields, 'cluster'),
    domain: text(fields, 'domain'),
    hasHeaders: fields['headers'] === true,
    isHub: fields['is_hub'] === true,
    isIsolated: fields['isolate'] === true,
    remoteAccount: text(fields, 'remote_account'),
    user: text(fields, 'user') || undefined,
    password: text(fields, 'pass') || undefined,
    token: text(fields, 'auth_token') || undefined,
    jwt: text(fields, 'jwt') || undefined,
    nkey: text(fields, 'nkey') || undefined,
    signature: text(fields, 'sig') || undefined,
    protocol: number(fields, 'protocol'),
    denyPublish: texts(fields, 'deny_pub'),
    lang: text(fields, 'lang'),
    gateway: text(fields, 'gateway'),
    petiole: isObject(petiole)
      ? {
          id: text(petiole, 'id'),
          sig: text(petiole, 'sig'),
          boot: text(petiole, 'boot'),
          version: text(petiole, 'version'),
        }
      : undefined,
  }
}

/** One control line, `INFO {…}` or `CONNECT {…}`. */
export function helloLine(operation: 'INFO' | 'CONNECT', fields: object): Uint8Array {
  return Buffer.from(`${operation} ${JSON.stringify(fields)}\r\n`)
}

type Fields = Readonly<Record<string, unknown>>

function parseObject(json: string, what: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new PetioleError('PETIOLE_LINK_HELLO', `${what} of a leaf link is not JSON`, { cause })
  }
  if (!isObject(value)) {
    throw new PetioleError('PETIOLE_LINK_HELLO', `${what} of a leaf link is not a JSON object`)
  }
  return value
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(fields: Fields, key: string): string {
  const value = fields[key]
  return typeof value === 'string' ? value : ''
}

function number(fields: Fields, key: string): number {
  const value = fields[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function texts(fields: Fields, key: string): readonly string[] {
  const value = fields[key]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function rules(value: unknown): SubjectRules | undefined {
  if (!isObject(value)) return undefined
  const allow = texts(value, 'allow')
  return { allow: allow.length > 0 ? allow : undefined, deny: texts(value, 'deny') }
}
