/** What may be published to streams of each kind: what nats-server makes of it is what we make of it. */

export type Headers = Readonly<Record<string, string>>
/** A message; its subject is below the stream's. */
export type Publish = readonly [subject: string, headers: Headers, payload: string]
export interface PublishCase {
  readonly config: object
  readonly messages: readonly Publish[]
}

const SECOND = 1e9
const say = (headers: Headers = {}, subject = 'a', payload = 'x'): Publish => [
  subject,
  headers,
  payload,
]
/** Each alone on a stream of its own, which has a message on two subjects already. */
const alone = (config: object, all: readonly Headers[], payload = 'x'): PublishCase[] =>
  all.map((headers) => ({ config, messages: [say(), say({}, 'b'), say(headers, 'a', payload)] }))
const inTurn = (config: object, ...messages: Publish[]): PublishCase => ({ config, messages })

const TTL = { allow_msg_ttl: true }
const ROLLUP = { allow_rollup_hdrs: true }
const COUNTER = { allow_msg_counter: true }
const SCHEDULE = { allow_msg_schedules: true, allow_msg_ttl: true }

const SEQUENCES = [
  '0',
  '1',
  '2',
  '3',
  '',
  'x',
  '-1',
  '+2',
  '2 ',
  '02',
  '1.0',
  '99999999999999999999',
]

const EXPECTED: PublishCase[] = [
  ...alone(
    {},
    SEQUENCES.flatMap((seq) => [
      { 'Nats-Expected-Last-Sequence': seq },
      { 'Nats-Expected-Last-Subject-Sequence': seq },
    ]),
  ),
  ...alone(
    {},
    ['S.b', 'S.*', 'S.>', '>', 'S.none', 'other.>', 'a..b', 'a b', ''].flatMap((subject) =>
      ['0', '1', '2'].map((seq) => ({
        'Nats-Expected-Last-Subject-Sequence': seq,
        'Nats-Expected-Last-Subject-Sequence-Subject': subject,
      })),
    ),
  ),
  ...alone({}, [
    { 'Nats-Expected-Last-Subject-Sequence-Subject': 'S.b' },
    { 'Nats-Expected-Last-Subject-Sequence-Subject': 'S.b', 'Nats-Expected-Last-Sequence': '2' },
    { 'Nats-Expected-Stream': 'S' },
    { 'Nats-Expected-Stream': 'T' },
    { 'Nats-Expected-Stream': '' },
    { 'Nats-Expected-Last-Msg-Id': 'one' },
    { 'Nats-Expected-Last-Msg-Id': '' },
    { 'Nats-Stream-Source': 'O 1 > > o' },
    { 'Nats-Stream-Source': '' },
    { 'Nats-Request-Info': '{}' },
    { 'Nats-Request-Info': '{}', Other: 'kept' },
    { 'Nats-Batch-Sequence': '1' },
    { 'nats-msg-id': 'lower case' },
  ]),
  inTurn(
    {},
    say({ 'Nats-Msg-Id': 'one' }),
    say({ 'Nats-Msg-Id': 'one' }),
    say({ 'Nats-Expected-Last-Msg-Id': 'two' }),
    say({ 'Nats-Expected-Last-Msg-Id': 'one' }),
    say({ 'Nats-Expected-Last-Msg-Id': 'one' }),
    say({ 'Nats-Msg-Id': 'one', 'Nats-Expected-Stream': 'T' }),
    say({ 'Nats-Msg-Id': 'one', 'Nats-Rollup': 'none' }),
  ),
  inTurn({ duplicate_window: 0 }, say({ 'Nats-Msg-Id': 'one' }), say({ 'Nats-Msg-Id': 'one' })),
]

const SIZES: PublishCase[] = [
  ...['x'.repeat(9), 'x'.repeat(10), 'x'.repeat(11)].map((payload) =>
    inTurn({ max_msg_size: 10 }, say({}, 'a', payload)),
  ),
  inTurn({ max_msg_size: 0 }, say(), say({}, 'a', '')),
  inTurn(
    { max_msg_size: 24 },
    say({ A: '1' }, 'a', 'x'.repeat(6)),
    say({ A: '1' }, 'a', '123456789'),
  ),
  inTurn(
    {},
    say({ A: 'x'.repeat(65_518) }),
    say({ A: 'x'.repeat(65_519) }),
    say({ A: 'x'.repeat(65_520) }),
  ),
  inTurn({}, say({ 'Nats-Msg-Id': 'x'.repeat(65_600) })),
]

const FULL: PublishCase[] = [
  inTurn({ discard: 'new', max_msgs: 1 }, say(), say({}, 'b')),
  inTurn({ discard: 'new', max_msgs: 1, ...ROLLUP }, say(), say({ 'Nats-Rollup': 'all' })),
  inTurn(
    { discard: 'new', max_msgs_per_subject: 1, max_msgs: 2 },
    say(),
    say(),
    say({}, 'b'),
    say(),
  ),
  ...[1, 2].map((most) =>
    inTurn(
      { discard: 'new', max_msgs_per_subject: most, discard_new_per_subject: true, ...ROLLUP },
      say(),
      say(),
      say({ 'Nats-Rollup': 'sub' }),
      say({}, 'b'),
      say(),
      say(),
      say({ 'Nats-Rollup': 'all' }, 'b'),
      say({}, 'b'),
    ),
  ),
  inTurn({ max_msgs_per_subject: 2 }, say(), say(), say(), say({}, 'b')),
  inTurn({ max_msgs: 2 }, say(), say(), say({}, 'b')),
  inTurn({ sealed: false, no_ack: false }, say()),
]

const ROLLUPS: PublishCase[] = [
  ...['sub', 'all', 'SUB', 'All', '', 'none', 'sub '].flatMap((rollup) => [
    ...alone(ROLLUP, [{ 'Nats-Rollup': rollup }]),
    ...alone({}, [{ 'Nats-Rollup': rollup }]),
  ]),
  inTurn(
    ROLLUP,
    say(),
    say(),
    say({}, 'b'),
    say({ 'Nats-Rollup': 'sub' }),
    say(),
    say({ 'Nats-Rollup': 'all' }, 'c'),
  ),
  inTurn(ROLLUP, say({ 'Nats-Rollup': 'all' }), say({ 'Nats-Rollup': 'sub' }, 'b')),
  ...['*', '>', 'a*', '*.c', 'b.*'].map((subject) =>
    inTurn(
      ROLLUP,
      say(),
      say({}, 'b'),
      say({}, 'b.c'),
      say({ 'Nats-Rollup': 'sub' }, subject),
      say(),
      say({ 'Nats-Rollup': 'sub' }, subject),
    ),
  ),
]

const TTLS = [
  ...['1', '5', '0', '00', '1s', '999ms', '1.5s', '1h', '1d', '-1', '-1s', '+5s', '+5', 'never'],
  ...['NEVER', '', 'x', '1 s', '1e3', '1h30m', '1µs', '2562048h', '9999999h'],
]

const TTL_CASES: PublishCase[] = [
  ...TTLS.flatMap((ttl) => [
    ...alone(TTL, [{ 'Nats-TTL': ttl }]),
    ...alone({}, [{ 'Nats-TTL': ttl }]),
  ]),
  ...['5', '60s', '61s', 'never', '1h'].flatMap((ttl) => [
    ...alone({ subject_delete_marker_ttl: 60 * SECOND }, [{ 'Nats-TTL': ttl, Other: 'kept' }]),
    ...alone({ subject_delete_marker_ttl: 60 * SECOND, max_msgs_per_subject: 1 }, [
      { 'Nats-TTL': ttl },
    ]),
  ]),
  ...alone(TTL, [
    { 'Nats-TTL': 'x', 'Nats-Expected-Last-Sequence': '9' },
    { 'Nats-TTL': 'x', 'Nats-Rollup': 'sub' },
    { 'Nats-TTL': '5', 'Nats-Marker-Reason': 'Purge' },
  ]),
]

const INCREMENTS = [
  '1',
  '+1',
  '-1',
  '0',
  '00',
  '+',
  '',
  'x',
  '1.0',
  '0x1',
  '1_0',
  ' 1',
  '1 ',
  '9'.repeat(60),
]

const COUNTERS: PublishCase[] = [
  ...INCREMENTS.flatMap((incr) => [
    inTurn(COUNTER, say({ 'Nats-Incr': incr }, 'a', '')),
    inTurn({}, say({ 'Nats-Incr': incr }, 'a', '')),
    inTurn(COUNTER, say({ 'Nats-Incr': incr }, 'a', 'x')),
  ]),
  inTurn(COUNTER, say(), say({}, 'a', ''), say({ Other: '1' })),
  inTurn(
    COUNTER,
    say({ 'Nats-Incr': '5' }, 'a', ''),
    say({ 'Nats-Incr': '-7', Other: 'kept' }, 'a', ''),
    say({ 'Nats-Incr': '9'.repeat(40) }, 'a', ''),
    say({ 'Nats-Incr': '1' }, 'b', ''),
    say({ 'Nats-Incr': `-${'9'.repeat(40)}` }, 'a', ''),
    say({ 'Nats-Incr': '0' }, 'a', ''),
    say({ 'Nats-Incr': '1', 'Nats-Msg-Id': 'one' }, 'a', ''),
    say({ 'Nats-Incr': '1', 'Nats-Msg-Id': 'one' }, 'a', ''),
    say({ 'Nats-Incr': '1', 'Nats-Counter-Sources': '{"O":{"o":"5"}}' }, 'c', ''),
    say({ 'Nats-Incr': '1' }, 'c', ''),
    say({ 'Nats-Incr': '1', 'Nats-Counter-Sources': 'broken' }, 'd', ''),
    say({ 'Nats-Incr': '1' }, 'd', ''),
  ),
  ...[
    { 'Nats-Rollup': 'sub' },
    { 'Nats-Expected-Stream': 'S' },
    { 'Nats-Expected-Last-Msg-Id': 'one' },
    { 'Nats-Expected-Last-Sequence': '0' },
    { 'Nats-Expected-Last-Subject-Sequence': '0' },
    { 'Nats-Expected-Last-Subject-Sequence-Subject': 'S.a' },
    { 'Nats-TTL': '5' },
    { 'Nats-Stream-Source': 'O 1 > > o' },
    { 'Nats-Schedule': '@at 2099-01-01T00:00:00Z' },
  ].map((headers) => inTurn(COUNTER, say({ 'Nats-Incr': '1', ...headers }, 'a', ''))),
  inTurn({ ...COUNTER, max_msg_size: 10 }, say({ 'Nats-Incr': '1' }, 'a', '')),
  inTurn(
    { ...COUNTER, max_msg_size: 37 },
    say({ 'Nats-Incr': '1' }, 'a', ''),
    say({ 'Nats-Incr': '10' }, 'a', ''),
  ),
]

const AT = '@at 2099-01-01T00:00:00Z'
const schedule = (headers: Headers): Headers => ({
  'Nats-Schedule': AT,
  'Nats-Schedule-Target': 'S.target',
  ...headers,
})

const PATTERNS = [
  ...[
    '@at 2099-01-01T00:00:00Z',
    '@at 2099-01-01T00:00:00.5+02:00',
    '@at 2099-13-01T00:00:00Z',
    '@at',
    '@at ',
  ],
  ...[
    '@at 2099-01-01',
    '@every 1h',
    '@every 1s',
    '@every 999ms',
    '@every x',
    '@every',
    '@every -5s',
  ],
  ...[
    '@yearly',
    '@annually',
    '@monthly',
    '@weekly',
    '@daily',
    '@midnight',
    '@hourly',
    '@minutely',
    '@Hourly',
  ],
  ...[
    '0 0 0 1 1 *',
    '0 0 0 1 1',
    '0 0 0 1 1 * *',
    '* * * * *',
    '60 0 0 1 1 *',
    '0 0 24 1 1 *',
    '0 0 0 0 1 *',
  ],
  ...[
    '0 0 0 32 1 *',
    '0 0 0 1 13 *',
    '0 0 0 1 0 *',
    '0 0 0 1 1 7',
    '0 0 0 1 JAN mon-FRI',
    '0 0 0 1 jan-mar sun',
  ],
  ...[
    '0 0 0 30 2 *',
    '0 0 0 29 2 *',
    '*/2 0 0 1 1 *',
    '0/15 0 0 1 1 *',
    '5-1 0 0 1 1 *',
    '1-5/2 0 0 1 1 *',
  ],
  ...[
    '1/0 0 0 1 1 *',
    '1/2/3 0 0 1 1 *',
    '1-2-3 0 0 1 1 *',
    '? 0 0 1 1 ?',
    ', 0 0 1 1 *',
    '1,2,,3 0 0 1 1 *',
  ],
  ...[
    'x 0 0 1 1 *',
    '-1 0 0 1 1 *',
    '+1 0 0 1 1 *',
    '1.5 0 0 1 1 *',
    '0 0 0 L * *',
    '0 0 0 1 1 mon#1',
    '*-5 0 0 1 1 *',
  ],
  ...['*/61 0 0 1 1 *', '0  0 0 1  1 *', 'jan 0 0 1 1 *', '', ' '],
]

const SCHEDULES: PublishCase[] = [
  ...PATTERNS.flatMap((pattern) => [
    inTurn(SCHEDULE, say(schedule({ 'Nats-Schedule': pattern }), 'schedule')),
    inTurn({}, say(schedule({ 'Nats-Schedule': pattern }), 'schedule')),
  ]),
  ...[
    'UTC',
    'Europe/Berlin',
    'Local',
    'Nowhere/None',
    '',
    'utc',
    '+01:00',
    'Etc/GMT+5',
    'EST',
  ].flatMap((zone) =>
    ['0 0 0 1 1 *', AT, '@every 1h', '@daily', ''].map((pattern) =>
      inTurn(
        SCHEDULE,
        say(schedule({ 'Nats-Schedule': pattern, 'Nats-Schedule-Time-Zone': zone }), 'schedule'),
      ),
    ),
  ),
  ...[
    { 'Nats-Schedule-Target': '' },
    { 'Nats-Schedule-Target': 'S.schedule' },
    { 'Nats-Schedule-Target': 'S.*' },
    { 'Nats-Schedule-Target': 'other' },
    { 'Nats-Schedule-Target': 'a..b' },
    { 'Nats-Schedule-Source': 'S.source' },
    { 'Nats-Schedule-Source': 'S.target' },
    { 'Nats-Schedule-Source': 'S.schedule' },
    { 'Nats-Schedule-Source': 'S.>' },
    { 'Nats-Schedule-Source': 'other' },
    { 'Nats-Schedule-TTL': '5s' },
    { 'Nats-Schedule-TTL': 'never' },
    { 'Nats-Schedule-TTL': '1ms' },
    { 'Nats-Schedule-TTL': 'x' },
    { 'Nats-Schedule-Rollup': 'sub' },
    { 'Nats-Schedule-Rollup': 'all' },
    { 'Nats-Schedule-Rollup': 'SUB' },
    { 'Nats-Rollup': 'sub' },
    { 'Nats-Rollup': 'all' },
    { 'Nats-Rollup': 'none' },
    { 'Nats-TTL': '5s' },
    { 'Nats-Scheduler': 'S.b' },
    { 'Nats-Schedule-Next': 'purge' },
    { 'Nats-Schedule-Next': 'purge', 'Nats-Scheduler': 'S.b' },
    { 'Nats-Schedule-Next': '2099-01-01T00:00:00Z', 'Nats-Scheduler': 'S.b' },
  ].flatMap((headers) => [
    inTurn(SCHEDULE, say(schedule(headers), 'schedule')),
    inTurn({ allow_msg_schedules: true }, say(schedule(headers), 'schedule')),
  ]),
  ...[
    {},
    { 'Nats-Scheduler': 'S.schedule' },
    { 'Nats-Scheduler': 'S.none' },
    { 'Nats-Scheduler': 'S.plain' },
    { 'Nats-Scheduler': 'S.a' },
    { 'Nats-Scheduler': 'S.*' },
    { 'Nats-Scheduler': '' },
  ].flatMap((headers) =>
    [SCHEDULE, {}].map((config) =>
      inTurn(
        config,
        say({}, 'plain'),
        say(schedule({}), 'schedule'),
        say({ 'Nats-Schedule-Next': 'purge', ...headers }),
      ),
    ),
  ),
  inTurn(
    SCHEDULE,
    say(schedule({}), 'schedule'),
    say(schedule({}), 'schedule'),
    say({}, 'schedule'),
  ),
]

const TRANSFORMS: PublishCase[] = [
  inTurn(
    { subject_transform: { src: '>', dest: 'T.>' } },
    say(),
    say({ 'Nats-Expected-Last-Subject-Sequence': '1' }),
  ),
  inTurn({ subject_transform: { src: 'S.*', dest: 'T.{{wildcard(1)}}.x' } }, say(), say({}, 'a.b')),
  inTurn({ subject_transform: { src: 'S.a', dest: 'T.$1' } }, say()),
  inTurn({ subject_transform: { src: '', dest: 'T.>' } }, say()),
  inTurn(
    { subject_transform: { src: 'S.*', dest: 'one' }, ...COUNTER },
    say({ 'Nats-Incr': '1' }, 'a', ''),
    say({ 'Nats-Incr': '2' }, 'b', ''),
  ),
  inTurn(
    { subject_transform: { src: 'S.*', dest: 'T.{{partition(3,1)}}' } },
    say(),
    say({}, 'b'),
    say({}, 'c'),
  ),
]

export const PUBLISH_CASES: readonly (readonly [name: string, cases: readonly PublishCase[]])[] = [
  ['expectations and ids', EXPECTED],
  ['sizes', SIZES],
  ['full streams', FULL],
  ['roll-ups', ROLLUPS],
  ['lifetimes', TTL_CASES],
  ['counters', COUNTERS],
  ['schedules', SCHEDULES],
  ['transforms', TRANSFORMS],
]
