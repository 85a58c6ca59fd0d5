import type { JetStreamFacts, StreamFacts } from '../monitor/index.ts'
import type { Store } from '../store/index.ts'
import { type Stream, streamState } from '../stream/index.ts'
import { API_LEVEL } from '../wire/index.ts'
import type { ServerCore } from './server-core.ts'

/** @param roomBytes what the store can grow to where the configuration sets no limit */
export function jetStreamFacts(core: ServerCore, store: Store, roomBytes: number): JetStreamFacts {
  const { jetstream } = core.config
  const engines = [...core.engines]
  const counted = (of: 'total' | 'errors' | 'inflight'): number =>
    engines.reduce((sum, [, engine]) => sum + engine.apiCounts[of], 0)
  const reserved = (storage: 'memory' | 'file'): number =>
    engines.reduce((sum, [, engine]) => sum + engine.reservedBytes(storage), 0)
  return {
    storeDirectory: store.directory,
    syncEveryMs: core.config.jetstream.sync_interval,
    domain: jetstream.domain,
    storageBytesMax: jetstream.max_file || roomBytes,
    storageBytes: store.stats.diskBytes,
    memoryBytesMax: jetstream.max_mem,
    reservedBytes: { memory: reserved('memory'), file: reserved('file') },
    apiLevel: API_LEVEL,
    apiRequests: counted('total'),
    apiErrors: counted('errors'),
    apiInflight: counted('inflight'),
    messageIdsRefused: core.refused.messageIds,
    store: { ...store.stats, condition: store.condition.name },
    *accounts() {
      for (const [name, { apiCounts }] of engines) {
        yield { name, apiRequests: apiCounts.total, apiErrors: apiCounts.errors }
      }
    },
    *streams() {
      for (const [account, engine] of engines) {
        for (const stream of engine.streams()) yield streamFacts(account, stream)
      }
    },
  }
}

function streamFacts(account: string, stream: Stream): StreamFacts {
  const { state } = stream.store
  return {
    account,
    name: stream.name,
    createdMs: stream.store.createdMs,
    messages: state.messages,
    bytes: state.bytes,
    isInMemory: stream.config.storage === 'memory',
    consumers: stream.consumers.listedSize,
    config: () => stream.config,
    state: () => streamState(stream),
    consumerDetails: () =>
      stream.consumers
        .list()
        .filter(({ config }) => !config.direct)
        .map((consumer) => consumer.info()),
    hasConsumer: (name) => stream.consumers.get(name) !== undefined,
  }
}
