/** Consumers as clients ask for them, beside what nats-server makes of each. */
import type { Case, Step } from './stream-config-cases.ts'

const MS = 1e6

const stream = (config: object = {}): Step => [
  'STREAM.CREATE.S',
  { name: 'S', subjects: ['s.>'], ...config },
]
const ask = (config: object, more: object = {}, subject = 'CONSUMER.CREATE.S.c'): Step => [
  subject,
  { stream_name: 'S', config, ...more },
]
const durable = (config: object = {}, more: object = {}): Step =>
  ask({ durable_name: 'c', ack_policy: 'explicit', ...config }, more)
const each = (configs: readonly object[], on: object = {}): Case[] =>
  configs.map((config) => [stream(on), durable(config)])
/** The same with and without `pedantic`. */
const both = (configs: readonly object[], on: object = {}): Case[] => [
  ...each(configs, on),
  ...configs.map((config): Case => [stream(on), durable(config, { pedantic: true })]),
]
const change = (pairs: readonly (readonly [before: object, after: object])[]): Case[] =>
  pairs.map(([before, after]) => [stream(), durable(before), durable(after)])

const NAMES: Case[] = [
  [stream(), ask({ name: 'c' })],
  [stream(), ask({ name: 'other' })],
  [stream(), ask({})],
  [stream(), ask({ durable_name: 'c', name: 'x' })],
  [stream(), ask({ durable_name: 'x' })],
  [stream(), ask({ durable_name: 'a b' }, {}, 'CONSUMER.CREATE.S')],
  [stream(), ask({ durable_name: 'c' }, {}, 'CONSUMER.CREATE.S')],
  [stream(), ask({ name: 'a b' }, {}, 'CONSUMER.CREATE.S')],
  [stream(), ask({ name: 'a/b' }, {}, 'CONSUMER.CREATE.S')],
  [stream(), ask({ name: 'a.b' }, {}, 'CONSUMER.CREATE.S')],
  [stream(), ask({ name: 'e' }, {}, 'CONSUMER.CREATE.S')],
  [stream(), ask({}, {}, 'CONSUMER.CREATE.S.a/b')],
  [stream(), ask({}, {}, 'CONSUMER.CREATE.S.a\\b')],
  [stream(), ask({ durable_name: 'd' }, {}, 'CONSUMER.DURABLE.CREATE.S.d')],
  [stream(), ask({ durable_name: 'e' }, {}, 'CONSUMER.DURABLE.CREATE.S.d')],
  [stream(), ask({ name: 'd' }, {}, 'CONSUMER.DURABLE.CREATE.S.d')],
  [stream(), ask({ durable_name: 'd', name: 'x' }, {}, 'CONSUMER.DURABLE.CREATE.S.d')],
  [stream(), ask({}, { stream_name: 'T' })],
  [ask({})],
  [stream(), ['CONSUMER.CREATE.S.c', { stream_name: 'S' }]],
  [stream(), ['CONSUMER.CREATE.S.c', {}]],
  [stream(), ['CONSUMER.CREATE.S.c', '']],
  [
    stream(),
    ask(
      { name: 'x'.repeat(256), durable_name: 'x'.repeat(256) },
      {},
      `CONSUMER.CREATE.S.${'x'.repeat(256)}`,
    ),
  ],
  [stream(), ask({ filter_subject: 's.a' }, {}, 'CONSUMER.CREATE.S.c.s.a')],
  [stream(), ask({ filter_subject: 's.b' }, {}, 'CONSUMER.CREATE.S.c.s.a')],
  [stream(), ask({}, {}, 'CONSUMER.CREATE.S.c.s.a')],
  [stream(), ask({ filter_subjects: ['s.a'] }, {}, 'CONSUMER.CREATE.S.c.s.a')],
  [stream(), ask({ description: 'x'.repeat(4096) })],
  [stream(), ask({ description: 'x'.repeat(4097) })],
  [stream(), ask({ metadata: { a: '1', '_nats.ver': 'x', '_nats.other': 'y' } })],
  [stream(), ask({ metadata: { a: 'x'.repeat(128 * 1024 - 17) } })],
  [stream(), ask({ metadata: { a: 'x'.repeat(128 * 1024 - 16) } })],
]

const ACTIONS: Case[] = [
  [stream(), durable({}, { action: 'create' }), durable({}, { action: 'create' })],
  [stream(), durable(), durable({ max_deliver: 5 }, { action: 'create' })],
  [stream(), durable({}, { action: 'update' })],
  [stream(), durable(), durable({ max_deliver: 5 }, { action: 'update' })],
  [stream(), durable(), durable({ max_deliver: 5 })],
  [stream(), ask({}, { action: 'create' }), ask({}, { action: 'create' })],
  [
    stream(),
    ask({ inactive_threshold: 9e9 }, { action: 'create' }),
    ask({ inactive_threshold: 9e9 }, { action: 'create' }),
  ],
  [stream(), ask({}), ask({})],
  [stream(), durable({}, { action: 'both' })],
  [stream(), durable({}, { action: null })],
]

const NUMBERS = both([
  ...[-2, -1, 0, 1, 100].flatMap((value) =>
    ['max_deliver', 'max_waiting', 'max_ack_pending', 'max_batch', 'max_bytes'].map((key) => ({
      [key]: value,
    })),
  ),
  ...[-1, 0, 1, MS, 100 * MS].flatMap((value) =>
    ['max_expires', 'inactive_threshold', 'ack_wait', 'idle_heartbeat'].map((key) => ({
      [key]: value,
    })),
  ),
  { priority_timeout: 5e9 },
  ...[-1, 0, 1, 2].map((num_replicas) => ({ num_replicas })),
  { backoff: [] },
  { backoff: [-1] },
  { backoff: [1e9, 2e9] },
  { backoff: [1e9, 2e9], ack_wait: 1e9 },
  { backoff: [1e9, 2e9], max_deliver: 1 },
  { backoff: [1e9, 2e9], max_deliver: 2 },
  { backoff: [30e9] },
])

const POLICIES = each([
  ...['none', 'all', 'explicit', 'flow_control', '', null, 'Explicit'].map((ack_policy) => ({
    ack_policy,
  })),
  ...['instant', 'original', '', null].map((replay_policy) => ({ replay_policy })),
  ...['none', 'overflow', 'pinned_client', 'prioritized', '', null].map((priority_policy) => ({
    priority_policy,
  })),
  ...['all', 'last', 'new', 'undefined', '', null, 'by_start_time', 'by_start_sequence'].map(
    (deliver_policy) => ({ deliver_policy }),
  ),
  { deliver_policy: 'last_per_subject' },
  { deliver_policy: 'last_per_subject', filter_subject: 's.a' },
  ...['all', 'last', 'new', 'last_per_subject', 'by_start_time', 'by_start_sequence'].flatMap(
    (deliver_policy) => [
      { deliver_policy, opt_start_seq: 5, filter_subject: 's.a' },
      { deliver_policy, opt_start_time: '2024-01-01T00:00:00Z', filter_subject: 's.a' },
      { deliver_policy, opt_start_seq: 5, opt_start_time: '2024-01-01T00:00:00Z' },
    ],
  ),
  { opt_start_time: 'yesterday' },
  { opt_start_time: '2024-13-01T00:00:00Z', deliver_policy: 'by_start_time' },
  { opt_start_time: '2024-02-30T00:00:00Z', deliver_policy: 'by_start_time' },
  { opt_start_time: null },
])

const FILTERS = each([
  { filter_subject: 's.a' },
  { filter_subject: 'other' },
  { filter_subject: '>' },
  { filter_subject: 'a..b' },
  { filter_subject: 'a b' },
  { filter_subject: 's.a', filter_subjects: ['s.b'] },
  { filter_subject: '', filter_subjects: ['s.b'] },
  { filter_subjects: ['s.a', 's.b'] },
  { filter_subjects: ['s.a', ''] },
  { filter_subjects: ['s.a', 's.a'] },
  { filter_subjects: ['s.>', 's.a'] },
  { filter_subjects: ['s.*', '*.a'] },
  { filter_subjects: ['s.*.b', 's.a.*'] },
  { filter_subjects: ['s..a', 's.b'] },
  { filter_subjects: [] },
  { filter_subjects: 's' },
])

const SAMPLES = each(
  ['100', '100%', '50%%', '0', '-1', '+5', 'often', '%', '1.5', '99999999999999999999', ''].map(
    (sample_freq) => ({ sample_freq }),
  ),
)

const PUSH = both([
  { deliver_subject: 'd' },
  { deliver_subject: 'd.*' },
  { deliver_subject: 'd.>' },
  { deliver_subject: 'd..e' },
  { deliver_subject: 'd e' },
  { deliver_subject: 's.a' },
  { deliver_subject: 'd', max_waiting: 5 },
  { deliver_subject: 'd', ack_policy: 'none', max_ack_pending: 5 },
  { deliver_subject: 'd', ack_policy: 'none' },
  { deliver_subject: 'd', idle_heartbeat: 99 * MS },
  { deliver_subject: 'd', idle_heartbeat: 100 * MS },
  { deliver_subject: 'd', flow_control: true },
  { deliver_subject: 'd', flow_control: true, idle_heartbeat: 1e9 },
  { deliver_subject: 'd', deliver_group: 'g' },
  { deliver_subject: 'd', rate_limit_bps: 1000 },
  { deliver_subject: 'd', max_batch: 5, max_expires: 1, max_bytes: 5 },
  { deliver_subject: 'd', direct: true },
  { deliver_subject: 'd', ack_policy: 'flow_control' },
  { deliver_subject: 'd', ack_policy: 'flow_control', ack_wait: 1e9 },
  { deliver_subject: 'd', ack_policy: 'flow_control', max_deliver: 5 },
  { deliver_subject: 'd', ack_policy: 'flow_control', max_ack_pending: -1 },
  { deliver_subject: 'd', ack_policy: 'flow_control', backoff: [1] },
  { deliver_subject: 'd', ack_policy: 'flow_control', idle_heartbeat: 2e9, flow_control: true },
  { deliver_subject: 'd', priority_policy: 'overflow', priority_groups: ['g'] },
  { deliver_group: 'g' },
  { rate_limit_bps: 1 },
  { flow_control: true },
  { direct: true },
  { sourcing: true },
  { headers_only: true, mem_storage: true },
])

const PRIORITIES = each([
  { priority_policy: 'overflow' },
  { priority_policy: 'overflow', priority_groups: ['g'] },
  { priority_policy: 'overflow', priority_groups: [''] },
  { priority_policy: 'overflow', priority_groups: ['a b'] },
  { priority_policy: 'overflow', priority_groups: ['x'.repeat(16)] },
  { priority_policy: 'overflow', priority_groups: ['x'.repeat(17)] },
  { priority_policy: 'overflow', priority_groups: ['a/b_c=d-e'] },
  { priority_policy: 'pinned_client', priority_groups: ['g'] },
  { priority_policy: 'pinned_client', priority_groups: ['g'], priority_timeout: 5e9 },
  { priority_policy: 'prioritized', priority_groups: ['g', 'h'] },
  { priority_policy: 'none', priority_groups: ['g'] },
  { priority_policy: 'none', priority_timeout: 5 },
  { priority_groups: ['g'] },
  { pause_until: '2999-01-01T00:00:00Z' },
  { pause_until: 'x' },
])

const limits = (consumer_limits: object): object => ({ consumer_limits })

const STREAM_LIMITS = [
  ...both([{}, { max_ack_pending: 10 }, { max_ack_pending: 11 }, { max_ack_pending: -1 }], {
    ...limits({ max_ack_pending: 10 }),
  }),
  ...both([{}, { inactive_threshold: 5e9 }, { inactive_threshold: 6e9 }], {
    ...limits({ inactive_threshold: 5e9 }),
  }),
  [stream({ max_consumers: 1 }), durable(), ask({}, {}, 'CONSUMER.CREATE.S.d')],
  [
    stream(),
    durable({ max_ack_pending: 50 }),
    ['STREAM.UPDATE.S', { name: 'S', subjects: ['s.>'], ...limits({ max_ack_pending: 10 }) }],
  ],
  [
    stream(),
    durable({ inactive_threshold: 50e9 }),
    ['STREAM.UPDATE.S', { name: 'S', subjects: ['s.>'], ...limits({ inactive_threshold: 10e9 }) }],
  ],
] as Case[]

const two = (retention: string, first: object, second: object): Case => [
  stream({ retention }),
  durable(first),
  ask({ ack_policy: 'explicit', durable_name: 'd', ...second }, {}, 'CONSUMER.CREATE.S.d'),
  durable({ ...first, filter_subject: 's.>' }),
]

const QUEUES: Case[] = [
  ...each([{}, { ack_policy: 'none' }, { ack_policy: 'all' }, { deliver_policy: 'new' }], {
    retention: 'workqueue',
  }),
  ...each([{ deliver_policy: 'last', ack_policy: 'all' }, { num_replicas: 1 }], {
    retention: 'workqueue',
  }),
  two('workqueue', {}, {}),
  two('workqueue', { filter_subject: 's.a' }, {}),
  two('workqueue', { filter_subject: 's.a' }, { filter_subject: 's.b' }),
  two('workqueue', { filter_subject: 's.*' }, { filter_subject: 's.b' }),
  two('workqueue', { filter_subjects: ['s.a', 's.b'] }, { filter_subjects: ['s.c', 's.b'] }),
  two('workqueue', {}, { filter_subject: 's.b' }),
  two('interest', {}, {}),
  ...each([{}, { ack_policy: 'none' }, { num_replicas: 1 }], { retention: 'interest' }),
]

const UPDATES = change([
  [{}, { description: 'd' }],
  [{}, { ack_policy: 'all' }],
  [{}, { deliver_policy: 'new' }],
  [{}, { replay_policy: 'original' }],
  [{}, { mem_storage: true }],
  [{}, { max_waiting: 5 }],
  [{}, { max_deliver: 3, ack_wait: 5e9, max_ack_pending: 7, sample_freq: '10%' }],
  [{}, { backoff: [1e9, 2e9] }],
  [{ backoff: [1e9, 2e9] }, { max_deliver: 1 }],
  [{}, { backoff: [1e9, 2e9], max_deliver: 1 }],
  [{}, { filter_subject: 's.b' }],
  [{ filter_subject: 's.b' }, { filter_subjects: ['s.a', 's.b'] }],
  [{}, { headers_only: true, max_batch: 5, max_expires: 1e9, max_bytes: 100 }],
  [{}, { inactive_threshold: 60e9 }],
  [{}, { metadata: { a: '1' } }],
  [{ metadata: { a: '1' } }, {}],
  [{}, { deliver_subject: 'd' }],
  [{ deliver_subject: 'd' }, {}],
  [{ deliver_subject: 'd' }, { deliver_subject: 'e' }],
  [{ deliver_subject: 'd' }, { deliver_subject: 'd', idle_heartbeat: 1e9 }],
  [
    { deliver_subject: 'd', idle_heartbeat: 1e9 },
    { deliver_subject: 'd', flow_control: true, idle_heartbeat: 1e9 },
  ],
  [
    { deliver_policy: 'by_start_sequence', opt_start_seq: 5 },
    { deliver_policy: 'by_start_sequence', opt_start_seq: 6 },
  ],
  [
    { deliver_policy: 'by_start_time', opt_start_time: '2024-01-01T00:00:00Z' },
    { deliver_policy: 'by_start_time', opt_start_time: '2024-01-01T01:00:00+01:00' },
  ],
  [
    { deliver_policy: 'by_start_time', opt_start_time: '2024-01-01T00:00:00Z' },
    { deliver_policy: 'by_start_time', opt_start_time: '2024-01-02T00:00:00Z' },
  ],
  [{}, { num_replicas: 1 }],
  [{}, { pause_until: '2999-01-01T00:00:00Z' }],
])

/** Lists with nothing in them, which nats-server tells from none until it has started again. */
const EMPTY_LISTS = ['backoff', 'filter_subjects', 'priority_groups'].flatMap((name): Case[] => {
  const empty = { [name]: [] }
  const create = { action: 'create' }
  return [
    [stream(), durable(), durable(empty, create)],
    [stream(), durable(empty), durable({}, create)],
    [stream(), durable(empty), durable(empty, create)],
    [stream(), durable(empty), durable(), durable(empty, create), durable({}, create)],
  ]
})

/** Requests that are no JSON, or not the right one; Go's words. */
const TEXTS: Case[] = [
  '{"name":"S",',
  '{"name":"S"',
  '{"name":"S",}',
  "{'name':1}",
  '{"name" 1}',
  '{"name":1 2}',
  '[1 2]',
  '[]',
  '5',
  '5x',
  '"x"',
  'true',
  'tru',
  'trux',
  'nope',
  'null',
  '',
  ' ',
  '{}',
  '-',
  '01',
  '1.',
  '1e',
  '{"name":"a\u0001b"}',
  '{"name":"\\x"}',
  '{"name":"\\u12g4"}',
  '{"name":"S"} trailing',
  '{"name":"S"}{"max_msgs":5}',
  '{"NAME":"S"}',
  '{"name":"S","max_msgs":"x"}',
  '{"name":"S","max_msgs":1.5}',
  '{"name":"S","max_msgs":1e3}',
  '{"name":"S","max_msgs":99999999999999999999}',
  '{"name":"S","max_msgs":true}',
  '{"name":"S","max_msg_size":3000000000}',
  '{"name":"S","first_seq":-1}',
  '{"name":"S","subjects":"x"}',
  '{"name":"S","subjects":[1]}',
  '{"name":"S","subjects":[null]}',
  '{"name":"S","metadata":{"a":1}}',
  '{"name":"S","metadata":[]}',
  '{"name":"S","sealed":"x"}',
  '{"name":"S","bogus":1,"max_msgs":"x"}',
  '{"name":"S","max_msgs":"x","bogus":1}',
  '{"name":"S","bogus":1,"retention":"x"}',
  '{"name":"S","mirror":"x"}',
  '{"name":"S","mirror":{"opt_start_seq":-1}}',
  '{"name":"S","mirror":{"name":"A","opt_start_time":"x"}}',
  '{"name":"S","mirror":{"name":"A","opt_start_time":5}}',
  '{"name":"S","mirror":{"name":"A","external":{"api":1}}}',
  '{"name":"S","sources":[null]}',
  '{"name":"S","sources":{}}',
  '{"name":"S","sources":[5]}',
  '{"name":"S","sources":[{"name":5}]}',
  '{"name":"S","sources":[{"name":"A","subject_transforms":{}}]}',
  '{"name":"S","sources":[{"name":"A","subject_transforms":[{"src":1}]}]}',
  '{"name":"S","consumer_limits":{"x":1}}',
  '{"name":"S","consumer_limits":5}',
  '{"name":"S","placement":{"tags":"x"}}',
  '{"name":"S","republish":{"headers_only":1}}',
  '{"name":"S","pedantic":1}',
  '{"name":"S","__proto__":{"max_msgs":5}}',
].map((text): Case => [['STREAM.CREATE.S', text]])

const CONSUMER_TEXTS: Case[] = [
  '{"stream_name":"S","config":{"max_deliver":"x"}}',
  '{"stream_name":"S","config":5}',
  '{"stream_name":"S","config":{"backoff":["1"]}}',
  '{"stream_name":"S","config":{"backoff":1}}',
  '{"stream_name":"S","config":{"rate_limit_bps":-1}}',
  '{"stream_name":"S","config":{"bogus":1}}',
  '{"stream_name":"S","config":{"ack_policy":5}}',
  '{"stream_name":"S","config":{"opt_start_time":"2024"}}',
  '{"stream_name":"S","action":5}',
  '{"stream_name":5}',
  '{"stream_name":"S","pedantic":"x"}',
].map((text): Case => [stream(), ['CONSUMER.CREATE.S.c', text]])

export const CONSUMER_CASES: readonly (readonly [name: string, cases: readonly Case[]])[] = [
  ['consumers: names', NAMES],
  ['consumers: actions', ACTIONS],
  ['consumers: numbers', NUMBERS],
  ['consumers: policies', POLICIES],
  ['consumers: filters', FILTERS],
  ['consumers: sampling', SAMPLES],
  ['consumers: push', PUSH],
  ['consumers: priorities and pauses', PRIORITIES],
  ['consumers: limits of the stream', STREAM_LIMITS],
  ['consumers: work queues and interest', QUEUES],
  ['consumers: updates', UPDATES],
  ['consumers: lists with nothing in them', EMPTY_LISTS],
  ['requests as texts', [...TEXTS, ...CONSUMER_TEXTS]],
]
