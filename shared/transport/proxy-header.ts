import { isIPv4, isIPv6 } from 'node:net'

/**
 * The header that a proxy sends in front of a connection, so that the server behind it learns who
 * the client is: one text line (version 1), or a signature and a binary block (version 2).
 *
 *     v1   PROXY TCP4 <source> <destination> <source port> <destination port>\r\n    at most 107 bytes
 *     v2   \r\n\r\n\0\r\nQUIT\n | version 2, command | family, protocol | u16 length | addresses | TLVs
 *
 * Source: haproxy's proxy-protocol.txt; what is refused is what nats-server refuses.
 */
export interface ProxySource {
  readonly address: string
  readonly port: number
}

export type ProxyHeader =
  /** Too short to tell. */
  | { readonly type: 'more' }
  /** These bytes begin with none. */
  | { readonly type: 'none' }
  /** `source` undefined: the proxy speaks for itself (a health check), or does not know. */
  | { readonly type: 'found'; readonly size: number; readonly source: ProxySource | undefined }
  | { readonly type: 'bad'; readonly reason: string }

const V1_START = Buffer.from('PROXY ')
const V1_LINE_BYTES_MAX = 107

const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_FIXED_BYTES = 16
/** Addresses and TLVs; a proxy's own are some hundred bytes. */
const V2_REST_BYTES_MAX = 4 * 1024

/** The longest header that is taken, of either version. */
export const PROXY_HEADER_BYTES_MAX = V2_FIXED_BYTES + V2_REST_BYTES_MAX

const MORE: ProxyHeader = { type: 'more' }
const NONE: ProxyHeader = { type: 'none' }

/** Reads the header that `bytes`, all that has come so far, begin with. */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (bytes.length === 0) return MORE
  if (beginsAs(bytes, V1_START)) return bytes.length < V1_START.length ? MORE : parseLine(bytes)
  if (beginsAs(bytes, V2_START)) return bytes.length < V2_FIXED_BYTES ? MORE : parseBlock(bytes)
  return NONE
}

function parseLine(bytes: Uint8Array): ProxyHeader {
  const text = Buffer.from(bytes.subarray(0, V1_LINE_BYTES_MAX)).toString('latin1')
  const end = text.indexOf('\r\n')
  if (end < 0) return bytes.length < V1_LINE_BYTES_MAX ? MORE : bad('v1 line too long')
  const size = end + 2
  const [protocol, source = '', destination = '', port = '', toPort = '', ...rest] = text
    .slice(V1_START.length, end)
    .split(' ')
  if (protocol === 'UNKNOWN') return { type: 'found', size, source: undefined }
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return bad('invalid protocol')
  if (rest.length > 0) return bad('invalid v1 format')
  const isAddress = protocol === 'TCP4' ? isIPv4 : isIPv6
  // A zone is no part of an address on the wire, and would be a way to put text into a log.
  if (!isAddress(source) || !isAddress(destination) || source.includes('%')) {
    return bad('invalid address')
  }
  if (!isPort(port) || !isPort(toPort)) return bad('invalid port')
  return { type: 'found', size, source: { address: source, port: Number(port) } }
}

function parseBlock(bytes: Uint8Array): ProxyHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const versionAndCommand = view.getUint8(12)
  const familyAndProtocol = view.getUint8(13)
  const length = view.getUint16(14)
  const version = versionAndCommand >> 4
  const command = versionAndCommand & 15
  if (version !== 2) return bad(`invalid version ${version}`)
  if (command > 1) return bad(`unknown command ${command}`)
  if (length > V2_REST_BYTES_MAX) return bad(`address block of ${length} bytes`)
  const size = V2_FIXED_BYTES + length
  if (bytes.length < size) return MORE
  const local: ProxyHeader = { type: 'found', size, source: undefined }
  if (command === 0) return local
  const family = familyAndProtocol >> 4
  const protocol = familyAndProtocol & 15
  // Unspecified: the proxy forwards without saying for whom.
  if (family === 0) return local
  if (protocol !== 1) return bad(`unsupported protocol ${protocol}`)
  if (family === 1) return sourceOf(view, size, length, 4)
  if (family === 2) return sourceOf(view, size, length, 16)
  return bad(`unsupported address family ${family}`)
}

function sourceOf(view: DataView, size: number, length: number, addressBytes: 4 | 16): ProxyHeader {
  const portAt = V2_FIXED_BYTES + 2 * addressBytes
  if (length < 2 * addressBytes + 4) return bad('address block too short')
  const address = addressBytes === 4 ? textOfIPv4(view) : textOfIPv6(view)
  return { type: 'found', size, source: { address, port: view.getUint16(portAt) } }
}

function textOfIPv4(view: DataView): string {
  return [0, 1, 2, 3].map((i) => view.getUint8(V2_FIXED_BYTES + i)).join('.')
}

/** The shortest form, as everybody else writes it [RFC 5952]. */
function textOfIPv6(view: DataView): string {
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map((i) =>
    view.getUint16(V2_FIXED_BYTES + i).toString(16),
  )
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** Digits only, no sign, no leading zero: what a proxy writes. */
function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}

/** As far as both go. */
function beginsAs(bytes: Uint8Array, start: Uint8Array): boolean {
  const length = Math.min(bytes.length, start.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== start[i]) return false
  return true
}

function bad(reason: string): ProxyHeader {
  return { type: 'bad', reason: `invalid PROXY protocol header: ${reason}` }
}
