import assert from 'node:assert/strict'
import { BlockedBuffers } from '../../../../hub/ingest/blocked-buffers.ts'
import type { LedgerAccount } from '../../../../hub/ingest/ledger-book.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

const WHY = { subject: 'plant.a', reason: 'no stream binds it' }

function account(leaf: string, buffer: string): LedgerAccount {
  return { leaf, buffer } as LedgerAccount
}

describe('blocked buffers', () => {
  let clock: ManualClock
  let blocked: BlockedBuffers
  let nudged: string[]

  beforeEach(() => {
    clock = new ManualClock()
    nudged = []
    blocked = new BlockedBuffers(clock, (leaf, buffer) => nudged.push(`${leaf} ${buffer}`))
  })
  afterEach(() => blocked.stop())

  it('tell a leaf once, and of the buffer only whose hindrance is gone', () => {
    let isMended = false
    blocked.add(account('l', 'a'), WHY, () => isMended)
    blocked.add(account('l', 'b'), WHY, () => false)
    clock.advance(5_000)
    assert.deepEqual(nudged, [])
    isMended = true
    clock.advance(5_000)
    assert.deepEqual(nudged, ['l a'])
    assert.equal(blocked.find('l', 'b')?.reason, WHY.reason)
  })

  it('urge nobody on whose hindrance is not what is looked for', () => {
    for (let tries = 0; tries < 3; tries++) {
      blocked.add(account('l', 'a'), WHY, () => true)
      clock.advance(5_000)
    }
    assert.deepEqual(nudged, [])
  })

  it('forget a leaf that was released, and one that is gone for long', () => {
    let isMended = false
    for (const leaf of ['released', 'gone', 'here']) {
      blocked.add(account(leaf, 'a'), WHY, () => isMended)
    }
    blocked.forget('released')
    assert.equal(blocked.find('released', 'a'), undefined)
    for (let minute = 0; minute < 11; minute++) {
      clock.advance(60_000)
      blocked.add(account('here', 'a'), WHY, () => isMended)
    }
    assert.equal(blocked.find('gone', 'a'), undefined)
    isMended = true
    clock.advance(5_000)
    assert.deepEqual(nudged, ['here a'])
  })
})
