import assert from 'node:assert/strict'
import { compareConfigs, parseConfig } from '../../../shared/config/index.ts'

/** What changes between two hubs, and the reasons against it. */
function compared(before: object, after: object) {
  const { changes, refused } = compareConfigs(
    parseConfig({ ...before }, 'hub'),
    parseConfig({ ...after }, 'hub'),
  )
  return { changes, refused: refused.map(({ message }) => message) }
}

describe('config reload', () => {
  it('finds nothing where nothing changed', () => {
    const config = { accounts: { A: { users: [{ user: 'a', password: 'b' }] } }, mqtt: { port: 1 } }
    assert.deepEqual(compared(config, structuredClone(config)), { changes: [], refused: [] })
  })

  const fine: readonly (readonly [before: object, after: object, ...changes: string[]])[] = [
    [{}, { debug: true, max_payload: 2048 }, 'max_payload', 'debug'],
    [{}, { authorization: { user: 'a', password: 'b' } }, 'authorization.users'],
    [{}, { accounts: ['A'] }, 'accounts'],
    [
      { tls: { cert_file: 'c', key_file: 'k' } },
      { tls: { cert_file: 'd', key_file: 'k' } },
      'tls.certs',
    ],
    [{ port: 4222 }, { port: -1 }, 'port'],
    [{}, { server_tags: ['a'], max_connections: 5 }, 'server_tags', 'max_connections'],
    [{ cluster: { port: 1 } }, { cluster: { port: 1, routes: ['nats://a:1'] } }, 'cluster.routes'],
    [{ mqtt: { port: 1 } }, { mqtt: { port: 1, max_ack_pending: 7 } }, 'mqtt.max_ack_pending'],
    [
      { jetstream: { max_file: 10, store_dir: 's' } },
      { jetstream: { max_file: 20, store_dir: 's' } },
      'jetstream.max_file',
    ],
    [
      { jetstream: { enabled: true } },
      { jetstream: { enabled: true }, fleet: { streams: { plant: { subjects: ['plant.>'] } } } },
      'fleet.streams',
    ],
    [
      { websocket: { port: 1, no_tls: true } },
      { websocket: { port: 1, no_tls: true, authorization: { token: 't' } } },
      'websocket.authorization',
    ],
    [
      { leafnodes: { port: 1 } },
      { leafnodes: { port: 1, authorization: { user: 'l', password: 'p' } } },
      'leafnodes.authorization',
    ],
    [
      { authorization: { user: 'a', password: 'b' }, no_auth_user: 'a' },
      { authorization: { user: 'a', password: 'b' } },
      'authorization.no_auth_user',
    ],
  ]
  for (const [before, after, ...changes] of fine) {
    it(`takes ${JSON.stringify(after)}`, () => {
      const found = compared(before, after)
      assert.deepEqual(found.refused, [])
      assert.deepEqual(found.changes.toSorted(), changes.toSorted())
    })
  }

  const refused: readonly (readonly [before: object, after: object, ...reasons: string[]])[] = [
    [{}, { port: 5222 }, 'config reload not supported for Port: old=4222, new=5222'],
    [
      { server_name: 'x', store_dir: 's' },
      { server_name: 'y', store_dir: 's' },
      'config reload not supported for ServerName: old=x, new=y',
    ],
    [
      { mqtt: { port: 1 } },
      { mqtt: { port: 2 } },
      'config reload not supported for MQTT (mqtt.listen.port): old=1, new=2',
    ],
    [
      {},
      { tls: { cert_file: 'c', key_file: 'k' } },
      'config reload not supported for TLSConfig: TLS is turned on and off by a restart',
    ],
    [
      { mqtt: { port: 1, tls: { cert_file: 'c', key_file: 'k' } } },
      { mqtt: { port: 1 } },
      'config reload not supported for MQTT TLSConfig: TLS is turned on and off by a restart',
    ],
    [{}, { http_port: 8222 }, 'config reload not supported for HTTPPort'],
    [
      { cluster: { name: 'c', listen: '0.0.0.0:1' } },
      { cluster: { name: 'c', listen: '0.0.0.0:2' } },
      'config reload not supported for cluster port: old=1, new=2',
    ],
    [
      { jetstream: { max_file: 20 } },
      { jetstream: { max_file: 10 } },
      'config reload not supported for decreasing jetstream max memory and store',
    ],
    [
      { jetstream: { max_file: 20 } },
      { jetstream: { enabled: true } },
      'config reload not supported for jetstream max memory and max store',
    ],
    [
      { jetstream: { enabled: true } },
      { jetstream: { max_file: 20 } },
      'config reload not supported for jetstream dynamic max memory and store',
    ],
    [
      { accounts: { S: {} } },
      { accounts: { S: {} }, system_account: 'S' },
      'config reload not supported for SystemAccount: old=$SYS, new=S',
    ],
  ]
  for (const [before, after, ...reasons] of refused) {
    it(`refuses ${JSON.stringify(after)}`, () => {
      assert.deepEqual(compared(before, after).refused, reasons)
    })
  }

  it('takes other remotes of a leaf, but not another account for its buffers', () => {
    const of = (...accounts: string[]) => {
      const remotes = accounts.map((account, i) => ({ url: `nats://hub-${i}:7422`, account }))
      return parseConfig({ accounts: ['A', 'B'], leafnodes: { remotes } }, 'leaf')
    }
    const reasons = (after: ReturnType<typeof of>): string[] =>
      compareConfigs(of('A'), after).refused.map(({ message }) => message)
    assert.deepEqual(reasons(of('A', 'B')), [])
    assert.deepEqual(reasons(of('B', 'A')), [
      'config reload not supported for LeafNode: the account of the first remote is that of the buffers',
    ])
  })

  it('never shows a secret', () => {
    const secret = 'hunter2'
    const user = { user: 'u', password: secret }
    const authorizations = [{ token: secret }, user, { users: [user] }, {}, undefined]
    const blocks = (authorization: object | undefined): readonly object[] => [
      { websocket: { port: 1, no_tls: true, authorization } },
      { websocket: { port: 1, no_tls: true, headers: authorization && { 'X-Key': secret } } },
      { leafnodes: { port: 1, authorization } },
      { mqtt: { port: 1, authorization } },
      { cluster: { name: 'c', port: 1, authorization } },
      { gateway: { name: 'c', port: 1, authorization } },
      { cluster: { name: 'c', port: 1, routes: authorization && [`nats://u:${secret}@h:1`] } },
    ]
    let refusals = 0
    for (const before of authorizations.flatMap(blocks)) {
      for (const after of authorizations.flatMap(blocks)) {
        let reasons: readonly string[]
        try {
          reasons = compared(structuredClone(before), structuredClone(after)).refused
        } catch {
          // Not every block takes every kind of authorization.
          continue
        }
        refusals += reasons.length
        assert.doesNotMatch(reasons.join('\n'), /hunter2/)
      }
    }
    assert.ok(refusals > 100, String(refusals))
  })

  it('shows which key it is, and the old and the new of what is no secret, and not of what may be one', () => {
    const whole = parseConfig({ cluster: { name: 'c', port: 1 }, websocket: WEBSOCKET }, 'hub')
    const other = {
      ...whole,
      cluster: { ...whole.cluster, name: 'd', authorization: { token: 'hunter2' } },
      websocket: { ...whole.websocket, token_cookie: 'hunter3', handshake_timeout: 7 },
      operator: { resolver: { url: 'http://u:hunter4@h/' }, jwts: ['eyJ'] },
      shiny_new_key: 'hunter5',
    }
    const before = { ...whole, cluster: { ...whole.cluster, authorization: { token: '' } } }
    const { refused } = compareConfigs(before as never, other as never)
    assert.deepEqual(refused.map(({ message }) => message).toSorted(), [
      'config reload not supported for Cluster (cluster.authorization.token)',
      'config reload not supported for Cluster (cluster.name): old=c, new=d',
      'config reload not supported for Websocket (websocket.handshake_timeout): old=2000, new=7',
      'config reload not supported for Websocket (websocket.token_cookie)',
      'config reload not supported for operator',
      'config reload not supported for shiny_new_key',
    ])
  })

  it('never shows a secret that stands where it does not belong', () => {
    const seed = 'SUAGMJH5XLGZKQQWAWKRZJIGMOU4HPFUYLXJMXOO5NLFEO2OOQJ5LPRDPM'
    const hash = '$2a$10$UlMkkRGUXBLgdQTUzpRLOuNdiXFyGkzXYYcEZ8nZTZ7hpTSVA7g1q'
    const inputs = [
      { authorization: { users: [{ nkey: seed }] } },
      { max_payload: seed },
      { max_payload: hash },
      { max_payload: 'nats://u:hunter2@h:1' },
      { leafnodes: { remotes: [{ url: 'nats://u:hun/ter2@h:1' }] } },
      { leafnodes: { remotes: [{ url: 'u:hunter2@h:1' }] } },
    ]
    for (const input of inputs) {
      assert.throws(
        () => parseConfig(input, 'leaf'),
        ({ message }: Error) => !/hunter2|ter2|SUAG|UlMkk/.test(message),
      )
    }
  })
})

const WEBSOCKET = { port: 2, no_tls: true }
