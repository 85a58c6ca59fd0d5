/** Who is behind a request to the JetStream API, as its audit tells it. */
import type { Peer } from '../broker/index.ts'
import {
  clientInfo,
  type Describe,
  parseClientInfo,
  rootOf,
  type ServerPlace,
} from '../imports/index.ts'
import type { DescribeRequester, PortMessage } from '../stream/index.ts'
import { headerValue } from '../wire/index.ts'

const INFO_HEADER = 'Nats-Request-Info'

/** @param place this server, which tells itself with its clients */
export function describeRequesters(describe: Describe, place: ServerPlace): DescribeRequester {
  return ({ headers, requester }: PortMessage) => {
    if (requester === undefined) return undefined
    const peer = requester as Peer
    const root = rootOf(peer)
    // Behind an import or a link the header is what this server or the other one wrote.
    const isTold = root !== peer || root.kind !== 'client'
    const told = isTold ? headerValue(headers, INFO_HEADER) : undefined
    const known = told === undefined ? undefined : parseClientInfo(told)
    if (known !== undefined) return withoutJwt(known)
    const description = describe(root)
    return description && withoutJwt(clientInfo(description, place))
  }
}

function withoutJwt(info: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { jwt: _, alts: __, ...rest } = info
  return rest
}
