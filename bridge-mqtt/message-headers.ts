/** What a message says beside topic and payload, on its way through the router: see headers/. */
export {
  headersOf,
  headersOfPublish,
  type LoggedFacts,
  loggedHeaders,
  MessageFacts,
  NO_HEADERS,
  PROPERTIES_TOO_LARGE,
  QOS1_HEADERS,
  QOS2_HEADERS,
  qosOfHeaders,
} from './headers/index.ts'
