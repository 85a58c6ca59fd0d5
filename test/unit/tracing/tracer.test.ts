import assert from 'node:assert/strict'
import { gunzipSync } from 'node:zlib'
import { StaticAccountBook } from '../../../shared/account/index.ts'
import { AccountSpace, type Peer, type TracedIngress } from '../../../shared/broker/index.ts'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { Tracer } from '../../../shared/tracing/index.ts'
import { TRACE_EVENTS_MAX, TRACE_HEADER_BYTES_MAX } from '../../../shared/tracing/limits.ts'
import { encodeHeaders, type HeaderFields } from '../../../shared/wire/index.ts'
import { accountConfig } from '../../support/account-configs.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordingLink, RecordingPeer } from '../../support/recording-peer.ts'

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

class World {
  readonly random = new SeededRandom(3)
  readonly space = new AccountSpace(this.random, 'A')
  readonly traces = new RecordingPeer('local')
  readonly tracer: Tracer

  constructor(sampling = 100) {
    const account = accountConfig('A', { msg_trace: { dest: 'traces', sampling } })
    this.space.subscribe(this.traces, { subject: 'traces' })
    this.tracer = new Tracer({
      clock: new ManualClock(),
      random: this.random,
      log: silentLog,
      book: new StaticAccountBook([account], ''),
      nextPeerId: () => 1,
      server: () => ({ name: 'test' }),
      nameOf: ({ kind }) => (kind === 'leaf' ? 'press-7' : ''),
      streamOf: (_account, subject) => (subject.startsWith('kept.') ? 'KEPT' : ''),
    })
  }

  publish(
    subject: string,
    fields: HeaderFields,
    peer: Peer = { kind: 'client', id: 5, echo: true, deliver: () => {} },
    more: Partial<TracedIngress> = {},
  ): number | undefined {
    const publication = {
      subject: Buffer.from(subject),
      reply: new Uint8Array(0),
      headers: encodeHeaders(fields),
      payload: Buffer.from('hello'),
    }
    const ingress = { peer, name: 'me', account: 'A', ...more }
    return this.tracer.publish(this.space, ingress, publication)
  }

  get events(): { readonly hops?: number; readonly events: Record<string, unknown>[] }[] {
    return this.traces.got.map(({ payload }) => JSON.parse(payload))
  }
}

describe('Tracer', () => {
  it('writes the event as nats-server does, field by field', () => {
    const w = new World()
    assert.equal(w.publish('a', { 'Nats-Trace-Dest': 'traces', B: '1' }), 0)
    const text = w.traces.got[0]?.payload
    assert.equal(
      text,
      '{"server":{"name":"test"},"request":{"header":{"B":["1"],"Nats-Trace-Dest":["traces"]},"msgsize":48},' +
        '"events":[{"type":"in","ts":"2030-01-01T00:00:00.000Z","kind":0,"cid":5,"name":"me","acc":"A","subj":"a"}]}',
    )
  })

  it('shows of very many headers the first, and those that are its own wherever they stand', () => {
    const w = new World()
    const many = Array.from({ length: 150_000 }, () => ['A', 'b'] as const)
    const own = [
      ['Nats-Trace-Hop', '2'],
      ['Nats-Trace-Only', 'x'],
      ['Nats-Trace-Dest', 'traces'],
    ] as const
    const link = new RecordingLink('leaf')
    w.space.subscribe(link, { subject: 'a' })
    w.publish('a', [...many, ...own], new RecordingLink('leaf'))
    const payload = w.traces.got[0]?.payload ?? ''
    const { header } = JSON.parse(payload).request
    assert.equal(header.A.length, Math.floor((TRACE_HEADER_BYTES_MAX - 10) / 6))
    delete header.A
    assert.deepEqual(header, Object.fromEntries(own.map(([name, value]) => [name, [value]])))
    // What goes on is the message as it was.
    assert.equal(link.got[0]?.headers.split('\r\n').length, 150_000 + 6)
    assert.match(
      link.got[0]?.headers ?? '',
      /Nats-Trace-Dest: traces\r\nNats-Trace-Hop: 2.1\r\n\r\n$/,
    )
  })

  it('counts the hops over links, and goes on with the count of the server before', () => {
    const w = new World()
    const links = [new RecordingLink('leaf'), new RecordingLink('leaf')]
    for (const link of links) w.space.subscribe(link, { subject: 'a' })
    w.publish('a', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Hop': '9' })
    const hops = (): string[] =>
      links.map(({ got }) => /Nats-Trace-Hop: (.*)\r/.exec(got.at(-1)?.headers ?? '')?.[1] ?? '')
    assert.deepEqual(hops(), ['1', '2'])
    const [first] = w.events
    assert.equal(first?.hops, 2)
    const [, egress] = first?.events ?? []
    const { type, kind, name, hop } = egress ?? {}
    assert.deepEqual([type, kind, name, hop], ['eg', 4, 'press-7', '1'])
    const from = new RecordingLink('leaf')
    w.publish('a', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Hop': '1.2' }, from)
    assert.deepEqual(hops(), ['1.2.1', '1.2.2'])
  })

  it('sends a message over links even if only the trace is wanted, and never back', () => {
    const w = new World()
    const link = new RecordingLink('leaf')
    const own = new RecordingPeer('mqtt')
    w.space.subscribe(link, { subject: 'a' })
    w.space.subscribe(own, { subject: 'a' })
    assert.equal(w.publish('a', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Only': 'true' }), 2)
    assert.deepEqual([link.got.length, own.got.length], [1, 0])
    w.publish('a', { 'Nats-Trace-Dest': 'traces' }, link)
    assert.deepEqual([link.got.length, own.got.length], [1, 1])
  })

  it('names the stream that stores it', () => {
    const w = new World()
    const capture = new RecordingPeer('local')
    w.space.subscribe(capture, { subject: 'kept.>', isCapture: true })
    for (const only of ['0', '1']) {
      w.publish('kept.1', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Only': only })
    }
    for (const { events } of w.events) {
      const { type, stream, subject } = events[1] ?? {}
      assert.deepEqual([type, stream, subject], ['js', 'KEPT', 'kept.1'])
    }
    assert.equal(capture.got.length, 1)
  })

  it('tells of one member of a queue group', () => {
    const w = new World()
    const members = [1, 2, 3].map(() => new RecordingPeer('mqtt'))
    for (const peer of members) w.space.subscribe(peer, { subject: 'a', queue: 'q' })
    assert.equal(w.publish('a', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Only': 'on' }), 1)
    assert.equal(w.events[0]?.events.length, 2)
  })

  it('takes samples of what traceparent asks for, and tells the servers behind of the others', () => {
    const w = new World(25)
    const receiver = new RecordingPeer('local')
    w.space.subscribe(receiver, { subject: 'a' })
    for (let i = 0; i < 1_000; i++) w.publish('a', { traceparent: PARENT })
    const traced = w.traces.got.length
    assert.ok(traced > 180 && traced < 320, `${traced} of 1000`)
    const disabled = receiver.got.filter(({ headers }) => headers.includes('trace disabled'))
    assert.equal(disabled.length, 1_000 - traced)
    const link = new RecordingLink('leaf')
    for (let i = 0; i < 10; i++) w.publish('a', { traceparent: PARENT }, link)
    assert.equal(w.traces.got.length, traced + 10)
  })

  it('asks whether the peer may publish to the destination', () => {
    const w = new World()
    const receiver = new RecordingPeer('local')
    w.space.subscribe(receiver, { subject: 'a' })
    const said: string[] = []
    const more = { mayPublish: () => false, complain: (text: string) => void said.push(text) }
    assert.equal(w.publish('a', { 'Nats-Trace-Dest': 'x' }, undefined, more), -1)
    assert.deepEqual(said, ['Permissions Violation for Publish to "x"'])
    assert.equal(receiver.got.length, 0)
  })

  it('leaves alone what asks for no trace', () => {
    const w = new World()
    for (const fields of [
      {},
      { 'Nats-Trace-Dest': '' },
      { 'Nats-Trace-Dest': 'a.*' },
      { 'Nats-Trace-Dest': 'trace disabled' },
      { 'nats-trace-dest': 'traces' },
      { traceparent: 'nonsense' },
      { 'Nats-Trace-Only': 'true' },
    ]) {
      assert.equal(w.publish('a', fields), undefined)
    }
    const only = { 'Nats-Trace-Dest': 'a.*', 'Nats-Trace-Only': 'true' }
    assert.equal(w.publish('a', only), -1)
  })

  it('compresses the event for who asks', () => {
    const w = new World()
    let packed: Uint8Array | undefined
    w.traces.onDeliver = (_subscription, { payload }) => {
      packed = new Uint8Array(payload)
    }
    w.publish('a', { 'Nats-Trace-Dest': 'traces', 'Accept-Encoding': 'gzip' })
    assert.match(gunzipSync(packed ?? '').toString(), /"subj":"a"/)
    assert.equal(w.traces.got[0]?.headers, 'NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n')
  })

  it('stops telling at some time', () => {
    const w = new World()
    const peer = new RecordingPeer('mqtt')
    for (let i = 0; i < TRACE_EVENTS_MAX + 5; i++) w.space.subscribe(peer, { subject: 'a' })
    const taken = w.publish('a', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Only': 'true' })
    assert.equal(taken, TRACE_EVENTS_MAX + 5)
    assert.equal(w.events[0]?.events.length, TRACE_EVENTS_MAX)
  })
})
