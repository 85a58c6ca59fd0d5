import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { newScopedSigner } from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import type { Accounts } from '../../shared/account/index.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import {
  createAccount,
  createOperator,
  createUser,
  inSeconds,
  JwtWorld,
  sign,
  UNLIMITED,
} from '../unit/account/jwt-world.ts'

/** Who is let in, here and by nats-server, with the same operator, accounts and CONNECT. */
describe('logins by JWT, beside nats-server', () => {
  const world = new JwtWorld()
  const other = createAccount()
  const signer = createAccount()
  const scoped = createAccount()
  const revoked = createUser()
  let peer: NatsServerPeer
  let accounts: Accounts

  before(async () => {
    const template = {
      pub: { allow: ['{{name()}}.>', 'up.{{tag(site)}}'], deny: [] },
      sub: { allow: ['>'], deny: [] },
      subs: -1,
      payload: -1,
      data: -1,
      bearer_token: false,
      allowed_connection_types: [],
    }
    const own = await world.accountJwt({
      signing_keys: [signer.getPublicKey(), newScopedSigner(scoped, 'sensor', template)],
      revocations: { [revoked.getPublicKey()]: inSeconds(60) },
    })
    const strict = await world.accountJwt(
      { limits: { ...UNLIMITED, disallow_bearer: true } },
      { account: other },
    )
    const config = await world.config(own)
    const preload = { ...config.resolver_preload, [other.getPublicKey()]: strict }
    accounts = await world.accounts(own, { jwts: config.jwts, resolver_preload: preload })
    const lines = Object.entries(preload).map(([id, jwt]) => `  ${id}: ${jwt}`)
    peer = await NatsServerPeer.start(
      `operator: ${config.jwts[0]}\nresolver: MEMORY\nresolver_preload {\n${lines.join('\n')}\n}`,
    )
  })

  after(() => peer.stop())

  it('agrees about each of them', async () => {
    const stranger = createAccount()
    const bearer = { bearer_token: true }
    const wide = { pub: { allow: ['>'] } }
    const byScope = { signer: scoped, scopedUser: true }
    const cases: [string, Promise<string>, (KeyPair | undefined)?][] = [
      ['a user', world.userJwt()],
      ['without a signature', world.userJwt(), undefined],
      ['signed by another', world.userJwt(), createUser()],
      ['a bearer', world.userJwt(bearer), undefined],
      ['a bearer where none may be', world.userJwt(bearer, { issuer: other }), undefined],
      ['a user of that account', world.userJwt({}, { issuer: other })],
      ['expired', world.userJwt({}, { exp: inSeconds(-10) })],
      ['not yet', world.userJwt({}, { nbf: inSeconds(100) })],
      ['of a signing key', world.userJwt({}, { signer })],
      ['of an unknown key', world.userJwt({}, { signer: stranger })],
      ['of an unknown account', world.userJwt({}, { issuer: stranger })],
      ['of a scope', world.userJwt({ tags: ['site:a'] }, byScope)],
      ['of a scope, greedy', world.userJwt(wide, byScope)],
      ['revoked', world.userJwt({}, { user: revoked }), revoked],
      ['from here', world.userJwt({ src: ['127.0.0.0/8'] })],
      ['from elsewhere', world.userJwt({ src: ['10.0.0.0/8'] })],
      ['for MQTT', world.userJwt({ allowed_connection_types: ['MQTT'] })],
      ['for this', world.userJwt({ allowed_connection_types: ['STANDARD'] })],
      ['for the future', world.userJwt({ allowed_connection_types: ['FUTURE' as never] })],
      [
        'for this or the future',
        world.userJwt({ allowed_connection_types: ['STANDARD', 'FUTURE' as never] }),
      ],
      ['behind a proxy', world.userJwt({ proxy_required: true })],
      ['an account', world.accountJwt()],
      ['an operator', world.operatorJwt()],
      ['nonsense', Promise.resolve('eyJ.eyJ.x')],
      ['a key that is none', world.userJwt({}, { issuer: other, signer: world.account })],
      ['an account of another operator', world.accountJwt({}, { signer: createOperator() })],
    ]
    for (const [i, [what, token, ...signers]] of cases.entries()) {
      const [pair] = cases[i]!.length === 3 ? signers : [world.user]
      const jwt = await token
      const line = await RawClient.open(peer.port)
      const signature = pair === undefined ? undefined : sign(pair, line.nonce)
      const theirs = await line.login({
        jwt,
        ...(signature === undefined ? {} : { sig: signature }),
      })
      const ours = await accounts.authenticator.authenticate({
        jwt,
        nonce: line.nonce,
        remoteAddress: '127.0.0.1',
        ...(signature === undefined ? {} : { signature }),
      })
      assert.equal(ours !== undefined, theirs, `${what}: nats-server says ${theirs}`)
    }
  })

  it('agrees about what a template allows', async () => {
    const jwt = await world.userJwt({ tags: ['site:a'] }, { signer: scoped, scopedUser: true })
    const line = await RawClient.open(peer.port)
    const signature = sign(world.user, line.nonce)
    assert.equal(await line.login({ jwt, sig: signature }), true)
    const nonce = line.nonce
    const identity = await accounts.authenticator.authenticate({ jwt, nonce, signature })
    for (const subject of ['ada.x', 'ada', 'up.a', 'up.b', 'x', 'ada.x.y']) {
      const theirs = await line.mayPublish(subject)
      assert.equal(identity?.permissions?.mayPublish(subject), theirs, subject)
    }
    line.close()
  })
})

/** A client that signs the nonce of INFO itself. */
class RawClient {
  readonly #socket: Socket
  #text = ''
  #changed: () => void = () => {}
  #isClosed = false
  nonce = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString()
      this.#changed()
    })
    socket.on('close', () => {
      this.#isClosed = true
      this.#changed()
    })
    socket.on('error', () => {})
  }

  static async open(port: number): Promise<RawClient> {
    const client = new RawClient(connect(port, '127.0.0.1'))
    const info = await client.#until(/^INFO (.*)\r\n/)
    client.nonce = (JSON.parse(info![1]!) as { nonce: string }).nonce
    return client
  }

  async login(options: Readonly<Record<string, unknown>>): Promise<boolean> {
    this.#send(`CONNECT ${JSON.stringify({ verbose: false, ...options })}`)
    const isIn = (await this.#ping()) === ''
    if (!isIn) this.close()
    return isIn
  }

  async mayPublish(subject: string): Promise<boolean> {
    this.#send(`PUB ${subject} 0\r\n`)
    return (await this.#ping()) === ''
  }

  close(): void {
    this.#socket.destroy()
  }

  /** What the server says before it answers a PING. */
  async #ping(): Promise<string> {
    this.#text = ''
    this.#send('PING')
    await this.#until(/PONG\r\n/)
    return /-ERR.*/.exec(this.#text)?.[0] ?? (this.#text.includes('PONG') ? '' : 'closed')
  }

  #send(line: string): void {
    this.#socket.write(`${line}\r\n`)
  }

  async #until(pattern: RegExp): Promise<RegExpExecArray | null> {
    const timer = setTimeout(() => this.#socket.destroy(), DEADLINE_MS)
    while (!pattern.test(this.#text) && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
    clearTimeout(timer)
    return pattern.exec(this.#text)
  }
}
