import assert from 'node:assert/strict'
import { REPORTS_WAITING_MAX } from '../../../shared/monitor/limits.ts'
import { ReportQueue } from '../../../shared/monitor/report-queue.ts'
import type { HttpRequest, HttpResponse } from '../../../shared/transport/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const TOOK_MS = 200

describe('monitor: queue of reports', () => {
  let clock: ManualClock
  let queue: ReportQueue
  /** What was made, and when it was begun. */
  let made: string[]

  beforeEach(() => {
    clock = new ManualClock()
    queue = new ReportQueue(clock)
    made = []
  })

  function request(target: string): HttpRequest {
    const { pathname, searchParams } = new URL(`http://localhost${target}`)
    const body = new Uint8Array(0)
    return { method: 'GET', path: pathname, query: searchParams, headers: {}, body }
  }

  function ask(target: string): Promise<HttpResponse> | undefined {
    return queue.ask(request(target), () => {
      made.push(`${clock.monotonicMs()} ${target}`)
      clock.advance(TOOK_MS)
      return { status: 200, headers: {}, body: target }
    })
  }

  /** Lets the promises of a report that was made come true, and then time pass. */
  async function pass(ms: number): Promise<void> {
    await new Promise(setImmediate)
    clock.advance(ms)
    await new Promise(setImmediate)
  }

  it('makes one report, and then leaves others as long', async () => {
    void ask('/connz?offset=1')
    void ask('/connz?offset=2')
    assert.deepEqual(made, ['0 /connz?offset=1'])
    await pass(TOOK_MS - 1)
    assert.equal(made.length, 1)
    await pass(1)
    assert.deepEqual(made.slice(1), ['400 /connz?offset=2'])
  })

  it('makes equal questions one report, with the same bytes', async () => {
    const answers = Array.from({ length: 100 }, () => ask('/connz?subs=detail'))
    await pass(TOOK_MS)
    const reports = await Promise.all(answers)
    assert.equal(made.length, 2, 'the first, and one for all who came after it')
    assert.equal(String(reports[99]?.body), '/connz?subs=detail')
    assert.equal(new Set(reports.map((report) => report?.body)).size, 2)
  })

  it('takes the paths in turn', async () => {
    for (let i = 0; i < 50; i++) void ask(`/connz?offset=${i}`)
    void ask('/metrics')
    await pass(TOOK_MS)
    await pass(TOOK_MS)
    const targets = made.map((it) => it.split(' ')[1])
    assert.deepEqual(targets, ['/connz?offset=0', '/connz?offset=1', '/metrics'])
  })

  it('refuses what there is no room for, until there is some', async () => {
    const answers = Array.from({ length: REPORTS_WAITING_MAX }, () => ask('/connz'))
    assert.equal(ask('/connz'), undefined)
    assert.equal(ask('/jsz'), undefined)
    await pass(TOOK_MS)
    await Promise.all(answers)
    assert.notEqual(ask('/jsz'), undefined)
  })

  it('goes on behind a report that could not be made', async () => {
    const failed = queue.ask(request('/jsz'), () => {
      throw new Error('bad query')
    })
    assert.ok(failed !== undefined)
    await assert.rejects(failed, /bad query/)
    await pass(TOOK_MS)
    const next = ask('/jsz?x=1')
    await pass(TOOK_MS)
    assert.equal((await next)?.status, 200)
  })
})
