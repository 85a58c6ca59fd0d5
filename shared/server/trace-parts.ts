import type { LinkPeer, Peer } from '../broker/index.ts'
import { ServerStamp } from '../system/index.ts'
import { Tracer } from '../tracing/index.ts'
import { monitorSources } from './monitor-sources.ts'
import type { ServerCore } from './server-core.ts'

/**
 * Tracing of messages that ask for it. The broker is made with it, before there is a server that traces
 * could tell of: what it needs of the server is looked up when a message is traced.
 */
export function serverTracer(core: ServerCore): Tracer {
  const { machine, log, accounts } = core
  let stamp: ServerStamp | undefined
  return new Tracer({
    clock: machine.clock,
    random: machine.random,
    log: log.child({ part: 'tracing' }),
    book: accounts.book,
    nextPeerId: () => core.nextPeerId(),
    server() {
      stamp ??= new ServerStamp(monitorSources(core, accounts.book), machine.clock)
      return stamp.next()
    },
    nameOf: (peer) => nameOf(core, peer),
    streamOf: (account, subject) => core.engines.get(account)?.streamFor(subject)?.name ?? '',
  })
}

/** A client's name for itself, or the name of the server on the other end of a link. */
function nameOf({ broker }: ServerCore, peer: Peer & Pick<LinkPeer, 'remoteName'>): string {
  if (peer.kind === 'client') return broker.connections.get(peer.id)?.options.name ?? ''
  return peer.remoteName ?? ''
}
