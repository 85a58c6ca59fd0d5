/** The NATS wire format: bytes in, typed facts out, and back. Knows no connection. */
export {
  ClientParser,
  type ClientParserOptions,
  type OperationSink,
  type ParsedPublication,
  type ParserMemory,
  type PublicationSink,
  type Violation,
} from './client-parser.ts'
export { CONNECT_DEFAULTS, type ConnectOptions, decodeConnect } from './connect-options.ts'
export { ARGUMENTS_MAX, ControlLine, findLineEnd, textEnd } from './control-line.ts'
export { decimalLength, formatDecimal, parseSize } from './decimal.ts'
export {
  appendHeaders,
  type DecodedHeaders,
  decodeHeaders,
  EMPTY_HEADERS,
  encodeHeaders,
  filledHeaderValue,
  type HeaderField,
  type HeaderFields,
  type HeaderStatus,
  headerStatus,
  headerValue,
  leadingHeaders,
} from './header-block.ts'
export { withHeader, withoutHeader } from './header-edit.ts'
export { parseJsonObject } from './json-object.ts'
export { CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_CEILING, PAYLOAD_BYTES_MAX } from './limits.ts'
export { quoted } from './quoted-text.ts'
export {
  encodeError,
  PERMISSION_ERRORS,
  SERVER_ERRORS,
  type ServerErrorName,
} from './server-error.ts'
export {
  API_LEVEL,
  decodeInfo,
  encodeInfo,
  SERVER_VERSION,
  type ServerInfo,
} from './server-info.ts'
export { hasSampledParent, isSampledParent } from './trace-parent.ts'
