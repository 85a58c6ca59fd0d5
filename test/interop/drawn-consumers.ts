/** Consumers put together at random, and what is done to them: the same list of steps for whoever acts it out. */
import type { Random } from '../../shared/runtime/index.ts'

const SUBJECTS = ['s.a', 's.b', 's.c', 's.a.b', 's.c.d'] as const
const FILTERS = ['s.a', 's.*', 's.>', 's.c.>', 's.b'] as const
const SEVERAL = [
  ['s.a', 's.b'],
  ['s.a', 's.c.>'],
  ['s.*', 's.a.*', 's.c.*'],
] as const
const HOUR_NS = 3_600e9
const EARLIER = 12

export type Step =
  | { readonly type: 'api'; readonly route: string; readonly body: object }
  | {
      readonly type: 'publish'
      readonly subject: string
      readonly bytes: number
      readonly isKind: boolean
    }
  | { readonly type: 'pull'; readonly request: Readonly<Record<string, unknown>> }
  /** `at` counts back in what was delivered so far. */
  | { readonly type: 'ack'; readonly at: number; readonly text: string; readonly isAsked: boolean }

export interface World {
  /** Nothing leaves the stream but what is acknowledged, and nothing is delivered too often. */
  readonly isCalm: boolean
  readonly stream: object
  readonly earlier: readonly Step[]
  readonly consumer: Readonly<Record<string, unknown>>
  readonly steps: readonly Step[]
}

export function drawWorld(random: Random, steps: number): World {
  const isCalm = random.below(2) === 0
  const retention = pick(random, ['limits', 'limits', 'limits', 'interest', 'workqueue'])
  const stream = {
    name: 'S',
    subjects: ['s.>'],
    retention,
    storage: pick(random, ['file', 'memory']),
    max_msgs_per_subject: !isCalm && random.below(4) === 0 ? 1 + random.below(3) : undefined,
    max_msgs: !isCalm && random.below(6) === 0 ? 6 + random.below(6) : undefined,
  }
  const consumer = drawConsumer(random, retention, isCalm)
  return {
    isCalm,
    stream,
    earlier: Array.from({ length: random.below(EARLIER) }, () => drawPublish(random)),
    consumer,
    steps: Array.from({ length: steps }, () => drawStep(random, consumer, isCalm, retention)),
  }
}

function drawConsumer(random: Random, retention: string, isCalm: boolean): Record<string, unknown> {
  const isQueue = retention === 'workqueue'
  // What leaves the stream is at nats-server acknowledged with all below it by who acknowledges so.
  const policies = ['explicit', 'explicit', 'explicit', 'none', isCalm ? 'all' : 'explicit']
  const ack = isQueue ? 'explicit' : pick(random, policies)
  const config: Record<string, unknown> = {
    durable_name: 'c',
    name: 'c',
    ack_policy: ack,
    ack_wait: ack === 'none' ? undefined : HOUR_NS,
    ...(isQueue ? {} : drawStart(random)),
    ...drawFilters(random),
  }
  const some = (share: number, key: string, value: () => unknown): void => {
    if (random.below(100) < share) config[key] = value()
  }
  some(30, 'headers_only', () => true)
  if (!isCalm) some(40, 'max_deliver', () => 1 + random.below(3))
  if (ack !== 'none') some(40, 'max_ack_pending', () => 1 + random.below(5))
  some(20, 'inactive_threshold', () => HOUR_NS)
  some(30, 'mem_storage', () => true)
  if (ack === 'explicit') some(15, 'backoff', () => [HOUR_NS])
  some(10, 'max_batch', () => 4)
  const policy = pick(random, ['', '', '', 'overflow', 'pinned_client', 'prioritized'])
  if (policy !== '') {
    config['priority_policy'] = policy
    config['priority_groups'] = ['g']
  }
  return config
}

function drawStart(random: Random): object {
  const policy = pick(random, [
    'all',
    'all',
    'last',
    'new',
    'by_start_sequence',
    'last_per_subject',
    'by_start_time',
  ])
  if (policy === 'by_start_sequence') {
    return { deliver_policy: policy, opt_start_seq: 1 + random.below(EARLIER + 3) }
  }
  if (policy === 'by_start_time') {
    return {
      deliver_policy: policy,
      opt_start_time: pick(random, ['2020-01-01T00:00:00Z', '2099-01-01T00:00:00Z']),
    }
  }
  return { deliver_policy: policy }
}

function drawFilters(random: Random): object {
  switch (random.below(4)) {
    case 0:
      return { filter_subject: pick(random, FILTERS) }
    case 1:
      return { filter_subjects: pick(random, SEVERAL) }
    default:
      return {}
  }
}

function drawStep(
  random: Random,
  consumer: Readonly<Record<string, unknown>>,
  isCalm: boolean,
  retention: string,
): Step {
  switch (isCalm ? 3 + random.below(21) : random.below(24)) {
    case 0:
      return api('STREAM.PURGE.S', drawPurge(random, consumer))
    case 1:
    case 2:
      return api('STREAM.MSG.DELETE.S', { seq: 1 + random.below(30), no_erase: true })
    case 3:
      return api('CONSUMER.CREATE.S.c', {
        stream_name: 'S',
        config: drawUpdate(random, consumer, isCalm),
      })
    case 4: {
      const until = pick(random, ['2099-01-01T00:00:00Z', undefined, undefined])
      return api('CONSUMER.PAUSE.S.c', until === undefined ? {} : { pause_until: until })
    }
    case 5:
      // One that was made of an empty stream is not heard of again at nats-server.
      // And where one goes back to shows when its filter changes: before or behind what does not match.
      if (consumer['deliver_policy'] === 'last_per_subject' || hasFilter(consumer)) {
        return drawPublish(random)
      }
      // What it is past by that and is acknowledged again leaves a work queue there.
      return api(
        'CONSUMER.RESET.S.c',
        retention === 'workqueue' || random.below(2) === 0 ? {} : { seq: 1 + random.below(20) },
      )
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      return drawPublish(random)
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
      return { type: 'pull', request: drawPull(random, consumer) }
    case 17:
      if (consumer['priority_policy'] === 'pinned_client') {
        return api('CONSUMER.UNPIN.S.c', { group: 'g' })
      }
      return drawPublish(random)
    default:
      return {
        type: 'ack',
        at: random.below(12),
        text: pick(random, [
          '+ACK',
          '+ACK',
          '+ACK',
          '',
          // What was delivered too often is pending at nats-server until somebody pulls.
          isCalm ? '-NAK' : '+WPI',
          isCalm ? '-NAK' : '',
          '-NAK {"delay": 3600000000000}',
          '+TERM',
          '+TERM for a reason',
          '+WPI',
        ]),
        isAsked: random.below(2) === 0,
      }
  }
}

function drawPublish(random: Random): Step {
  return {
    type: 'publish',
    subject: pick(random, SUBJECTS),
    bytes: random.below(60),
    isKind: random.below(3) === 0,
  }
}

function drawPull(
  random: Random,
  consumer: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const request: Record<string, unknown> = { batch: 1 + random.below(6) }
  const kind = random.below(10)
  if (kind < 8) request['no_wait'] = true
  if (kind > 6) request['expires'] = 100e6
  if (random.below(5) === 0) request['max_bytes'] = 60 + random.below(400)
  const policy = consumer['priority_policy']
  if (policy !== undefined && random.below(12) > 0) request['group'] = 'g'
  if (policy === 'overflow') {
    if (random.below(3) === 0) request['min_pending'] = 1 + random.below(6)
    if (random.below(3) === 0) request['min_ack_pending'] = 1 + random.below(4)
  }
  if (policy === 'prioritized') request['priority'] = random.below(10)
  if (policy === 'pinned_client') {
    const id = pick(random, ['pinned', 'pinned', 'pinned', 'wrong', undefined])
    if (id !== undefined) request['id'] = id
  }
  return request
}

/**
 * Not by a subject: nats-server then waits with what is pending and gone until that is to be delivered again. And all of
 * it where there is a filter: of a part nats-server does not count what matches.
 */
function drawPurge(random: Random, consumer: Readonly<Record<string, unknown>>): object {
  if (hasFilter(consumer)) return {}
  return pick(random, [{ seq: 1 + random.below(25) }, { keep: random.below(4) }, {}])
}

function hasFilter(consumer: Readonly<Record<string, unknown>>): boolean {
  return 'filter_subject' in consumer || 'filter_subjects' in consumer
}

function drawUpdate(
  random: Random,
  consumer: Readonly<Record<string, unknown>>,
  isCalm: boolean,
): object {
  const filters = [
    { filter_subject: pick(random, FILTERS), filter_subjects: undefined },
    { filter_subjects: pick(random, SEVERAL), filter_subject: undefined },
    // Not none: nats-server tells a consumer that has lost its last filter of no new message.
  ]
  const limits = [{ max_deliver: 1 + random.below(4) }, { max_deliver: -1 }]
  // What nats-server counts of removals goes by the filters of now; and once all below are acknowledged at once, so does a reset.
  const isFiltered =
    isCalm &&
    hasFilter(consumer) &&
    consumer['ack_policy'] !== 'all' &&
    !['last_per_subject', 'by_start_time'].includes(String(consumer['deliver_policy']))
  const changed = pick<Record<string, unknown>>(random, [
    ...(isFiltered ? filters : []),
    ...(isCalm ? [] : limits),
    { max_ack_pending: 1 + random.below(6) },
    { headers_only: true },
    { headers_only: false },
    { description: 'another' },
  ])
  return { ...consumer, ...changed }
}

function api(route: string, body: object): Step {
  return { type: 'api', route, body }
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T
}
