import assert from 'node:assert/strict'
import type { Account, AccountBook, AccountListener } from '../../../shared/account/index.ts'
import { AccountSpace } from '../../../shared/broker/index.ts'
import { parseConfig } from '../../../shared/config/index.ts'
import { type Log, silentLog } from '../../../shared/log/index.ts'
import { SeededRandom, SystemDisk } from '../../../shared/runtime/index.ts'
import { AccountEngines } from '../../../shared/server/account-engines.ts'
import type { StreamStore } from '../../../shared/store/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { noLimits } from '../../support/opened-store.ts'
import { DEADLINE_MS } from '../../support/patience.ts'

class BrokenStore extends MemoryStore {
  isBroken = false

  override get streams(): ReadonlyMap<string, StreamStore> {
    if (this.isBroken) throw new Error('the store is broken')
    return super.streams
  }
}

describe('engines of an operator’s accounts', () => {
  it('tell of one that did not start, and try again when its account changes', async () => {
    const clock = new ManualClock()
    const random = new SeededRandom(1)
    const errors: object[] = []
    const log: Log = {
      ...silentLog,
      error: (fields: object) => void errors.push(fields),
      child: () => log,
    }
    let changed: AccountListener = () => {}
    const account = {
      name: 'A',
      claims: {},
      config: { jetstream: true },
    } as unknown as Account
    const book = {
      accounts: () => [],
      get: () => account,
      onChange: (listener: AccountListener) => {
        changed = listener
        return () => {}
      },
    } as unknown as AccountBook
    const space = new AccountSpace(random, 'A')
    const store = new BrokenStore(() => clock.wallMs())
    const engines = new AccountEngines({
      machine: { clock, random, disk: new SystemDisk() } as never,
      log,
      serverName: 's',
      store,
      book,
      space: () => space,
      nextPeerId: () => 1,
      describeRequester: () => undefined,
      jetstream: () => parseConfig({}, 'hub').jetstream,
      purgeOthers: async () => {},
    })
    const config = { ...parseConfig({}, 'hub'), accounts: [], operator: {} }
    await engines.start(config as never)
    store.isBroken = true
    changed(account, undefined)
    const deadlineMs = Date.now() + DEADLINE_MS
    while (errors.length === 0 && Date.now() < deadlineMs) await new Promise(setImmediate)
    assert.equal((errors[0] as { account: string } | undefined)?.account, 'A')
    assert.equal(engines.all.size, 0)
    store.isBroken = false
    changed(account, account)
    await engines.drain()
    assert.deepEqual([...engines.all.keys()], ['A'])
    assert.equal(errors.length, 1)
  })

  it('ask for those whose streams are on disk, and for none by what a front door keeps', async () => {
    const clock = new ManualClock()
    const random = new SeededRandom(1)
    const asked: string[] = []
    const purged: string[] = []
    const book = {
      accounts: () => [],
      get: () => undefined,
      fetch: async (name: string) => void asked.push(name),
      onChange: () => () => {},
    } as unknown as AccountBook
    const store = new MemoryStore(() => clock.wallMs())
    for (const name of ['A/S', 'A/T', 'B/S', 'mqtt-log:C', 'mqtt-log:A']) {
      store.createStream(name, new Uint8Array(0), noLimits)
    }
    const engines = new AccountEngines({
      machine: { clock, random, disk: new SystemDisk() } as never,
      log: silentLog,
      serverName: 's',
      store,
      book,
      space: () => new AccountSpace(random, 'A'),
      nextPeerId: () => 1,
      describeRequester: () => undefined,
      jetstream: () => parseConfig({}, 'hub').jetstream,
      purgeOthers: async (account) => void purged.push(account),
    })
    await engines.start({ ...parseConfig({}, 'hub'), accounts: [], operator: {} } as never)
    assert.deepEqual(asked, ['A', 'B'])
    assert.equal(await engines.purge('A'), 2)
    assert.deepEqual(purged, ['A'])
    assert.deepEqual([...store.streams.keys()], ['B/S', 'mqtt-log:C', 'mqtt-log:A'])
    await engines.drain()
  })
})
