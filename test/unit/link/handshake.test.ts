import assert from 'node:assert/strict'
import { LinkClock } from '../../support/link-clock.ts'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'
import { RawHub, RawLink } from '../../support/raw-link.ts'

const INFO = {
  server_id: 'NHUB',
  server_name: 'hub',
  version: '2.15.2',
  client_id: 5,
  nonce: 'abc',
  headers: true,
  max_payload: 1024,
  leafnode_urls: ['127.0.0.1:1'],
  info_on_connect: true,
}

describe('link handshake: accepting side, byte by byte', () => {
  let hub: LinkNode
  let port: number
  let raw: RawLink

  const open = async (...args: ConstructorParameters<typeof LinkNode>): Promise<void> => {
    hub = new LinkNode(...args)
    port = await hub.listen()
    raw = await RawLink.dial(port)
    await raw.sees('\r\n')
  }

  afterEach(async () => {
    raw.destroy()
    await hub.close()
  })

  it('introduces itself as a leafnode port', async () => {
    await open('hub', { domain: 'hub', cluster: 'eu' })
    const info = JSON.parse(raw.text.replace(/^INFO /, '')) as Record<string, unknown>
    assert.equal(info['server_id'], hub.card.identity.id)
    assert.ok(Number(info['client_id']) > 0)
    assert.deepEqual(info['leafnode_urls'], [])
    assert.match(String(info['nonce']), /^[\w-]{15}$/)
    assert.equal(info['compression'], undefined)
    const { headers, auth_required, info_on_connect, domain, cluster, proto } = info
    assert.deepEqual(
      [headers, auth_required, info_on_connect, domain, cluster, proto],
      [true, true, true, 'hub', 'eu', 3],
    )
  })

  it('says yes with a second INFO, and all interest behind it, its loop subject first', async () => {
    await open('hub')
    hub.subscriber('plant.>')
    hub.subscriber('job', 'q')
    hub.subscriber('job', 'q')
    raw.send('CONNECT {"name":"leaf","cluster":"leaf","headers":true,"remote_account":"$G"}')
    await raw.sees('LS+ job q 2\r\n')
    const [, yes, ...interest] = raw.text.split('\r\n')
    const info = JSON.parse(yes?.replace(/^INFO /, '') ?? '') as Record<string, unknown>
    assert.deepEqual([info['connect_info'], info['remote_account']], [true, '$G'])
    assert.equal(info['nonce'], undefined)
    assert.match(interest[0] ?? '', /^LS\+ \$LDS\.\w{22}$/)
    assert.deepEqual(interest.slice(1).sort(), ['', 'LS+ job q 2', 'LS+ plant.>'])
  })

  const refused: readonly [string, string, string][] = [
    ['a NATS client', 'CONNECT {"lang":"go"}', 'attempted to connect to leaf node port'],
    [
      'a gateway',
      'CONNECT {"gateway":"g"}',
      'Rejecting connection from gateway "g" on the leafnode port',
    ],
    [
      'a cluster name with spaces',
      'CONNECT {"cluster":"a b"}',
      'cluster name cannot contain spaces',
    ],
    ['its own cluster name', 'CONNECT {"cluster":"eu"}', 'remote leafnode has same cluster name'],
    ['wrong credentials', 'CONNECT {"user":"u","pass":"x"}', 'Authorization Violation'],
    ['no credentials', 'CONNECT {}', 'Authorization Violation'],
    ['interest before CONNECT', 'LS+ a', 'Authorization Violation'],
    ['a message before CONNECT', 'LMSG a 1\r\nx', 'Authorization Violation'],
    ['PING before CONNECT', 'PING', 'Authorization Violation'],
    ['INFO, which offers compression', 'INFO {}', 'Authorization Violation'],
    ['a CONNECT that is no JSON', 'CONNECT {', 'Unknown Protocol Operation'],
    ['an HTTP request', 'GET / HTTP/1.1', 'Unknown Protocol Operation'],
    ['garbage', '\x16\x03\x01\x02\x00\x01', 'Unknown Protocol Operation'],
    ['a name too long', `CONNECT {"name":"${'x'.repeat(300)}"}`, 'server name is too long'],
    ['a line without end', 'x'.repeat(70_000), 'maximum control line exceeded'],
  ]
  for (const [what, line, error] of refused) {
    it(`refuses ${what}`, async () => {
      await open('hub', { cluster: 'eu', users: [{ user: 'u', password: 'p' }] })
      raw.send(line)
      await raw.sees(`-ERR '${error}'\r\n`)
      await raw.closes()
      assert.equal(hub.acceptor.leaves.length, 0)
      await eventually(() => hub.log.text().includes('leaf not attached'), 'logged')
    })
  }

  it('refuses silence', async () => {
    await open('hub', { limits: { authTimeoutMs: 50 } })
    await raw.sees("-ERR 'Authentication Timeout'\r\n")
    await raw.closes()
  })

  it('takes a user, and a lone user of a URL as token or user', async () => {
    await open('hub', { users: [{ user: 'u', password: 'p' }] })
    raw.send('CONNECT {"name":"x","user":"u","pass":"p"}')
    await raw.sees('connect_info')
    assert.equal(hub.acceptor.leaves[0]?.hello.user, 'u')
  })

  it('ends a link that breaks the protocol, and forgets its interest', async () => {
    await open('hub', { limits: { payloadBytesMax: 100 } })
    raw.send('CONNECT {"name":"x"}', 'LS+ a', 'LS+ b q 2')
    await hub.linkInterest('b')
    raw.send('LMSG a 101')
    await raw.sees("-ERR 'Maximum Payload Violation'\r\n")
    await raw.closes()
    await hub.linkInterest('a', 0)
    assert.equal(hub.space('$G').subscriptionCount, 0)
  })

  it('sends LMSG and HMSG in the forms of the protocol', async () => {
    await open('hub')
    raw.send('CONNECT {"name":"x","headers":true}', 'LS+ a', 'LS+ a q 1', 'LS+ b q 1')
    await hub.linkInterest('b')
    hub.publish('a', 'hi')
    hub.publish('a', 'hi', 'r')
    hub.publish('b', 'x')
    hub.space$G.publish(hub.subscriber('none'), {
      subject: Buffer.from('a'),
      reply: Buffer.from(''),
      headers: Buffer.from('NATS/1.0\r\n\r\n'),
      payload: Buffer.from('p'),
    })
    const messages =
      'LMSG a | q 2\r\nhi\r\nLMSG a + r q 2\r\nhi\r\nLMSG b | q 1\r\nx\r\n' +
      'LS+ none\r\nHMSG a | q 12 13\r\nNATS/1.0\r\n\r\np\r\n'
    await raw.sees(messages)
  })

  it('strips headers for a leaf that does not take them', async () => {
    await open('hub')
    raw.send('CONNECT {"name":"x"}', 'LS+ a')
    await hub.linkInterest('a')
    hub.space$G.publish(hub.subscriber('none'), {
      subject: Buffer.from('a'),
      reply: Buffer.from('r'),
      headers: Buffer.from('NATS/1.0\r\n\r\n'),
      payload: Buffer.from('p'),
    })
    await raw.sees('LMSG a r 1\r\np\r\n')
  })

  it('serves a queue group only when the sender names it', async () => {
    await open('hub')
    const member = hub.subscriber('job', 'q')
    const plain = hub.subscriber('job')
    raw.send(
      'CONNECT {"name":"x"}',
      'LMSG job 1\r\n1',
      'LMSG job | q 1\r\n2',
      'LMSG job + r q 1\r\n3',
    )
    await eventually(() => plain.got.length === 3, 'three messages')
    assert.deepEqual(
      member.got.map((it) => it.payload + it.reply),
      ['2', '3r'],
    )
  })

  it('carries the subject of a stored message behind its ack reply, both ways', async () => {
    await open('hub')
    const inbox = hub.subscriber('inbox.1')
    const ack = '$JS.ACK.orders.c.1.7.7.1700000000.0'
    raw.send('CONNECT {"name":"x"}', 'LS+ inbox.2', `LMSG inbox.1 ${ack}@orders.eu 1\r\nx`)
    await eventually(() => inbox.got.length === 1, 'delivery')
    assert.deepEqual([inbox.got[0]?.shown, inbox.got[0]?.reply], ['orders.eu', ack])
    await hub.linkInterest('inbox.2')
    hub.space$G.publish(hub.subscriber('none'), {
      subject: Buffer.from('inbox.2'),
      reply: Buffer.from(ack),
      headers: new Uint8Array(0),
      payload: Buffer.from('y'),
      shownSubject: Buffer.from('orders.eu'),
    })
    await raw.sees(`LMSG inbox.2 ${ack}@orders.eu 1\r\ny\r\n`)
  })

  it('answers PING, and keeps what means its own server to itself', async () => {
    await open('hub', { domain: 'hub' })
    const api = hub.subscriber('$JS.API.>')
    const mine = hub.subscriber('$JS.hub.API.>')
    raw.send('CONNECT {"name":"x"}', 'LS+ $JS.API.>', 'LMSG $JS.API.INFO 0\r\n')
    raw.send('LMSG $JS.hub.API.INFO 0\r\n', 'PING')
    await raw.sees('PONG\r\n')
    assert.deepEqual([api.got.length, mine.got.length], [0, 1])
    assert.ok(!raw.text.includes('LS+ $JS.API'))
    await raw.sees('LS+ $JS.hub.API.>\r\n')
    await hub.linkInterest('$JS.API.>', 0)
  })
})

describe('link handshake: soliciting side, byte by byte', () => {
  let hub: RawHub
  let leaf: LinkNode

  beforeEach(async () => {
    hub = await RawHub.open()
    leaf = new LinkNode('press 7', { domain: 'press-7' })
  })

  afterEach(async () => {
    await leaf.close()
    await hub.close()
  })

  const info = (fields: object): string => `INFO ${JSON.stringify({ ...INFO, ...fields })}`

  it('waits for INFO, says who it is, and tells its interest after the yes only', async () => {
    leaf.subscriber('cmd.>')
    const uplink = leaf.dial(hub.url.replace('//', '//plant:secret@'))
    const raw = await hub.accepted()
    raw.send(info({}))
    await raw.sees('CONNECT')
    const connect = JSON.parse(raw.text.replace(/^CONNECT /, '')) as Record<string, unknown>
    const { name, cluster, domain, user, pass, remote_account, headers, protocol } = connect
    assert.deepEqual(
      [name, cluster, domain, user, pass, remote_account, headers, protocol],
      ['press 7', 'press_7', 'press-7', 'plant', 'secret', '$G', true, 3],
    )
    assert.equal(connect['lang'], undefined)
    assert.equal(connect['compress_mode'], undefined)
    await reached(uplink, 'handshaking')
    raw.send(info({ nonce: undefined, connect_info: true, remote_account: 'PLANT' }))
    await raw.sees('LS+ cmd.>\r\n')
    await reached(uplink, 'up')
    assert.equal(uplink.state.name === 'up' ? uplink.state.hub.account : '', 'PLANT')
  })

  it('takes an old server, which sends no second INFO', async () => {
    const uplink = leaf.dial(hub.url)
    const raw = await hub.accepted()
    raw.send(info({ info_on_connect: undefined }))
    await reached(uplink, 'up')
    await raw.sees('LS+ $LDS.')
  })

  const wrong: readonly [string, object, RegExp][] = [
    ['a client port', { leafnode_urls: undefined, info_on_connect: undefined }, /wrong port/],
    ['a route port', { client_id: 0 }, /wrong port/],
    ['a cluster name with spaces', { cluster: 'a b' }, /cannot contain spaces/],
  ]
  for (const [what, fields, reason] of wrong) {
    it(`does not log in to ${what}`, async () => {
      const uplink = leaf.dial(hub.url)
      const raw = await hub.accepted()
      raw.send(info(fields))
      await reached(uplink, 'waiting')
      assert.match(uplink.state.name === 'waiting' ? uplink.state.reason : '', reason)
      await raw.closes()
      assert.ok(!raw.text.includes('CONNECT'))
    })
  }

  it('obeys the permissions of its user, and a max_payload below its own', async () => {
    const uplink = leaf.dial(hub.url)
    const raw = await hub.accepted()
    raw.send(info({}))
    await raw.sees('CONNECT')
    leaf.subscriber('cmd.a')
    leaf.subscriber('other')
    raw.send(
      info({ connect_info: true, export: { allow: ['up.>'] }, import: { allow: ['cmd.>'] } }),
      'LS+ >',
    )
    await leaf.linkInterest('>')
    leaf.publish('up.a', 'yes')
    leaf.publish('down.a', 'no')
    leaf.publish('up.b', 'x'.repeat(1_025))
    leaf.publish('up.c', 'end')
    await raw.sees('end\r\n')
    assert.match(raw.text, /LMSG up\.a 3\r\nyes\r\nLMSG up\.c 3\r\nend/)
    assert.ok(raw.text.includes('LS+ cmd.a\r\n') && !raw.text.includes('LS+ other'))
    assert.equal(uplink.stats?.droppedLarge, 1)
  })

  it('tells what the hub said when it refuses, and what to do', async () => {
    const uplink = leaf.dial(hub.url)
    const raw = await hub.accepted()
    raw.send(info({}))
    await raw.sees('CONNECT')
    raw.send("-ERR 'remote leafnode has same cluster name'")
    await reached(uplink, 'waiting')
    const line = leaf.log.lines.find((it) => it.level === 'warn')
    assert.match(String(line?.fields['reason']), /same cluster name/)
    assert.match(String(line?.fields['advice']), /server_name/)
    assert.ok(Number(line?.fields['retryInMs']) >= 30_000)
    assert.ok(!leaf.log.text().includes('secret'))
  })

  it('dials again when the hub goes away, and tells each state', async () => {
    const uplink = leaf.dial(hub.url)
    const states: string[] = []
    uplink.onState((state) => states.push(state.name))
    for (let round = 1; round <= 3; round++) {
      const raw = await hub.accepted(round)
      raw.send(info({ info_on_connect: undefined, leafnode_urls: [] }))
      await reached(uplink, 'up')
      raw.destroy()
      await eventually(() => uplink.state.name !== 'up', 'noticed')
    }
    assert.deepEqual(states.slice(0, 5), ['handshaking', 'up', 'waiting', 'dialing', 'handshaking'])
  })

  /** Lets links come up one after the other, each for a time, and tells how long each was waited for. */
  async function cutAfter(...upMs: readonly number[]): Promise<number[]> {
    const clock = new LinkClock()
    const uplink = leaf.dial(hub.url, { clock, backoffBaseMs: 1_000 })
    const waits: number[] = []
    for (const [i, ms] of upMs.entries()) {
      const raw = await hub.accepted(i + 1)
      raw.send(info({ info_on_connect: undefined, leafnode_urls: [] }))
      await reached(uplink, 'up')
      clock.pass(ms)
      raw.destroy()
      await reached(uplink, 'waiting')
      assert.ok(uplink.state.name === 'waiting')
      const waitMs = uplink.state.untilMs - clock.monotonicMs()
      waits.push(waitMs)
      clock.pass(waitMs)
    }
    return waits
  }

  it('dials within the configured time whenever a link that stood is cut', async () => {
    const waits = await cutAfter(1_000, 1_000, 1_000, 4_000, 1_000, 1_000)
    assert.ok(
      waits.every((ms) => ms >= 500 && ms <= 1_000),
      waits.join(),
    )
  })

  it('waits longer each time from the third link on that ends at once, until one stands', async () => {
    const waits = await cutAfter(10, 10, 10, 10, 10, 10, 10, 1_000)
    const [first = 0, second = 0, ...later] = waits
    const stood = later.pop() ?? 0
    assert.ok(Math.max(first, second, stood) <= 1_000, waits.join())
    assert.ok(
      later.every((ms) => ms >= 1_000),
      waits.join(),
    )
  })
})
