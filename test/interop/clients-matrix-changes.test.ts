import assert from 'node:assert/strict'
import { DEADLINE_MS } from '../support/patience.ts'
import {
  createAccount,
  createUser,
  inSeconds,
  JwtWorld,
  UNLIMITED,
} from '../unit/account/jwt-world.ts'
import { DoorServers } from './matrix/door-servers.ts'
import type { Transport } from './matrix/doors.ts'
import { operatorConfig, withJwt } from './matrix/jwt-logins.ts'
import { SERVER_KINDS, type ServerKind } from './matrix/matrix-server.ts'
import { describeError } from './matrix/outcome.ts'
import { WatchedClient } from './matrix/watched-client.ts'

const TRANSPORTS: readonly Transport[] = ['tcp', 'ws compressed', 'tls', 'wss']
const JWT_TRANSPORTS: readonly Transport[] = ['tcp', 'wss']

/** What a file says of users and accounts. */
interface Plan {
  readonly eve?: boolean
  readonly adasPassword?: string
  /** Publish and subscribe. */
  readonly adaMay?: string
  readonly isShared?: boolean
}

function config(plan: Plan = {}): string {
  const { eve = true, adasPassword = 'ada', adaMay = '>', isShared = true } = plan
  return `accounts {
    PLANT {
      users [
        { user: ada, password: ${adasPassword}, permissions { publish: "${adaMay}", subscribe: "${adaMay}" } }
        { user: bob, password: bob }
        ${eve ? '{ user: eve, password: eve }' : ''}
      ]
      exports [
        { service: "always" }
        ${isShared ? '{ stream: "state.>" }' : ''}
        ${isShared ? '{ service: "ask" }' : ''}
      ]
    }
    OFFICE {
      users [ { user: office, password: office } ]
      imports [
        { service: { account: PLANT, subject: always } }
        ${isShared ? '{ stream: { account: PLANT, subject: "state.>" } }' : ''}
        ${isShared ? '{ service: { account: PLANT, subject: ask } }' : ''}
      ]
    }
    FEW {
      users [ { user: few, password: few } ]
      limits { max_connections: 2, max_subscriptions: 3, max_payload: 100 }
    }
  }`
}

const FULL = 'ProtocolError: maximum account active connections exceeded'
const REFUSED = 'AuthorizationError: Authorization Violation'

/** nats-server now and then closes the socket without a look at whether its words have left. */
function withTolerance(kind: ServerKind, error: unknown): unknown {
  return kind === 'nats-server' && error === 'no handshake' ? FULL : error
}

/** What becomes of those who are connected when what they may do changes; here and at nats-server. */
describe('changes under connected official clients', function () {
  this.timeout(60_000)
  for (const kind of SERVER_KINDS) {
    describe(`reload, ${kind}`, () => reloads(kind))
    describe(`JWTs, ${kind}`, () => jwts(kind))
  }
})

function reloads(kind: ServerKind): void {
  const servers = new DoorServers()
  before(() => servers.start(kind, ['open', 'secure'], config()))
  afterEach(async () => {
    await servers.closeClients()
    await servers.reload(config())
  })
  after(() => servers.stop())

  const users = (name: string): Promise<WatchedClient[]> =>
    TRANSPORTS.reduce<Promise<WatchedClient[]>>(
      async (before, transport) => [...(await before), await servers.user(transport, name)],
      Promise.resolve([]),
    )

  it('ends the connections of a user who is gone, and no others', async () => {
    const [eves, bobs] = [await users('eve'), await users('bob')]
    await servers.reload(config({ eve: false }))
    // Who has no account any more is closed without a word, as one that has moved to another.
    for (const eve of eves) assert.equal(await eve.ended(), 'closed')
    for (const bob of bobs) assert.equal(await bob.publish('still.here'), 'fine')
    for (const transport of TRANSPORTS) {
      const error = await servers.user(transport, 'eve').catch(describeError)
      assert.equal(error, REFUSED)
    }
  })

  it('ends those of a user whose password is another', async () => {
    const adas = await users('ada')
    await servers.reload(config({ adasPassword: 'lovelace' }))
    for (const ada of adas) assert.equal(await ada.ended(), REFUSED)
  })

  it('takes away permissions, and what was subscribed by them', async () => {
    const [adas, bob] = [await users('ada'), await servers.user('tcp', 'bob')]
    for (const ada of adas) {
      for (const subject of ['a', 'b']) assert.equal(await ada.subscribe(subject), 'fine')
      assert.equal(await ada.publish('c'), 'fine')
    }
    await servers.reload(config({ adaMay: 'a' }))
    for (const ada of adas) {
      assert.equal(await ada.publish('c'), 'no subscription b and no publish c')
      assert.equal(await ada.subscribe('b'), 'no subscription b')
    }
    for (const subject of ['b', 'a']) await bob.publish(subject)
    assert.deepEqual(await adas[0]!.until('a'), ['a'])
    await servers.reload(config())
    for (const ada of adas) {
      assert.equal(await ada.publish('c'), 'fine')
      assert.equal(await ada.subscribe('b'), 'fine')
    }
  })

  it('takes away what an account shared', async () => {
    const [plants, offices] = [await users('bob'), await users('office')]
    for (const [i, office] of offices.entries()) await office.subscribe(`state.${i}`)
    for (const [i, plant] of plants.entries()) {
      await plant.publish(`state.${i}`)
      await offices[i]!.until(`state.${i}`)
    }
    await servers.reload(config({ isShared: false }))
    for (const [i, plant] of plants.entries()) {
      await plant.publish(`state.${i}`)
      await plant.subscribe('always', '', (message) => message.respond())
      await plant.subscribe('ask', '', (message) => message.respond())
    }
    for (const office of offices) {
      await office.client.request('always')
      assert.deepEqual(office.heard, [])
      const asking = office.client.request('ask', '', { timeout: DEADLINE_MS })
      await assert.rejects(asking, /no responders/)
    }
  })

  it('counts the connections of an account', async () => {
    for (const transport of TRANSPORTS.slice(0, 2)) {
      await servers.user(transport, 'few')
    }
    const error = await servers.user('tcp', 'few').catch(describeError)
    assert.equal(withTolerance(kind, error), FULL)
  })

  it('counts the subscriptions of a client, and measures what it sends', async () => {
    const few = await servers.user('wss', 'few')
    for (const subject of ['a', 'b', 'c']) assert.equal(await few.subscribe(subject), 'fine')
    assert.match(await few.subscribe('d'), /maximum subscriptions exceeded/i)
    assert.equal(few.client.info?.max_payload, 100)
  })
}

function jwts(kind: ServerKind): void {
  const world = new JwtWorld()
  const crowded = createAccount()
  const fading = createAccount()
  const servers = new DoorServers()

  before(async () => {
    const { jwts, resolver_preload } = await world.config(await world.accountJwt())
    const limits = { ...UNLIMITED, conn: 1 }
    const preload = {
      ...resolver_preload,
      [crowded.getPublicKey()]: await world.accountJwt({ limits }, { account: crowded }),
    }
    const text = operatorConfig(jwts[0]!, preload).replace(
      'resolver: MEMORY',
      'resolver { type: full, dir: "%DIR%/jwt" }',
    )
    await servers.start(kind, ['open', 'secure'], text)
  })
  afterEach(() => servers.closeClients())
  after(() => servers.stop())

  async function join(transport: Transport, jwt: string, user = world.user) {
    return new WatchedClient(await servers.connect(transport, withJwt(jwt, user)))
  }

  /** With a JWT that ends soon; sooner than this machine lets a client in, and the next one ends later. */
  async function joinBriefly(transport: Transport, endsIn = 2): Promise<WatchedClient> {
    const jwt = await world.userJwt({}, { exp: inSeconds(endsIn) })
    const joined = await join(transport, jwt).catch(describeError)
    return typeof joined === 'string' ? joinBriefly(transport, 2 * endsIn) : joined
  }

  /** Hands an account's JWT to the server, as `nsc push` does. */
  async function push(transport: Transport, accountJwt: string): Promise<void> {
    const admin = createUser()
    const jwt = await world.userJwt({}, { issuer: world.system, user: admin })
    const { client } = await join(transport, jwt, admin)
    const answer = await client.request('$SYS.REQ.CLAIMS.UPDATE', accountJwt, {
      timeout: DEADLINE_MS,
    })
    const { data } = answer.json<{ data?: { code: number } }>()
    assert.equal(data?.code, 200, answer.string())
  }

  /** An account that ends soon: nats-server ends nobody for one that has ended when it is handed over. */
  async function fade(transport: Transport, endsIn = 2): Promise<void> {
    const exp = inSeconds(endsIn)
    await push(transport, await world.accountJwt({}, { account: fading, exp }))
    if (inSeconds(0) >= exp) await fade(transport, 2 * endsIn)
  }

  it('ends those whose JWT expires, or whose account', async () => {
    await push('tcp', await world.accountJwt({}, { account: fading }))
    await push('wss', await world.accountJwt({}, { account: fading }))
    const ends: Promise<string>[] = []
    for (const transport of JWT_TRANSPORTS) {
      const user = await joinBriefly(transport)
      const faded = await join(transport, await world.userJwt({}, { issuer: fading }))
      ends.push(user.ended(), faded.ended())
    }
    for (const transport of JWT_TRANSPORTS) await fade(transport)
    const expired = [
      'UserAuthenticationExpiredError: User Authentication Expired',
      'AuthorizationError: Account Authentication Expired',
    ]
    assert.deepEqual(await Promise.all(ends), [...expired, ...expired])
  })

  for (const transport of JWT_TRANSPORTS) {
    it(`ends who is revoked, over ${transport}`, async () => {
      const pair = createUser()
      const out = await join(transport, await world.userJwt({}, { user: pair }), pair)
      const stays = await join(transport, await world.userJwt())
      // Also of the JWT that is made later, however much later that is.
      const revocations = { [pair.getPublicKey()]: inSeconds(3_600) }
      await push(transport, await world.accountJwt({ revocations }))
      assert.equal(await out.ended(), 'ProtocolError: User Authentication Revoked')
      assert.equal(await stays.publish('still.here'), 'fine')
      const again = await join(transport, await world.userJwt({}, { user: pair }), pair).catch(
        describeError,
      )
      assert.equal(again, REFUSED)
    })

    it(`counts the connections of an account, over ${transport}`, async () => {
      await join(transport, await world.userJwt({}, { issuer: crowded }))
      const jwt = await world.userJwt({}, { issuer: crowded })
      const second = await join(transport, jwt).catch(describeError)
      assert.equal(withTolerance(kind, second), FULL)
    })

    it(`shares and takes back by JWT, over ${transport}`, async () => {
      const buyer = createAccount()
      const shared = { name: 'S', subject: 'state.>', type: 'stream' as const }
      const offered = await world.accountJwt({ exports: [shared] })
      await push(transport, offered)
      const theirs = { ...shared, account: world.id, local_subject: 'theirs.state.>' }
      const wanted = await world.accountJwt({ imports: [theirs] }, { account: buyer })
      await push(transport, wanted)
      const seller = await join(transport, await world.userJwt())
      const client = await join(transport, await world.userJwt({}, { issuer: buyer }))
      await client.subscribe('theirs.>')
      await seller.publish('state.a')
      assert.deepEqual(await client.until('theirs.state.a'), ['theirs.state.a'])
      await push(transport, await world.accountJwt())
      await seller.publish('state.b')
      await client.publish('theirs.end')
      assert.deepEqual(await client.until('theirs.end'), ['theirs.end'])
    })
  }
}
