/** Requests to every route of the API but those that make something: right, wrong, and no JSON at all. */
import type { Random } from '../../shared/runtime/index.ts'

export interface DrawnRequest {
  /** Behind `$JS.API.`. */
  readonly subject: string
  readonly body: string
  /** Answered by any number of messages, and not by one in JSON. */
  readonly isRaw: boolean
}

interface Route {
  readonly subjects: readonly string[]
  readonly fields: readonly string[]
  readonly isRaw?: boolean
}

const PAGED = ['offset', 'subject', 'subjects_filter', 'deleted_details']
const GET = [
  'seq',
  'last_by_subj',
  'next_by_subj',
  'batch',
  'max_bytes',
  'start_time',
  'multi_last',
  'up_to_seq',
  'up_to_time',
  'no_hdr',
]
const PULL = [
  'batch',
  'no_wait',
  'max_bytes',
  'idle_heartbeat',
  'group',
  'min_pending',
  'min_ack_pending',
  'id',
  'priority',
]

const ROUTES: readonly Route[] = [
  { subjects: ['INFO'], fields: PAGED },
  { subjects: ['STREAM.NAMES', 'STREAM.LIST'], fields: PAGED },
  { subjects: ['STREAM.INFO.S', 'STREAM.INFO.nobody'], fields: PAGED },
  { subjects: ['STREAM.PURGE.P', 'STREAM.PURGE.nobody'], fields: ['filter', 'seq', 'keep'] },
  { subjects: ['STREAM.MSG.GET.S', 'STREAM.MSG.GET.nobody'], fields: GET },
  { subjects: ['STREAM.MSG.DELETE.P', 'STREAM.MSG.DELETE.nobody'], fields: ['seq', 'no_erase'] },
  { subjects: ['STREAM.DELETE.nobody', 'CONSUMER.DELETE.S.nobody'], fields: ['name'] },
  // Without a subject to deliver to: a backup that begins is another test's.
  {
    subjects: ['STREAM.SNAPSHOT.S', 'STREAM.SNAPSHOT.nobody'],
    fields: ['no_consumers', 'chunk_size', 'window_size', 'jsck'],
  },
  { subjects: ['STREAM.RESTORE.S'], fields: ['config', 'state'] },
  { subjects: ['CONSUMER.NAMES.S', 'CONSUMER.LIST.S', 'CONSUMER.NAMES.nobody'], fields: PAGED },
  { subjects: ['CONSUMER.INFO.S.c', 'CONSUMER.INFO.S.nobody'], fields: PAGED },
  { subjects: ['CONSUMER.PAUSE.S.c', 'CONSUMER.PAUSE.S.nobody'], fields: ['pause_until'] },
  {
    subjects: ['CONSUMER.UNPIN.S.c', 'CONSUMER.UNPIN.S.pinned', 'CONSUMER.UNPIN.S.nobody'],
    fields: ['group'],
  },
  { subjects: ['CONSUMER.RESET.S.all'], fields: ['seq'] },
  { subjects: ['DIRECT.GET.S', 'DIRECT.GET.nobody'], fields: GET, isRaw: true },
  { subjects: ['DIRECT.GET.S.a.1', 'DIRECT.GET.S.nobody'], fields: GET, isRaw: true },
  {
    subjects: ['CONSUMER.MSG.NEXT.S.all', 'CONSUMER.MSG.NEXT.S.c', 'CONSUMER.MSG.NEXT.S.pinned'],
    fields: PULL,
    isRaw: true,
  },
]

/** As they stand in JSON. */
const VALUES: readonly string[] = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '1',
  '2',
  '3',
  '7',
  '-1',
  '1.5',
  '1e3',
  '1e400',
  '-1e-400',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775809',
  '18446744073709551615',
  '18446744073709551616',
  '""',
  '"x"',
  '"g"',
  '"a.1"',
  '"a.*"',
  '">"',
  '"a..b"',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
  '"é"',
  '"2020-01-01T00:00:00Z"',
  '"2100-01-01T00:00:00+02:00"',
  '"2020-13-01T00:00:00Z"',
  '"2020-01-01"',
  '[]',
  '["a.1"]',
  '["a.*","b.1"]',
  '["a.*",null]',
  '[1]',
  '[[]]',
  '{}',
  '{"a":1}',
  '{"name":"S"}',
]

const GARBAGE: readonly string[] = [
  '',
  ' ',
  '\n\t ',
  '0',
  '1',
  '-1',
  '+1',
  '5x',
  'x',
  'null',
  'true',
  '"x"',
  '[]',
  '[{}]',
  '{',
  '}',
  '{]',
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  '{a:1}',
  "{'a':1}",
  '{"a":01}',
  '{"a":1.}',
  '{"a":.5}',
  '{"a":+1}',
  '{"a":1e}',
  '{"a":tru}',
  '{"a":"\\x"}',
  '{"a":"\\u12"}',
  '{"a":"\t"}',
  '{"a":1}{"a":1}',
  '{} {}',
  '{}x',
  '{}//',
  '/**/{}',
  '\ufeff{}',
  '{"a":NaN}',
  '{"__proto__":1}',
  '{"constructor":{"prototype":1}}',
  `${'['.repeat(400)}`,
  `${'['.repeat(400)}${']'.repeat(400)}`,
  `{"a":${'{"a":'.repeat(300)}1${'}'.repeat(301)}`,
  `{"a":"${'x'.repeat(100_000)}"}`,
  `{"offset":${'9'.repeat(5_000)}}`,
]

export function drawRequest(random: Random): DrawnRequest {
  const route = ROUTES[random.below(ROUTES.length)] as Route
  const subject = route.subjects[random.below(route.subjects.length)] as string
  return { subject, body: drawBody(random, route.fields), isRaw: route.isRaw ?? false }
}

function drawBody(random: Random, fields: readonly string[]): string {
  const kind = random.below(10)
  if (kind === 0) return GARBAGE[random.below(GARBAGE.length)] as string
  const count = 1 + random.below(3)
  const members: string[] = []
  for (let i = 0; i < count; i++) {
    const name = drawName(random, fields)
    members.push(`${JSON.stringify(name)}:${VALUES[random.below(VALUES.length)]}`)
  }
  const text = `{${members.join(random.below(8) === 0 ? ' , ' : ',')}}`
  if (kind === 1) return text.slice(0, random.below(text.length))
  if (kind === 2) return ` ${text}\n`
  return text
}

function drawName(random: Random, fields: readonly string[]): string {
  const name = fields[random.below(fields.length)] as string
  switch (random.below(12)) {
    case 0:
      return 'bogus'
    case 1:
      return name.toUpperCase()
    default:
      return name
  }
}
