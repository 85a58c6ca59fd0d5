import assert from 'node:assert/strict'
import { ConfigFiles } from '../../support/config-files.ts'

const LEAF = 'jetstream {}\nleafnodes { remotes: [ { url: "ws://hub:8443" } ] }\n'

describe('config schema: every mistake is named with its line', () => {
  let files: ConfigFiles
  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  const hub: readonly (readonly [text: string, ...problems: string[]])[] = [
    ['prot: 4222', '1: prot: unknown key, did you mean "port"?'],
    ['\nmqtt { prot: 1883, port: 1 }', '2: mqtt.prot: unknown key, did you mean "port"?'],
    ['sever_name: a', '1: sever_name: unknown key, did you mean "server_name"?'],
    ['xyzzy: 1', '1: xyzzy: unknown key'],
    ['constructor: 1', '1: constructor: unknown key'],
    ['tls { }', '1: tls.cert_file: is missing: a server shows a certificate'],
    ['gateway { name: g }', '1: gateway: needs a port, for example port: 7222'],
    ['gateway { port: 7222 }', '1: gateway.name: is missing'],
    ['port: 65536', '1: port: must be a port from 1 to 65535, or -1 for any free one, not 65536'],
    ['port: -2', '1: port: must be a port from 1 to 65535, or -1 for any free one, not -2'],
    ['port: "x"', '1: port: must be a port from 1 to 65535, or -1 for any free one, not "x"'],
    ['listen: nowhere', '1: listen: must be host:port or a port, not "nowhere"'],
    ['server_name: "a b"', '1: server_name: must be a name without spaces, not "a b"'],
    ['server_name: 7', '1: server_name: must be a string: put it in quotes'],
    ['debug: 1', '1: debug: must be true or false, not 1'],
    ['max_payload: lots', '1: max_payload: must be a size like 512MB, not "lots"'],
    ['max_payload: 1GB', '1: max_payload: must be from 1 to 67108864 bytes, not 1073741824'],
    ['max_connections: -5', '1: max_connections: must be a whole number, 0 for no limit, not -5'],
    [
      'ping_interval: soon',
      '1: ping_interval: must be a duration like 30s, 1h30m or 7d, not "soon"',
    ],
    ['ping_max: 0', '1: ping_max: must be a whole number from 1 to 1000, not 0'],
    [
      'max_payload: 2MB\nmax_pending: 1MB',
      '1: max_payload: may not be above max_pending, which is 1048576 bytes',
    ],
    [
      'max_payload: 1KB\nfleet { streams { plant: { subjects: "plant.>" } } }',
      '1: max_payload: is 1024 bytes, but fleet.streams needs at least 4096 to sync',
    ],
    ['mqtt: 1883', '1: mqtt: must be a block { … }'],
    ['mqtt { }', '1: mqtt: needs a port, for example port: 1883'],
    ['port: 1883\nmqtt { port: 1883 }', '2: mqtt.port: 1883 is taken by port already'],
    [
      'jetstream: perhaps',
      '1: jetstream: must be true, false, enabled, disabled or a block, not "perhaps"',
    ],
    [
      'jetstream { domain: "a.b" }',
      '1: jetstream.domain: the name "a.b" may not hold white space or any of . * > / \\',
    ],
    ['store_dir: "a"\njetstream { store_dir: "b" }', '1: store_dir: is given in jetstream too'],
    [
      'websocket { port: 8443 }',
      '1: websocket: needs tls, or no_tls: true when a proxy in front ends it',
    ],
    [
      'websocket { port: 8443, no_tls: true\n allowed_origins: ["x"] }',
      '2: websocket.allowed_origins: must be origins like https://app.example:8080, not "x"',
    ],
    ['authorization { password: a }', '1: authorization.password: needs a user beside it'],
    [
      'authorization {\n users: [\n {user: a, password: b}\n {user: a, pass: c} ] }',
      '4: authorization.users[1].user: "a" is there twice',
    ],
    [
      'authorization { users: [{ password: b }] }',
      '1: authorization.users[0]: needs a user and a password, or an nkey',
    ],
    [
      'authorization { token: t, users: [{ user: a, password: b }] }',
      '1: authorization.token: a token and users exclude each other',
    ],
    ['authorization { users: [] }', '1: authorization.users: may not be empty'],
    [
      'accounts { A {} }, leafnodes { authorization { account: A } }',
      '1: leafnodes.authorization.account: needs a user beside it',
    ],
    ['no_auth_user: x', '1: no_auth_user: "x" is none of the configured users'],
    [
      'leafnodes { authorization { user: a, password: b, account: X } }',
      '1: leafnodes.authorization.account: there is no account "X" in accounts',
    ],
    [
      'leafnodes { remotes: [{ url: "nats://a" }] }',
      '1: leafnodes.remotes[0]: a hub dials no hub: remotes belong to a leaf, start this one with "petiole leaf"',
    ],
    ['fleet { streams { a: {} } }', '1: fleet.streams.a.subjects: is missing'],
    [
      'fleet { streams { "a.b": { subjects: "x" } } }',
      '1: fleet.streams.a.b: the name "a.b" may not hold white space or any of . * > / \\',
    ],
    [
      'fleet { streams {\n a: { subjects: "x.*.y" }\n b: { subjects: ["q", "x.1.>"] } } }',
      '3: fleet.streams.b.subjects: "x.1.>" is bound by the stream a too: a subject has one stream',
    ],
    [
      'fleet { accounts { A: { streams { a: { subjects: "x" } } } } }',
      '1: fleet.accounts.A: there is no account A',
    ],
    [
      'accounts { A: {} }\nfleet { accounts { A: { streams { a: { subjects: "x" } } } } }',
      '2: fleet.accounts.A: the account A has no JetStream: add "jetstream: enabled" to it',
    ],
    [
      'fleet { accounts { $G: { streams { a: { subjects: "x" } } } } }',
      '1: fleet.accounts.$G: the default account has its streams in fleet.streams',
    ],
    [
      'accounts { A: { jetstream: enabled } }\nfleet { accounts { A: { streams {\n a: { subjects: "x.>" }\n b: { subjects: "x.1" } } } } }',
      '4: fleet.accounts.A.streams.b.subjects: "x.1" is bound by the stream a too: a subject has one stream',
    ],
    [
      'jetstream: false\nfleet { streams { a: { subjects: "x" } } }',
      '1: jetstream: is off, but fleet needs its store',
    ],
    [
      'buffers { a: { subjects: "x" } }\nfleet {}',
      '1: buffers: buffers belong to a leaf: move them to its file, or start this one with "petiole leaf"',
    ],
  ]
  for (const [text, ...problems] of hub) {
    it(`hub: ${JSON.stringify(text)}`, async () => {
      const checked = await files.check(text, 'hub')
      assert.deepEqual(
        checked.problems,
        problems.map((line) => `test.conf:${line}`),
      )
    })
  }

  const leaf: readonly (readonly [text: string, ...problems: string[]])[] = [
    [
      'buffers { a: { subjects: [] } }',
      '1: buffers.a.subjects: must be a list of subjects like ["plant.>"], not an empty list',
    ],
    [
      'buffers { a: { subjects: ["a..b", "a.>.b", "a b"] } }',
      '1: buffers.a.subjects: the subject "a..b" has an empty token: no dot may begin, end or follow another; the subject "a.>.b" has ">" before its end; the subject "a b" holds white space',
    ],
    [
      'buffers { a: { subjects: "$JS.API.>" } }',
      '1: buffers.a.subjects: the subject "$JS.API.>" belongs to the server itself',
    ],
    [
      'buffers { a: { subjects: "x", priority: 0 } }',
      '1: buffers.a.priority: must be a whole number from 1 to 9, not 0',
    ],
    [
      'buffers { a: { subjects: "x", share: 120% } }',
      '1: buffers.a.share: must be a part like 20%, not "120%"',
    ],
    [
      'buffers { a: { subjects: "x", discard: some } }',
      '1: buffers.a.discard: must be old or new, not "some"',
    ],
    [
      'buffers { a: { subjects: "x", order: lifo } }',
      '1: buffers.a.order: lifo is not supported yet: buffers drain in fifo order',
    ],
    [
      'buffers {\n a: { subjects: "x", share: 60% }\n b: { subjects: "y", share: 0.5 } }',
      '3: buffers.b.share: the shares of all buffers come to more than 100%',
    ],
    ['buffers { a: 3 }', '1: buffers.a: must be a block { … }'],
    [
      'fleet { }',
      '1: fleet: the fleet belongs to a hub: move it to its file, or start this one with "petiole hub"',
    ],
    [
      'leafnodes { remotes: [ { } ] }',
      '1: leafnodes.remotes[0]: needs a url, for example url: "ws://hub.example:8443"',
    ],
    [
      'leafnodes { remotes: [\n { url: "wss://a" }\n { urls: ["ws://a", "b:1"] }\n { url: "http://a" } ] }',
      '3: leafnodes.remotes[1].urls: "b:1" is no URL: write nats-leaf://host:7422 or ws://host:8443',
      '4: leafnodes.remotes[2].url: http:// is no scheme for a hub: use nats-leaf://, nats://, tls://, ws:// or wss://',
    ],
    [
      'leafnodes { remotes: [ { url: "ws://a", proxy: { url: "http://p" } } ] }',
      '1: leafnodes.remotes[0].proxy: not supported, because links are dialled directly: give the leaf a route to the hub, or a tunnel and its address',
    ],
  ]
  const small: typeof leaf = [
    [
      `${LEAF}max_payload: 4KB\nbuffers { a: { subjects: "x" }, b: { subjects: "y" } }`,
      '3: max_payload: is 4096 bytes, but buffers needs at least 5120 to sync',
    ],
    [`${LEAF}max_payload: 8KB\nbuffers { a: { subjects: "x" } }`],
  ]
  for (const [text, ...problems] of [...leaf, ...small]) {
    it(`leaf: ${JSON.stringify(text)}`, async () => {
      const checked = await files.check(text, 'leaf')
      assert.deepEqual(
        checked.problems,
        problems.map((line) => `test.conf:${line}`),
      )
    })
  }

  it('finds all at once, whatever stage sees it', async () => {
    const text =
      'prot: 1\nserver_name: "a b"\nwebsocket { port: 1 }\nhttp_port: x\nauthorization { password: u }'
    assert.deepEqual((await files.check(text, 'hub')).problems, [
      'test.conf:1: prot: unknown key, did you mean "port"?',
      'test.conf:2: server_name: must be a name without spaces, not "a b"',
      'test.conf:3: websocket: needs tls, or no_tls: true when a proxy in front ends it',
      'test.conf:4: http_port: must be a port from 1 to 65535, or -1 for any free one, not "x"',
      'test.conf:5: authorization.password: needs a user beside it',
    ])
  })

  it('never shows a password', async () => {
    const text =
      'authorization { password: s3cret }\nleafnodes { remotes: [{ url: "foo//u:s3cret@a" }] }'
    const { problems } = await files.check(text, 'leaf')
    assert.equal(problems.length, 2)
    assert(!problems.join('\n').includes('s3cret'), problems.join('\n'))
  })

  describe('warnings', () => {
    const warnings: readonly (readonly [text: string, ...warnings: string[]])[] = [
      ['prof_port: 6060', '1: prof_port: has no effect here'],
      ['port: 1\nport: 2', '2: port: written before at test.conf:1: this one, the later, counts'],
      [
        `${LEAF}buffers {\n a: { subjects: ["x.>", "y"] }\n b: { subjects: ["x.1", "y"] } }`,
        '5: buffers.b: never gets a message: a comes first and matches all its subjects',
      ],
      [
        'buffers { a: { subjects: "x" } }',
        '1: buffers: no leafnodes.remotes: messages are kept on disk, and nothing takes them to a hub',
      ],
      [`${LEAF}buffers { a: { subjects: "x.*" }, b: { subjects: "x.>" } }`],
    ]
    for (const [text, ...expected] of warnings) {
      it(JSON.stringify(text), async () => {
        const checked = await files.check(text, 'leaf')
        assert.deepEqual(checked.problems, [])
        assert.deepEqual(
          checked.warnings,
          expected.map((line) => `test.conf:${line}`),
        )
      })
    }
  })

  it('finds the role', async () => {
    const roles: readonly (readonly [string, string])[] = [
      ['port: 4222', 'hub'],
      ['fleet {}', 'hub'],
      ['buffers {}', 'leaf'],
      [LEAF, 'leaf'],
      ['leafnodes { port: 7422 }', 'hub'],
    ]
    for (const [text, role] of roles) assert.equal((await files.check(text)).role, role, text)
  })
})
