/** Steps of a conversation: who says what. A client is there from its first step on. */
export type Script = readonly (readonly [who: string, text: string])[]

export interface Scenario {
  readonly name: string
  /** Read by both servers. */
  readonly config: string
  readonly scripts: readonly Script[]
}

const Q =
  'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n'
const V = 'CONNECT {"verbose":true,"pedantic":true,"headers":true}\r\n'
const HEADERS = 'NATS/1.0\r\nA: b\r\n\r\n'

function alone(...texts: readonly string[]): Script[] {
  return texts.map((text) => [['a', text]])
}

function login(fields: string): string {
  return `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1,${fields}}\r\n`
}

function user(name: string, password = 'p'): string {
  return login(`"user":"${name}","pass":"${password}"`)
}

const CONNECTS = [
  '',
  'null',
  'garbage',
  '[]',
  '"x"',
  '{} x',
  '{',
  '{"verbose":"x"}',
  '{"verbose":false,"foo":[1,{"a":2}]}',
  '{"VERBOSE":false,"Pedantic":false}',
  '{"verbose":null}',
  '{"protocol":-1}',
  '{"protocol":0}',
  '{"protocol":1}',
  '{"protocol":2}',
  '{"protocol":1.5}',
  '{"protocol":"1"}',
  '{"name":5}',
  '{"headers":true,"no_responders":true,"verbose":false,"protocol":1}',
  '{"no_responders":true}',
  '{"account":"X"}',
  '{"account":""}',
  '{"new_account":true}',
  '{"new_account":false}',
  '{"user":"anybody","pass":"x"}',
  '{"auth_token":"x"}',
  '{"jwt":"x","sig":"y","nkey":"z"}',
  '{"tls_required":true}',
  '{"import":{},"export":{}}',
]

const PUBLICATIONS = [
  'PUB a 0\r\n\r\n',
  'PUB a 1\r\nx\r\n',
  'PUB a r 1\r\nx\r\n',
  'PUB  a\t r  1 \r\nx\r\n',
  'PUB a 01\r\nx\r\n',
  'PUB a 1\nx\r\n',
  'PUB a 1\r\nxy\r\n',
  'PUB a 1\r\nx\n',
  'PUB a\r\n',
  'PUB\r\n',
  'PUB \r\n',
  'PUB a b c 1\r\nx\r\n',
  'PUB a -1\r\nx\r\n',
  'PUB a +1\r\nx\r\n',
  'PUB a 1x\r\nx\r\n',
  'PUB a 1048577\r\n',
  'PUB a 999999999\r\n',
  'PUB a 1234567890\r\n',
  'PUB a 99999999999999999999\r\n',
  'PUB a.* 1\r\nx\r\n',
  'PUB a..b 1\r\nx\r\n',
  'PUB .a 1\r\nx\r\n',
  'PUB a. 1\r\nx\r\n',
  'PUB > 1\r\nx\r\n',
  'PUB a.>.b 1\r\nx\r\n',
  'PUB a*b 1\r\nx\r\n',
  'PUB a* r.* 1\r\nx\r\n',
  'PUB a _R_.x 1\r\nx\r\n',
  'PUB a _R_. 1\r\nx\r\n',
  'PUB a $JS.ACK. 1\r\nx\r\n',
  'PUB a $JS.ACK.x 1\r\nx\r\n',
  'PUB a _GR_. 1\r\nx\r\n',
  'PUB a _GR_.x 1\r\nx\r\n',
  'PUB a $GR.x 1\r\nx\r\n',
  'PUB _GR_. 1\r\nx\r\n',
  'PUB _GR_.x 1\r\nx\r\n',
  'PUB $GR.x.y 1\r\nx\r\n',
  'PUB $NRG.x 1\r\nx\r\n',
  'PUB $NRG 1\r\nx\r\n',
  'PUB _R_.x 1\r\nx\r\n',
  'PUB $NRG."\\q\u0001 1\r\nx\r\n',
  `HPUB a ${HEADERS.length} ${HEADERS.length}\r\n${HEADERS}\r\n`,
  `HPUB a r ${HEADERS.length} ${HEADERS.length + 2}\r\n${HEADERS}hi\r\n`,
  `hpub  a ${HEADERS.length}  ${HEADERS.length + 2}\r\n${HEADERS}hi\r\n`,
  'HPUB a 0 2\r\nhi\r\n',
  'HPUB a 5 2\r\nhi\r\n',
  'HPUB a 2\r\nhi\r\n',
  'HPUB a r s 2 2\r\nhi\r\n',
  'HPUB a x 2\r\nhi\r\n',
  'HPUB a 2 x\r\nhi\r\n',
  'HPUB\r\n',
  'HPUB a 12 1048577\r\n',
]

const SUBSCRIPTIONS = [
  'SUB a 1\r\n',
  'SUB a q 1\r\n',
  'SUB a 1\r\nSUB a 1\r\n',
  'SUB a 1\r\nSUB b..c 1\r\n',
  'SUB a\r\n',
  'SUB\r\n',
  'SUB \r\n',
  'SUB a b c d\r\n',
  'SUB a.b. 1\r\n',
  'SUB .a 1\r\n',
  'SUB a..b 1\r\n',
  'SUB a.>.b 1\r\n',
  'SUB a.*b.c> 1\r\n',
  'SUB > 1\r\nPUB x 1\r\ny\r\nPUB a.b.c 1\r\ny\r\nUNSUB 1\r\n',
  'SUB * 1\r\nPUB x 1\r\ny\r\nPUB x.y 1\r\ny\r\n',
  'SUB a _sys_ 1\r\n',
  'SUB a 1\r\nUNSUB 1\r\nPUB a 1\r\nx\r\n',
  'SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nPUB a 1\r\nz\r\n',
  'SUB a 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nUNSUB 1 2\r\nPUB a 1\r\nz\r\n',
  'SUB a 1\r\nPUB a 1\r\nx\r\nUNSUB 1 x\r\nPUB a 1\r\ny\r\n',
  'SUB a 1\r\nUNSUB 1 0\r\nPUB a 1\r\ny\r\n',
  'SUB a 1\r\nUNSUB 1 -1\r\nPUB a 1\r\ny\r\n',
  'UNSUB 9\r\n',
  'UNSUB 9 9\r\n',
  'UNSUB\r\n',
  'UNSUB \r\n',
  'UNSUB 1 2 3\r\n',
  'SUB a longsidlongsidlongsid\r\nPUB a 1\r\nx\r\n',
  `SUB ${'a'.repeat(5_000)} 1\r\n`,
  `SUB ${'a'.repeat(4_094)} 1\r\n`,
  `SUB ${'a'.repeat(4_095)} 1\r\n`,
  `PUB ${'a'.repeat(4_094)} 0\r\n\r\n`,
  `PUB ${'a'.repeat(4_095)} 0\r\n\r\n`,
  `CONNECT {"name":"${'n'.repeat(4_100)}"}\r\n`,
]

const OTHERS = [
  'PING\r\n',
  'ping\n',
  'PINGxyz\r\n',
  'PING x y\r\n',
  'PONG\r\n',
  'PONG x\r\n',
  'PINX\r\n',
  'P\r\n',
  '\r\n',
  ' PING\r\n',
  '+OK\r\n',
  '+OKxyz\r\n',
  '+NO\r\n',
  "-ERR 'x'\r\n",
  '-ERR\r\n',
  '-ERR \r\n',
  'INFO {}\r\n',
  'INFO{}\r\n',
  'INFO\r\n',
  'INFO x\r\n',
  'MSG a 1 1\r\nx\r\n',
  'HMSG a 1 1 1\r\nx\r\n',
  'RS+ $G a\r\n',
  'RMSG $G a 1\r\nx\r\n',
  'LS+ a\r\n',
  'LMSG a 1\r\nx\r\n',
  'A+ $G\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  '\u0016\u0003\u0001\u0002\u0000\u0001\u0000',
]

const AGAIN = [
  `${V}SUB a 1\r\n${Q}PUB a 1\r\nx\r\n`,
  `${Q}${Q}`,
  `${Q}PING\r\n${Q}PING\r\n`,
  'SUB a 1\r\nCONNECT {"verbose":false}\r\nPUB a 1\r\nx\r\n',
  'PING\r\nCONNECT {"verbose":false,"protocol":1}\r\nPING\r\n',
]

const NO_RESPONDERS = [
  `${Q}SUB r.* 7\r\nPUB q r.1 2\r\nhi\r\n`,
  `${Q}SUB r g 7\r\nPUB q r 2\r\nhi\r\n`,
  `${Q}PUB q r 2\r\nhi\r\n`,
  `${Q}SUB a 1\r\nSUB a 2\r\nPUB b a 1\r\nx\r\n`.replace('SUB a 2\r\n', ''),
  `${login('"echo":false')}SUB a 1\r\nPUB a a 1\r\nx\r\n`,
  `${login('"echo":false')}SUB a 1\r\nPUB a 1\r\nx\r\n`,
  `${Q}SUB r 1\r\nPUB _R_.x r 1\r\nx\r\nPUB $SYS.REQ.NOBODY r 0\r\n\r\n`,
  `${V}SUB r 1\r\nPUB q r 2\r\nhi\r\n`,
]

const PERMISSIONS = `
authorization {
  default_permissions { publish: "pub.>", subscribe: ["sub.>", "_INBOX.>"] }
  users [
    { user: free, password: p, permissions { publish: ">", subscribe: ">" } }
    { user: plain, password: p }
    { user: mixed, password: p, permissions {
        publish { allow: ["a.>", "b.*"], deny: ["a.secret", "a.x.>"] }
        subscribe { allow: ["s.>", "t.*"], deny: ["s.secret.>", "t.no"] } } }
    { user: none, password: p, permissions { publish { deny: ">" }, subscribe { deny: ">" } } }
    { user: queues, password: p, permissions {
        subscribe { allow: ["foo", "foo v1", "foo v1.>", "foo *.dev", "bar q"], deny: ["foo v1.prod", "* stage.>"] } } }
    { user: service, password: p, permissions { subscribe: "req.>", allow_responses: { max: 2, expires: "1m" } } }
    { user: once, password: p, permissions { subscribe: "req.>", publish: "pub", allow_responses: true } }
  ]
}`

function both(name: string, ...texts: readonly string[]): Script[] {
  return texts.map((text) => [['a', `${user(name)}${text}`]])
}

const PUB_SUBJECTS = [
  'a',
  'a.b',
  'a.secret',
  'a.x.y',
  'b.c',
  'b.c.d',
  'b.*',
  'pub.x',
  'c',
  '$SYS.x',
]
const SUB_SUBJECTS = [
  's',
  's.a',
  's.>',
  's.*',
  's.secret.a',
  's.secret.>',
  't.a',
  't.no',
  't.*',
  '>',
  '_INBOX.x',
  'sub.a',
  'u',
]
const QUEUES = ['', 'v1', 'v1.a', 'v1.prod', 'x.dev', 'stage.a', 'other']

const PERMITTED: Script[] = [
  ...both(
    'mixed',
    ...PUB_SUBJECTS.map(
      (subject) => `PUB ${subject} 1\r\nx\r\nPUB ${subject} 1\r\nx\r\nPUB ${subject} 1\r\nx\r\n`,
    ),
  ),
  ...both('mixed', ...SUB_SUBJECTS.map((subject) => `SUB ${subject} 1\r\nSUB ${subject} q 2\r\n`)),
  ...both('plain', 'PUB pub.a 1\r\nx\r\nPUB other 1\r\nx\r\nSUB sub.a 1\r\nSUB other 2\r\n'),
  ...both('none', 'PUB a 1\r\nx\r\nSUB a 1\r\nSUB > 1\r\nSUB a q 1\r\n'),
  ...both('queues', ...QUEUES.map((queue) => `SUB foo ${queue} 1\r\nSUB bar ${queue} 2\r\n`)),
  ...both('mixed', 'PUB "q\\" 1\r\nx\r\nSUB "q\\" 1\r\nSUB "q\\" "\u0001" 1\r\n'),
  [
    ['a', `${user('mixed')}SUB s.> 1\r\nSUB t.* 2\r\n`],
    [
      'b',
      `${user('free')}PUB s.a 1\r\nx\r\nPUB s.secret.a 1\r\ny\r\nPUB s.secret.a 1\r\ny\r\nPUB t.no 1\r\nz\r\nPUB t.yes 1\r\nz\r\n`,
    ],
  ],
  [
    ['s', `${user('service')}SUB req.> 1\r\n`],
    ['c', `${user('free')}SUB in.> 1\r\nPUB req.a in.1 1\r\nx\r\n`],
    [
      's',
      'PUB in.1 1\r\na\r\nPUB in.1 1\r\nb\r\nPUB in.1 1\r\nc\r\nPUB in.2 1\r\nd\r\nPUB in.1 1\r\ne\r\n',
    ],
    [
      'c',
      `HPUB req.b in.2 ${HEADERS.length} ${HEADERS.length}\r\n${HEADERS}\r\nPUB req.c 1\r\nx\r\n`,
    ],
    ['s', 'PUB in.2 1\r\na\r\nPUB in.1 1\r\nb\r\n'],
  ],
  [
    ['s', `${user('once')}SUB req.> 1\r\n`],
    ['c', `${user('free')}SUB in.> 1\r\nPUB req.a in.1 1\r\nx\r\n`],
    ['s', 'PUB in.1 1\r\na\r\nPUB in.1 1\r\nb\r\nPUB pub 1\r\nc\r\nPUB other 1\r\nc\r\n'],
  ],
  [
    ['a', `${user('service')}`],
    ['a', `SUB req.a 1\r\nPUB req.a 1\r\nx\r\nPUB anything req.a 1\r\nx\r\n`],
  ],
  [
    [
      'a',
      `CONNECT {"verbose":true,"pedantic":true,"user":"mixed","pass":"p"}\r\nPUB a.b 1\r\nx\r\nPUB c 1\r\nx\r\nPUB c.* 1\r\nx\r\nSUB s.a 1\r\nSUB no 1\r\n`,
    ],
  ],
  ...alone(
    user('free', 'wrong'),
    user('nobody'),
    user(''),
    'PING\r\n',
    'SUB a 1\r\n',
    Q,
    login('"auth_token":"p"'),
    `${user('free')}${user('free', 'wrong')}`,
    `${user('free')}SUB a 1\r\n${user('plain')}PUB pub.a 1\r\nx\r\nPUB a 1\r\nx\r\n`,
    login('"user":"free","pass":"p","account":"X"'),
    login('"user":"free","pass":"p","protocol":7'),
  ),
]

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'open to all',
    config: '',
    scripts: [
      ...alone(...CONNECTS.map((json) => `CONNECT ${json}\r\nSUB a 1\r\nPUB a 1\r\nx\r\n`)),
      ...alone(...PUBLICATIONS),
      ...alone(...PUBLICATIONS.map((text) => `${Q}SUB a 1\r\n${text}`)),
      ...alone(...PUBLICATIONS.map((text) => `${V}SUB a 1\r\n${text}`)),
      ...alone(...SUBSCRIPTIONS, ...SUBSCRIPTIONS.map((text) => `${Q}${text}`)),
      ...alone(...OTHERS, ...OTHERS.map((text) => `${Q}${text}`)),
      ...alone(...AGAIN, ...NO_RESPONDERS),
    ],
  },
  {
    name: 'limits',
    config: 'max_subscriptions: 2, max_sub_tokens: 3, max_payload: 100, max_control_line: 256',
    scripts: alone(
      `${Q}SUB a 1\r\nSUB b 2\r\nSUB b 2\r\nSUB c 3\r\nUNSUB 1\r\nSUB c 3\r\n`,
      `${Q}SUB a.b.c 1\r\nSUB a.b.c.d 2\r\nSUB a.b. 3\r\nSUB a..c.d 4\r\nSUB a.b.c.d q 4\r\n`,
      `${V}PUB a.* 101\r\n`,
      `${Q}PUB a 100\r\n${'x'.repeat(100)}\r\nHPUB a 12 101\r\n`,
      `SUB ${'a'.repeat(300)} 1\r\n`,
      `CONNECT {"name":"${'n'.repeat(300)}"}\r\n`,
    ),
  },
  {
    name: 'no headers',
    config: 'no_header_support: true',
    scripts: alone(Q, 'CONNECT {"headers":true}\r\nHPUB a 0 2\r\nhi\r\n'),
  },
  {
    name: 'a token',
    config: 'authorization { token: "secret", timeout: 1 }',
    scripts: alone(
      login('"auth_token":"secret"'),
      login('"auth_token":"wrong"'),
      login('"user":"secret"'),
      Q,
      'PING\r\n',
      'P',
      'INFO {}\r\n',
      'CONNECT x\r\n',
      `${login('"auth_token":"secret"')}PING\r\nCONNECT {"auth_token":"x"}\r\n`,
    ),
  },
  {
    name: 'a user for whoever says nothing',
    config: `
no_auth_user: guest
authorization { users [
  { user: guest, password: p, permissions { publish: "g.>", subscribe: "g.>" } }
  { user: host, password: p }
] }`,
    scripts: alone(
      'PING\r\n',
      'SUB g.a 1\r\nPUB g.a 1\r\nx\r\nPUB h 1\r\nx\r\n',
      `${Q}PUB h 1\r\nx\r\n`,
      `${user('host')}SUB h 1\r\nPUB h 1\r\nx\r\n`,
      user('host', 'wrong'),
      `SUB g.a 1\r\n${user('host')}PUB g.a 1\r\nx\r\n`,
    ),
  },
  { name: 'permissions', config: PERMISSIONS, scripts: PERMITTED },
  {
    name: 'accounts',
    config: `
accounts {
  RED { users [ { user: red, password: p } ], mappings { old: new, "in.*": "out.$1", "lost.*": [ { destination: "gone", weight: 0% } ] } }
  BLUE { users [ { user: blue, password: p } ], limits { max_subs: 1, max_payload: 10, max_conn: 2 } }
  SYS { users [ { user: sys, password: p } ] }
}
system_account: SYS`,
    scripts: [
      [
        ['a', `${user('red')}SUB > 1\r\n`],
        ['b', `${user('blue')}SUB > 1\r\n`],
        ['a', 'PUB x 1\r\nr\r\n'],
        ['b', 'PUB x 1\r\nb\r\n'],
      ],
      [
        ['a', `${user('red')}SUB > 1\r\n`],
        ['b', user('red')],
        [
          'b',
          `SUB r 9\r\nPUB old 1\r\nx\r\nPUB in.7 r 1\r\ny\r\nPUB in.7 r 1\r\nz\r\nPUB in.8 1\r\nz\r\nPUB in 1\r\nz\r\n`,
        ],
        ['a', 'UNSUB 1\r\n'],
        ['b', 'PUB in.9 r 1\r\nz\r\n'],
      ],
      ...alone(`${user('sys')}PUB $NRG.x 1\r\nx\r\n`),
    ],
  },
]
