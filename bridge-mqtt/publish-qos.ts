/** How a message's QoS crosses the router: see headers/. */
export { NO_HEADERS, QOS1_HEADERS, qosOfHeaders } from './headers/index.ts'
