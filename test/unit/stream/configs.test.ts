import assert from 'node:assert/strict'
import { collectGarbage, SeededRandom } from '../../../shared/runtime/index.ts'
import { consumerConfig, withThreshold } from '../../../shared/stream/config/consumer-checks.ts'
import {
  consumerApiLevel,
  decodeConsumerRequest,
} from '../../../shared/stream/config/consumer-config.ts'
import { checkConsumerUpdate } from '../../../shared/stream/config/consumer-update.ts'
import { streamConfig } from '../../../shared/stream/config/stream-checks.ts'
import { decodeStreamRequest } from '../../../shared/stream/config/stream-request.ts'
import { updatedConfig } from '../../../shared/stream/config/stream-update.ts'
import { DedupWindow } from '../../../shared/stream/publish/dedup-window.ts'
import { StagedSubjects } from '../../../shared/stream/publish/staged-subjects.ts'

const stream = streamConfig({ name: 'S', subjects: ['s.>'] })

describe('stream configuration', () => {
  it('has the defaults that nats-server has', () => {
    assert.deepEqual(streamConfig({ name: 'S' }), {
      name: 'S',
      subjects: ['S'],
      retention: 'limits',
      max_consumers: -1,
      max_msgs: -1,
      max_bytes: -1,
      max_age: 0,
      max_msgs_per_subject: -1,
      max_msg_size: -1,
      discard: 'old',
      storage: 'file',
      num_replicas: 1,
      duplicate_window: 120e9,
      compression: 'none',
      allow_direct: false,
      mirror_direct: false,
      sealed: false,
      deny_delete: false,
      deny_purge: false,
      allow_rollup_hdrs: false,
      consumer_limits: {},
      allow_msg_ttl: false,
    })
    assert.equal(streamConfig({ name: 'S', max_age: 60e9 }).duplicate_window, 60e9)
    assert.equal(streamConfig({ name: 'S', max_msgs: -7 }).max_msgs, -1)
  })

  const refused: readonly (readonly [object, number, RegExp])[] = [
    [{ name: '' }, 10052, /name is required/],
    [{ name: 'a.b' }, 10052, /can not contain/],
    [{ name: 'x'.repeat(256) }, 10052, /too long/],
    [{ subjects: ['a..b'] }, 10052, /invalid subject/],
    [{ subjects: ['a', 'a'] }, 10052, /overlaps/],
    [{ subjects: ['a.*', 'a.b'] }, 10052, /overlaps/],
    [{ subjects: ['>'] }, 10052, /no-ack/],
    [{ subjects: ['$JS.API.>'] }, 10052, /jetstream api/],
    [{ subjects: ['$SYS.>'] }, 10052, /system api/],
    [{ max_age: -1 }, 10052, /negative/],
    [{ max_age: 1e6 }, 10052, />= 100ms/],
    [{ max_age: 60e9, duplicate_window: 61e9 }, 10052, /larger then max age/],
    [{ num_replicas: 6 }, 10052, /maximum replicas is 5/],
    [{ num_replicas: -1 }, 10133, /negative/],
    [{ discard_new_per_subject: true }, 10052, /discard new policy/],
    [{ deny_purge: true, allow_rollup_hdrs: true }, 10052, /purge permission/],
    [{ max_msgs: -2, pedantic: true }, 10157, /max_msgs must be set to -1/],
    [{ first_seq: 2 ** 52 + 1 }, 10052, /first sequence can not be larger than 4503599627370496/],
    [{ first_seq: 2 ** 63 }, 10052, /first sequence can not be larger/],
    [{ retention: 'sometimes' }, 10025, /can not unmarshal/],
    [{ max_msgs: 'many' }, 10025, /cannot unmarshal string .*max_msgs of type int64/],
    [{ maxmsgs: 1 }, 10025, /unknown field "maxmsgs"/],
  ]
  for (const [request, errCode, text] of refused) {
    it(`refuses ${JSON.stringify(request).slice(0, 60)}`, () => {
      const given = { name: 'S', ...request }
      assert.throws(
        () => streamConfig(decodeStreamRequest(given)),
        (error: unknown) => {
          const { errCode: got, message } = error as { errCode: number; message: string }
          assert.equal(got, errCode)
          assert.match(message, text)
          return true
        },
      )
    })
  }

  it('lets events and the system account be stored', () => {
    assert.ok(streamConfig({ name: 'E', subjects: ['$JS.EVENT.ADVISORY.>'] }))
    assert.ok(streamConfig({ name: 'E', subjects: ['$SYS.ACCOUNT.A.CONNECT'] }))
    assert.ok(streamConfig({ name: 'E', subjects: ['>'], no_ack: true }))
  })

  it('does not take back a seal or a denial', () => {
    const sealed = updatedConfig(stream, streamConfig({ name: 'S', sealed: true }))
    assert.deepEqual([sealed.deny_delete, sealed.deny_purge, sealed.discard], [true, true, 'new'])
    assert.throws(() => updatedConfig(sealed, stream), { errCode: 10052 })
    const denied = streamConfig({ name: 'S', deny_delete: true })
    assert.throws(() => updatedConfig(denied, stream), { errCode: 10052 })
  })
})

describe('consumer configuration', () => {
  const of = (request: object, name = 'c') =>
    consumerConfig(decodeConsumerRequest(request), name, stream)

  it('has the defaults that nats-server has', () => {
    assert.deepEqual(of({ durable_name: 'c', ack_policy: 'explicit' }), {
      durable_name: 'c',
      name: 'c',
      deliver_policy: 'all',
      ack_policy: 'explicit',
      ack_wait: 30e9,
      max_deliver: -1,
      replay_policy: 'instant',
      max_waiting: 512,
      max_ack_pending: 1000,
      num_replicas: 0,
    })
    const ephemeral = withThreshold(of({ ack_policy: 'none' }))
    assert.equal(ephemeral.inactive_threshold, 5e9)
    assert.equal(ephemeral.max_ack_pending, undefined)
    assert.equal(of({ ack_policy: 'explicit', backoff: [1e9, 5e9] }).ack_wait, 1e9)
  })

  const refused: readonly (readonly [object, number])[] = [
    [{ durable_name: 'a', name: 'b' }, 10132],
    [{ ack_policy: 'sometimes' }, 10025],
    [{ replay_policy: 'backwards' }, 10025],
    [{ ack_wait: -1 }, 10183],
    [{ backoff: [-1] }, 10184],
    [{ backoff: [1, 2, 3], max_deliver: 2 }, 10116],
    [{ idle_heartbeat: 1e9 }, 10088],
    [{ flow_control: true }, 10089],
    [{ rate_limit_bps: 1 }, 10086],
    [{ max_expires: 1000 }, 10115],
    [{ num_replicas: 3 }, 10126],
    [{ filter_subject: 'a', filter_subjects: ['b'] }, 10136],
    [{ filter_subjects: ['s.a', ''] }, 10139],
    [{ filter_subjects: ['s.>', 's.a'] }, 10138],
    [{ filter_subject: 'a..b' }, 10052],
    [{ deliver_policy: 'by_start_sequence' }, 10094],
    [{ deliver_policy: 'all', opt_start_seq: 3 }, 10094],
    [{ deliver_policy: 'last_per_subject' }, 10094],
    [{ sample_freq: 'often' }, 10095],
    [{ surprise: 1 }, 10025],
  ]
  for (const [request, errCode] of refused) {
    it(`refuses ${JSON.stringify(request)} with ${errCode}`, () => {
      assert.throws(() => of(request), { errCode })
    })
  }

  it('needs no newer server for the time that Go sends for none', () => {
    const never = of({ ack_policy: 'none', pause_until: '0001-01-01T00:00:00Z' })
    assert.equal(never.pause_until, '0001-01-01T00:00:00Z')
    assert.equal(consumerApiLevel(never), 0)
    const paused = of({ ack_policy: 'none', pause_until: '2999-01-01T00:00:00Z' })
    assert.equal(consumerApiLevel(paused), 1)
  })

  it('may change only what may change', () => {
    const old = of({ durable_name: 'c', ack_policy: 'explicit' })
    const nobody = (): boolean => false
    const more = of({ durable_name: 'c', ack_policy: 'explicit', max_deliver: 4 })
    checkConsumerUpdate(old, more, nobody)
    const other = of({ durable_name: 'c', ack_policy: 'all' })
    assert.throws(() => checkConsumerUpdate(old, other, nobody), { errCode: 10012 })
  })
})

describe('DedupWindow', () => {
  it('says when it is full, and forgets nothing before its time', () => {
    const window = new DedupWindow(1_000, 2, new SeededRandom(1))
    for (const [i, id] of ['a', 'b', 'c'].entries()) window.remember(id, i + 1, i)
    assert.ok(window.isFull(3))
    assert.equal(window.find('a', 3), 1)
    assert.equal(window.find('c', 3), 3)
    window.forget('c', 2)
    assert.equal(window.find('c', 3), 3, 'another message took the id meanwhile')
    window.forget('c', 3)
    assert.equal(window.find('c', 3), undefined)
    assert.ok(window.isFull(999) && !window.isFull(1_000))
    assert.equal(window.find('b', 1_001), undefined)
    assert.equal(window.size, 0)
  })

  it('knows as much as a map does, through growth, removals and time', () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = new SeededRandom(seed)
    const window = new DedupWindow(500, 20_000, random)
    const model = new Map<string, { seq: number; atMs: number }>()
    let nowMs = 0
    for (let seq = 1; seq <= 60_000; seq++) {
      // Phases of many ids at once, and of pauses.
      nowMs += random.below(20_000) === 0 ? 400 : random.below(40) === 0 ? 1 : 0
      const id = `id-${random.below(30_000)}`
      const known = model.get(id)
      const expected = known !== undefined && nowMs - known.atMs < 500 ? known.seq : undefined
      assert.equal(window.find(id, nowMs), expected, `seed=${seed} seq=${seq}`)
      if (expected === undefined || random.below(3) === 0) {
        window.remember(id, seq, nowMs)
        model.set(id, { seq, atMs: nowMs })
      } else if (random.below(4) === 0) {
        window.forget(id, expected)
        model.delete(id)
      }
    }
    const alive = [...model.values()].filter(({ atMs }) => nowMs - atMs < 500)
    window.isFull(nowMs)
    for (let i = 0; i < 30_000; i++) window.find(`id-${i}`, nowMs)
    assert.equal(window.size, alive.length, `seed=${seed}`)
    assert.equal(window.isFull(nowMs + 500), false)
  })

  it('knows all of many, in little memory', () => {
    const window = new DedupWindow(1_000, 10_000_000, new SeededRandom(1))
    collectGarbage()
    const before = process.memoryUsage()
    const ids = 300_000
    for (let i = 0; i < ids; i++) window.remember(`${'x'.repeat(200)}${i}`, i + 1, 0)
    collectGarbage()
    const now = process.memoryUsage()
    const held = now.heapUsed + now.arrayBuffers - before.heapUsed - before.arrayBuffers
    assert.ok(held < ids * 150, `${held / ids} bytes each`)
    for (let i = 0; i < ids; i += 7) assert.equal(window.find(`${'x'.repeat(200)}${i}`, 1), i + 1)
    assert.equal(window.find(`${'x'.repeat(200)}${ids}`, 1), undefined)
    assert.equal(window.size, ids)
  })
})

describe('StagedSubjects', () => {
  it('keeps the newest of each subject through failures in any order', () => {
    const staged = new StagedSubjects()
    staged.add(5, 'a')
    staged.add(6, 'b')
    staged.add(7, 'a')
    assert.equal(staged.lastSeqOf('a'), 7)
    staged.trim(6)
    assert.equal(staged.lastSeqOf('a'), 5)
    staged.add(6, 'c')
    assert.equal(staged.lastSeqOf('b'), 0)
    assert.equal(
      staged.lastSeqWhere((subject) => subject !== 'a'),
      6,
    )
    assert.equal(staged.countWith('a', 0), 1)
    staged.settle(5)
    assert.equal(staged.countWith('a', 0), 0)
    assert.equal(staged.lastSeqOf('c'), 6)
    staged.settle(6)
    assert.equal(staged.size, 0)
  })

  it('agrees with a plain list', () => {
    const staged = new StagedSubjects()
    const random = new SeededRandom(7)
    let list: { seq: number; subject: string }[] = []
    let assigned = 0
    let stored = 0
    for (let step = 0; step < 5_000; step++) {
      const roll = random.below(10)
      if (roll < 6) {
        assigned++
        list.push({ seq: assigned, subject: 'abcd'.charAt(random.below(4)) })
        staged.add(assigned, list.at(-1)!.subject)
      } else if (roll < 8) {
        stored += random.below(assigned - stored + 1)
        staged.settle(stored)
      } else if (roll < 9) {
        assigned = stored + random.below(assigned - stored + 1)
        staged.trim(assigned)
      } else {
        for (const subject of 'abcd') {
          const on = list.filter((entry) => entry.subject === subject)
          assert.equal(staged.countWith(subject, 0), on.length)
          assert.equal(staged.lastSeqOf(subject), on.at(-1)?.seq ?? 0)
        }
      }
      list = list.filter(({ seq }) => seq > stored && seq <= assigned)
      assert.equal(staged.size, list.length)
    }
  })
})
