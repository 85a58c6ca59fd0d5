import assert from 'node:assert/strict'
import { ServerIdentity } from '../../../../shared/link/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { arenaBytes, type Channel } from '../../../../shared/transport/index.ts'
import { PeerWorld } from '../../../support/peer-world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** Somebody at a port of a hub who says what he likes. */
class Stranger {
  received = ''
  isClosed = false
  readonly #channel: Channel

  constructor(channel: Channel) {
    this.#channel = channel
    channel.start({
      onChunk: (start, end) => {
        this.received += arenaBytes.toString('latin1', start, end)
        return end
      },
      onDrain: () => {},
      onClose: () => {
        this.isClosed = true
      },
    })
  }

  get nonce(): string {
    return JSON.parse(/INFO (\{.*?\})\r\n/.exec(this.received)?.[1] ?? '{}').nonce ?? ''
  }

  get serverId(): string {
    return JSON.parse(/INFO (\{.*?\})\r\n/.exec(this.received)?.[1] ?? '{}').server_id ?? ''
  }

  send(text: string): void {
    this.#channel.write(Buffer.from(text, 'latin1'))
  }
}

describe(`strangers at the ports for hubs (SEED=${SEED})`, () => {
  let net: PeerWorld
  const identity = ServerIdentity.create(new SeededRandom(SEED))

  beforeEach(() => {
    net = new PeerWorld(SEED)
  })

  afterEach(() => net.destroy())

  async function come(port: number): Promise<Stranger> {
    const { network } = net.world.node('stranger').machine
    const options = { protocol: 'tcp', host: 'eu-1', port, path: '', timeoutMs: 2_000 } as const
    let channel: Channel | undefined
    void network.dial(options, new AbortController().signal).then((it) => {
      channel = it
    })
    await net.until(() => channel !== undefined, 'a connection')
    assert.ok(channel !== undefined)
    const stranger = new Stranger(channel)
    await net.until(() => stranger.nonce !== '', 'INFO')
    return stranger
  }

  const hello = (stranger: Stranger, changes: object = {}, signed = stranger.nonce): string => {
    const text = `petiole peer link\n${signed}\n${identity.id}\n${stranger.serverId}`
    return `CONNECT ${JSON.stringify({
      server_id: identity.id,
      server_name: 'eu-2',
      cluster: 'eu',
      boot: 'b',
      petiole: '0.1.0',
      peer: 'route',
      peer_protocol: 1,
      nonce: 'n',
      sig: identity.sign(Buffer.from(text)),
      ...changes,
    })}\r\n`
  }

  it('are let in with a valid proof only', async () => {
    const a = await net.start('eu-1')
    const good = await come(6222)
    good.send(hello(good))
    await net.until(() => a.peers.length === 1, 'the link')
    for (const changes of [
      { server_id: ServerIdentity.create(new SeededRandom(SEED + 1)).id },
      { server_id: 'NX' },
      { server_id: a.mesh.routes[0]?.remoteId ?? '', sig: '' },
      { nonce: '' },
    ]) {
      const bad = await come(6222)
      bad.send(hello(bad, changes))
      await net.until(() => bad.isClosed, `refusal of ${JSON.stringify(changes)}`)
      assert.match(bad.received, /-ERR 'Petiole identity cannot be verified'/)
    }
    const replay = await come(6222)
    replay.send(hello(replay, {}, good.nonce))
    await net.until(() => replay.isClosed, 'refusal of an old signature')
    assert.equal(a.peers.length, 1)
  })

  const cases: readonly (readonly [string, number, string, string])[] = [
    [
      'a client',
      6222,
      'CONNECT {"lang":"go","verbose":false}\r\n',
      'attempted to connect to route port',
    ],
    [
      'a client',
      7222,
      'CONNECT {"lang":"go","verbose":false}\r\n',
      'attempted to connect to gateway port',
    ],
    [
      'a gateway',
      6222,
      'CONNECT {"peer":"gateway","peer_protocol":1,"cluster":"us"}\r\n',
      'Rejecting connection from gateway "us" on the Route port',
    ],
    ['no JSON', 6222, 'CONNECT {\r\n', 'Unknown Protocol Operation'],
    ['no object', 6222, 'CONNECT []\r\n', 'Unknown Protocol Operation'],
    ['an operation of clients', 6222, 'SUB a 1\r\n', 'Unknown Protocol Operation'],
    ['interest before CONNECT', 6222, 'RS+ $G >\r\n', 'Unknown Protocol Operation'],
    ['a message before CONNECT', 6222, 'RMSG $G - a 999999\r\n', 'Unknown Protocol Operation'],
    ['INFO in place of CONNECT', 6222, 'INFO {}\r\n', 'Authorization Violation'],
    ['an endless line', 6222, 'x'.repeat(70_000), 'maximum control line exceeded'],
  ]
  for (const [who, port, input, error] of cases) {
    it(`${who} on port ${port} is told '${error}'`, async () => {
      const a = await net.start('eu-1')
      const stranger = await come(port)
      stranger.send(input)
      await net.until(() => stranger.isClosed, 'the end')
      assert.ok(stranger.received.includes(`-ERR '${error}'`), stranger.received.slice(-200))
      assert.deepEqual([a.peers, a.interestOfPeers()], [[], []])
    })
  }

  it('who say nothing are shown out', async () => {
    await net.start('eu-1')
    const silent = await come(6222)
    await net.until(() => silent.isClosed, 'the end', 6_000)
    assert.match(silent.received, /-ERR 'Authentication Timeout'/)
  })

  it('who say nothing have as long as the block allows', async () => {
    await net.start('eu-1', { cluster: { auth_timeout: 500 } })
    const silent = await come(6222)
    await net.until(() => silent.isClosed, 'the end', 1_000)
    assert.match(silent.received, /-ERR 'Authentication Timeout'/)
  })

  it('who were let in cannot take another name later, nor break a control line', async () => {
    const a = await net.start('eu-1')
    const peer = await come(6222)
    peer.send(hello(peer))
    await net.until(() => a.peers.length === 1, 'the link')
    peer.send(`INFO ${JSON.stringify({ server_name: 'eu-1', server_id: 'N', cluster: 'us' })}\r\n`)
    peer.send('RS+ $G a..b\r\nRS+ $G a b c d\r\n')
    await net.until(() => peer.isClosed, 'the end')
    assert.deepEqual(a.peers, [])
    assert.deepEqual(a.interestOfPeers(), [])
    assert.ok(!a.log.text().includes('"peer":"eu-1"'))
  })

  it('cannot make a hub remember more interest than its limit', async () => {
    const a = await net.start('eu-1', { limits: { subscriptionsMax: 100, accountsMax: 3 } })
    const peer = await come(6222)
    peer.send(hello(peer))
    await net.until(() => a.peers.length === 1, 'the link')
    for (let i = 0; i < 500; i++) peer.send(`RS+ acc-${i % 10} s.${i}\r\n`)
    await net.pass(500)
    assert.equal(a.interestOfPeers().length <= 100, true)
    assert.ok(a.spaces.size <= 4, `${a.spaces.size} accounts`)
  })
})
