import type { LinkStats } from '../link/index.ts'
import type { LinkFacts, PeerTraffic } from '../monitor/index.ts'
import type { ServerCore } from './server-core.ts'

/** Leaf links of both directions: those that attached here, then those that this server dialled. */
export function linkFacts(core: ServerCore): LinkFacts[] {
  const attached = core.acceptor.leaves.map(({ hello, stats }, index) => ({
    ...factsOf(stats),
    id: index + 1,
    name: hello.name,
    isSpoke: false,
    isIsolated: false,
    account: hello.account,
    ip: hello.remoteAddress,
    port: hello.remotePort,
    subjects: () => subjectsOf(core, hello.account, 'leaf'),
  }))
  const dialled = core.uplinks.flatMap((uplink, index) => {
    const { state, stats } = uplink
    if (state.name !== 'up' || stats === undefined) return []
    const remote = core.config.leafnodes.remotes[index]
    const url = remote?.urls.find(({ text }) => text === state.url)
    const account = remote?.account ?? ''
    return [
      {
        ...factsOf(stats),
        id: attached.length + index + 1,
        name: state.hub.name,
        isSpoke: true,
        isIsolated: remote?.is_isolated ?? false,
        account,
        ip: url?.host ?? '',
        port: url?.port ?? 0,
        subjects: () => subjectsOf(core, account, 'uplink'),
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

/** What the links of one kind ask for in an account. */
function subjectsOf(core: ServerCore, account: string, kind: 'leaf' | 'uplink'): string[] {
  const space = core.broker.spaces.get(account)
  return [...(space?.subscriptions() ?? [])]
    .filter(({ peer }) => peer.kind === kind)
    .map(({ subject }) => subject)
}
