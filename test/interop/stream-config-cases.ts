/** Streams as clients ask for them: what nats-server makes of each is what we make of it. */

/** The API's subject without its prefix, and the request: JSON, or as it stands. */
export type Step = readonly [subject: string, request: object | string]
/** Requests one after the other, on servers without any stream. */
export type Case = readonly Step[]

const HOUR = 3_600e9
const MS = 1e6

const create = (config: object, name = 'S'): Step => [`STREAM.CREATE.${name}`, { name, ...config }]
const update = (config: object, name = 'S'): Step => [`STREAM.UPDATE.${name}`, { name, ...config }]
const each = (configs: readonly object[]): Case[] => configs.map((config) => [create(config)])
/** The same with and without `pedantic`. */
const both = (configs: readonly object[]): Case[] =>
  each([...configs, ...configs.map((config) => ({ ...config, pedantic: true }))])
/** A stream that is there, and what an update makes of it. */
const change = (pairs: readonly (readonly [before: object, after: object])[]): Case[] =>
  pairs.map(([before, after]) => [create(before), update(after)])

const bad = ['', 'a..b', '.a', 'a.', 'a b', 'a\tb', '>.a', 'a.>.b']

const NAMES: Case[] = [
  ...['', 'a*', 'a>', 'a b', 'a\tb', 'a/b', 'a\\b', 'é', 'x'.repeat(255), 'x'.repeat(256)].map(
    (name): Case => [
      ['STREAM.CREATE.S', { name }],
      [`STREAM.CREATE.${/[ \t]/.test(name) || name === '' ? 'S' : name}`, { name }],
    ],
  ),
  [['STREAM.CREATE.S', { name: 'T' }]],
  [['STREAM.UPDATE.S', { name: 'T' }]],
  [['STREAM.UPDATE.S', { name: 'S' }]],
  [['STREAM.UPDATE.S', { name: 'a b' }]],
  [create({}), ['STREAM.UPDATE.S', { name: 'T' }]],
  [create({}), create({}), create({ max_msgs: 5 }), create({ max_msgs: 0 })],
  [create({}), create({ metadata: { a: '1' } }), create({ metadata: {} })],
]

const TEXTS = each([
  { description: 'x'.repeat(4096) },
  { description: 'x'.repeat(4097) },
  { description: 'é'.repeat(2049) },
  { description: '' },
  { metadata: { a: '1', b: '2' } },
  { metadata: { b: '2', a: '1', '': '' } },
  { metadata: { big: 'x'.repeat(128 * 1024 - 3) } },
  { metadata: { big: 'x'.repeat(128 * 1024) } },
  { metadata: { '_nats.ver': '1', '_nats.level': '9', '_nats.req.level': '9', '_nats.own': 'y' } },
  { metadata: null },
])

const SUBJECTS = each([
  { subjects: [] },
  { subjects: null },
  ...bad.map((subject) => ({ subjects: [subject] })),
  { subjects: ['a', 'a'] },
  { subjects: ['a.*', 'a.b'] },
  { subjects: ['a.b', 'b.c', '*.b'] },
  { subjects: ['a', 'b', 'c.>', 'd.*.e'] },
  { subjects: ['>'] },
  { subjects: ['>'], no_ack: true },
  { subjects: ['>'], no_ack: true, num_replicas: 3 },
  { subjects: ['*'] },
  { subjects: ['*.>'] },
  { subjects: ['*.>'], no_ack: true },
  { subjects: ['$JS.>'] },
  { subjects: ['$JS.API.x'] },
  { subjects: ['$JS.API.x'], no_ack: true },
  { subjects: ['$JS.EVENT.>'] },
  { subjects: ['$JS.EVENT.ADVISORY.>'] },
  { subjects: ['$JSC.x'] },
  { subjects: ['$NRG.x'] },
  { subjects: ['$SYS.x'] },
  { subjects: ['$SYS.>'] },
  { subjects: ['$SYS.ACCOUNT.>'] },
  { subjects: ['$SYS.ACCOUNT.A.CONNECT'] },
  { subjects: ['$KV.b.>'] },
  { subjects: ['a$1'] },
  { subjects: ['$JS'] },
])

const NUMBERS = both(
  ['max_msgs', 'max_bytes', 'max_msgs_per_subject', 'max_msg_size', 'max_consumers'].flatMap(
    (key) => [-2, -1, 0, 1, 2 ** 31 - 1].map((value) => ({ [key]: value })),
  ),
)

const TIMES = both([
  ...[-1, 0, 1, 99 * MS, 100 * MS, HOUR].map((max_age) => ({ max_age })),
  ...[-1, 1, 99 * MS, 100 * MS, HOUR].map((duplicate_window) => ({ duplicate_window })),
  { max_age: 60e9 },
  { max_age: 60e9, duplicate_window: 60e9 },
  { max_age: 60e9, duplicate_window: 61e9 },
  { max_age: 120e9 },
])

const CHOICES = each([
  ...['limits', 'interest', 'workqueue', 'Limits', '', 5, null].map((retention) => ({ retention })),
  ...['old', 'new', 'NEW', 'Old', '', null, 1].map((discard) => ({ discard })),
  ...['file', 'memory', 'FILE', '', null, {}].map((storage) => ({ storage })),
  ...['none', 's2', 'S2', '', null, 1].map((compression) => ({ compression })),
  ...['default', 'async', 'Async', '', null, []].map((persist_mode) => ({ persist_mode })),
])

const REPLICAS = each([
  ...[-1, 0, 1, 2, 3, 5, 6].map((num_replicas) => ({ num_replicas })),
  { num_replicas: 3, persist_mode: 'async' },
])

const FLAGS = both([
  { sealed: true },
  { mirror_direct: true },
  { allow_direct: true },
  { no_ack: true },
  { deny_delete: true, deny_purge: true },
  { deny_purge: true, allow_rollup_hdrs: true },
  { allow_rollup_hdrs: true },
  { discard_new_per_subject: true },
  { discard_new_per_subject: true, discard: 'new' },
  { discard_new_per_subject: true, discard: 'new', max_msgs_per_subject: 1 },
  { discard_new_per_subject: true, discard: 'new', max_msgs_per_subject: -1 },
  { allow_msg_counter: true },
  { allow_msg_counter: true, discard: 'new' },
  { allow_msg_counter: true, allow_msg_ttl: true },
  { allow_msg_counter: true, allow_msg_schedules: true },
  { allow_msg_counter: true, retention: 'interest' },
  { allow_msg_counter: true, subject_delete_marker_ttl: 1e9 },
  { allow_msg_ttl: true },
  { subject_delete_marker_ttl: -1 },
  { subject_delete_marker_ttl: 1 },
  { subject_delete_marker_ttl: 1e9 },
  { subject_delete_marker_ttl: 1e9, allow_msg_ttl: true },
  { subject_delete_marker_ttl: 1e9, allow_msg_ttl: true, allow_rollup_hdrs: true },
  { subject_delete_marker_ttl: 1e9, deny_purge: true },
  { allow_msg_schedules: true },
  { allow_msg_schedules: true, discard: 'new' },
  { allow_msg_schedules: true, allow_rollup_hdrs: true },
  { allow_msg_schedules: true, deny_purge: true },
  { allow_atomic: true },
  { allow_batched: true },
  { allow_atomic: true, allow_batched: true },
  { allow_atomic: true, persist_mode: 'async' },
  { persist_mode: 'async', storage: 'memory' },
  { first_seq: 0 },
  { first_seq: 1 },
  { first_seq: 1000 },
  { consumer_limits: { inactive_threshold: 5e9, max_ack_pending: 10 } },
  { consumer_limits: {} },
  { consumer_limits: null },
  { consumer_limits: { max_ack_pending: -1 } },
  { placement: {} },
  { placement: { cluster: 'c', tags: ['a', 'b'] } },
  { placement: { preferred: 'x' } },
  { placement: { tags: ['a'] } },
])

const TRANSFORMS = each([
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: 'b.$1' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: 'b.{{wildcard(1)}}' } },
  { subjects: ['a.>'], subject_transform: { src: 'a.>', dest: 'b.>' } },
  { subjects: ['a.>'], subject_transform: { src: '', dest: 'b.>' } },
  { subjects: ['a.>'], subject_transform: { src: 'a.>', dest: '' } },
  { subjects: ['a.>'], subject_transform: {} },
  { subjects: ['a.>'], subject_transform: { src: 'a..b', dest: 'b' } },
  { subjects: ['a.>'], subject_transform: { src: 'a.>', dest: 'b' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: 'b.$2' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: 'b.*' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: 'b..c' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: 'b c' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: '{{nope(1)}}' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: '{{partition(10,1)}}' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: '{{partition()}}' } },
  { subjects: ['a.*'], subject_transform: { src: 'a.*', dest: '{{wildcard(1,2)}}' } },
  { subjects: ['a'], subject_transform: { src: 'a', dest: 'b.$1' } },
  { subjects: ['a.>'], republish: { src: '', dest: 'r.>' } },
  { subjects: ['a.>'], republish: { src: '', dest: 'r.>' }, pedantic: true },
  { subjects: ['a.>'], republish: { src: 'a.>', dest: 'r.>', headers_only: true } },
  { subjects: ['a.>'], republish: { src: 'a.>', dest: 'a.b.>' } },
  { subjects: ['a.>'], republish: { src: '>', dest: '>' } },
  { subjects: ['a.>'], republish: { src: 'a.>', dest: 'r' } },
  { subjects: ['a.>'], republish: { src: 'a.>', dest: '' } },
  { subjects: ['a.>'], republish: { src: 'x.y', dest: 'z' } },
  { subjects: ['a.>'], republish: {} },
  {
    subjects: ['a.>'],
    subject_transform: { src: 'a.>', dest: 'b.>' },
    republish: { src: '>', dest: '>' },
  },
  {
    subjects: ['a.>'],
    subject_transform: { src: 'a.>', dest: 'b.>' },
    republish: { src: '>', dest: '>' },
    pedantic: true,
  },
])

const mirror = (source: object, config: object = {}): object => ({
  mirror: { name: 'O', ...source },
  ...config,
})

const MIRRORS = each([
  mirror({}),
  mirror({ name: '' }),
  mirror({ name: 'a.b' }),
  mirror({}, { subjects: ['x'] }),
  mirror({}, { first_seq: 5 }),
  mirror({}, { sources: [{ name: 'P' }] }),
  mirror({}, { allow_msg_counter: true }),
  mirror({}, { allow_atomic: true }),
  mirror({}, { allow_batched: true }),
  mirror({}, { allow_msg_schedules: true }),
  mirror({}, { subject_delete_marker_ttl: 1e9 }),
  mirror({}, { mirror_direct: true }),
  mirror({}, { duplicate_window: 60e9 }),
  mirror({ opt_start_seq: 5 }),
  mirror({ opt_start_time: '2024-01-01T00:00:00Z' }),
  mirror({ filter_subject: 'a.>' }),
  mirror({ filter_subject: 'a..b' }),
  mirror({ filter_subject: 'a', subject_transforms: [{ src: 'a', dest: 'b' }] }),
  mirror({ subject_transforms: [{ src: 'a', dest: 'b' }] }),
  mirror({ subject_transforms: [{ src: 'a..', dest: 'b' }] }),
  mirror({ subject_transforms: [{ src: 'a.*', dest: 'b.$2' }] }),
  mirror({
    subject_transforms: [
      { src: 'a.*', dest: '' },
      { src: 'a.b', dest: '' },
    ],
  }),
  mirror({
    subject_transforms: [
      { src: '', dest: '' },
      { src: '', dest: '' },
    ],
  }),
  mirror({ consumer: { name: 'c', deliver_subject: 'd' } }),
  mirror({ consumer: { name: '', deliver_subject: 'd' } }),
  mirror({ consumer: { name: 'c', deliver_subject: 'd.*' } }),
  mirror({ consumer: { name: 'c', deliver_subject: 'd' }, opt_start_seq: 3 }),
  mirror({ consumer: { name: 'c', deliver_subject: 'd' }, filter_subject: 'a' }),
  mirror({ external: { api: '$JS.x.API', deliver: '' } }),
  mirror({ external: { api: '$JS.API', deliver: '' } }),
  mirror({ external: { api: '$JS.*.API', deliver: '' } }),
  mirror({ external: { api: '$JS.x.API', deliver: 'd.*' } }),
  mirror({ external: { api: '', deliver: '' } }),
  mirror({ name: 'S' }),
])

const sources = (...list: object[]): object => ({ sources: list })

const SOURCES = each([
  sources({ name: 'O' }),
  sources({ name: 'O' }, { name: 'P' }),
  sources({ name: 'O' }, { name: 'O' }),
  sources({ name: 'O' }, { name: 'O', filter_subject: 'a' }),
  sources({ name: 'O', filter_subject: '>' }, { name: 'O' }),
  sources({ name: '' }),
  sources({ name: 'a b' }),
  sources({ name: 'S' }),
  sources({ name: 'S', filter_subject: 'x' }),
  { subjects: ['x'], ...sources({ name: 'S', filter_subject: 'x' }) },
  { subjects: ['x'], ...sources({ name: 'S', filter_subject: 'y' }) },
  sources({ name: 'O', filter_subject: 'a..b' }),
  sources({ name: 'O', filter_subject: 'a', subject_transforms: [{ src: 'a', dest: 'b' }] }),
  sources({
    name: 'O',
    subject_transforms: [
      { src: 'a', dest: '' },
      { src: 'b', dest: 'c' },
    ],
  }),
  sources({
    name: 'O',
    subject_transforms: [
      { src: 'a.>', dest: '' },
      { src: 'a.b', dest: '' },
    ],
  }),
  sources({
    name: 'O',
    subject_transforms: [
      { src: 'a.*', dest: '' },
      { src: '*.b', dest: '' },
    ],
  }),
  sources({ name: 'O', subject_transforms: [{ src: 'a..b', dest: 'x' }] }),
  sources({ name: 'O', subject_transforms: [{ src: 'a', dest: 'x.$1' }] }),
  sources({ name: 'O', consumer: { name: 'c', deliver_subject: 'd' } }),
  sources({ name: 'O', consumer: { name: 'c' } }),
  sources(
    { name: 'O', consumer: { name: 'c', deliver_subject: 'd' } },
    { name: 'O', consumer: { name: 'c', deliver_subject: 'e' } },
  ),
  sources(
    { name: 'O', consumer: { name: 'c', deliver_subject: 'd' } },
    {
      name: 'O',
      consumer: { name: 'c', deliver_subject: 'e' },
      subject_transforms: [{ src: 'a', dest: 'b' }],
    },
  ),
  sources({ name: 'O', external: { api: '$JS.x.API', deliver: 'd' } }),
  sources({ name: 'O', external: { api: '$JS.API', deliver: 'd' } }),
  sources({ name: 'O', external: { api: '$JS.API.>', deliver: 'd' } }),
  sources({ name: 'O', external: { api: 'x', deliver: 'd.>' } }),
  { ...sources({ name: 'O' }), allow_msg_schedules: true },
  { ...sources({ name: 'O' }), subjects: ['x'] },
])

const FED: Case[] = [
  [create({ max_msg_size: 100 }, 'O'), create({ ...mirror({}), max_msg_size: 50 })],
  [create({ max_msg_size: 100 }, 'O'), create({ ...sources({ name: 'O' }), max_msg_size: 50 })],
  [create({ allow_direct: true }, 'O'), create(mirror({}))],
  [create({ allow_direct: true }, 'O'), create({ ...mirror({}), pedantic: true })],
  [create({ subjects: ['s.>'], sources: [{ name: 'O' }] }), create(sources({ name: 'S' }), 'O')],
  [
    create({ subjects: ['s.>'] }),
    create(sources({ name: 'S', filter_subject: 's.a' }), 'O'),
    update({ subjects: ['s.>'], sources: [{ name: 'O', filter_subject: 's.b' }] }),
  ],
  [create({}, 'O'), create(mirror({})), create({ mirror: { name: 'S' } }, 'O')],
  [
    create({ subjects: ['d.>'] }, 'O'),
    create(sources({ name: 'O' }, { name: 'P', external: { api: '$JS.x.API', deliver: 'd' } })),
  ],
  [
    create({ subjects: ['*.x'] }, 'O'),
    create(sources({ name: 'O' }, { name: 'P', external: { api: '$JS.x.API', deliver: 'd' } })),
  ],
  [create({ subjects: ['a.>'] }, 'O'), create({ subjects: ['a.b'] })],
  [create({ subjects: ['a.>'] }, 'O'), create({ subjects: ['b'] }), update({ subjects: ['a.b'] })],
]

const UPDATES = change([
  [{}, { subjects: ['a', 'b'] }],
  [{}, { subjects: [] }],
  [{ subjects: ['a'] }, {}],
  [{}, { storage: 'memory' }],
  [{ storage: 'memory' }, {}],
  [{}, { retention: 'workqueue' }],
  [{}, { retention: 'interest' }],
  [{ retention: 'workqueue' }, {}],
  [{ retention: 'interest' }, {}],
  [{ retention: 'interest' }, { retention: 'workqueue' }],
  [{}, { sealed: true }],
  [
    { max_age: HOUR, allow_rollup_hdrs: true },
    { sealed: true, max_age: HOUR },
  ],
  [{ deny_delete: true }, {}],
  [{ deny_purge: true }, {}],
  [{}, { deny_purge: true, deny_delete: true }],
  [{ allow_msg_ttl: true }, {}],
  [{}, { allow_msg_ttl: true }],
  [{}, { allow_msg_counter: true }],
  [{ allow_msg_counter: true }, {}],
  [{ allow_msg_schedules: true }, {}],
  [{}, { allow_msg_schedules: true }],
  [{}, { persist_mode: 'async' }],
  [{ persist_mode: 'async' }, {}],
  [{}, { num_replicas: 3 }],
  [{}, { num_replicas: 3, storage: 'memory' }],
  [{}, { max_msgs: 10, max_bytes: 1000, max_age: HOUR, max_msg_size: 100, max_consumers: 3 }],
  [{ max_bytes: 1000 }, { max_bytes: 100 }],
  [{}, { max_msgs: -5, pedantic: true }],
  [{}, { description: 'd', metadata: { a: '1' } }],
  [{ metadata: { a: '1' } }, {}],
  [{}, { discard: 'new', discard_new_per_subject: true }],
  [{}, { compression: 's2' }],
  [{ compression: 's2' }, {}],
  [{}, { first_seq: 10 }],
  [{}, { mirror: { name: 'O' }, subjects: ['S'] }],
  [{}, { mirror: { name: 'O' } }],
  [{ mirror: { name: 'O' } }, { mirror: { name: 'P' } }],
  [{ mirror: { name: 'O' } }, { mirror: { name: 'O' }, max_msgs: 5 }],
  [{ mirror: { name: 'O' } }, {}],
  [{ mirror: { name: 'O' } }, { subjects: ['x'] }],
  [{}, { sources: [{ name: 'O' }] }],
  [{ sources: [{ name: 'O' }] }, { sources: [{ name: 'P' }] }],
  [{}, { duplicate_window: 60e9 }],
  [{}, { mirror_direct: true }],
  [{}, { allow_direct: true }],
  [{}, { placement: { cluster: 'c' } }],
  [{}, { placement: { preferred: 'c' } }],
  [{}, { republish: { src: 'S', dest: 'r' } }],
  [{}, { subject_transform: { src: 'S', dest: 'r' } }],
  [{}, { allow_atomic: true, allow_batched: true }],
  [{}, { bogus: 1 }],
])

const SEALED: Case[] = [
  [create({}), update({ sealed: true }), update({}), update({ sealed: true, max_msgs: 5 })],
  [create({}), update({ sealed: true }), create({}), create({ sealed: true })],
]

export const STREAM_CASES: readonly (readonly [name: string, cases: readonly Case[]])[] = [
  ['names', NAMES],
  ['descriptions and metadata', TEXTS],
  ['subjects', SUBJECTS],
  ['limits', NUMBERS],
  ['ages and windows', TIMES],
  ['choices', CHOICES],
  ['replicas', REPLICAS],
  ['flags', FLAGS],
  ['transforms and republish', TRANSFORMS],
  ['mirrors', MIRRORS],
  ['sources', SOURCES],
  ['streams that feed each other', FED],
  ['updates', UPDATES],
  ['seals', SEALED],
]
