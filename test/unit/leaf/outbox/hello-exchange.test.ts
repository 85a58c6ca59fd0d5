import assert from 'node:assert/strict'
import { HelloExchange } from '../../../../leaf/outbox/hello-exchange.ts'
import type { ClientMessage, NatsClient } from '../../../../shared/client/index.ts'
import { encodeJson } from '../../../../shared/sync/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { RecordingLog } from '../../../support/mqtt-core.ts'
import { leafIdentity } from '../../../support/sync-world.ts'

describe('hello of a leaf', () => {
  it('says which home its buffers have, and which they had when there was one', async () => {
    const log = new RecordingLog()
    let home = 'hub-1'
    const client = {
      request: async (): Promise<ClientMessage> => {
        const rest = { now_ms: 0, payload_max: 1, credit_bytes: 1, buffers: [] }
        const payload = encodeJson({ v: 1, status: 'welcome', home, ...rest })
        return {
          subject: '',
          reply: '',
          headers: payload.subarray(0, 0),
          payload,
          origin: undefined,
        }
      },
    } as unknown as NatsClient
    const { marks } = new MemoryStore(() => 0)
    const exchange = new HelloExchange(leafIdentity('press-7'), client, marks, log)
    const { signal } = new AbortController()
    for (home of ['hub-1', 'hub-1', 'hub-2']) await exchange.greet('', [], signal)
    assert.deepEqual(
      log.lines.map(({ message, fields }) => [message, fields]),
      [
        ['buffers have a home', { home: 'hub-1' }],
        ['buffers have a home', { home: 'hub-2', before: 'hub-1' }],
      ],
    )
  })
})
