/** What a consumer needs to know of subjects lies on a disk that cannot be read any more: one request ends, nothing else. */
import assert from 'node:assert/strict'
import { type Log, silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store } from '../../../shared/store/index.ts'
import { StreamEngine, UNLIMITED } from '../../../shared/stream/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { MemoryPort } from '../../support/memory-port.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const SUBJECTS = 3_000

describe('consumers of subjects that cannot be read', () => {
  let disk: SimDisk
  let port: MemoryPort
  let store: Store
  let engine: StreamEngine
  let errors: string[]

  beforeEach(async () => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    port = new MemoryPort()
    errors = []
    const log: Log = {
      ...silentLog,
      error: (_: object, text: string) => void errors.push(text),
      child: () => log,
    }
    const parts = { clock: new StoreClock(), random: new SeededRandom(2), log }
    store = await openStore({
      ...parts,
      directory: '/data',
      disk,
      subjectsMax: 1,
      subjectCacheBytes: 8_192,
      reserveBytes: 0,
    })
    engine = new StreamEngine({
      ...parts,
      account: 'A',
      store,
      port,
      domain: '',
      serverName: 'unreadable',
      limits: UNLIMITED,
    })
    await engine.start()
  })
  afterEach(async () => {
    await engine.destroy()
    await store.destroy()
  })

  async function api(subject: string, body: object): Promise<void> {
    const answer = port.api(subject, body)
    await settle(20)
    assert.equal((await answer).error, undefined)
  }

  async function filled(retention: string, filters: readonly string[]): Promise<void> {
    await api('STREAM.CREATE.S', { name: 'S', subjects: ['s.>'], retention })
    for (const [i, filter_subject] of filters.entries()) {
      const config = { durable_name: `c${i}`, ack_policy: 'explicit', filter_subject }
      await api(`CONSUMER.CREATE.S.c${i}.${filter_subject}`, { stream_name: 'S', config })
    }
    for (let i = 0; i < SUBJECTS; i++) await port.send(`s.${i}`, `${i}`)
    await settle(60)
  }

  async function pulled(consumer: string, request: string): Promise<string> {
    const inbox = port.request(`$JS.API.CONSUMER.MSG.NEXT.S.${consumer}`, request)
    await settle(60)
    return (await inbox).reply
  }

  it('takes an acknowledgement, and says once that the message stays', async () => {
    await filled('interest', ['s.>', 's.*'])
    const replies = [await pulled('c0', '1'), await pulled('c0', '1')]
    disk.faults.reads = 1
    await port.send(replies[0] ?? '', '+ACK')
    await port.send(replies[1] ?? '', '+ACK')
    assert.equal(store.condition.name, 'failed')
    assert.deepEqual(
      errors.filter((text) => text === 'acknowledged messages not removed'),
      ['acknowledged messages not removed'],
    )
    const { ack_floor } = await port.api<{ ack_floor: object }>('CONSUMER.INFO.S.c0')
    assert.deepEqual(
      { ...ack_floor, last_active: '' },
      { consumer_seq: 2, stream_seq: 2, last_active: '' },
    )
    assert.notEqual(await pulled('c0', '1'), '')
  })

  it('is asked for what there is, though that cannot be counted', async () => {
    await filled('limits', ['*.7'])
    disk.faults.reads = 1
    assert.notEqual(await pulled('c0', '{"batch":1,"no_wait":true}'), '')
    assert.equal(store.condition.name, 'failed')
    assert.equal((await port.api('CONSUMER.INFO.S.c0')).error, undefined)
  })
})
