/** The NATS wire format: bytes in, typed facts out, and back. Knows no connection. */
export { ARGUMENTS_MAX, ControlLine, findLineEnd, textEnd } from './control-line.ts'
export { decimalLength, formatDecimal, parseSize } from './decimal.ts'
export {
  appendHeaders,
  type DecodedHeaders,
  decodeHeaders,
  EMPTY_HEADERS,
  encodeHeaders,
  type HeaderField,
  type HeaderFields,
  type HeaderStatus,
  headerStatus,
  headerValue,
} from './header-block.ts'
