import type { LinkStats } from '../link/index.ts'
import type { LinkFacts, PeerTraffic } from '../monitor/index.ts'
import type { ServerCore } from './server-core.ts'

/** Leaf links of both directions: those that attached here, then those that this server dialled. */
export function linkFacts(core: ServerCore): LinkFacts[] {
  const attached = core.acceptor.leaves.map((leaf) => ({
    ...factsOf(leaf.stats),
    id: leaf.id,
    name: leaf.hello.name,
    isSpoke: false,
    isIsolated: leaf.isIsolated,
    account: leaf.hello.account,
    ip: leaf.hello.remoteAddress,
    port: leaf.hello.remotePort,
    subjects: () => leaf.subjects,
  }))
  const dialled = core.links.dialled.flatMap(({ remote, uplink }) => {
    const { state, stats } = uplink
    if (state.name !== 'up' || stats === undefined) return []
    const url = remote.urls.find(({ text }) => text === state.url)
    return [
      {
        ...factsOf(stats),
        id: uplink.linkId,
        name: state.hub.name,
        isSpoke: true,
        isIsolated: remote.is_isolated,
        account: remote.account,
        ip: url?.host ?? '',
        port: url?.port ?? 0,
        subjects: () => uplink.subjects,
      },
    ]
  })
  return [...attached, ...dialled]
}

function factsOf(
  stats: LinkStats,
): PeerTraffic & { readonly roundTripMs: number | undefined; readonly subscriptions: number } {
  return {
    inMessages: stats.messagesIn,
    inBytes: stats.bytesIn,
    outMessages: stats.messagesOut,
    outBytes: stats.bytesOut,
    roundTripMs: stats.roundTripMs,
    subscriptions: stats.subscriptions,
  }
}
