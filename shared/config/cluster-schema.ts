/** `cluster` and `gateway`: the hubs of this region, and the other regions. */
import * as v from 'valibot'
import { peerAuthorization } from './authorization-schema.ts'
import { block } from './block.ts'
import type { PeerUrl } from './cluster-config.ts'
import { LISTEN_ALIASES, listener } from './listener-schema.ts'
import { readPeerUrl } from './remote-url.ts'
import { CLUSTER_OPTIONS, GATEWAY_OPTIONS, REMOTE_GATEWAY_OPTIONS } from './server-options.ts'
import { tls } from './tls-schema.ts'
import { count, flag, reading, shown, text, word } from './values.ts'

const ROUTE_PORT = 6222
const GATEWAY_PORT = 7222

function peerUrls(port: number) {
  return reading<readonly PeerUrl[]>((input) => {
    const list = Array.isArray(input) ? input : [input]
    if (list.some((url) => typeof url !== 'string')) {
      return { fault: `must be a URL or a list of URLs, not ${shown(input)}` }
    }
    const read = [...new Set(list)].map((url) => readPeerUrl(String(url).trim(), port))
    const faults = read.flatMap((result) => ('fault' in result ? [result.fault] : []))
    if (faults.length > 0) return { fault: faults.join('; ') }
    return { value: read.flatMap((result) => ('value' in result ? [result.value] : [])) }
  })
}

export const cluster = block(
  {
    ...listener,
    name: v.optional(word()),
    advertise: v.optional(text(), ''),
    no_advertise: v.optional(flag(), false),
    authorization: v.optional(peerAuthorization),
    routes: v.optional(peerUrls(ROUTE_PORT), []),
    tls: v.optional(tls),
    connect_retries: v.optional(count(0, 1_000_000), 0),
  },
  { aliases: { ...LISTEN_ALIASES, cluster_advertise: 'advertise' }, ...CLUSTER_OPTIONS },
)

const remoteGateway = block(
  { name: word(), url: v.optional(peerUrls(GATEWAY_PORT), []) },
  { aliases: { urls: 'url' }, ...REMOTE_GATEWAY_OPTIONS },
)

export const gateway = block(
  {
    ...listener,
    name: v.optional(word()),
    advertise: v.optional(text(), ''),
    authorization: v.optional(peerAuthorization),
    gateways: v.optional(v.array(remoteGateway, 'must be a list of gateways'), []),
    tls: v.optional(tls),
    reject_unknown_cluster: v.optional(flag(), false),
  },
  { aliases: { ...LISTEN_ALIASES, reject_unknown: 'reject_unknown_cluster' }, ...GATEWAY_OPTIONS },
)

export type ClusterFile = v.InferOutput<typeof cluster>
export type GatewayFile = v.InferOutput<typeof gateway>
