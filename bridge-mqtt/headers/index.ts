/** What a message of MQTT says beside topic and payload, as a NATS header block and back. */
export { isFrom, type LoggedFacts, loggedHeaders } from './logged-headers.ts'
export { MessageFacts } from './message-facts.ts'
export {
  headersOf,
  headersOfPublish,
  NO_HEADERS,
  PROPERTIES_TOO_LARGE,
  plainHeaders,
  plainQos,
  QOS1_HEADERS,
  QOS2_HEADERS,
  qosOfHeaders,
} from './published-headers.ts'
