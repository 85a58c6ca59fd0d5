import { parseJsonObject } from './json-object.ts'

/** The nats-server version whose protocols and JetStream we have: clients gate theirs on it. */
export const SERVER_VERSION = '2.15.2'

/** The JetStream API level that goes with SERVER_VERSION. */
export const API_LEVEL = 5

/** The fields of INFO, by their names on the wire. Leaf links use those that clients ignore. */
export interface ServerInfo {
  readonly server_id: string
  readonly server_name: string
  readonly version: string
  readonly proto: number
  readonly host: string
  readonly port: number
  readonly headers: boolean
  readonly max_payload: number
  readonly go?: string
  readonly git_commit?: string
  readonly client_id?: number
  readonly client_ip?: string
  readonly ip?: string
  readonly auth_required?: boolean
  readonly tls_required?: boolean
  readonly tls_available?: boolean
  readonly tls_verify?: boolean
  readonly jetstream?: boolean
  readonly domain?: string
  readonly api_lvl?: number
  readonly nonce?: string
  readonly cluster?: string
  readonly connect_urls?: readonly string[]
  readonly ws_connect_urls?: readonly string[]
  readonly leafnode_urls?: readonly string[] | null
  readonly ldm?: boolean
  readonly connect_info?: boolean
  readonly info_on_connect?: boolean
  readonly remote_account?: string
  readonly acc_is_sys?: boolean
  readonly compression?: string
  readonly xkey?: string
}

export function encodeInfo(info: ServerInfo): Uint8Array {
  return Buffer.from(`INFO ${JSON.stringify(info)}\r\n`)
}

/** The JSON of an INFO line. undefined when it is not an object or lacks what every server sends. */
export function decodeInfo(json: string): ServerInfo | undefined {
  const object = parseJsonObject(json)
  if (object === undefined) return undefined
  const { server_id, version, max_payload } = object
  if (typeof server_id !== 'string' || typeof version !== 'string') return undefined
  if (typeof max_payload !== 'number') return undefined
  return {
    proto: 0,
    host: '',
    port: 0,
    headers: false,
    ...object,
    server_id,
    version,
    max_payload,
    server_name: typeof object['server_name'] === 'string' ? object['server_name'] : server_id,
  } as ServerInfo
}
