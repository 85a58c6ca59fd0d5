import assert from 'node:assert/strict'
import type { ClientOutlet } from '../../../shared/broker/client-outlet.ts'
import { ClientSubscription } from '../../../shared/broker/client-subscription.ts'
import type { Peer } from '../../../shared/broker/index.ts'
import { PENDING_RESPONSES_PER_IMPORTER_MAX } from '../../../shared/imports/limits.ts'
import { SubjectMappings } from '../../../shared/subject/index.ts'
import { encodeHeaders } from '../../../shared/wire/index.ts'
import { accountConfig, exported, imported } from '../../support/account-configs.ts'
import { answering, ImportWorld } from '../../support/import-world.ts'
import { RecordingLink, RecordingPeer } from '../../support/recording-peer.ts'

function world(
  service: Parameters<typeof exported>[2] = {},
  wanted: Parameters<typeof imported>[4] = {},
): ImportWorld {
  return new ImportWorld([
    accountConfig('A', { exports: [exported('service', 'help.*', service)] }),
    accountConfig('B', { imports: [imported('service', 'A', 'help.*', 'ask.$1', wanted)] }),
  ])
}

/** A responder in A that answers at once, with each of `answers`. */
function responder(w: ImportWorld, answers: readonly string[], account = 'A'): RecordingPeer {
  const peer = new RecordingPeer('local')
  peer.onDeliver = answering(w, account, peer, () => answers)
  w.space(account).subscribe(peer, { subject: 'help.>' })
  return peer
}

function requester(w: ImportWorld, account = 'B'): RecordingPeer {
  const peer = new RecordingPeer('local')
  w.space(account).subscribe(peer, { subject: 'inbox.*', sid: 'i' })
  return peer
}

function payloads(peer: RecordingPeer): string[] {
  return peer.got.map(({ payload }) => payload)
}

describe('service imports', () => {
  it('bring a request there and its answer back, and forget both', () => {
    const w = world()
    const service = responder(w, ['yes', 'again'])
    const client = requester(w)
    assert.equal(w.publish('B', client, 'ask.1', { reply: 'inbox.1', payload: 'q' }), 1)
    const [asked] = service.got
    assert.equal(asked?.subject, 'help.1')
    assert.equal(asked?.payload, 'q')
    assert.match(asked?.reply ?? '', /^_R_\.[0-9A-Za-z]{6}\.[0-9A-Za-z]{6}$/)
    assert.deepEqual(
      client.got.map(({ subject, payload }) => [subject, payload]),
      [['inbox.1', 'yes']],
    )
    assert.equal(w.imports.pendingResponses('A'), 0)
    assert.equal(w.publish('A', service, asked?.reply ?? '', { payload: 'late' }), 0)
  })

  it('wait for no answer when only one who is gone listens for it, and is not forgotten yet', () => {
    const w = world()
    const service = new RecordingPeer('local')
    w.space('A').subscribe(service, { subject: 'help.>' })
    const client = new RecordingPeer('local')
    const listening = w.space('B').subscribe(client, { subject: 'inbox.1' })
    const gone = { kind: 'client', isClosed: true } as unknown as ClientOutlet
    w.space('B').add(new ClientSubscription(gone, 'inbox.1', '', '1'))
    assert.equal(w.publish('B', client, 'ask.1', { reply: 'inbox.1' }), 1)
    assert.equal(w.imports.pendingResponses('A'), 1)
    w.space('B').unsubscribe(listening)
    assert.equal(w.imports.pendingResponses('A'), 0)
  })

  it('are not taken when nobody answers there', () => {
    const w = world()
    const client = requester(w)
    assert.equal(w.publish('B', client, 'ask.1', { reply: 'inbox.1' }), 0)
    assert.equal(w.imports.pendingResponses('A'), 0)
    responder(w, ['yes'])
    assert.equal(w.publish('B', client, 'ask.1.2', { reply: 'inbox.1' }), 0)
  })

  it('serve one member of a queue group, also for a request from a leaf', () => {
    const w = world()
    const members = [1, 2].map(() => new RecordingPeer('local'))
    for (const peer of members) w.space('A').subscribe(peer, { subject: 'help.1', queue: 'q' })
    const leaf = new RecordingLink('leaf')
    w.space('B').subscribe(leaf, { subject: 'inbox.1' })
    for (let i = 0; i < 20; i++)
      assert.equal(w.publish('B', leaf, 'ask.1', { reply: 'inbox.1' }), 1)
    assert.equal(members[0]!.got.length + members[1]!.got.length, 20)
    const reply = members.flatMap(({ got }) => got)[0]?.reply ?? ''
    assert.equal(w.publish('A', members[0]!, reply, { payload: 'yes' }), 1)
    assert.equal(leaf.got[0]?.subject, 'inbox.1')
  })

  it('leave a request of another hub to the import that it came through there', () => {
    const w = world()
    responder(w, ['yes'])
    const route = { kind: 'route', id: 9, echo: true, deliver: () => {} } as const
    assert.equal(w.publish('B', route, 'ask.1', { reply: 'inbox.1' }), 0)
  })

  it('bring several answers of a stream until an empty one, or until nothing comes for long', () => {
    for (const response_type of ['stream', 'chunked'] as const) {
      const w = world({ response_type, response_threshold: 1_000 })
      const service = responder(w, ['1', '2'])
      const client = requester(w)
      w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
      assert.deepEqual(payloads(client), ['1', '2'])
      const reply = service.got[0]?.reply ?? ''
      w.clock.advance(900)
      assert.equal(w.publish('A', service, reply, { payload: '3' }), 1)
      w.clock.advance(900)
      assert.equal(w.publish('A', service, reply, { payload: '4' }), 1)
      w.clock.advance(1_001)
      assert.equal(w.publish('A', service, reply, { payload: '5' }), 0)
      w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
      assert.equal(w.publish('A', service, service.got[1]?.reply ?? '', { payload: '' }), 1)
      assert.equal(w.imports.pendingResponses('A'), 0)
    }
  })

  it('wait two minutes when the export does not say, and no longer than somebody listens', () => {
    const w = world()
    const service = new RecordingPeer('local')
    w.space('A').subscribe(service, { subject: 'help.*' })
    const client = new RecordingPeer('local')
    const subscription = w.space('B').subscribe(client, { subject: 'inbox.*' })
    const literal = w.space('B').subscribe(client, { subject: 'single' })
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    w.clock.advance(119_999)
    assert.equal(w.imports.pendingResponses('A'), 1)
    w.clock.advance(1)
    assert.equal(w.imports.pendingResponses('A'), 0)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    w.publish('B', client, 'ask.1', { reply: 'single' })
    w.space('B').unsubscribe(subscription)
    assert.equal(w.imports.pendingResponses('A'), 1)
    w.space('B').unsubscribe(literal)
    assert.equal(w.imports.pendingResponses('A'), 0)
  })

  it('pass through the accounts between, each with a reply of its own', () => {
    const w = new ImportWorld([
      accountConfig('A', { exports: [exported('service', 'help.>')] }),
      accountConfig('B', {
        exports: [exported('service', 'mid.>')],
        imports: [imported('service', 'A', 'help.>', 'mid.>')],
      }),
      accountConfig('C', { imports: [imported('service', 'B', 'mid.>', 'ask.>')] }),
    ])
    const service = responder(w, ['yes'])
    const client = requester(w, 'C')
    assert.equal(w.publish('C', client, 'ask.1', { reply: 'inbox.1' }), 1)
    assert.equal(service.got[0]?.subject, 'help.1')
    assert.deepEqual(payloads(client), ['yes'])
    assert.equal(w.imports.pendingResponses('A') + w.imports.pendingResponses('B'), 0)
  })

  it('refuse to lead in a circle', () => {
    const w = new ImportWorld([
      accountConfig('A', {
        exports: [exported('service', 'help')],
        imports: [imported('service', 'B', 'help')],
      }),
      accountConfig('B', {
        exports: [exported('service', 'help')],
        imports: [imported('service', 'A', 'help')],
      }),
    ])
    assert.deepEqual(
      w.warnings.map(({ account, reason }) => [account, reason]),
      [['B', 'import forms a cycle']],
    )
    assert.equal(w.publish('B', new RecordingPeer('local'), 'help', { reply: 'x' }), 0)
    assert.equal(w.publish('A', new RecordingPeer('local'), 'help', { reply: 'x' }), 0)
  })

  it('end a circle that a mapping closes', () => {
    const w = new ImportWorld([
      accountConfig('A', {
        exports: [exported('service', 'a')],
        imports: [imported('service', 'B', 'b')],
      }),
      accountConfig('B', {
        exports: [exported('service', 'b')],
        imports: [imported('service', 'A', 'a', 'c')],
      }),
    ])
    assert.deepEqual(w.warnings, [])
    const relay = new RecordingPeer('local')
    relay.onDeliver = (_subscription, message) => {
      w.publish('B', relay, 'c', { reply: message.reply })
    }
    w.space('B').subscribe(relay, { subject: 'b' })
    const back = new RecordingPeer('local')
    back.onDeliver = (_subscription, message) => {
      w.publish('A', back, 'b', { reply: message.reply })
    }
    w.space('A').subscribe(back, { subject: 'a' })
    w.publish('A', back, 'b', { reply: 'x' })
    assert.ok(relay.got.length > 1 && relay.got.length <= 32, `${relay.got.length}`)
    const quiet = new RecordingPeer('local')
    w.space('A').subscribe(quiet, { subject: 'fine' })
    assert.equal(w.publish('A', quiet, 'fine'), 1)
  })

  it('say who asks, more of it when the import shares it', () => {
    for (const share of [false, true]) {
      const w = world({}, { share })
      const service = responder(w, [])
      const client = requester(w)
      w.descriptions.set(client, {
        account: 'B',
        id: 7,
        host: '10.0.0.1',
        name: 'me',
        user: 'bob',
        lang: 'js',
        version: '3',
        startedMs: Date.UTC(2030, 0, 1),
        roundTripMs: 1.5,
        kind: 'Client',
        clientType: 'nats',
      })
      const headers = encodeHeaders({ 'Nats-Request-Info': '{"acc":"forged"}', K: 'v' })
      w.publish('B', client, 'ask.1', { reply: 'inbox.1', headers })
      const info = share
        ? '{"start":"2030-01-01T00:00:00.000Z","host":"10.0.0.1","id":7,"acc":"B","user":"bob","name":"me","lang":"js","ver":"3","rtt":1500000,"server":"test","kind":"Client","client_type":"nats"}'
        : '{"acc":"B","rtt":1500000}'
      assert.equal(
        service.got[0]?.headers,
        `NATS/1.0\r\nK: v\r\nNats-Request-Info: ${info}\r\n\r\n`,
      )
    }
  })

  it('never believe a request that says itself who asks', () => {
    const w = world()
    const service = responder(w, [])
    const headers = encodeHeaders({ 'Nats-Request-Info': '{"acc":"A","user":"admin"}' })
    for (const kind of ['mqtt', 'leaf', 'local'] as const) {
      const peer = { kind, id: 1, echo: true, deliver: () => {} }
      w.publish('B', peer, 'ask.1', { reply: 'inbox.1', headers })
    }
    const expected = 'NATS/1.0\r\nNats-Request-Info: {"acc":"B"}\r\n\r\n'
    assert.deepEqual(
      service.got.map((it) => it.headers),
      [expected, expected, expected],
    )
  })

  it('apply the mappings of the account that answers, and drop what they drop', () => {
    const w = world()
    const service = responder(w, ['yes'])
    const rule = {
      subject: 'help.1',
      destinations: [{ subject: 'help.mapped', weight: 100, cluster: '' }],
    }
    w.space('A').mappings = new SubjectMappings([rule], '')
    const client = requester(w)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    assert.deepEqual([service.got[0]?.subject, ...payloads(client)], ['help.mapped', 'yes'])
  })

  it('measure what the export asks to be measured', () => {
    const w = world({ latency: { sampling: 100, subject: 'latency' } })
    const metrics = new RecordingPeer('local')
    w.space('A').subscribe(metrics, { subject: 'latency' })
    const service = new RecordingPeer('local')
    const subscription = w.space('A').subscribe(service, { subject: 'help.*' })
    const client = requester(w)
    const describe = (peer: Peer, account: string, roundTripMs: number): void => {
      w.descriptions.set(peer, { account, roundTripMs, name: account })
    }
    describe(client, 'B', 2)
    describe(service, 'A', 1)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    w.clock.advance(10)
    w.publish('A', service, service.got[0]?.reply ?? '', { payload: 'yes' })
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    w.clock.advance(120_000)
    w.publish('B', client, 'ask.1')
    w.space('A').unsubscribe(subscription)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    const events = payloads(metrics).map((text) => JSON.parse(text))
    assert.deepEqual(
      events.map(({ status, description }) => [status, description]),
      [
        [200, undefined],
        [504, 'Service Timeout'],
        [400, 'Bad Request'],
        [503, 'Service Unavailable'],
      ],
    )
    const { id, ...first } = events[0]
    assert.match(id, /^[0-9A-Za-z]{22}$/)
    assert.deepEqual(first, {
      type: 'io.nats.server.metric.v1.service_latency',
      timestamp: '2030-01-01T00:00:00.010Z',
      status: 200,
      requestor: { acc: 'B', rtt: 2_000_000 },
      responder: { acc: 'A', name: 'A', rtt: 1_000_000, server: 'test' },
      start: '2029-12-31T23:59:59.998Z',
      service: 9_000_000,
      system: 0,
      total: 12_000_000,
    })
  })

  it('measure by header, and show it', () => {
    for (const [headers, shown] of [
      [{ 'Uber-Trace-Id': 'a:b:a:1' }, { 'Uber-Trace-Id': ['a:b:a:1'] }],
      [{ 'Uber-Trace-Id': 'a:b:a:0' }, undefined],
      [
        { 'X-B3-Sampled': '1', 'X-B3-TraceId': 'x' },
        { 'X-B3-Sampled': ['1'], 'X-B3-Traceid': ['x'] },
      ],
      [{ 'X-B3-Sampled': '0' }, undefined],
      [{ b3: '0' }, undefined],
      [{ b3: 'a-b-1' }, { B3: ['a-b-1'] }],
      [
        { traceparent: '00-a-b-01', tracestate: 's' },
        { Traceparent: ['00-a-b-01'], Tracestate: ['s'] },
      ],
      [{ traceparent: '00-a-b-00' }, undefined],
      [{ other: 'x' }, undefined],
    ] as const) {
      const w = world({ latency: { sampling: 0, subject: 'latency' } })
      const metrics = new RecordingPeer('local')
      w.space('A').subscribe(metrics, { subject: 'latency' })
      responder(w, ['yes'])
      const client = requester(w)
      w.publish('B', client, 'ask.1', { reply: 'inbox.1', headers: encodeHeaders(headers) })
      assert.deepEqual(
        payloads(metrics).map((text) => JSON.parse(text).header),
        shown ? [shown] : [],
      )
    }
  })

  it('hold a stream of acknowledgements to the account of the stream', () => {
    const w = world({ response_type: 'stream' })
    const service = new RecordingPeer('local')
    w.space('A').subscribe(service, { subject: 'help.*' })
    const client = requester(w)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    const ack = '$JS.ACK.s.c.1.1.1.1.0'
    w.publish('A', service, service.got[0]?.reply ?? '', { reply: ack, shown: 'stored' })
    assert.deepEqual([client.got[0]?.reply, client.got[0]?.shown], [ack, 'stored'])
  })

  it('let the answer be answered', () => {
    const w = world({ response_type: 'stream' })
    const service = new RecordingPeer('local')
    w.space('A').subscribe(service, { subject: 'help.*' })
    w.space('A').subscribe(service, { subject: 'more' })
    const client = requester(w)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    w.publish('A', service, service.got[0]?.reply ?? '', { reply: 'more', payload: 'and?' })
    assert.match(client.got[0]?.reply ?? '', /^_R_\./)
    w.publish('B', client, client.got[0]?.reply ?? '', { payload: 'that' })
    assert.deepEqual(service.got.at(-1)?.subject, 'more')
    assert.deepEqual(payloads(service).at(-1), 'that')
  })
})

describe('exports', () => {
  const wanted = imported('service', 'A', 'x.B')
  for (const [what, service, isAllowed] of [
    ['to all', exported('service', 'x.B'), true],
    ['of something wider', exported('service', 'x.>'), true],
    ['of something else', exported('service', 'y'), false],
    ['of a stream', exported('stream', 'x.B'), false],
    ['to this account', exported('service', 'x.B', { accounts: ['B'] }), true],
    ['to another account', exported('service', 'x.B', { accounts: ['C'] }), false],
    [
      'by the account in the subject',
      exported('service', 'x.*', { account_token_position: 2 }),
      true,
    ],
    ['by another token', exported('service', '*.B', { account_token_position: 1 }), false],
    ['by a token that is missing', exported('service', 'x.B', { token_required: true }), false],
  ] as const) {
    it(`${what}: ${isAllowed ? 'imported' : 'refused'}`, () => {
      const w = new ImportWorld([
        accountConfig('A', { exports: [service] }),
        accountConfig('B', { imports: [wanted] }),
      ])
      assert.equal(w.imports.count('B'), isAllowed ? 1 : 0)
      const reasons = w.warnings.map(({ reason }) => reason)
      assert.deepEqual(reasons, isAllowed ? [] : ['service import not authorized'])
    })
  }

  it('of the system account come without asking', () => {
    const builtIns = [{ subject: '$SYS.REQ.USER.B.INFO', to: '$SYS.REQ.USER.INFO', share: true }]
    const w = new ImportWorld([accountConfig('S'), accountConfig('B')], {
      systemAccount: 'S',
      builtIns,
    })
    const service = new RecordingPeer('local')
    service.onDeliver = answering(w, 'S', service, () => ['you'])
    w.space('S').subscribe(service, { subject: '$SYS.REQ.USER.*.INFO' })
    const client = requester(w)
    w.publish('B', client, '$SYS.REQ.USER.INFO', { reply: 'inbox.1' })
    assert.deepEqual(payloads(client), ['you'])
    assert.deepEqual(w.imports.count('S'), 0)
  })

  it('work again when their account comes back', () => {
    const w = world()
    responder(w, ['yes'])
    const client = requester(w)
    const [a, b] = [w.book.get('A')!.config, w.book.get('B')!.config]
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    w.book.update([b], '', 0)
    assert.deepEqual(w.subjects('A'), ['help.>'])
    assert.equal(w.publish('B', client, 'ask.1', { reply: 'inbox.1' }), 0)
    w.book.update([a, b], '', 0)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    assert.deepEqual(payloads(client), ['yes', 'yes'])
  })

  it('give up the oldest of too many requests', () => {
    const w = world()
    const service = new RecordingPeer('local')
    w.space('A').subscribe(service, { subject: 'help.*' })
    const client = requester(w)
    for (let i = 0; i <= PENDING_RESPONSES_PER_IMPORTER_MAX; i++) {
      w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    }
    assert.equal(w.imports.pendingResponses('A'), PENDING_RESPONSES_PER_IMPORTER_MAX)
    const reply = (at: number): string => service.got.at(at)?.reply ?? ''
    assert.equal(w.publish('A', service, reply(0), { payload: 'late' }), 0)
    assert.equal(w.publish('A', service, reply(1), { payload: 'fine' }), 1)
  })

  it('give up none of an account for those of another', () => {
    const wanted = { imports: [imported('service', 'A', 'help.*', 'ask.$1')] }
    const w = new ImportWorld([
      accountConfig('A', { exports: [exported('service', 'help.*')] }),
      accountConfig('B', wanted),
      accountConfig('C', wanted),
    ])
    const service = new RecordingPeer('local')
    w.space('A').subscribe(service, { subject: 'help.*' })
    const [patient, greedy] = [requester(w), requester(w, 'C')]
    w.publish('B', patient, 'ask.1', { reply: 'inbox.1' })
    for (let i = 0; i <= PENDING_RESPONSES_PER_IMPORTER_MAX; i++) {
      w.publish('C', greedy, 'ask.1', { reply: 'inbox.1' })
    }
    const reply = (at: number): string => service.got.at(at)?.reply ?? ''
    assert.equal(w.publish('A', service, reply(0), { payload: 'yours' }), 1)
    assert.equal(w.publish('A', service, reply(1), { payload: 'late' }), 0)
    assert.deepEqual(payloads(patient), ['yours'])
  })

  it('are given up by one timer, also when somebody asks again as they are', () => {
    const latency = { subject: 'seen', sampling: 100 } as const
    const w = world({ response_threshold: 1_000, latency: latency as never })
    w.space('A').subscribe(new RecordingPeer('local'), { subject: 'help.*' })
    const client = requester(w)
    const again = new RecordingPeer('local')
    again.onDeliver = () => void w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    w.space('A').subscribe(again, { subject: 'seen' })
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    for (let round = 1; round <= 3; round++) {
      w.clock.advance(1_000)
      assert.equal(again.got.length, round)
      assert.equal(w.clock.timers, 1)
    }
  })

  it('that go away leave nobody waiting', () => {
    const w = world()
    w.space('A').subscribe(new RecordingPeer('local'), { subject: 'help.*' })
    const client = requester(w)
    w.publish('B', client, 'ask.1', { reply: 'inbox.1' })
    assert.equal(w.imports.pendingResponses('A'), 1)
    w.book.update([accountConfig('A'), w.book.get('B')!.config], '', 0)
    assert.equal(w.imports.pendingResponses('A'), 0)
    assert.equal(w.publish('B', client, 'ask.1', { reply: 'inbox.1' }), 0)
  })
})
