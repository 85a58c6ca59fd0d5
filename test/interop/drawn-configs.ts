/** Requests drawn from a seed: several fields at once, of which any may be wrong. */
import type { Random } from '../../shared/runtime/index.ts'
import type { Case, Step } from './stream-config-cases.ts'

type Choices = Readonly<Record<string, readonly unknown[]>>

const MS = 1e6
const FLAG = [true, false]

const STREAM_FIELDS: Choices = {
  description: ['d', 'x'.repeat(4097)],
  subjects: [['s.>'], ['s.*', 's.a'], ['s.a', 't'], ['>'], [], ['$JS.API.x'], ['a..b']],
  retention: ['limits', 'interest', 'workqueue', 'none'],
  max_consumers: [-2, -1, 0, 5],
  max_msgs: [-2, -1, 0, 100],
  max_bytes: [-2, -1, 0, 1000],
  max_age: [-1, 0, 1, 100 * MS, 60e9],
  max_msgs_per_subject: [-2, -1, 0, 3],
  max_msg_size: [-2, -1, 0, 100, 2 ** 31],
  discard: ['old', 'new'],
  storage: ['file', 'memory'],
  num_replicas: [-1, 0, 1, 3, 6],
  no_ack: FLAG,
  duplicate_window: [-1, 0, 1, 100 * MS, 61e9],
  placement: [{}, { cluster: 'c' }, { preferred: 'p' }],
  mirror: [{ name: 'O' }, { name: '' }, { name: 'O', filter_subject: 's.a' }],
  sources: [[{ name: 'O' }], [{ name: 'O' }, { name: 'O' }], []],
  compression: ['none', 's2'],
  first_seq: [0, 1, 10],
  subject_transform: [
    { src: 's.*', dest: 't.$1' },
    { src: 's.>', dest: 't' },
  ],
  republish: [{ src: 's.>', dest: 'r.>' }, { src: '', dest: 's.>' }, { dest: 'r.>' }],
  allow_direct: FLAG,
  mirror_direct: FLAG,
  discard_new_per_subject: FLAG,
  sealed: FLAG,
  deny_delete: FLAG,
  deny_purge: FLAG,
  allow_rollup_hdrs: FLAG,
  consumer_limits: [{}, { max_ack_pending: 5 }, { inactive_threshold: 5e9 }],
  allow_msg_ttl: FLAG,
  subject_delete_marker_ttl: [-1, 0, 1, 1e9],
  allow_msg_counter: FLAG,
  allow_atomic: FLAG,
  allow_msg_schedules: FLAG,
  persist_mode: ['default', 'async', ''],
  allow_batched: FLAG,
  metadata: [{}, { a: '1' }, { '_nats.ver': '1' }],
  pedantic: FLAG,
}

const CONSUMER_FIELDS: Choices = {
  durable_name: ['c', ''],
  description: ['d', 'x'.repeat(4097)],
  deliver_policy: ['all', 'last', 'new', 'by_start_sequence', 'by_start_time', 'last_per_subject'],
  opt_start_seq: [0, 5],
  opt_start_time: ['2024-01-01T00:00:00Z'],
  ack_policy: ['none', 'all', 'explicit', 'flow_control'],
  ack_wait: [-1, 0, 5e9],
  max_deliver: [-2, -1, 0, 2],
  backoff: [[], [1e9], [1e9, 2e9, 3e9], [-1]],
  filter_subject: ['', 's.a', 's..', 'other'],
  filter_subjects: [[], ['s.a', 's.b'], ['s.>', 's.a']],
  replay_policy: ['instant', 'original'],
  rate_limit_bps: [0, 1000],
  sample_freq: ['', '10%', 'x'],
  max_waiting: [-1, 0, 5],
  max_ack_pending: [-2, -1, 0, 5],
  flow_control: FLAG,
  headers_only: FLAG,
  max_batch: [-1, 0, 5],
  max_expires: [-1, 0, 1, 1e9],
  max_bytes: [-1, 0, 5],
  deliver_subject: ['', 'd', 's.a', 'd.*'],
  deliver_group: ['', 'g'],
  idle_heartbeat: [-1, 0, 1, 1e9],
  inactive_threshold: [-1, 0, 5e9, 9e9],
  num_replicas: [-1, 0, 1, 2],
  mem_storage: FLAG,
  metadata: [{}, { a: '1' }],
  pause_until: ['2999-01-01T00:00:00Z'],
  priority_groups: [[], ['g'], ['']],
  priority_policy: ['none', 'overflow', 'pinned_client', 'prioritized'],
  priority_timeout: [0, 5e9],
}

/** A stream that is created, created again and updated; or consumers of one. */
export function drawCase(random: Random): Case {
  return random.below(2) === 0 ? streamCase(random) : consumerCase(random)
}

function streamCase(random: Random): Case {
  const config = drawFields(random, STREAM_FIELDS)
  const other = { ...config, ...drawFields(random, STREAM_FIELDS) }
  const origin: Step = ['STREAM.CREATE.O', { name: 'O', allow_direct: random.below(2) === 0 }]
  return [
    origin,
    ['STREAM.CREATE.S', { name: 'S', ...config }],
    ['STREAM.CREATE.S', { name: 'S', ...config }],
    ['STREAM.UPDATE.S', { name: 'S', ...other }],
  ]
}

function consumerCase(random: Random): Case {
  const retention = draw(random, ['limits', 'limits', 'interest', 'workqueue'])
  const limits = draw(random, [{}, {}, { max_ack_pending: 4, inactive_threshold: 6e9 }])
  const config = drawFields(random, CONSUMER_FIELDS)
  const other = { ...config, ...drawFields(random, CONSUMER_FIELDS) }
  const ask = (asked: object, name: string): Step => [
    `CONSUMER.CREATE.S.${name}`,
    {
      stream_name: 'S',
      config: asked,
      action: draw(random, ['', '', 'create', 'update']),
      pedantic: random.below(4) === 0,
    },
  ]
  return [
    ['STREAM.CREATE.S', { name: 'S', subjects: ['s.>'], retention, consumer_limits: limits }],
    ask(config, 'c'),
    ask(other, 'c'),
    ask({ ...other, durable_name: '' }, 'd'),
  ]
}

function drawFields(random: Random, fields: Choices): Record<string, unknown> {
  const names = Object.keys(fields)
  const count = 1 + random.below(5)
  const drawn: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) {
    const name = draw(random, names)
    drawn[name] = draw(random, fields[name] ?? [])
  }
  return drawn
}

function draw<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item
}
