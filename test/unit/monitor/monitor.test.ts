import assert from 'node:assert/strict'
import { connz } from '../../../shared/monitor/connz.ts'
import {
  connzFields,
  createMonitor,
  gauge,
  jsonResponse,
  type MonitorSources,
  Reports,
  RequestFields,
} from '../../../shared/monitor/index.ts'
import { SUBSCRIPTIONS_LISTED_MAX } from '../../../shared/monitor/limits.ts'
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
    const reports = new Reports({
      clock,
      sources: monitorSources(changes),
      http: () => ({ host: '127.0.0.1', port, securePort: 0, basePath: basePath.slice(0, 5) }),
    })
    const handler = createMonitor({
      clock,
      reports,
      basePath,
      metrics: [() => [gauge('petiole_leaves', 'Leaves', ['region'], [[['eu "1"'], 4]])]],
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
    assert.equal(json.jetstream.config.max_memory, 4096)
    const { storage, reserved_memory, reserved_storage } = json.jetstream.stats
    assert.deepEqual([storage, reserved_memory, reserved_storage], [300, 2048, 1_000_000])
    assert.deepEqual([json.in_client_msgs, json.out_client_bytes], [90, 1_800])
    assert.deepEqual(json.slow_consumer_stats, { clients: 1, routes: 0, gateways: 0, leafs: 0 })
    assert.equal(json.system_account, '$SYS')
    assert.deepEqual(json.tags, ['eu'])
    assert.deepEqual([json.cluster, json.gateway], [{}, {}])
    assert(json.mem > 1_000_000 && json.cores >= 1)
    assert.equal(json.http_req_stats['/varz'], 1)
  })

  it('/connz lists, sorts and pages connections', async () => {
    const { json } = await port.get('/connz')
    assert.deepEqual(ids(json), [1, 2, 3])
    assert.deepEqual([json.num_connections, json.total, json.offset, json.limit], [3, 3, 0, 1024])
    assert.equal(json.connections[0].rtt, '250µs')
    assert.equal(json.connections[1].rtt, '0s')
    assert(!('authorized_user' in json.connections[0]))
    assert.deepEqual(ids((await port.get('/connz?sort=msgs_from')).json), [2, 1, 3])
    const page = (await port.get('/connz?offset=1&limit=1')).json
    assert.deepEqual([ids(page), page.num_connections, page.total], [[2], 1, 3])
  })

  it('/connz filters by user, id, interest and state', async () => {
    assert.deepEqual(ids((await port.get('/connz?auth=1&user=a')).json), [2, 3])
    assert.deepEqual(ids((await port.get('/connz?cid=2')).json), [2])
    assert.deepEqual(ids((await port.get('/connz?acc=$G&filter_subject=plant.x')).json), [1])
    const closed = (await port.get('/connz?state=closed')).json
    assert.deepEqual(ids(closed), [9])
    assert.equal(closed.connections[0].reason, 'Client Closed')
    assert.equal(closed.connections[0].uptime, '1s')
    assert.deepEqual(ids((await port.get('/connz?state=any')).json), [1, 2, 3, 9])
    assert.equal((await port.get('/connz?auth=1&cid=1')).json.connections[0].authorized_user, 'b')
  })

  it('/connz reads certificates only for who asks for them', async () => {
    let reads = 0
    const tls = {
      version: '1.3',
      cipherSuite: 'TLS_AES_128_GCM_SHA256',
      isFirst: false,
      certificates: () => {
        reads++
        return [{ subject: 'CN=press-7', keyDigest: 'aa', digest: 'bb' }]
      },
    }
    const connections = () => [...monitorSources().connections()].map((one) => ({ ...one, tls }))
    const secured = await MonitorPort.open({ connections })
    const plain = (await secured.get('/connz')).json.connections[0]
    assert.equal(plain.tls_version, '1.3')
    assert(!('tls_peer_certs' in plain) && !('tls_first' in plain))
    assert.equal(reads, 0)
    const shown = (await secured.get('/connz?auth=1&limit=1')).json.connections[0]
    assert.deepEqual(shown.tls_peer_certs, [
      { subject: 'CN=press-7', spki_sha256: 'aa', cert_sha256: 'bb' },
    ])
    assert.equal(reads, 1)
    await secured.close()
  })

  it('/connz names subscriptions when asked', async () => {
    const plain = (await port.get('/connz?cid=1&subs=1')).json.connections[0]
    assert.deepEqual(plain.subscriptions_list, ['plant.>', 'plant.*'])
    const detail = (await port.get('/connz?cid=1&subs=detail')).json.connections[0]
    assert.deepEqual(detail.subscriptions_list_detail[1], {
      subject: 'plant.*',
      qgroup: 'q',
      sid: '2',
      msgs: 0,
      cid: 1,
    })
  })

  it('/connz reads subscriptions of what it shows alone, and no more than it lists', () => {
    let read = 0
    const [first] = monitorSources().subscriptions('$G')
    assert.ok(first)
    const asked: (ReadonlySet<number> | undefined)[] = []
    const sources = monitorSources({
      *subscriptions(_account, connections) {
        asked.push(connections)
        for (; read < 1_000_000; read++) {
          yield { ...first, subject: `s.${read}` }
        }
      },
    })
    const options = connzFields(RequestFields.parse(Buffer.from('{"subscriptions":true}')))
    const { connections } = connz(sources, { ...options, limit: 2 }, 0) as {
      connections: { subscriptions_list?: string[] }[]
    }
    assert.equal(connections[0]?.subscriptions_list?.length, SUBSCRIPTIONS_LISTED_MAX)
    assert.equal(read, SUBSCRIPTIONS_LISTED_MAX)
    assert.deepEqual(asked, [new Set([1])])
  })

  it('/subsz counts, lists and tests subscriptions', async () => {
    const counted = (await port.get('/subsz')).json
    assert.deepEqual([counted.num_subscriptions, counted.num_cache, counted.total], [4, 8, 0])
    assert.deepEqual([counted.cache_hit_rate, counted.max_fanout], [0.9, 3])
    assert.equal(counted.avg_fanout, 1.5)
    assert(!('subscriptions_list' in counted))
    const listed = (await port.get('/subscriptionsz?subs=1&limit=2')).json
    assert.deepEqual([listed.subscriptions_list.length, listed.total, listed.limit], [2, 3, 2])
    assert.equal(listed.subscriptions_list[0].account_tag, '$G')
    const tested = (await port.get('/subsz?subs=1&test=plant.a.b')).json
    assert.deepEqual(
      tested.subscriptions_list.map((one: { subject: string }) => one.subject),
      ['plant.>'],
    )
    assert.equal((await port.get('/subsz?acc=B')).json.num_subscriptions, 2)
  })

  it('/accountz names accounts, and tells of one', async () => {
    const { json } = await port.get('/accountz')
    assert.deepEqual(json.accounts, ['$G', 'B'])
    const detail = (await port.get('/accountz?acc=B')).json.account_detail
    assert.equal(detail.account_name, 'B')
    assert.deepEqual(
      [detail.expired, detail.complete, detail.jetstream_enabled],
      [false, true, false],
    )
    assert.equal(detail.sublist_stats.num_inserts, 3)
  })

  it('/accstatz leaves out accounts that nobody uses, unless asked', async () => {
    const { json } = await port.get('/accstatz')
    assert.deepEqual(
      json.account_statz.map((one: { acc: string }) => one.acc),
      ['$G'],
    )
    assert.deepEqual(json.account_statz[0].received.msgs, 30)
    assert.deepEqual(json.account_statz[0].sent.leafs, { msgs: 0, bytes: 0 })
    assert.equal((await port.get('/accstatz?unused=1')).json.account_statz.length, 2)
  })

  it('/routez and /gatewayz are empty outside of clusters', async () => {
    const routes = (await port.get('/routez')).json
    assert.deepEqual([routes.num_routes, routes.routes, routes.server_name], [0, [], 'hub-eu'])
    const gateways = (await port.get('/gatewayz')).json
    assert.deepEqual([gateways.outbound_gateways, gateways.inbound_gateways], [{}, {}])
  })

  it("/metrics has the exporter's names and labels, and what the role adds", async () => {
    const { text, type } = await port.get('/metrics')
    assert.equal(type, 'text/plain; version=0.0.4; charset=utf-8')
    const lines = text.split('\n')
    for (const line of [
      'gnatsd_varz_connections{server_id="NABC"} 3',
      'gnatsd_varz_in_msgs{server_id="NABC"} 100',
      'gnatsd_varz_jetstream_stats_storage{server_id="NABC"} 300',
      'gnatsd_varz_slow_consumer_stats_clients{server_id="NABC"} 1',
      'gnatsd_connz_num_connections{server_id="NABC"} 3',
      'gnatsd_subsz_num_cache{server_id="NABC"} 8',
      'gnatsd_leafz_conn_rtt{server_id="NABC",account="$G",account_id="$G",ip="10.0.0.1",port="5000",name="press-7"} 0.0015',
      'gnatsd_accstatz_received_messages{server_id="NABC",account="$G",account_id="$G",account_name="$G"} 30',
      'gnatsd_healthz_status{server_id="NABC"} 0',
      'jetstream_server_total_messages{server_id="NABC",server_name="hub-eu",cluster="",domain="hub-eu",meta_leader="",is_meta_leader="true"} 10',
      'petiole_message_ids_refused_total{server_id="NABC",server_name="hub-eu"} 3',
      'petiole_store_commits_total{server_id="NABC",server_name="hub-eu"} 7',
      'petiole_leaves{region="eu \\"1\\""} 4',
    ]) {
      assert(lines.includes(line), `${line}\n${text}`)
    }
    const stream =
      'server_id="NABC",server_name="hub-eu",cluster="",domain="hub-eu",meta_leader="",is_meta_leader="true",account="$G",account_name="$G",account_id="$G",stream_name="plant",stream_leader="hub-eu",is_stream_leader="true",stream_raft_group=""'
    assert(lines.includes(`jetstream_stream_limit_messages{${stream}} 100`))
    const consumer = `${stream},consumer_name="c1",consumer_leader="",is_consumer_leader="true",consumer_desc="for plants"`
    assert(lines.includes(`jetstream_consumer_num_ack_pending{${consumer}} 2`))
    assert(lines.includes(`jetstream_consumer_last_delivery_seconds{${consumer}} 3`))
    assert(!text.includes('jetstream_consumer_last_ack_seconds{'))
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
    assert.deepEqual(json.api, { level: 5, total: 5, errors: 1 })
    assert(!('account_details' in json))
    const deep = (await port.get('/jsz?consumers=true&config=1')).json.account_details[0]
    assert.equal(deep.name, '$G')
    assert.equal(deep.stream_detail[0].config.name, 'plant')
    assert.equal(deep.stream_detail[0].state.last_seq, 10)
    assert.equal(deep.stream_detail[0].consumer_detail.length, 2)
    assert.equal(deep.stream_detail[0].consumer_detail[0].config.description, 'for plants')
    const plain = (await port.get('/jsz?acc=$G&consumers=1')).json.account_details[0]
    assert(!('config' in plain.stream_detail[0].consumer_detail[0]))
    assert(!('config' in plain.stream_detail[0]))
  })

  it('/healthz is ok, in the shortest form', async () => {
    const { status, text } = await port.get('/healthz')
    assert.deepEqual([status, text], [200, '{"status":"ok"}'])
  })

  it('/healthz looks at what it is asked about', async () => {
    assert.equal((await port.get('/healthz?account=$G&stream=plant&consumer=c1')).status, 200)
    const missing = await port.get('/healthz?account=$G&stream=plant&consumer=c9&details=1')
    assert.equal(missing.status, 404)
    assert.deepEqual(missing.json, {
      status: 'error',
      errors: [
        {
          type: 'CONSUMER',
          account: '$G',
          stream: 'plant',
          consumer: 'c9',
          error: 'JetStream consumer "c9" not found for stream "plant" on account "$G"',
        },
      ],
    })
    const bad = await port.get('/healthz?stream=plant')
    assert.deepEqual(
      [bad.status, bad.json],
      [400, { status: 'error', error: '"account" must not be empty when checking stream health' }],
    )
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
    ['/connz?sort=stop', 400, 'sort by stop only valid on closed connections'],
    ['/connz?filter_subject=a', 400, 'filter by subject only valid with account filtering'],
    [
      '/connz?limit=foo',
      400,
      'Error decoding int for \'limit\': strconv.Atoi: parsing "foo": invalid syntax',
    ],
    [
      '/connz?auth=foo',
      400,
      'Error decoding boolean for \'auth\': strconv.ParseBool: parsing "foo": invalid syntax',
    ],
    [
      '/connz?cid=-1',
      400,
      'Error decoding uint64 for \'cid\': strconv.ParseUint: parsing "-1": invalid syntax',
    ],
    ['/subsz?test=a.*', 400, 'invalid test subject, must be valid publish subject: a.*'],
    ['/accountz?acc=ZZ', 400, 'Account ZZ does not exist'],
    ['/raftz', 404, 'No Raft nodes registered'],
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
    assert.deepEqual(json, { status: 'unavailable', error: 'the store is full' })
    const detail = (await port.get('/healthz?details=1')).json
    assert.deepEqual(detail.errors, [{ type: 'JETSTREAM', error: 'the store is full' }])
    await port.close()
  })

  it('tells of damage, wear and room, and is well all the same', async () => {
    const [facts] = [monitorSources().jetStream()]
    assert.ok(facts)
    const store = {
      ...facts.store,
      condition: 'full' as const,
      damagedRecords: 3,
      mendedFiles: 1,
      freeBytes: 0,
      quarantineFiles: 2,
      quarantineBytes: 80,
      everWritten: { journal: 1_000, all: 1_700 },
      scrub: { passes: 1, bytes: 900, lastPassMs: Date.parse('2030-01-01T00:00:00Z') },
    }
    const port = await MonitorPort.open({ jetStream: () => ({ ...facts, store }) })
    const { status, json } = await port.get('/healthz')
    assert.deepEqual([status, json], [200, { status: 'ok', damaged_records: 3, mended_files: 1 }])
    const { petiole } = (await port.get('/varz')).json
    assert.deepEqual(petiole.store, {
      condition: 'full',
      disk_bytes: 300,
      free_bytes: 0,
      segments: 1,
      saved_bytes: 120,
      damaged_records: 3,
      mended_files: 1,
      torn_bytes: 0,
      quarantine: { files: 2, bytes: 80, dropped_bytes: 0 },
      scrub: { passes: 1, bytes: 900, last: '2030-01-01T00:00:00.000Z' },
      written: { journal_bytes: 1_000, all_bytes: 1_700, amplification: 1.7 },
    })
    assert.deepEqual((await port.get('/jsz')).json.petiole, petiole)
    const { text } = await port.get('/metrics')
    const labels = '{server_id="NABC",server_name="hub-eu"}'
    for (const line of [
      'mended_files 1',
      'writable 0',
      'free_bytes 0',
      'damaged_records 3',
      'saved_bytes 120',
    ]) {
      const [name, value] = line.split(' ')
      assert.ok(text.includes(`petiole_store_${name}${labels} ${value}\n`), line)
    }
    assert.ok(!text.includes('gnatsd_varz_petiole'), 'one figure has one name')
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
