import assert from 'node:assert/strict'
import { createMonitor, jsonResponse, type MonitorSources } from '../../../shared/monitor/index.ts'
import { SystemClock } from '../../../shared/runtime/index.ts'
import { type Listener, listenHttp } from '../../../shared/transport/index.ts'
import { monitorSources } from '../../support/monitor-facts.ts'

interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever the endpoint answers
  readonly json: any
}

/** Asks a monitor over a real port, as an exporter does. */
class MonitorPort {
  readonly #listener: Listener
  readonly #base: string

  private constructor(listener: Listener, base: string) {
    this.#listener = listener
    this.#base = base
  }

  static async open(changes: Partial<MonitorSources> = {}, basePath = ''): Promise<MonitorPort> {
    const clock = new SystemClock()
    let port = 0
    const handler = createMonitor({
      clock,
      sources: monitorSources(changes),
      address: () => ({ host: '127.0.0.1', port }),
      basePath,
      routes: new Map([
        [
          '/fleetz',
          { title: 'Fleet', handler: (request) => jsonResponse(request, 200, { leaves: [] }) },
        ],
      ]),
    })
    const listener = await listenHttp(
      { host: '127.0.0.1', port: 0, clock, onTrouble: assert.fail },
      handler,
    )
    port = listener.port
    return new MonitorPort(listener, `http://127.0.0.1:${port}`)
  }

  async get(path: string): Promise<Answer> {
    const response = await fetch(`${this.#base}${path}`)
    const text = await response.text()
    const type = response.headers.get('content-type') ?? ''
    return { status: response.status, type, text, json: type.includes('json') && JSON.parse(text) }
  }

  async close(): Promise<void> {
    await this.#listener.close()
  }
}

describe('monitor', () => {
  let port: MonitorPort
  before(async () => {
    port = await MonitorPort.open()
  })
  after(() => port.close())

  it('/varz has the fields that exporters read', async () => {
    const { json, type } = await port.get('/varz')
    assert.equal(type, 'application/json')
    assert.equal(json.server_id, 'NABC')
    assert.equal(json.server_name, 'hub-eu')
    assert.equal(json.auth_required, true)
    assert.equal(json.ping_interval, 120_000_000_000)
    assert.deepEqual([json.connections, json.total_connections, json.leafnodes], [3, 9, 1])
    assert.deepEqual([json.in_msgs, json.out_msgs], [100, 200])
    assert.deepEqual([json.in_bytes, json.out_bytes], [1_000, 2_000])
    assert.deepEqual([json.slow_consumers, json.subscriptions], [1, 3])
    assert.equal(json.start, '2026-11-21T06:00:00.000Z')
    assert.equal(json.websocket.port, 8443)
    assert.equal(json.leaf.port, 7422)
    assert.deepEqual(json.mqtt, {})
    assert.equal(json.jetstream.config.domain, 'hub-eu')
    assert.equal(json.jetstream.stats.storage, 300)
    assert(json.mem > 1_000_000 && json.cores >= 1)
    assert.equal(json.http_req_stats['/varz'], 1)
  })

  it('/connz lists, sorts and pages connections', async () => {
    const { json } = await port.get('/connz')
    assert.deepEqual(ids(json), [1, 2, 3])
    assert.deepEqual([json.num_connections, json.total, json.offset, json.limit], [3, 3, 0, 1024])
    assert.equal(json.connections[0].rtt, '250µs')
    assert(!('rtt' in json.connections[1]))
    assert(!('authorized_user' in json.connections[0]))
    assert.deepEqual(ids((await port.get('/connz?sort=msgs_from')).json), [2, 1, 3])
    const page = (await port.get('/connz?offset=1&limit=1')).json
    assert.deepEqual([ids(page), page.num_connections, page.total], [[2], 1, 3])
  })

  it('/connz filters by user, id, interest and state', async () => {
    assert.deepEqual(ids((await port.get('/connz?auth=1&user=a')).json), [2, 3])
    assert.deepEqual(ids((await port.get('/connz?cid=2')).json), [2])
    assert.deepEqual(ids((await port.get('/connz?filter_subject=plant.x')).json), [1])
    const closed = (await port.get('/connz?state=closed')).json
    assert.deepEqual(ids(closed), [9])
    assert.equal(closed.connections[0].reason, 'Client Closed')
    assert.equal(closed.connections[0].uptime, '1s')
    assert.deepEqual(ids((await port.get('/connz?state=any')).json), [1, 2, 3, 9])
    assert.equal((await port.get('/connz?auth=1&cid=1')).json.connections[0].authorized_user, 'b')
  })

  it('/connz names subscriptions when asked', async () => {
    const plain = (await port.get('/connz?cid=1&subs=1')).json.connections[0]
    assert.deepEqual(plain.subscriptions_list, ['plant.>', 'plant.*'])
    const detail = (await port.get('/connz?cid=1&subs=detail')).json.connections[0]
    assert.deepEqual(detail.subscriptions_list_detail[1], {
      account: '$G',
      subject: 'plant.*',
      qgroup: 'q',
      sid: '2',
      msgs: 0,
      cid: 1,
    })
  })

  it('/subsz counts, lists and tests subscriptions', async () => {
    const counted = (await port.get('/subsz')).json
    assert.equal(counted.num_subscriptions, 3)
    assert(!('subscriptions_list' in counted))
    assert.equal((await port.get('/subscriptionsz?subs=1')).json.subscriptions_list.length, 3)
    const tested = (await port.get('/subsz?test=plant.a.b')).json
    assert.deepEqual(
      tested.subscriptions_list.map((one: { subject: string }) => one.subject),
      ['plant.>'],
    )
    assert.equal((await port.get('/subsz?test=plant.*')).status, 400)
  })

  it('/leafz lists leaf links', async () => {
    const { json } = await port.get('/leafz?subs=1')
    assert.equal(json.leafnodes, 1)
    assert.equal(json.leafs[0].name, 'press-7')
    assert.equal(json.leafs[0].rtt, '1.5ms')
    assert.deepEqual(json.leafs[0].subscriptions_list, ['plant.>'])
    assert.equal((await port.get('/leafz?acc=B')).json.leafnodes, 0)
  })

  it('/jsz goes as deep as it is asked', async () => {
    const { json } = await port.get('/jsz')
    assert.deepEqual([json.streams, json.consumers, json.messages, json.bytes], [1, 2, 10, 300])
    assert.deepEqual(json.api, { level: 0, total: 5, errors: 1 })
    assert(!('account_details' in json))
    const deep = (await port.get('/jsz?consumers=true&config=1')).json.account_details[0]
    assert.equal(deep.name, '$G')
    assert.equal(deep.stream_detail[0].config.name, 'plant')
    assert.equal(deep.stream_detail[0].state.last_seq, 10)
    assert.equal(deep.stream_detail[0].consumer_detail.length, 2)
  })

  it('/healthz is ok, in the shortest form', async () => {
    const { status, text } = await port.get('/healthz')
    assert.deepEqual([status, text], [200, '{"status":"ok"}'])
  })

  it('/ is a page with links to all of it', async () => {
    const { text, type } = await port.get('/')
    assert.match(type, /^text\/html/)
    for (const path of ['/varz', '/connz', '/leafz', '/jsz', '/healthz', '/fleetz']) {
      assert(text.includes(`href=".${path}"`), path)
    }
  })

  it('a role adds its own routes', async () => {
    assert.deepEqual((await port.get('/fleetz')).json, { leaves: [] })
  })

  it('wraps an answer in a callback, when that is a name', async () => {
    const { text, type } = await port.get('/healthz?callback=my.fn')
    assert.deepEqual([text, type], ['my.fn({"status":"ok"})', 'application/javascript'])
    assert.equal((await port.get('/healthz?callback=alert(1)')).text, '{"status":"ok"}')
  })

  const refused: readonly (readonly [path: string, status: number, text: string])[] = [
    ['/nope', 404, '404 page not found\n'],
    ['/varzx', 404, '404 page not found\n'],
    ['/constructor', 404, '404 page not found\n'],
    ['/connz?sort=foo', 400, 'invalid sorting option: foo'],
    ['/connz?limit=foo', 400, 'Error decoding int for \'limit\': "foo" is no whole number'],
    [
      '/connz?auth=foo',
      400,
      'Error decoding boolean for \'auth\': "foo" is neither true nor false',
    ],
    ['/connz?state=foo', 400, 'Error decoding state for foo'],
  ]
  for (const [path, status, text] of refused) {
    it(`${path} is ${status}`, async () => {
      const answer = await port.get(path)
      assert.deepEqual([answer.status, answer.text], [status, text])
    })
  }
})

describe('monitor: in trouble', () => {
  it('/healthz is 503 with the reason', async () => {
    const port = await MonitorPort.open({ trouble: () => 'the store is full' })
    const { status, json } = await port.get('/healthz')
    assert.equal(status, 503)
    assert.deepEqual(json, { status: 'unavailable', status_code: 503, error: 'the store is full' })
    const detail = (await port.get('/healthz?details=1')).json
    assert.deepEqual(detail.errors, [{ type: 'JETSTREAM', error: 'the store is full' }])
    await port.close()
  })

  it('says that JetStream is off', async () => {
    const port = await MonitorPort.open({ jetStream: () => undefined })
    assert.equal((await port.get('/healthz')).status, 200)
    assert.equal((await port.get('/healthz?js-enabled-only=true')).status, 503)
    assert.equal((await port.get('/jsz')).json.disabled, true)
    assert.deepEqual((await port.get('/varz')).json.jetstream, {})
    await port.close()
  })

  it('lies below a base path', async () => {
    const port = await MonitorPort.open({}, '/nats/')
    assert.equal((await port.get('/nats/varz')).json.http_base_path, '/nats')
    assert.equal((await port.get('/nats')).status, 200)
    assert.equal((await port.get('/varz')).status, 404)
    await port.close()
  })
})

function ids(json: { connections: { cid: number }[] }): number[] {
  return json.connections.map(({ cid }) => cid)
}
