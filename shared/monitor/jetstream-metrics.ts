import type { JetStreamFacts, MonitorSources, StreamFacts } from './facts.ts'
import { gauges, type Metric } from './metric.ts'

const SERVER = ['server_id', 'server_name', 'cluster', 'domain', 'meta_leader', 'is_meta_leader']
const ACCOUNT = [...SERVER, 'account', 'account_name', 'account_id']
const STREAM = [...ACCOUNT, 'stream_name', 'stream_leader', 'is_stream_leader', 'stream_raft_group']
const CONSUMER = [
  ...STREAM,
  'consumer_name',
  'consumer_leader',
  'is_consumer_leader',
  'consumer_desc',
]

/** What the exporter makes of `/jsz?consumers=true&config=true&raft=true`. One server leads all. */
export function* jetStreamMetrics(sources: MonitorSources): Generator<Metric> {
  const { id, name } = sources.server()
  const facts = sources.jetStream()
  const server = [id, name, '', facts?.domain ?? '', '', 'true']
  const streams = facts === undefined ? [] : [...facts.streams()]
  yield* serverMetrics(server, facts, streams)
  if (facts === undefined) return
  yield* accountMetrics(server, sources, facts, streams)
  const ofStream = (stream: StreamFacts): string[] => [
    ...server,
    ...accountLabels(sources, stream.account),
    stream.name,
    name,
    'true',
    '',
  ]
  yield* gauges('jetstream_stream_', STREAM, streams, ofStream, STREAM_FIGURES)
  const consumers = streams.flatMap((stream) =>
    stream.consumerDetails().map((info) => ({ values: ofStream(stream), info: numbersOf(info) })),
  )
  yield* gauges(
    'jetstream_consumer_',
    CONSUMER,
    consumers,
    ({ values, info }) => [
      ...values,
      info.text('name'),
      '',
      'true',
      info.text('config.description'),
    ],
    CONSUMER_FIGURES.map(([suffix, path]) => [suffix, ({ info }) => info.number(path)]),
  )
  yield* gauges(
    'jetstream_consumer_',
    CONSUMER,
    consumers,
    ({ values, info }) => [
      ...values,
      info.text('name'),
      '',
      'true',
      info.text('config.description'),
    ],
    [
      ['last_delivery_seconds', ({ info }) => info.secondsSince('delivered.last_active')],
      ['last_ack_seconds', ({ info }) => info.secondsSince('ack_floor.last_active')],
    ],
  )
}

function serverMetrics(
  server: readonly string[],
  facts: JetStreamFacts | undefined,
  streams: readonly StreamFacts[],
): Metric[] {
  const sum = (of: (stream: StreamFacts) => number) => (): number =>
    streams.reduce((total, stream) => total + of(stream), 0)
  return gauges('jetstream_server_', SERVER, [server], (values) => values, [
    ['jetstream_disabled', () => (facts === undefined ? 1 : 0)],
    ['max_memory', () => 0],
    ['max_storage', () => facts?.storageBytesMax ?? 0],
    ['total_streams', () => streams.length],
    ['total_consumers', sum((stream) => stream.consumers)],
    ['total_messages', sum((stream) => stream.messages)],
    ['total_message_bytes', sum((stream) => stream.bytes)],
  ])
}

function accountMetrics(
  server: readonly string[],
  sources: MonitorSources,
  facts: JetStreamFacts,
  streams: readonly StreamFacts[],
): Metric[] {
  return gauges(
    'jetstream_account_',
    ACCOUNT,
    [...facts.accounts()],
    ({ name }) => [...server, ...accountLabels(sources, name)],
    [
      ['max_storage', () => 0],
      ['max_memory', () => 0],
      [
        'storage_used',
        ({ name }) =>
          streams.reduce((sum, { account, bytes }) => sum + (account === name ? bytes : 0), 0),
      ],
      ['memory_used', () => 0],
    ],
  )
}

function accountLabels(sources: MonitorSources, name: string): string[] {
  const shown = sources.account(name)?.account.displayName ?? name
  return [shown, shown, name]
}

const STREAM_FIGURES: readonly (readonly [string, (stream: StreamFacts) => number | undefined])[] =
  [
    ['total_messages', (stream) => stream.messages],
    ['total_bytes', (stream) => stream.bytes],
    ['first_seq', (stream) => numbersOf(stream.state()).number('first_seq')],
    ['last_seq', (stream) => numbersOf(stream.state()).number('last_seq')],
    ['consumer_count', (stream) => stream.consumers],
    ['subject_count', (stream) => numbersOf(stream.state()).number('num_subjects') ?? 0],
    ['limit_bytes', (stream) => numbersOf(stream.config()).number('max_bytes')],
    ['limit_messages', (stream) => numbersOf(stream.config()).number('max_msgs')],
  ]

const CONSUMER_FIGURES: readonly (readonly [suffix: string, path: string])[] = [
  ['delivered_consumer_seq', 'delivered.consumer_seq'],
  ['delivered_stream_seq', 'delivered.stream_seq'],
  ['num_ack_pending', 'num_ack_pending'],
  ['num_redelivered', 'num_redelivered'],
  ['num_waiting', 'num_waiting'],
  ['num_pending', 'num_pending'],
  ['ack_floor_stream_seq', 'ack_floor.stream_seq'],
  ['ack_floor_consumer_seq', 'ack_floor.consumer_seq'],
]

interface Numbers {
  number(path: string): number | undefined
  text(path: string): string
  secondsSince(path: string): number | undefined
}

/** Reads the API's own answers, by paths such as `delivered.stream_seq`. */
function numbersOf(info: object): Numbers {
  const at = (path: string): unknown =>
    path.split('.').reduce<unknown>((value, key) => {
      const isObject = typeof value === 'object' && value !== null
      return isObject && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
    }, info)
  const text = (path: string): string => {
    const value = at(path)
    return typeof value === 'string' ? value : ''
  }
  return {
    number(path) {
      const value = at(path)
      return typeof value === 'number' ? value : undefined
    },
    text,
    secondsSince(path) {
      const seconds = (Date.parse(text('ts')) - Date.parse(text(path))) / 1000
      return Number.isNaN(seconds) ? undefined : seconds
    },
  }
}
