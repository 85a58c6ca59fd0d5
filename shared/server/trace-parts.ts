import type { Peer } from '../broker/index.ts'
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
function nameOf({ broker, acceptor, uplinks }: ServerCore, { id, kind }: Peer): string {
  if (kind === 'client') return broker.connections.get(id)?.options.name ?? ''
  const leaf = acceptor.leaves.find((attached) => attached.id === id)
  if (leaf !== undefined) return leaf.hello.name
  for (const { state } of uplinks)
    if (kind === 'uplink' && state.name === 'up') return state.hub.name
  return ''
}
