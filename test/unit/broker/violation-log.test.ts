import assert from 'node:assert/strict'
import {
  VIOLATION_LOG_MS,
  VIOLATIONS_LOGGED_EACH_MAX,
  VIOLATIONS_LOGGED_MAX,
} from '../../../shared/broker/limits.ts'
import { logTextOf, ViolationLog, type Violator } from '../../../shared/broker/violation-log.ts'
import type { Channel } from '../../../shared/transport/index.ts'
import { CONNECT_DEFAULTS, PERMISSION_ERRORS } from '../../../shared/wire/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordingLog } from '../../support/mqtt-core.ts'

function violator(id: number): Violator {
  const channel = { remoteAddress: '10.0.0.1', remotePort: 7 } as Channel
  return { id, channel, options: CONNECT_DEFAULTS, isConnected: false, identity: undefined }
}

describe('the log of violations', () => {
  it('bounds the lines of one client and of all, and says how many are missing', () => {
    const clock = new ManualClock()
    const log = new RecordingLog()
    const violations = new ViolationLog(clock, log)
    for (let i = 0; i < 1_000; i++) violations.tell(violator(1), 'x')
    assert.equal(log.lines.length, VIOLATIONS_LOGGED_EACH_MAX)
    assert.equal(log.lines[0]?.message, '10.0.0.1:7 - cid:1 - x')
    for (let id = 2; id < 1_000; id++) violations.tell(violator(id), 'x')
    assert.equal(log.lines.length, VIOLATIONS_LOGGED_MAX)
    clock.advance(VIOLATION_LOG_MS)
    violations.tell(violator(1), 'y')
    assert.deepEqual(log.lines.slice(VIOLATIONS_LOGGED_MAX), [
      {
        level: 'error',
        message: 'more violations of clients',
        fields: { suppressed: 1_998 - VIOLATIONS_LOGGED_MAX },
      },
      { level: 'error', message: '10.0.0.1:7 - cid:1 - y', fields: {} },
    ])
  })

  it('knows what nats-server calls each refusal', () => {
    const { publish, reply, subscription, tokens, removed } = PERMISSION_ERRORS
    const cases: [string, string, string | undefined][] = [
      [publish('a"b'), '', 'Publish Violation - Subject "a\\"b"'],
      [reply('$JS.ACK.x'), '', 'Publish Violation - Reply "$JS.ACK.x"'],
      [subscription('a', ''), '1', 'Subscription Violation - Subject "a", SID 1'],
      [subscription('a', 'q'), '1', 'Subscription Violation - Subject "a", Queue: "q", SID 1'],
      [tokens('a.b'), '1', 'Subscription Violation Too Many Tokens - Subject "a.b", SID 1'],
      [removed('a', 'q', '1'), '', 'Removed sub "a" using queue "q" (sid "1") - not authorized'],
      ['Stale Connection', '', undefined],
    ]
    for (const [told, sid, expected] of cases) assert.equal(logTextOf(told, sid), expected)
  })
})
