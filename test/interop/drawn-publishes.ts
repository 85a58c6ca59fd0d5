/** Publishes put together at random, from values that mean something and some that do not. */
import type { SeededRandom } from '../../shared/runtime/index.ts'
import type { Headers, Publish, PublishCase } from './publish-cases.ts'

const CONFIGS: readonly object[] = [
  {},
  { allow_rollup_hdrs: true },
  { allow_msg_ttl: true },
  { subject_delete_marker_ttl: 60e9 },
  { allow_msg_counter: true },
  { allow_msg_schedules: true },
  { allow_msg_schedules: true, allow_msg_ttl: true, max_msg_size: 250 },
  { max_msgs_per_subject: 1 },
  {
    max_msgs_per_subject: 2,
    discard: 'new',
    discard_new_per_subject: true,
    allow_rollup_hdrs: true,
  },
  { max_msgs: 3, discard: 'new' },
  { subject_transform: { src: 'S.*', dest: 'T.$1' } },
]

const VALUES: Readonly<Record<string, readonly string[]>> = {
  'Nats-Expected-Stream': ['S', 'S', 'T'],
  'Nats-Expected-Last-Sequence': ['0', '1', '2', '3', 'x'],
  'Nats-Expected-Last-Subject-Sequence': ['0', '1', '2', '3'],
  'Nats-Expected-Last-Subject-Sequence-Subject': ['S.a', 'S.b', 'S.*', 'S.>'],
  'Nats-Expected-Last-Msg-Id': ['one', 'two'],
  'Nats-Rollup': ['sub', 'all', 'none'],
  'Nats-TTL': ['5', '1h', 'never', 'x', '1ms'],
  'Nats-Incr': ['1', '-5', '+7', 'x'],
  'Nats-Schedule': ['@at 2099-01-01T00:00:00Z', '@every 1h', '@daily', 'x'],
  'Nats-Schedule-Target': ['S.a', 'S.target', 'other'],
  'Nats-Schedule-Source': ['S.b', 'other'],
  'Nats-Schedule-TTL': ['5s', 'x'],
  'Nats-Schedule-Rollup': ['sub', 'all'],
  'Nats-Schedule-Time-Zone': ['UTC', 'Europe/Berlin', 'x'],
  'Nats-Scheduler': ['S.a', 'S.b'],
  'Nats-Schedule-Next': ['purge', 'x'],
  'Nats-Stream-Source': ['O 1 > > o'],
  Other: ['1', '2'],
}

export function drawPublishCase(random: SeededRandom): PublishCase {
  const config = pick(random, CONFIGS)
  const isCounter = 'allow_msg_counter' in config
  const messages = Array.from({ length: 2 + random.below(6) }, () => drawPublish(random, isCounter))
  return { config, messages }
}

function drawPublish(random: SeededRandom, isCounter: boolean): Publish {
  const drawn: Record<string, string> = {}
  const names = Object.keys(VALUES)
  for (let i = random.below(4); i > 0; i--) {
    const name = pick(random, names)
    drawn[name] = pick(random, VALUES[name] ?? [''])
  }
  if (isCounter && random.below(4) > 0) drawn['Nats-Incr'] = pick(random, ['1', '2', '-3'])
  const payload = isCounter && random.below(5) > 0 ? '' : pick(random, ['x', '', 'payload'])
  return [pick(random, ['a', 'b', 'a.b']), withId(random, drawn), payload]
}

/** Ids come before expectations here, and after them there: they are drawn where that does not show. */
function withId(random: SeededRandom, drawn: Record<string, string>): Headers {
  const isAlone = Object.keys(drawn).every((name) => name === 'Nats-TTL' || name === 'Other')
  if (!isAlone || random.below(3) > 0) return drawn
  return { ...drawn, 'Nats-Msg-Id': pick(random, ['one', 'two', 'three']) }
}

function pick<T>(random: SeededRandom, items: readonly T[]): T {
  return items[random.below(items.length)] as T
}
