/**
 * No request keeps others waiting for long, whatever it holds: each step of what is done about it takes no more CPU than
 * some times what JSON.parse takes for as much.
 */
import assert from 'node:assert/strict'
import { StreamWorld } from '../../support/stream-world.ts'

const LONG_BYTES = 1024 * 1024
/** For what each of all requests is asked with. */
const BYTES = LONG_BYTES / 16
/** A step may have a collection of garbage in it, which counts for more beside little work. */
const RATIO_MAX = 20
/** Of the longest: they take some 6, and 20 where a stream's sources are begun in one step. */
const LONG_RATIO_MAX = 12

const REQUESTS = [
  'INFO',
  'STREAM.CREATE.Z',
  'STREAM.UPDATE.S',
  'STREAM.INFO.S',
  'STREAM.NAMES',
  'STREAM.LIST',
  'STREAM.DELETE.Z',
  'STREAM.PURGE.S',
  'STREAM.MSG.GET.S',
  'STREAM.MSG.DELETE.S',
  'STREAM.SNAPSHOT.S',
  'STREAM.RESTORE.Z',
  'CONSUMER.CREATE.S',
  'CONSUMER.CREATE.S.z',
  'CONSUMER.CREATE.S.z.s.a',
  'CONSUMER.DURABLE.CREATE.S.z',
  'CONSUMER.INFO.S.c',
  'CONSUMER.NAMES.S',
  'CONSUMER.LIST.S',
  'CONSUMER.RESET.S.c',
  'CONSUMER.PAUSE.S.c',
  'CONSUMER.UNPIN.S.c',
  'CONSUMER.DELETE.S.z',
  'CONSUMER.MSG.NEXT.S.c',
  'DIRECT.GET.S',
  'DIRECT.GET.S.s.a',
]

const many = (bytes: number, of: (index: number) => string, between = ','): string => {
  const parts: string[] = []
  for (let left = bytes; left > 0; left -= (parts.at(-1) ?? '').length + between.length) {
    parts.push(of(parts.length))
  }
  return parts.join(between)
}

const SHAPES: Readonly<Record<string, (bytes: number) => string>> = {
  junk: (bytes) => 'x'.repeat(bytes),
  blanks: (bytes) => ' '.repeat(bytes),
  depth: (bytes) => '{"a":['.repeat(bytes / 6),
  members: (bytes) => `{${many(bytes, (i) => `"k${i}":1`)}}`,
  'the same member': (bytes) => `{${many(bytes, () => '"name":"x"')}}`,
  'one number': (bytes) => `{"seq":${'1'.repeat(bytes)}}`,
  'one text': (bytes) => `{"name":"${'\\u0041'.repeat(bytes / 6)}"}`,
  'one time': (bytes) => `{"start_time":"${'2'.repeat(bytes)}"}`,
  numbers: (bytes) => `{"config":{"backoff":[${many(bytes, () => '1')}]}}`,
  objects: (bytes) => `{"sources":[${many(bytes, () => '{}')}]}`,
  values: (bytes) => many(bytes, () => '{}', ''),
  metadata: (bytes) => `{"name":"Z","metadata":{${many(bytes, (i) => `"k${i}":"1"`)}}}`,
  subjects: (bytes) => `{"multi_last":[${many(bytes, (i) => `"s.${i}"`)}]}`,
}

describe('long requests', function () {
  this.timeout(120_000)
  let world: StreamWorld

  before(async () => {
    world = await StreamWorld.start()
    // This port asks every capture about every request; the broker does not.
    world.port.capture = () => () => {}
    const config = { durable_name: 'c', ack_policy: 'explicit' }
    await world.engine.ensure({ name: 'S', subjects: ['s.>'], allow_direct: true })
    await world.port.api('CONSUMER.DURABLE.CREATE.S.c', { stream_name: 'S', config })
  })

  for (const [shape, make] of Object.entries(SHAPES)) {
    it(`of ${shape} are looked at in no more than one short step`, async () => {
      const body = make(BYTES)
      for (const request of REQUESTS) await check(request, body, BYTES)
    })
  }

  it('for very much are done in several', async () => {
    const named = (count: number, of: (index: number) => unknown): unknown[] =>
      Array.from({ length: count }, (_, i) => of(i))
    const literal = { name: 'L', subjects: named(75_000, (i) => `l.${100_000 + i}`) }
    const open = { name: 'L', subjects: named(60_000, (i) => `l.*.${100_000 + i}`) }
    const sources = { name: 'M', sources: named(40_000, (i) => ({ name: `o${i}` })) }
    const filters = named(60_000, (i) => `l.*.${100_000 + i}`)
    const config = { durable_name: 'f', ack_policy: 'explicit', filter_subjects: filters }
    for (const [request, body] of [
      ['STREAM.CREATE.L', literal],
      ['STREAM.UPDATE.L', open],
      ['CONSUMER.CREATE.L.f', { stream_name: 'L', config: { ...config, name: 'f' } }],
      ['STREAM.DELETE.L', ''],
      ['STREAM.CREATE.M', sources],
      ['STREAM.DELETE.M', ''],
    ] as const) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const answer = await check(request, text, LONG_BYTES)
      assert.ok(!answer.includes('"error"'), `${request}: ${answer.slice(0, 200)}`)
    }
  })

  /** Sends it, and goes on turn by turn until it is answered and nothing more is to be done at once. */
  async function check(request: string, body: string, bytes: number): Promise<string> {
    const payload = Buffer.from(body)
    let most = 0
    let answer = ''
    const stop = world.port.subscribe('_INBOX.x', (message) => {
      answer = Buffer.from(message.payload).toString('latin1')
    })
    const step = async (work: () => unknown): Promise<void> => {
      const before = process.cpuUsage()
      await work()
      const { user, system } = process.cpuUsage(before)
      most = Math.max(most, (user + system) / 1000)
    }
    await step(() => world.port.publish(`$JS.API.${request}`, '_INBOX.x', NOTHING, payload))
    for (let idle = 0; idle < 3; idle++) {
      if (answer === '' && bytes === LONG_BYTES) idle = 0
      await step(oneTurn)
    }
    stop()
    const limit = (bytes === LONG_BYTES ? LONG_RATIO_MAX : RATIO_MAX) * parseMs(bytes)
    assert.ok(most < limit, `${request}: ${most} ms of CPU in one step, limit ${limit}`)
    return answer
  }

  async function oneTurn(): Promise<void> {
    let isOver = false
    world.loop.after(0, 'test', () => {
      isOver = true
    })
    await world.loop.run({ until: () => isOver })
  }
})

const NOTHING = new Uint8Array(0)
let parsedMs = 0

/** What JSON.parse takes for so many bytes of small members, by the least of several. */
function parseMs(bytes: number): number {
  if (parsedMs === 0) {
    const text = `{${many(LONG_BYTES, (i) => `"k${i}":1`)}}`
    parsedMs = Number.POSITIVE_INFINITY
    for (let i = 0; i < 5; i++) {
      const before = process.cpuUsage()
      JSON.parse(text)
      const { user, system } = process.cpuUsage(before)
      parsedMs = Math.min(parsedMs, (user + system) / 1000)
    }
  }
  return (parsedMs * bytes) / LONG_BYTES
}
