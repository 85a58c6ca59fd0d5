/** Batches as clients may send them, well or badly: what nats-server answers to each is what we answer. */

/** One message: its headers, and the last tokens of its reply subject ('' is none). */
export interface Sent {
  readonly subject: string
  readonly headers?: Readonly<Record<string, string>>
  readonly payload?: string
  readonly reply?: string
}

export interface BatchCase {
  readonly title: string
  /** What the stream is besides `{ name: 'S', subjects: ['s.>'] }`. */
  readonly config?: object
  /** Stored before. */
  readonly before?: readonly Sent[]
  readonly sent: readonly Sent[]
}

type Headers = Readonly<Record<string, string>>

const commit = (value: string | undefined): Headers =>
  value === undefined ? {} : { 'Nats-Batch-Commit': value }

/** One message of an atomic batch. */
export function part(
  id: string,
  seq: number | string,
  end?: string,
  headers: Headers = {},
  subject = `s.${seq}`,
): Sent {
  return {
    subject,
    headers: {
      'Nats-Batch-Id': id,
      'Nats-Batch-Sequence': String(seq),
      ...commit(end),
      ...headers,
    },
    payload: `${id} ${seq}`,
    reply: `${id}.${seq}`,
  }
}

/** A whole batch: what each message carries besides. */
function batch(
  id: string,
  all: readonly (Headers & { readonly on?: string })[],
  eob = false,
): Sent[] {
  const parts = all.map(({ on, ...headers }, i) => {
    const isLast = i === all.length - 1
    return part(id, i + 1, isLast && !eob ? '1' : undefined, headers as Headers, on ?? `s.${i + 1}`)
  })
  return eob ? [...parts, part(id, all.length + 1, 'eob')] : parts
}

const plain = (subject: string, headers: Headers = {}, payload = 'plain'): Sent => ({
  subject,
  headers,
  payload,
  reply: 'plain',
})

const LAST = 'Nats-Expected-Last-Sequence'
const LAST_SUBJECT = 'Nats-Expected-Last-Subject-Sequence'
const LAST_OF = 'Nats-Expected-Last-Subject-Sequence-Subject'
const ID = 'Nats-Msg-Id'
const ROLLUP = 'Nats-Rollup'
const LEVEL = 'Nats-Required-Api-Level'

const many = (count: number): Sent[] =>
  Array.from({ length: count }, (_, i) => part('m', i + 1, undefined, {}, 's.m'))

const FORMS: BatchCase[] = [
  { title: 'one message', sent: batch('a', [{}]) },
  { title: 'three messages', sent: batch('a', [{}, {}, {}]) },
  { title: 'an end that is no message', sent: batch('a', [{}, {}], true) },
  { title: 'nothing but an end', sent: [part('a', 1, 'eob')] },
  { title: 'nobody asks', sent: batch('a', [{}, {}]).map((sent) => ({ ...sent, reply: '' })) },
  { title: 'not allowed', config: { allow_atomic: false }, sent: batch('a', [{}, {}]) },
  { title: 'no_ack', config: { no_ack: true }, sent: batch('a', [{}, {}]) },
  { title: 'an empty id', sent: [part('', 1), part('', 2, '1')] },
  { title: 'an id as long as it may be', sent: batch('x'.repeat(64), [{}]) },
  { title: 'an id that is too long', sent: batch('x'.repeat(65), [{}]) },
  { title: 'an id with quotes', sent: batch('a"b\\', [{}]).map((it) => ({ ...it, reply: 'q' })) },
  { title: 'no sequence', sent: [part('a', ''), part('a', 'x'), part('a', '-1'), part('a', '1x')] },
  { title: 'a sequence of 0', sent: [part('a', 0), part('a', 0, 'eob'), part('a', 0, '1')] },
  { title: 'an unknown batch', sent: [part('a', 2), part('a', 1001), part('a', 1002, 'eob')] },
  {
    title: 'sequences without end',
    sent: [part('a', '18446744073709551615'), part('a', '18446744073709551616')],
  },
  { title: 'a gap', sent: [part('a', 1), part('a', 3), part('a', 4, '1')] },
  { title: 'the same twice', sent: [part('a', 1), part('a', 1), part('a', 2, '1')] },
  { title: 'a commit nobody knows', sent: [part('a', 1), part('a', 2, 'yes'), part('a', 2, '1')] },
  { title: 'a commit that is empty', sent: [part('a', 1), part('a', 2, ''), part('a', 2, '1')] },
  { title: 'the first with a bad commit', sent: [part('a', 1, 'EOB'), part('a', 1, '1')] },
  {
    title: 'two at a time',
    sent: [part('a', 1), part('b', 1), part('b', 2, '1'), part('a', 2, '1')],
  },
  { title: 'an id once more', sent: [...batch('a', [{}, {}]), ...batch('a', [{}, {}])] },
  { title: 'a thousand', sent: [...many(999), part('m', 1000, '1', {}, 's.m')] },
  { title: 'a thousand and an end', sent: [...many(1000), part('m', 1001, 'eob', {}, 's.m')] },
  { title: 'a thousand and one', sent: [...many(1001), part('m', 1002, '1')] },
  { title: 'a level that is there', sent: batch('a', [{ [LEVEL]: '1' }, { [LEVEL]: '2' }]) },
  {
    title: 'a level that is not',
    sent: [part('a', 1), part('a', 2, '1', { [LEVEL]: '99' }), part('a', 2, '1')],
  },
  { title: 'a level that is none', sent: batch('a', [{ [LEVEL]: 'x' }]) },
  { title: 'fifty-one at a time', sent: Array.from({ length: 51 }, (_, i) => part(`b${i}`, 1)) },
]

const CHECKS: BatchCase[] = [
  { title: 'a last sequence', before: [plain('s.0')], sent: batch('a', [{ [LAST]: '1' }, {}]) },
  {
    title: 'a wrong last sequence',
    before: [plain('s.0')],
    sent: batch('a', [{ [LAST]: '0' }, {}]),
  },
  {
    title: 'a last sequence in the middle',
    before: [plain('s.0')],
    sent: batch('a', [{}, { [LAST]: '2' }]),
  },
  {
    title: 'a wrong one in the middle',
    before: [plain('s.0')],
    sent: batch('a', [{}, { [LAST]: '1' }]),
  },
  { title: 'an unreadable last sequence', sent: batch('a', [{ [LAST]: 'x' }]) },
  {
    title: 'the last of a subject',
    before: [plain('s.1')],
    sent: batch('a', [{ [LAST_SUBJECT]: '1' }, { [LAST_SUBJECT]: '0' }]),
  },
  {
    title: 'the wrong last of a subject',
    before: [plain('s.1')],
    sent: batch('a', [{}, { [LAST_SUBJECT]: '1' }]),
  },
  {
    title: 'the last of a subject that the batch wrote',
    sent: batch('a', [{ on: 's.x' }, { on: 's.x', [LAST_SUBJECT]: '1' }]),
  },
  {
    title: 'the last of another subject',
    before: [plain('s.o')],
    sent: batch('a', [
      { [LAST_SUBJECT]: '1', [LAST_OF]: 's.o' },
      { [LAST_SUBJECT]: '1', [LAST_OF]: 's.o' },
    ]),
  },
  {
    title: 'the last of another that the batch wrote',
    sent: batch('a', [{ on: 's.o' }, { [LAST_SUBJECT]: '0', [LAST_OF]: 's.o' }]),
  },
  { title: 'another subject without a sequence', sent: batch('a', [{ [LAST_OF]: 's.o' }]) },
  {
    title: 'expected first, and written behind',
    sent: batch('a', [{ on: 's.x', [LAST_SUBJECT]: '0' }, { on: 's.x' }]),
  },
  { title: 'a last message id', sent: batch('a', [{}, { 'Nats-Expected-Last-Msg-Id': 'x' }]) },
  {
    title: 'an expected stream',
    sent: batch('a', [{ 'Nats-Expected-Stream': 'S' }, { 'Nats-Expected-Stream': 'T' }]),
  },
  {
    title: 'message ids',
    sent: [...batch('a', [{ [ID]: '1' }, { [ID]: '2' }]), plain('s.x', { [ID]: '2' })],
  },
  {
    title: 'a message id twice',
    sent: [...batch('a', [{ [ID]: '1' }, { [ID]: '1' }]), plain('s.x', { [ID]: '1' })],
  },
  {
    title: 'a message id that is stored',
    before: [plain('s.0', { [ID]: '1' })],
    sent: batch('a', [{}, { [ID]: '1' }]),
  },
  {
    title: 'a batch that is refused, and its ids',
    sent: [
      ...batch('a', [{ [ID]: '1' }, { [LAST]: '7' }]),
      plain('s.x', { [ID]: '1' }),
      plain('s.y', { 'Nats-Expected-Last-Msg-Id': '1' }),
    ],
  },
  { title: 'a source', sent: batch('a', [{ 'Nats-Stream-Source': 'S 1' }]) },
  {
    title: 'a size',
    config: { max_msg_size: 100 },
    sent: [part('a', 1), { ...part('a', 2, '1'), payload: 'x'.repeat(101) }, part('a', 2, '1')],
  },
  { title: 'sealed', config: { sealed: true }, sent: batch('a', [{}]) },
]

const TTL = { allow_msg_ttl: true }
const ROLLS = { allow_rollup_hdrs: true }
const COUNTER = { allow_msg_counter: true }
const SCHEDULES = { allow_msg_schedules: true }
const INCR = 'Nats-Incr'
const at = { 'Nats-Schedule': '@at 2100-01-01T00:00:00Z', 'Nats-Schedule-Target': 's.target' }
const bare = (sent: readonly Sent[]): Sent[] => sent.map((it) => ({ ...it, payload: '' }))

const FEATURES: BatchCase[] = [
  {
    title: 'lifetimes',
    config: TTL,
    sent: batch('a', [{ 'Nats-TTL': '100' }, { 'Nats-TTL': 'never' }, {}]),
  },
  { title: 'a lifetime that is none', config: TTL, sent: batch('a', [{ 'Nats-TTL': 'x' }]) },
  { title: 'lifetimes where there are none', sent: batch('a', [{ 'Nats-TTL': '100' }]) },
  {
    title: 'a roll-up of a subject',
    config: ROLLS,
    before: [plain('s.1'), plain('s.2'), plain('s.1')],
    sent: batch('a', [{ [ROLLUP]: 'sub' }, {}]),
  },
  {
    title: 'a roll-up of what the batch wrote',
    config: ROLLS,
    sent: batch('a', [{ on: 's.x' }, { on: 's.x', [ROLLUP]: 'sub' }]),
  },
  {
    title: 'a roll-up of all first',
    config: ROLLS,
    before: [plain('s.1'), plain('s.2')],
    sent: batch('a', [{ [ROLLUP]: 'all' }, {}]),
  },
  {
    title: 'a roll-up of all later',
    config: ROLLS,
    before: [plain('s.1')],
    sent: batch('a', [{}, { [ROLLUP]: 'all' }]),
  },
  {
    title: 'a roll-up that is not allowed',
    before: [plain('s.1')],
    sent: batch('a', [{ [ROLLUP]: 'sub' }, {}]),
  },
  { title: 'a roll-up that is none', config: ROLLS, sent: batch('a', [{ [ROLLUP]: 'some' }]) },
  {
    title: 'counters',
    config: COUNTER,
    before: bare([plain('s.1', { [INCR]: '5' })]),
    sent: bare(batch('a', [{ [INCR]: '1' }, { [INCR]: '-2' }, { on: 's.1', [INCR]: '+3' }])),
  },
  {
    title: 'counters with an end',
    config: COUNTER,
    sent: bare(
      batch(
        'a',
        [
          { on: 's.c', [INCR]: '1' },
          { on: 's.c', [INCR]: '2' },
        ],
        true,
      ),
    ),
  },
  { title: 'no counter', config: COUNTER, sent: bare(batch('a', [{ [INCR]: '1' }, {}])) },
  { title: 'a counter with a payload', config: COUNTER, sent: batch('a', [{ [INCR]: '1' }]) },
  { title: 'a counter that is none', config: COUNTER, sent: bare(batch('a', [{ [INCR]: 'x' }])) },
  { title: 'a counter elsewhere', sent: bare(batch('a', [{ [INCR]: '1' }])) },
  { title: 'a schedule', config: SCHEDULES, sent: batch('a', [{ ...at }, {}]) },
  {
    title: 'a schedule twice',
    config: SCHEDULES,
    sent: batch('a', [
      { on: 's.x', ...at },
      { on: 's.x', ...at },
    ]),
  },
  { title: 'a schedule where there are none', sent: batch('a', [{ ...at }]) },
  {
    title: 'full by messages',
    config: { discard: 'new', max_msgs: 2 },
    sent: [...batch('a', [{}, {}, {}]), ...batch('b', [{}, {}])],
  },
  {
    title: 'full by messages before',
    config: { discard: 'new', max_msgs: 3 },
    before: [plain('s.0'), plain('s.0')],
    sent: batch('a', [{}, {}]),
  },
  {
    title: 'full by bytes',
    config: { discard: 'new', max_bytes: 700 },
    sent: batch('a', [{}, {}, {}, {}, {}, {}, {}, {}]),
  },
  {
    title: 'full by subject',
    config: { discard: 'new', max_msgs_per_subject: 1, discard_new_per_subject: true },
    sent: [...batch('a', [{ on: 's.x' }, { on: 's.x' }]), ...batch('b', [{}, {}])],
  },
  { title: 'old ones make room', config: { max_msgs: 2 }, sent: batch('a', [{}, {}, {}]) },
  {
    title: 'old ones of a subject make room',
    config: { max_msgs_per_subject: 1 },
    sent: batch('a', [{ on: 's.x' }, { on: 's.x' }]),
  },
  {
    title: 'a transform',
    config: { subject_transform: { src: 's.*', dest: 't.$1' } },
    sent: batch('a', [{ on: 's.x' }, { on: 's.x', [LAST_SUBJECT]: '0' }]),
  },
  {
    title: 'a transform and its subjects',
    config: { subject_transform: { src: 's.*', dest: 't.$1' } },
    sent: batch('a', [{ on: 's.x' }, { on: 's.y', [LAST_SUBJECT]: '0', [LAST_OF]: 's.x' }]),
  },
]

export const ATOMIC: readonly BatchCase[] = [...FORMS, ...CHECKS, ...FEATURES]

/** One message of a fast batch. @param operation 0 start, 1 append, 2 commit, 3 end, 4 ping */
export function fast(
  seq: number | string,
  operation: number | string,
  { id = 'f', flow = '10', gap = 'ok', headers = {} as Headers, subject = 's.f' } = {},
): Sent {
  const reply = `${id}.${flow}.${gap}.${seq}.${operation}.$FI`
  return { subject, headers, payload: `${seq}`, reply }
}

const run = (from: number, to: number, more: Parameters<typeof fast>[2] = {}): Sent[] =>
  Array.from({ length: to - from + 1 }, (_, i) => fast(from + i, from + i === 1 ? 0 : 1, more))
const fail = { gap: 'fail' }

export const FAST: readonly BatchCase[] = [
  { title: 'one message', sent: [fast(1, 2)] },
  { title: 'two', sent: [fast(1, 0), fast(2, 2)] },
  { title: 'an end that is no message', sent: [fast(1, 0), fast(2, 1), fast(3, 3)] },
  { title: 'not allowed', config: { allow_batched: false }, sent: [fast(1, 0)] },
  { title: 'sealed', config: { sealed: true }, sent: [fast(1, 0)] },
  { title: 'no_ack', config: { no_ack: true }, sent: [...run(1, 25), fast(26, 2)] },
  {
    title: 'replies that make no sense',
    sent: [
      fast(1, 5),
      fast(1, ''),
      fast(1, 'x'),
      fast(0, 0),
      fast('x', 0),
      fast(2, 0),
      fast(1, 1),
      fast(1, 3),
      fast(1, 0, { gap: 'maybe' }),
      fast('18446744073709551615', 1),
      { subject: 's.x', reply: '$FI' },
    ],
  },
  {
    title: 'short replies',
    sent: [
      { subject: 's.x', reply: '1.0.$FI' },
      { subject: 's.x', reply: 'ok.1.0.$FI' },
      { subject: 's.x', reply: '10.ok.1.0.$FI' },
    ],
  },
  {
    title: 'flows',
    sent: ['0', '-1', 'x', '1', '65535', '65536', '99999999'].flatMap((flow, i) => [
      fast(1, 0, { flow, id: `f${i}` }),
      fast(2, 2, { flow, id: `f${i}` }),
    ]),
  },
  {
    title: 'a long id',
    sent: [fast(1, 0, { id: 'x'.repeat(64) }), fast(1, 0, { id: 'x'.repeat(65) })],
  },
  { title: 'an unknown one', sent: [fast(2, 1), fast(2, 2), fast(2, 3), fast(2, 4)] },
  { title: 'acknowledgements', sent: [...run(1, 35), fast(36, 2)] },
  {
    title: 'acknowledgements of each',
    sent: [...run(1, 5, { flow: '1' }), fast(6, 3, { flow: '1' })],
  },
  {
    title: 'several at a time',
    sent: [
      ...run(1, 12),
      ...run(1, 12, { id: 'g' }),
      ...run(13, 30),
      ...run(13, 40, { id: 'g' }),
      fast(31, 2),
      fast(41, 2, { id: 'g' }),
    ],
  },
  {
    title: 'pings',
    sent: [...run(1, 3), fast(3, 4), fast(1, 4), ...run(4, 11), fast(11, 4), fast(12, 2)],
  },
  { title: 'a ping first', sent: [fast(1, 4), ...run(1, 2), ...run(2, 3)] },
  { title: 'a ping first without gaps', sent: [fast(1, 4, fail), ...run(1, 2, fail)] },
  {
    title: 'a ping that tells of a gap',
    sent: [...run(1, 3), fast(5, 4), ...run(6, 7), fast(30, 4), fast(31, 2)],
  },
  {
    title: 'a ping that ends at a gap',
    sent: [...run(1, 3, fail), fast(5, 4, fail), ...run(6, 7, fail)],
  },
  { title: 'gaps', sent: [...run(1, 3), ...run(5, 7), fast(20, 2)] },
  {
    title: 'gaps that are not allowed',
    sent: [...run(1, 3, fail), ...run(5, 7, fail), fast(8, 2, fail)],
  },
  { title: 'a gap before the end', sent: [...run(1, 3), fast(6, 3)] },
  {
    title: 'a gap before the end that is not allowed',
    sent: [...run(1, 3, fail), fast(6, 3, fail)],
  },
  { title: 'backwards', sent: [...run(1, 3), fast(2, 1), fast(4, 1)] },
  { title: 'backwards, no gaps', sent: [...run(1, 3, fail), fast(3, 1, fail), fast(4, 1, fail)] },
  { title: 'a start again', sent: [...run(1, 3), ...run(1, 2)] },
  {
    title: 'an error first',
    sent: [fast(1, 0, { headers: { [LAST]: '7' } }), ...run(2, 3), fast(4, 2)],
  },
  {
    title: 'an error first, no gaps',
    sent: [fast(1, 0, { ...fail, headers: { [LAST]: '7' } }), ...run(2, 3, fail)],
  },
  { title: 'an error in a single one', sent: [fast(1, 2, { headers: { [LAST]: '7' } })] },
  {
    title: 'an error in a single one, no gaps',
    sent: [fast(1, 2, { ...fail, headers: { [LAST]: '7' } })],
  },
  {
    title: 'an error later',
    sent: [...run(1, 3), fast(4, 1, { headers: { [LAST]: '7' } }), ...run(5, 12), fast(13, 2)],
  },
  {
    title: 'an error later, no gaps',
    sent: [
      ...run(1, 3, fail),
      fast(4, 1, { ...fail, headers: { [LAST]: '7' } }),
      ...run(5, 6, fail),
    ],
  },
  {
    title: 'an error in the commit',
    sent: [...run(1, 3), fast(4, 2, { headers: { [LAST]: '7' } }), fast(5, 1)],
  },
  {
    title: 'an error in the commit, no gaps',
    sent: [...run(1, 3, fail), fast(4, 2, { ...fail, headers: { [LAST]: '7' } })],
  },
  {
    title: 'duplicates',
    before: [plain('s.0', { [ID]: '1' })],
    sent: [...run(1, 2), fast(3, 1, { headers: { [ID]: '1' } }), ...run(4, 12), fast(13, 2)],
  },
  {
    title: 'a duplicate first',
    before: [plain('s.0', { [ID]: '1' })],
    sent: [fast(1, 0, { headers: { [ID]: '1' } }), fast(2, 2)],
  },
  {
    title: 'a duplicate first, no gaps',
    before: [plain('s.0', { [ID]: '1' })],
    sent: [fast(1, 0, { ...fail, headers: { [ID]: '1' } }), fast(2, 2, fail)],
  },
  {
    title: 'a duplicate alone',
    before: [plain('s.0', { [ID]: '1' })],
    sent: [fast(1, 2, { headers: { [ID]: '1' } })],
  },
  {
    title: 'a duplicate alone, no gaps',
    before: [plain('s.0', { [ID]: '1' })],
    sent: [fast(1, 2, { ...fail, headers: { [ID]: '1' } })],
  },
  {
    title: 'a duplicate last',
    before: [plain('s.0', { [ID]: '1' })],
    sent: [...run(1, 2), fast(3, 2, { headers: { [ID]: '1' } })],
  },
  {
    title: 'nothing but duplicates',
    before: [plain('s.0', { [ID]: '1' })],
    sent: [fast(1, 0, { headers: { [ID]: '1' } }), fast(2, 3)],
  },
  {
    title: 'a level',
    sent: [
      fast(1, 0, { headers: { [LEVEL]: '1' } }),
      fast(2, 1, { headers: { [LEVEL]: '99' } }),
      fast(3, 2),
    ],
  },
  {
    title: 'a size',
    config: { max_msg_size: 10 },
    sent: [fast(1, 0), { ...fast(2, 1), payload: 'x'.repeat(11) }, fast(2, 2)],
  },
  {
    title: 'counters',
    config: COUNTER,
    sent: bare([
      fast(1, 0, { headers: { [INCR]: '2' } }),
      fast(2, 1, { headers: { [INCR]: '3' } }),
      fast(3, 2, { headers: { [INCR]: '-1' } }),
    ]),
  },
  { title: 'full', config: { discard: 'new', max_msgs: 2 }, sent: [...run(1, 4), fast(5, 3)] },
  { title: 'both kinds at once', sent: [{ ...part('a', 1, '1'), reply: fast(1, 2).reply ?? '' }] },
]
