/** A PROXY header of version 2, right or wrong as the test likes. */
export function proxyBlock(
  parts: {
    readonly version?: number
    readonly command?: number
    readonly family?: number
    readonly protocol?: number
    /** 4 or 16 bytes. */
    readonly source?: readonly number[]
    readonly port?: number
    readonly extra?: Buffer
  } = {},
): Buffer {
  const { version = 2, command = 1, protocol = 1, source = [], port = 0 } = parts
  const { extra = Buffer.alloc(0), family = source.length === 16 ? 2 : 1 } = parts
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(port, 0)
  const addresses =
    source.length === 0 ? [] : [Buffer.from(source), Buffer.alloc(source.length), ports]
  const rest = Buffer.concat([...addresses, extra])
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n????', 'latin1')
  head.writeUInt8((version << 4) | command, 12)
  head.writeUInt8((family << 4) | protocol, 13)
  head.writeUInt16BE(rest.length, 14)
  return Buffer.concat([head, rest])
}
