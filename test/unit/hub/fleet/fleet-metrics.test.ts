import assert from 'node:assert/strict'
import { type FleetStatus, fleetMetrics } from '../../../../hub/fleet/index.ts'

describe('fleet metrics', () => {
  it('has a sample for what is known, and none for what is not', () => {
    const known = buffer({
      name: 'alarms',
      backlog_msgs: 4,
      backlog_bytes: 400,
      oldest_unsynced_at: '2030-01-01T00:00:00.000Z',
      lost_msgs: 0,
      refused: { subject: 'a', reason: 'nobody binds it' },
    })
    const drained = buffer({ name: 'idle', backlog_msgs: 0 })
    const worn: Leaf['store'] = {
      condition: 'full',
      damaged_records: 2,
      mended_files: 1,
      quarantine_bytes: 90,
      disk_bytes: 500,
      free_bytes: null,
      written_bytes: 9_000,
      write_amplification: 1.5,
    }
    const status: FleetStatus = {
      as_of: '2030-01-01T00:01:00.000Z',
      leaves: [
        leaf({ name: 'press-7', state: 'refused', buffers: [known, drained], store: worn }),
        leaf({ name: 'press-8', state: 'offline', last_seen: null, buffers: [buffer({})] }),
        leaf({ name: 'press-8', account: 'A', state: 'offline', last_seen: null }),
      ],
    }
    assert.deepEqual(samplesOf(status, 'petiole_fleet_leaves'), {
      in_sync: 0,
      draining: 0,
      refused: 1,
      offline: 2,
    })
    assert.deepEqual(samplesOf(status, 'petiole_fleet_leaf_up'), {
      'press-7 eu': 1,
      'press-8 eu': 0,
      'press-8 eu A': 0,
    })
    for (const [name, expected] of [
      ['writable', { 'press-7 eu': 0 }],
      ['damaged_records', { 'press-7 eu': 2 }],
      ['mended_files', { 'press-7 eu': 1 }],
      ['disk_bytes', { 'press-7 eu': 500 }],
      ['written_bytes', { 'press-7 eu': 9_000 }],
      ['free_bytes', {}],
    ] as const) {
      assert.deepEqual(samplesOf(status, `petiole_fleet_leaf_store_${name}`), expected, name)
    }
    assert.deepEqual(samplesOf(status, 'petiole_fleet_leaf_last_seen_seconds'), {
      'press-7 eu': 30,
    })
    assert.deepEqual(samplesOf(status, 'petiole_fleet_buffer_backlog_messages'), {
      'press-7 eu alarms': 4,
      'press-7 eu idle': 0,
    })
    assert.deepEqual(samplesOf(status, 'petiole_fleet_buffer_oldest_unsynced_seconds'), {
      'press-7 eu alarms': 60,
      'press-7 eu idle': 0,
    })
    assert.deepEqual(samplesOf(status, 'petiole_fleet_buffer_lost_messages'), {
      'press-7 eu alarms': 0,
    })
    assert.equal(samplesOf(status, 'petiole_fleet_buffer_refused')['press-7 eu alarms'], 1)
  })
})

function samplesOf(status: FleetStatus, name: string): Record<string, number> {
  const metric = fleetMetrics(status).find((one) => one.name === name)
  assert(metric !== undefined, name)
  return Object.fromEntries(
    metric.samples.map(({ values, value }) => [values.join(' ').trim(), value]),
  )
}

type Leaf = FleetStatus['leaves'][number]
type Buffer = Leaf['buffers'][number]

function leaf(changes: Partial<Leaf>): Leaf {
  return {
    name: '',
    id: 'N1',
    region: 'eu',
    state: 'in_sync',
    last_seen: '2030-01-01T00:00:30.000Z',
    version: '1',
    home: null,
    store: null,
    buffers: [],
    ...changes,
  }
}

function buffer(changes: Partial<Buffer>): Buffer {
  return {
    name: 'unknown',
    incarnation: 'i',
    first_seq: null,
    last_seq: null,
    synced_seq: null,
    backlog_msgs: null,
    backlog_bytes: null,
    oldest_unsynced_at: null,
    evicted_msgs: null,
    duplicates_dropped: null,
    lost_msgs: null,
    in_rate: null,
    drain_rate: null,
    eta_s: null,
    refused: null,
    ...changes,
  }
}
