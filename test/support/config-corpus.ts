/**
 * Configuration files as they are written for nats-server, and who takes them: beside the real one in
 * test/interop, as seeds of the fuzzer in test/fuzz. `%NAME%` stands for a key or a file, see `corpusValues`.
 */
export interface CorpusFile {
  readonly name: string
  readonly text: string
  /** What nats-server says: with `-t`, or only when it starts. */
  readonly theirs: 'fine' | 'refused' | 'refused at start'
  /** undefined: we agree. Else why we refuse what nats-server takes. */
  readonly refusedHere?: RegExp
}

function fine(name: string, text: string): CorpusFile {
  return { name, text, theirs: 'fine' }
}

function refused(name: string, text: string): CorpusFile {
  return { name, text, theirs: 'refused' }
}

function refusedAtStart(name: string, text: string): CorpusFile {
  return { name, text, theirs: 'refused at start' }
}

function refusedHere(name: string, text: string, why: RegExp): CorpusFile {
  return { name, text, theirs: 'fine', refusedHere: why }
}

const TLS = 'cert_file: "%CERT%", key_file: "%KEY%"'
const USERS = 'users: [ { user: a, password: b } ]'

export const CORPUS: readonly CorpusFile[] = [
  fine(
    'everything usual',
    `
server_name: hub-1, listen: 127.0.0.1:4222, http: localhost:8222
client_advertise: "nats.example:4222"
max_connections: 100, max_subscriptions: 1000, max_payload: 65536, max_pending: 10000000
max_control_line: 2048, ping_interval: "20s", ping_max: 3, write_deadline: "2s"
max_sub_tokens: 16, max_closed_clients: 50, no_fast_producer_stall: true
lame_duck_duration: "1m", lame_duck_grace_period: "5s"
debug: false, trace: no, logtime: on, logtime_utc: true
log_file: "/tmp/nats.log", log_size_limit: 1mb, log_max_num: 3
pid_file: "/tmp/nats.pid", ports_file_dir: "/tmp"
server_tags: ["aws:az1", "rack:1"], server_metadata: { region: eu, rack: "1" }
connect_error_reports: 3, reconnect_error_reports: 5, prof_port: 6060
feature_flags: { js_ack_fc_v2: false }, disable_sublist_cache: false`,
  ),
  fine('variables', 'TOKEN: "abc"\nauthorization { token: $TOKEN }'),
  fine('a variable that looks like a key', 'PASS: "x"\nauthorization { user: u, password: $PASS }'),
  fine('one user', 'authorization { user: derek, password: T0pS3cr3t, timeout: 2 }'),
  fine(
    'bcrypt',
    'authorization { users: [ {user: a, password: "$2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG"} ] }',
  ),
  fine('nkeys', 'authorization { users: [ { nkey: %USER% } ] }'),
  fine(
    'permissions',
    `
authorization {
  ADMIN = { publish = ">", subscribe = ">" }
  REQUESTOR = { publish = ["req.foo", "req.bar"], subscribe = "_INBOX.>" }
  RESPONDER = { subscribe = ["req.foo", "workers q.*"], allow_responses { max: 5, expires: "1m" } }
  DEFAULT_PERMISSIONS = { publish { allow: ["SANDBOX.*"], deny: "SANDBOX.x" } }
  users = [
    {user: admin, password: x, permissions: $ADMIN}
    {user: client, password: y, permissions: $REQUESTOR, allowed_connection_types: ["STANDARD", "websocket"]}
    {user: service, password: z, permissions: $RESPONDER}
    {user: other, password: w, proxy_required: false}
  ]
}`,
  ),
  fine(
    'accounts',
    `
accounts: {
  SYS: { users: [ {user: admin, password: admin} ] }
  A: {
    nkey: %ACCOUNT%
    users: [ {user: a, password: a} ]
    jetstream: { max_mem: 512M, max_store: 1G, max_streams: 10 }
    limits { max_connections: 10, max_subs: 100, max_payload: 1k, max_leafnodes: 1 }
    mappings: { foo: bar, "a.*.*": "b.$2.{{wildcard(1)}}", w: [ {destination: x, weight: 20%}, {dest: y, weight: 80} ] }
    default_permissions { publish: "a.>" }
    exports: [
      {stream: "public.>"}
      {stream: "private.>", accounts: [B]}
      {service: "req.*", response: single, threshold: "5s", latency: {sampling: 50%, subject: "lat.req"}}
      {service: "many.*", response: stream}
      {service: "own.*.x", account_token_position: 2, allow_trace: true}
    ]
    msg_trace { dest: "traces", sampling: 10% }
  }
  B: {
    users: [ {user: b, password: b} ]
    jetstream: enabled
    imports: [
      {stream: {account: A, subject: "public.x.>"}, prefix: "from.a"}
      {stream: {account: A, subject: "private.>"}, to: "p.>", allow_trace: true}
      {service: {account: A, subject: "req.1"}, to: "ask", share: true}
      {service: {account: A, subject: "own.B.x"}}
    ]
  }
}
system_account: SYS
no_auth_user: b`,
  ),
  fine('accounts by name', 'accounts: [A, B]'),
  fine('the usual system account', 'accounts { $SYS { users: [ {user: s, password: s} ] } }'),
  fine('no system account', 'no_system_account: true'),
  fine(
    'mappings for all',
    'mappings = { "orders.*": [ { dest: "o.$1", weight: 50%, cluster: "east" } ] }',
  ),
  fine(
    'auth callout',
    `accounts { AUTH { users: [ {user: auth, password: x} ] }, APP {} }
authorization { auth_callout { issuer: %ACCOUNT%, account: AUTH, auth_users: [auth], xkey: %CURVE%, allowed_accounts: [APP] } }`,
  ),
  fine(
    'proxies',
    'proxies { trusted: [ {key: %USER%} ] }\nauthorization { proxy_required: false }',
  ),
  fine(
    'tls',
    `tls { ${TLS}, ca_file: "%CA%", verify: true, timeout: 2.5, min_version: "1.3", handshake_first: "300ms"
 curve_preferences: [CurveP256, X25519], cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
 pinned_certs: ["a8f407340dcc719864214b85ed96f98d16cbffa8f509d9fa4ca237b7bb3f9c32"], connection_rate_limit: 100 }
https_port: 8443, allow_non_tls: true`,
  ),
  fine('tls by the names of users', `tls { ${TLS}, ca_file: "%CA%", verify_and_map: true }`),
  fine('tls with several certificates', `tls { certs: [ { ${TLS} } ], handshake_first: auto }`),
  fine(
    'websocket without tls',
    'websocket { port: 8443, no_tls: true, compression: true, same_origin: true }',
  ),
  fine(
    'websocket',
    `websocket { listen: "0.0.0.0:8443", tls { ${TLS} }, allowed_origins: ["https://a.example"], handshake_timeout: "3s"
 token_cookie: tok, headers: { "X-Served-By": "me" }, ping_interval: "30s" }`,
  ),
  fine(
    'mqtt',
    `jetstream: enabled\nserver_name: m\nmqtt { port: 1883, tls { ${TLS} }, ack_wait: "1m", max_ack_pending: 100 }`,
  ),
  fine(
    'leafnodes in',
    `accounts { A {} }\nleafnodes { port: 7422, tls { ${TLS} }
 authorization { users: [ {user: l, password: m, account: A} ] }, compression: s2_fast, isolate: true }`,
  ),
  fine(
    'leafnodes out',
    `accounts { A {} }
leafnodes { reconnect: 5s, remotes: [
 { urls: ["nats-leaf://u:p@a.example:7422", "tls://b.example"], account: A, deny_imports: "x.>", deny_exports: ["y"] }
 { url: "wss://c.example:443", credentials: "/etc/c.creds", hub: false, ws_compression: true }
 { url: "ws://d.example:80", nkey: "%SEED%", disabled: true } ] }`.replace('5s', '"5s"'),
  ),
  fine(
    'cluster and gateway',
    `server_name: one
cluster { name: east, listen: "0.0.0.0:6222", advertise: "h:6222", no_advertise: true, connect_retries: 5, pool_size: 3
 authorization { user: r, password: s, timeout: 1 }
 routes: [ "nats-route://r:s@h2:6222", "nats://h3:6222" ], compression: { mode: s2_auto, rtt_thresholds: ["5ms"] } }
gateway { name: east, port: 7222, reject_unknown_cluster: true, authorization { user: g, password: h }
 gateways: [ { name: west, url: "nats://g:h@w:7222" }, { name: south, urls: ["nats://s1:7222", "nats://s2:7222"] } ] }`,
  ),
  fine(
    'jetstream',
    'jetstream { store_dir: "/tmp/js", max_mem: 1G, max_file: 10G, domain: hub, sync_interval: always, strict: true }',
  ),
  fine('proxy protocol', 'proxy_protocol: true'),
  fine('operator keys', 'trusted_keys: [ %OPERATOR% ]\nresolver: MEMORY'),
  fine('a resolver alone', 'resolver: URL("http://localhost:9090/jwt/v1/accounts/")'),
  refused('unknown key', 'prot: 4222'),
  refused('unknown key in a block', 'mqtt { prot: 1883 }'),
  refused(
    'two users of a name',
    'authorization { users: [ {user: a, password: b}, {user: a, password: c} ] }',
  ),
  refused('a user in two accounts', `accounts { A { ${USERS} }, B { ${USERS} } }`),
  refused('a token and users', `authorization { token: t, ${USERS} }`),
  refused('a user, a password and a token', 'authorization { user: a, password: b, token: t }'),
  refused(
    'a token and users of accounts',
    `authorization { token: t }\naccounts { A { ${USERS} } }`,
  ),
  refused('a wrong nkey', 'authorization { users: [ { nkey: UABC } ] }'),
  refused('an nkey with a user', 'authorization { users: [ { nkey: %USER%, user: a } ] }'),
  refused('an account nkey for a user', 'authorization { users: [ { nkey: %ACCOUNT% } ] }'),
  refused(
    'a wrong subject',
    'authorization { users: [ {user: a, password: b, permissions: {publish: "a..b"}} ] }',
  ),
  refused(
    'a queue to publish to',
    'authorization { users: [ {user: a, password: b, permissions: {publish: "a q"}} ] }',
  ),
  refused('the account $G', 'accounts { $G { users: [ {user: a, password: b} ] } }'),
  refused(
    'an import of nobody',
    'accounts { A { imports: [ {stream: {account: B, subject: x}} ] } }',
  ),
  refused(
    'an import without export',
    'accounts { B {}, A { imports: [ {service: {account: B, subject: x}} ] } }',
  ),
  refused(
    'an import of what is not for it',
    'accounts { C {}, B { exports: [ {stream: x, accounts: [C]} ] }, A { imports: [ {stream: {account: B, subject: x}} ] } }',
  ),
  refused('an export to nobody', 'accounts { B { exports: [ {stream: x, accounts: [C]} ] } }'),
  refused(
    'a response for a stream',
    'accounts { B { exports: [ {stream: x, response_type: single} ] } }',
  ),
  refused(
    'the latency of many responses',
    'accounts { B { exports: [ {service: x, response: chunked, latency: l} ] } }',
  ),
  refused(
    'services that ask each other',
    `accounts {
 A { exports: [ {service: help} ], imports: [ {service: {account: B, subject: help}} ] }
 B { exports: [ {service: help} ], imports: [ {service: {account: A, subject: help}} ] } }`,
  ),
  refused(
    'streams in a circle',
    `accounts {
 A { exports: [ {stream: ">"} ], imports: [ {stream: {account: C, subject: "x.>"}} ] }
 B { exports: [ {stream: ">"} ], imports: [ {stream: {account: A, subject: "x.>"}} ] }
 C { exports: [ {stream: ">"} ], imports: [ {stream: {account: B, subject: "x.>"}} ] } }`,
  ),
  fine(
    'services of each other that are not the same',
    `accounts {
 A { exports: [ {service: help} ], imports: [ {service: {account: B, subject: time}} ] }
 B { exports: [ {service: time} ], imports: [ {service: {account: A, subject: help}} ] } }`,
  ),
  refused('a mapping to a wildcard without a number', 'mappings { foo: "*" }'),
  refused('a mapping that ends open, of one that does not', 'mappings { foo: "bar.>" }'),
  refused(
    'a stream under a subject that cannot carry it',
    'accounts { B { exports: [ {stream: "x.>"} ] }, A { imports: [ {stream: {account: B, subject: "x.>"}, to: y} ] } }',
  ),
  refused(
    'a service that loses a wildcard',
    'accounts { B { exports: [ {service: "x.*.*"} ] }, A { imports: [ {service: {account: B, subject: "x.*.*"}, to: "y.*"} ] } }',
  ),
  fine(
    'imports with their wildcards moved',
    `accounts { B { exports: [ {service: "x.*.*"}, {stream: "s.*.>"} ] }
 A { imports: [ {service: {account: B, subject: "x.*.*"}, to: "y.$2.$1"}, {stream: {account: B, subject: "s.*.>"}, to: "t.*.>"} ] } }`,
  ),
  refused('a mapping out of range', 'mappings { "a.*": "b.$2" }'),
  refused('mappings over 100%', 'mappings { a: [ {dest: b, weight: 60}, {dest: c, weight: 50} ] }'),
  refused('a mapping function that is none', 'mappings { "a.*": "b.{{nonsense(1)}}" }'),
  refused('an unknown cipher', `tls { ${TLS}, cipher_suites: [NONE] }`),
  refused('an unknown curve', `tls { ${TLS}, curve_preferences: [NONE] }`),
  refused('insecure ciphers', `tls { ${TLS}, cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA] }`),
  refused('tls of long ago', `tls { ${TLS}, min_version: "1.0" }`),
  refused('two ways to give certificates', `tls { ${TLS}, certs: [ { ${TLS} } ] }`),
  refused('a file that is not there', 'tls { cert_file: "/none.pem", key_file: "/none.key" }'),
  refused('an auth callout without issuer', 'authorization { auth_callout { auth_users: [a] } }'),
  refused(
    'an auth callout of an unknown account',
    `authorization { ${USERS}, auth_callout { issuer: %ACCOUNT%, auth_users: [a], allowed_accounts: [X] } }`,
  ),
  refused('routes with many users', `cluster { port: 6222, authorization { ${USERS} } }`),
  refused('a lame duck of a second', 'lame_duck_duration: "1s"'),
  refused(
    'credentials and an nkey',
    'leafnodes { remotes: [ {url: "nats://a", credentials: "c", nkey: "%SEED%"} ] }',
  ),
  refused('a wrong seed', 'leafnodes { remotes: [ {url: "nats://a", nkey: "SUABC"} ] }'),
  refused('an operator that is no file', 'operator: "/none.jwt"'),
  refused('a name with spaces', 'server_name: "a b"'),
  refused('two store directories', 'store_dir: "/tmp/a"\njetstream { store_dir: "/tmp/b" }'),
  refused('trusted keys that are none', 'trusted_keys: [ OABC ]'),
  refusedAtStart('no_auth_user who is not there', `authorization { ${USERS} }\nno_auth_user: x`),
  refusedAtStart('a system account that is not there', 'system_account: X'),
  refusedAtStart('websocket without tls and without saying so', 'websocket { port: 8443 }'),
  refusedAtStart('a gateway without port', 'gateway { name: g }'),
  refusedAtStart(
    'a gateway of another name',
    'cluster { name: c, port: 6222 }\ngateway { name: g, port: 7222 }',
  ),
  refusedAtStart(
    'a header of the upgrade',
    'websocket { port: 8443, no_tls: true, headers: { Upgrade: x } }',
  ),
  refusedAtStart(
    'a cookie for JWTs without operator',
    'websocket { port: 8443, no_tls: true, jwt_cookie: j }',
  ),
  refusedAtStart(
    'a payload that is larger than what may wait',
    'max_payload: 1mb\nmax_pending: 1kb',
  ),
  refusedAtStart(
    'a leaf of an unknown account',
    'leafnodes { port: 7422, authorization { user: a, password: b, account: X } }',
  ),
  refusedAtStart(
    'a mix of remotes',
    'leafnodes { remotes: [ {urls: ["ws://a:1", "nats://b:2"]} ] }',
  ),
  refusedAtStart('a sentinel without operator', 'default_sentinel: "eyJ0.e30.x"'),
  refusedHere('syslog', 'syslog: true', /not supported, because the log goes to a file/),
  fine('a store that encrypts', 'jetstream { store_dir: "/tmp/js", key: "0123456789abcdef" }'),
  refusedHere(
    'a store that encrypts by a short key',
    'jetstream { store_dir: "/tmp/js", key: "secret" }',
    /16 bytes at least/,
  ),
  refusedHere('a feature that nobody knows', 'feature_flags { something: true }', /unknown key/),
  refusedHere('ocsp', 'ocsp: true', /not supported, because OCSP/),
  refusedHere(
    'permissions of routes',
    'cluster { port: 6222, permissions { import: x } }',
    /all interest/,
  ),
  refusedHere('users who are nobody', 'authorization { users: [] }', /may not be empty/),
  refusedHere(
    'permissions that are empty',
    'authorization { users: [ {user: a, password: b, permissions: {publish: {allow: []}}} ] }',
    /may not be empty: leave it out/,
  ),
  refusedHere('a password of nobody', 'authorization { password: x }', /needs a user beside it/),
  refusedHere('websocket without port', 'websocket { no_tls: true }', /needs a port/),
  refusedHere('a listener twice', 'port: 4222\nhttp_port: 4222', /is taken by port already/),
]

/** The text with keys and files in their places. */
export function corpusText(file: CorpusFile, values: Readonly<Record<string, string>>): string {
  return file.text.replace(/%([A-Z]+)%/g, (whole, name: string) => values[name] ?? whole)
}
