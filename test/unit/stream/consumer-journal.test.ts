import assert from 'node:assert/strict'
import { PetioleError } from '../../../shared/runtime/index.ts'
import type { Committed, StateTable } from '../../../shared/store/index.ts'
import { ConsumerJournal } from '../../../shared/stream/consumer/consumer-journal.ts'
import { RecordingLog } from '../../support/link-node.ts'
import { StoreClock } from '../../support/store-clock.ts'

describe('the journal of a consumer', () => {
  it('tells of a disk that fails once, tries again ever later, and tells when that is over', () => {
    const clock = new StoreClock()
    const log = new RecordingLog()
    let isFailed = true
    let tries = 0
    const set = (_key: string, _value: Uint8Array, committed?: Committed): void => {
      if (committed === undefined) return
      tries++
      committed(isFailed ? new PetioleError('PETIOLE_STORE_FAILED', 'no disk') : undefined, 0)
    }
    const states: StateTable = {
      get: () => undefined,
      set,
      remove: () => {},
      entries: () => [][Symbol.iterator](),
    }
    const encode = (): Uint8Array => new Uint8Array(10)
    const journal = new ConsumerJournal({ states, stream: 'S', name: 'c', clock, log, encode })
    journal.touch()
    clock.advance(60_000)
    const names = { stream: 'S', consumer: 'c' }
    const failed = { ...names, err: 'no disk' }
    const once = [{ level: 'warn', fields: failed, message: 'consumer state not written' }]
    assert.deepEqual(log.lines, once)
    assert.ok(tries > 5 && tries < 15, `${tries} tries`)
    isFailed = false
    clock.advance(10_000)
    const over = { level: 'info', fields: names, message: 'consumer state written again' }
    assert.deepEqual(log.lines, [...once, over])
    const before = tries
    journal.touch()
    clock.advance(200)
    assert.equal(tries, before + 1, 'as soon as ever')
  })
})
