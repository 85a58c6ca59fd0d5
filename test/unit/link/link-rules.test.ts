import assert from 'node:assert/strict'
import { Backoff } from '../../../shared/link/backoff.ts'
import { FailureLog } from '../../../shared/link/failure-log.ts'
import { comeBackIn, loopDetected, nameTaken, refusalOf } from '../../../shared/link/link-errors.ts'
import { parseLinkConnect, parseLinkInfo } from '../../../shared/link/link-hello.ts'
import { LinkPermissions } from '../../../shared/link/link-permissions.ts'
import { nextUplinkState, type UplinkState } from '../../../shared/link/uplink-state.ts'
import { UrlPool } from '../../../shared/link/url-pool.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { LinkClock } from '../../support/link-clock.ts'
import { RecordingLog, remoteUrl } from '../../support/link-node.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('link permissions', () => {
  const none = new LinkPermissions('press-7', undefined, undefined)

  it('keep what means "my own server" on its side, both ways', () => {
    for (const subject of ['$JS.API.INFO', '$KV.b.k', '$OBJ.b.M.x', '$SYS.REQ.USER.INFO']) {
      assert.equal(none.maySend(bytes(subject)), false, subject)
      assert.equal(none.mayReceive(bytes(subject)), false, subject)
      assert.equal(none.mayAdvertise(subject), false, subject)
      assert.equal(none.mayServe(subject), false, subject)
    }
    assert.equal(none.mayAdvertise('$JS.API.>'), false)
  })

  it("let another domain's API pass, and keep the own one here", () => {
    assert.equal(none.maySend(bytes('$JS.hub.API.INFO')), true)
    assert.equal(none.maySend(bytes('$JS.press-7.API.INFO')), false)
    assert.equal(none.mayReceive(bytes('$JS.press-7.API.INFO')), true)
    assert.equal(none.mayAdvertise('$JS.press-7.API.>'), true)
  })

  it('let acks and all else pass, and wildcards that reach further', () => {
    for (const subject of ['$JS.ACK.s.c.1.1.1.1.1', '$JS', '$KVx', 'plant.a', '_INBOX.x']) {
      assert.equal(none.maySend(bytes(subject)), true, subject)
    }
    for (const subject of ['>', '$JS.>', '$JS.*.>', '*.b.c', '$JS.ACK.s.c.*.*.*.*.*']) {
      assert.equal(none.mayAdvertise(subject), true, subject)
    }
  })

  it('keep acks of our own domain, and the interest in acks that name none', () => {
    const own = new LinkPermissions('hub', undefined, undefined)
    assert.equal(own.maySend(bytes('$JS.ACK.hub.szMpdrwD.S.c.1.1.1.1.1')), false)
    assert.equal(own.maySend(bytes('$JS.ACK.hub.szMpdrwD.S.c.1.1.1.1.1.more')), false)
    assert.equal(own.maySend(bytes('$JS.ACK.leaf.szMpdrwD.S.c.1.1.1.1.1')), true)
    assert.equal(own.maySend(bytes('$JS.ACK.hub.c.1.1.1.1.1')), true, 'a stream named as we are')
    assert.equal(none.mayAdvertise('$JS.ACK.*.*.*.*.*.*.*'), false)
    assert.equal(own.mayAdvertise('$JS.ACK.hub.szMpdrwD.>'), true)
  })

  it('follow the permissions that the other side has told', () => {
    const rules = new LinkPermissions(
      '',
      { allow: ['up.>'], deny: ['up.secret'] },
      { allow: ['down.*'], deny: [] },
    )
    assert.equal(rules.maySend(bytes('up.a')), true)
    assert.equal(rules.maySend(bytes('up.secret')), false)
    assert.equal(rules.maySend(bytes('other')), false)
    assert.equal(rules.maySend(bytes('$JS.ACK.s.c.1.1.1.1.1')), true)
    assert.equal(rules.mayReceive(bytes('down.a')), true)
    assert.equal(rules.mayReceive(bytes('down.a.b')), false)
    assert.equal(rules.mayAdvertise('down.a'), true)
    assert.equal(rules.mayAdvertise('other'), false)
    assert.equal(rules.mayAdvertise('>'), true)
    assert.equal(rules.mayAdvertise('$LDS.abc'), true)
  })
})

describe('link refusals', () => {
  const waits: readonly [string, number | undefined][] = [
    [loopDetected('$G'), 30_000],
    ['remote leafnode has same cluster name', 30_000],
    ['connection rejected since minimum version required is "2.13.0"', 5_000],
    ['Permissions Violation for Publish to "a"', 30_000],
    ['Permissions Violation for Subscription to "a"', 30_000],
    ['Duplicate Remote LeafNode Connection', 30_000],
    ['Authorization Violation', 10_000],
    [nameTaken('press-7', 'N… at 10.0.0.1:4'), 30_000],
    [comeBackIn(90), 90_000],
    [comeBackIn(0.2), 1_000],
    [comeBackIn(1e7), 3_600_000],
    ['Stale Connection', undefined],
    ['Server Shutdown', undefined],
  ]
  for (const [error, waitMs] of waits) {
    it(`${error}: ${waitMs ?? 'no'} ms`, () => {
      assert.equal(refusalOf(error).waitMs, waitMs)
    })
  }

  it('cannot be broken out of by a name', () => {
    assert.ok(!/[\r\n]/.test(nameTaken("x'\r\nPING\r\n", 'y')))
  })
})

describe('link hello', () => {
  it('takes fields of the wrong type for absent ones', () => {
    const info = parseLinkInfo(
      '{"server_id":7,"client_id":"1","leafnode_urls":[1,"a:1"],"nonce":{}}',
    )
    assert.deepEqual(
      [info.serverId, info.clientId, info.leafnodeUrls, info.nonce],
      ['', 0, ['a:1'], ''],
    )
    const connect = parseLinkConnect('{"name":["x"],"user":1,"petiole":[],"headers":"yes"}')
    assert.deepEqual(
      [connect.name, connect.user, connect.petiole, connect.hasHeaders],
      ['', undefined, undefined, false],
    )
  })

  for (const json of ['', '[]', 'null', '{', '"x"', '{"a":1} x']) {
    it(`refuses ${JSON.stringify(json)}`, () => {
      assert.throws(() => parseLinkInfo(json), { code: 'PETIOLE_LINK_HELLO' })
      assert.throws(() => parseLinkConnect(json), { code: 'PETIOLE_LINK_HELLO' })
    })
  }
})

describe('uplink state', () => {
  const hub = { name: 'h', id: 'N', version: '', cluster: '', domain: '', account: '' }

  it('goes round, counting failed attempts until one succeeds', () => {
    let state: UplinkState = { name: 'idle' }
    const names: string[] = []
    const go = (event: Parameters<typeof nextUplinkState>[1]): void => {
      state = nextUplinkState(state, event)
      names.push('attempt' in state ? `${state.name} ${state.attempt}` : state.name)
    }
    go({ type: 'dial', url: 'u' })
    go({ type: 'failed', untilMs: 1, reason: 'r' })
    go({ type: 'dial', url: 'u' })
    go({ type: 'connected' })
    go({ type: 'failed', untilMs: 1, reason: 'r' })
    go({ type: 'dial', url: 'u' })
    go({ type: 'connected' })
    go({ type: 'accepted', nowMs: 5, hub })
    go({ type: 'failed', untilMs: 1, reason: 'r' })
    go({ type: 'dial', url: 'u' })
    go({ type: 'stopped' })
    go({ type: 'dial', url: 'u' })
    assert.deepEqual(names, [
      'dialing 1',
      'waiting 1',
      'dialing 2',
      'handshaking 2',
      'waiting 2',
      'dialing 3',
      'handshaking 3',
      'up',
      'waiting 0',
      'dialing 1',
      'stopped',
      'stopped',
    ])
  })

  it('changes nothing by an event that does not belong', () => {
    const idle: UplinkState = { name: 'idle' }
    assert.equal(nextUplinkState(idle, { type: 'connected' }), idle)
    assert.equal(nextUplinkState(idle, { type: 'failed', untilMs: 1, reason: '' }), idle)
    const dialing = nextUplinkState(idle, { type: 'dial', url: 'u' })
    assert.equal(nextUplinkState(dialing, { type: 'accepted', nowMs: 1, hub }), dialing)
    assert.equal(nextUplinkState(dialing, { type: 'dial', url: 'v' }), dialing)
  })
})

describe('link backoff', () => {
  it('spreads over the range, grows, and stays within its bounds', () => {
    const seed = Date.now() % 2 ** 31
    const waits = Array.from({ length: 200 }, (_, i) => {
      const backoff = new Backoff(new SeededRandom(seed + i), 250, 30_000)
      return Array.from({ length: 12 }, () => backoff.nextMs())
    })
    const firsts = waits.map((it) => it[0] ?? 0)
    assert.ok(
      firsts.every((it) => it >= 125 && it <= 250),
      `seed=${seed}: first within the base`,
    )
    assert.ok(Math.max(...firsts) - Math.min(...firsts) > 60, `seed=${seed}: first in step`)
    assert.ok(
      waits.every((it) => it.slice(1).every((ms) => ms >= 250 && ms <= 30_000)),
      `seed=${seed}`,
    )
    const last = waits.map((it) => it.at(-1) ?? 0).sort((a, b) => a - b)
    assert.ok((last[150] ?? 0) - (last[50] ?? 0) > 1_000, `seed=${seed}: leaves come back in step`)
    assert.ok((last[100] ?? 0) > 2_000, `seed=${seed}: no growth`)
    assert.ok(
      waits.every((it) => (it[1] ?? 0) <= 750),
      `seed=${seed}`,
    )
  })

  it('begins within the base again once it is reset', () => {
    const backoff = new Backoff(new SeededRandom(1), 250, 30_000)
    for (let i = 0; i < 8; i++) backoff.nextMs()
    backoff.reset()
    const again = backoff.nextMs()
    assert.ok(again >= 125 && again <= 250, `${again}`)
  })
})

describe('uplink url pool', () => {
  const configured = [remoteUrl('nats-leaf://a:1'), remoteUrl('nats-leaf://b:2')]

  it('takes turns, and adds what a hub has told behind what is configured', () => {
    const pool = new UrlPool(configured, new SeededRandom(1), false)
    pool.discover(['b:2', 'c:3', '[::1]:4', 'nonsense', 'x:0', 'y:70000'], configured[0]!)
    const hosts = pool.urls.map((url) => `${url.host}:${url.port}`)
    assert.deepEqual(hosts, ['a:1', 'b:2', 'c:3', '::1:4'])
    const round = Array.from({ length: 4 }, () => pool.advance())
    assert.deepEqual(round, [false, false, false, true])
    pool.discover([], configured[0]!)
    assert.equal(pool.urls.length, 2)
  })

  it('is bounded', () => {
    const pool = new UrlPool(configured, new SeededRandom(1), true)
    pool.discover(
      Array.from({ length: 1_000 }, (_, i) => `h${i}:1`),
      configured[0]!,
    )
    assert.equal(pool.urls.length, 64)
  })
})

describe('uplink failures in the log', () => {
  it('say the first and each new reason at once, the same one again every few minutes', () => {
    const clock = new LinkClock()
    const log = new RecordingLog()
    const failures = new FailureLog(log, clock)
    const fail = (reason: string): void => {
      failures.failed({ url: 'u', reason, advice: '', retryInMs: 1 })
    }
    for (let i = 0; i < 60; i++) {
      fail(`port ${i} refused`)
      fail('no address')
      clock.pass(10_000)
    }
    fail('no route')
    fail('no route')
    const lines = log.lines.map((it) => `${it.message}: ${it.fields['reason']}`)
    assert.deepEqual(lines, [
      'uplink down: port 0 refused',
      'uplink still down: no address',
      'uplink still down: port 30 refused',
      'uplink still down: no address',
      'uplink still down: no route',
    ])
    assert.deepEqual(failures.recovered(), { failures: 122, downMs: 600_000 })
  })
})
