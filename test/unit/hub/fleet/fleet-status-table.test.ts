import assert from 'node:assert/strict'
import {
  type BufferStatus,
  type FleetStatus,
  type LeafStatus,
  renderFleetStatus,
  type StoreStatus,
} from '../../../../hub/fleet/index.ts'
import { etaOf } from '../../../../hub/fleet/leaf-view.ts'
import { Rate } from '../../../../hub/fleet/rate.ts'

const AS_OF = '2026-11-21T06:00:00.000Z'

const buffer: BufferStatus = {
  name: 'telemetry',
  incarnation: 'abc',
  first_seq: 1,
  last_seq: 10,
  synced_seq: 10,
  backlog_msgs: 0,
  backlog_bytes: 0,
  oldest_unsynced_at: null,
  evicted_msgs: 0,
  duplicates_dropped: 0,
  lost_msgs: 0,
  in_rate: 12.4,
  drain_rate: 12.4,
  eta_s: 0,
  refused: null,
}

const leaf: LeafStatus = {
  name: 'press-1',
  id: 'N1',
  region: 'eu',
  state: 'in_sync',
  last_seen: '2026-11-21T05:59:58.000Z',
  version: '0.1.0',
  home: 'hub-eu',
  store: null,
  buffers: [buffer],
}

describe('fleet status table', () => {
  it('puts what is wrong first, and says why in words', () => {
    const status: FleetStatus = {
      as_of: AS_OF,
      leaves: [
        leaf,
        {
          ...leaf,
          name: 'press-2',
          state: 'draining',
          buffers: [
            {
              ...buffer,
              backlog_msgs: 1_234_567,
              backlog_bytes: 150 * 1024 * 1024,
              oldest_unsynced_at: '2026-11-20T03:30:00.000Z',
              drain_rate: 2_000,
              eta_s: 621,
            },
          ],
        },
        {
          ...leaf,
          name: 'press-3',
          state: 'refused',
          buffers: [
            {
              ...buffer,
              backlog_msgs: 3,
              backlog_bytes: 900,
              lost_msgs: 2,
              eta_s: null,
              refused: { subject: 'plant.b', reason: 'no stream binds plant.b' },
            },
          ],
        },
        {
          ...leaf,
          name: 'press-4',
          state: 'offline',
          last_seen: null,
          buffers: [
            { ...buffer, backlog_msgs: null, backlog_bytes: null, in_rate: null, lost_msgs: null },
          ],
        },
      ],
    }
    const text = renderFleetStatus(status)
    const lines = text.split('\n')
    assert.equal(
      lines[0],
      `4 sites: 1 refused, 1 offline, 1 draining, 1 in sync; lost 2 (of some unknown)  (${AS_OF})`,
    )
    const sites = lines.slice(3, 7).map((line) => line.split(/\s/)[0])
    assert.deepEqual(sites, ['press-3', 'press-4', 'press-2', 'press-1'])
    assert.match(
      text,
      /press-2 +draining +telemetry +1,234,567 +150M +1d02h +12 +2,000 +10m21s +0 +0 +2s/,
    )
    assert.match(text, /press-4 +offline +telemetry +\? +\? +\? +\?/)
    assert.match(text, /press-1 +in sync +telemetry +0 +0B +- /)
    assert.match(text, /^press-3\/telemetry: refused at plant\.b: no stream binds plant\.b$/m)
    assert.match(text, /^press-3\/telemetry: 2 messages are lost/m)
    assert.ok(lines.every((line) => line === line.trimEnd()))
  })

  it('says what is wrong with the disk of a site', () => {
    const well: StoreStatus = {
      condition: 'open',
      damaged_records: 0,
      mended_files: 0,
      quarantine_bytes: 0,
      disk_bytes: 500,
      free_bytes: 2 ** 30,
      written_bytes: 9_000,
      write_amplification: 1.5,
    }
    const notes = (store: Partial<StoreStatus> | null | undefined): string[] => {
      const site = { ...leaf, store: store && { ...well, ...store } } as LeafStatus
      return renderFleetStatus({ as_of: AS_OF, leaves: [site] })
        .split('\n')
        .slice(5, -1)
    }
    assert.deepEqual(notes(well), [])
    assert.deepEqual(notes(null), [])
    // As a hub tells it that knows nothing of it.
    assert.deepEqual(notes(undefined), [])
    assert.deepEqual(notes({ free_bytes: null }), [])
    assert.deepEqual(notes({ free_bytes: 3 * 2 ** 20, damaged_records: 2, mended_files: 1 }), [
      'press-1: its store is nearly full (3.0M left)',
      'press-1: 2 records on its disk are damaged: see docs/operations.md',
      'press-1: 1 damaged files were mended: its disk may be failing',
    ])
    assert.match(notes({ condition: 'full', free_bytes: 0 })[0] ?? '', /store is full \(0B left\)/)
    assert.match(notes({ condition: 'failed' })[0] ?? '', /its disk failed: it refuses messages/)
  })

  it('says so when there is nobody', () => {
    assert.match(renderFleetStatus({ as_of: AS_OF, leaves: [] }), /no leaf has come/)
  })
})

describe('rates and what follows from them', () => {
  it('are unknown before there is something to compare', () => {
    const rate = new Rate()
    assert.equal(rate.perSecond(0), null)
    rate.sample(10, 0)
    assert.equal(rate.perSecond(1_000), null)
    rate.sample(20, 2_000)
    assert.equal(rate.perSecond(2_000), 5)
  })

  it('look back over the window only, fall when nothing comes, and start anew', () => {
    const rate = new Rate()
    for (let s = 0; s <= 100; s++) rate.sample(s * 7, s * 1_000)
    assert.equal(rate.perSecond(100_000), 7)
    assert.ok((rate.perSecond(130_000) ?? 7) < 4)
    rate.sample(3, 131_000)
    assert.equal(rate.perSecond(131_000), null)
  })

  it('give the time to the end only when there is one in sight', () => {
    assert.equal(etaOf(0, null, null), 0)
    assert.equal(etaOf(null, 1, 2), null)
    assert.equal(etaOf(100, 5, 25), 5)
    assert.equal(etaOf(100, 25, 25), null)
    assert.equal(etaOf(100, null, 25), null)
  })
})
