import assert from 'node:assert/strict'
import type { Credentials, Identity } from '../../../shared/account/index.ts'
import type { ClientConnection } from '../../../shared/broker/client-connection.ts'
import { infoFor } from '../../../shared/broker/client-info.ts'
import type { ConnectionContext } from '../../../shared/broker/connection-context.ts'
import { Handshake, type HandshakeEffects } from '../../../shared/broker/handshake.ts'
import { BROKER_DEFAULTS } from '../../../shared/broker/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import type { Channel } from '../../../shared/transport/index.ts'
import type { ConnectOptions } from '../../../shared/wire/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { StubAuthenticator } from '../../support/stub-authenticator.ts'

const OPTIONS = { ...BROKER_DEFAULTS, serverId: 'N', serverName: 'n' }
const ADA: Identity = { user: 'ada', account: 'red' }

class Effects implements HandshakeEffects {
  readonly said: string[] = []
  hasRoom = true
  forget(): void {
    this.said.push('forget')
  }
  letIn({ user }: Identity, isUnasked: boolean): boolean {
    this.said.push(`in ${user}${isUnasked ? ' unasked' : ''}`)
    return this.hasRoom
  }
  accepted({ name }: ConnectOptions): void {
    this.said.push(`accepted ${name}`)
  }
  refused(error: string): void {
    this.said.push(`refused ${error}`)
  }
  failed(error: unknown): void {
    this.said.push(`failed ${error instanceof Error ? error.message : error}`)
  }
  pause(isLong: boolean): void {
    this.said.push(isLong ? 'hold' : 'pause')
  }
  resume(): void {
    this.said.push('resume')
  }
}

describe('handshake', () => {
  let clock: ManualClock
  let door: StubAuthenticator
  let effects: Effects

  beforeEach(() => {
    clock = new ManualClock()
    door = new StubAuthenticator()
    door.users.set('ada', ADA)
    effects = new Effects()
  })

  function handshake(channel: Partial<Channel> = {}, options: object = {}): Handshake {
    const context = {
      clock,
      random: new SeededRandom(1),
      options: { ...OPTIONS, ...options },
    } as unknown as ConnectionContext
    const whole = {
      kind: 'tcp',
      remoteAddress: '192.0.2.1',
      cookies: {},
      tls: undefined,
      ...channel,
    }
    return new Handshake(context, door, whole as Channel, 7, {}, effects)
  }

  it('takes from cookies what CONNECT leaves out, on a WebSocket', () => {
    const cookies = { j: 'JWT', u: 'ada', p: 'secret', t: 'token' }
    const names = { cookies: { jwt: 'j', user: 'u', password: 'p', token: 't' } }
    const seen = (asked: Credentials | undefined): unknown => [
      asked?.jwt,
      asked?.user,
      asked?.password,
      asked?.token,
      asked?.connectionType,
    ]
    handshake({ kind: 'websocket', cookies }, names).connect('{"pass":"own"}')
    assert.deepEqual(seen(door.asked[0]), ['JWT', 'ada', 'own', 'token', 'WEBSOCKET'])
    handshake({ kind: 'tcp', cookies }, names).connect('{"pass":"own"}')
    assert.deepEqual(seen(door.asked[1]), [undefined, undefined, 'own', undefined, 'STANDARD'])
    const nameless = { ...cookies, '': 'ada' }
    handshake({ kind: 'websocket', cookies: nameless }).connect('{}')
    assert.deepEqual(seen(door.asked[2]), [undefined, undefined, undefined, undefined, 'WEBSOCKET'])
  })

  it('refuses in the order of nats-server: who it is, then what it asks for', () => {
    for (const [json, said] of [
      ['{"user":"eve","protocol":9}', ['refused authorization']],
      ['{"user":"ada","account":"X","protocol":9}', ['in ada', 'refused authorization']],
      ['{"user":"ada","protocol":9,"no_responders":true}', ['in ada', 'refused client_protocol']],
      ['{"user":"ada","no_responders":true}', ['in ada', 'refused no_responders']],
      ['{"user":"ada","name":"x"}', ['in ada', 'accepted x']],
      ['{"user":5}', ['refused malformed']],
    ] as const) {
      effects = new Effects()
      handshake().connect(json)
      assert.deepEqual(effects.said, said, json)
    }
  })

  it('says no to headers that the server does not have', () => {
    handshake({}, { supportsHeaders: false }).connect(
      '{"user":"ada","headers":true,"no_responders":true}',
    )
    assert.deepEqual(effects.said, ['in ada', 'refused no_responders'])
  })

  it('has no room', () => {
    effects.hasRoom = false
    handshake().connect('{"user":"ada"}')
    assert.deepEqual(effects.said, ['in ada', 'refused account_connections'])
  })

  it('has no patience with those who are taken for somebody and say nothing', () => {
    door.isRequired = false
    door.users.set('', { user: 'guest', account: 'red' })
    handshake().start()
    clock.advance(BROKER_DEFAULTS.authTimeoutMs)
    assert.deepEqual(effects.said, ['in guest unasked', 'refused authentication_timeout'])
    effects = new Effects()
    const other = handshake()
    other.start()
    other.uninvited()
    clock.advance(BROKER_DEFAULTS.authTimeoutMs)
    assert.deepEqual(effects.said, ['in guest unasked', 'in guest'])
  })

  it('gives up when time is up, and not once somebody is in', () => {
    handshake().start()
    clock.advance(BROKER_DEFAULTS.authTimeoutMs)
    assert.deepEqual(effects.said, ['refused authentication_timeout'])
    effects = new Effects()
    const other = handshake()
    other.start()
    other.connect('{"user":"ada"}')
    clock.advance(BROKER_DEFAULTS.authTimeoutMs)
    assert.deepEqual(effects.said, ['in ada', 'accepted '])
  })

  it('gives those their time who must be asked: who has said who he is was in time', async () => {
    let answer: (identity: Identity) => void = () => {}
    door.users.set('ada', () => new Promise((resolve) => (answer = resolve)))
    const slow = handshake({ isClosed: false, hasEnded: false })
    slow.start()
    slow.connect('{"user":"ada"}')
    clock.advance(10 * BROKER_DEFAULTS.authTimeoutMs)
    assert.deepEqual(effects.said, ['hold'])
    assert.equal(clock.timers, 0)
    const applicant = door.asked[0]?.applicant
    assert.deepEqual([applicant?.hasEnded, applicant?.isClosed], [false, false])
    answer(ADA)
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(effects.said, ['hold', 'in ada', 'accepted ', 'resume'])
  })

  it('lets in who need not say who they are, until they do', () => {
    door.isRequired = false
    door.users.set('', { user: '', account: '$G' })
    const open = handshake()
    open.start()
    open.connect('{"user":"ada"}')
    open.connect('{"user":"ada"}')
    assert.deepEqual(effects.said, [
      'in  unasked',
      'in ada',
      'accepted ',
      'forget',
      'in ada',
      'accepted ',
    ])
  })

  it('forgets what was done in the name of a guest', () => {
    door.isRequired = false
    door.users.set('', { user: 'guest', account: '$G' })
    const open = handshake()
    open.start()
    open.connect('{"user":"ada"}')
    assert.deepEqual(effects.said, ['in guest unasked', 'forget', 'in ada', 'accepted '])
  })

  it('waits for a guest whom somebody must be asked about', async () => {
    door.isRequired = false
    door.users.set('', () => Promise.resolve(ADA))
    const open = handshake()
    open.start()
    open.uninvited()
    assert.deepEqual(effects.said, ['hold'])
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(effects.said, ['hold', 'in ada', 'resume'])
  })

  it('lets nobody in who was removed while somebody was asked, and others as they are now', async () => {
    const answers: ((identity: Identity) => void)[] = []
    const ask = (): Promise<Identity> => new Promise((resolve) => answers.push(resolve))
    door.users.set('ada', ask)
    door.users.set('bob', ask)
    handshake().connect('{"user":"ada"}')
    const other = handshake()
    other.connect('{"user":"bob"}')
    door.expelled.set('ada', 'authorization')
    const renewed = { user: 'bob', account: 'blue' }
    door.users.set('bob', renewed)
    answers[0]?.(ADA)
    answers[1]?.({ user: 'bob', account: 'red' })
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(effects.said.slice(2), [
      'refused authorization',
      'resume',
      'in bob',
      'accepted ',
      'resume',
    ])
    assert.equal(other.identity, renewed)
  })

  it('tells of what goes wrong behind an answer', async () => {
    door.users.set('ada', () => Promise.resolve(ADA))
    effects.letIn = () => {
      throw new Error('a bug')
    }
    handshake().connect('{"user":"ada"}')
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(effects.said, ['hold', 'failed a bug'])
  })

  it('forgets secrets once they were right, and asks again only for what is new', () => {
    const open = handshake()
    const secrets = { pass: 'p', auth_token: 't', sig: 's', proxy_sig: 'x' }
    open.connect(JSON.stringify({ user: 'ada', jwt: 'j', ...secrets }))
    const { user, pass, auth_token, sig, proxy_sig } = open.options
    const gone = '[REDACTED]'
    assert.deepEqual(
      { user, pass, auth_token, sig, proxy_sig },
      {
        user: 'ada',
        pass: gone,
        auth_token: gone,
        sig: gone,
        proxy_sig: gone,
      },
    )
    open.connect('{"name":"again"}')
    assert.equal(door.asked.length, 1)
    open.connect('{"pass":"other"}')
    assert.equal(door.asked[1]?.password, 'other')
    open.connect('{"user":"eve"}')
    assert.equal(door.asked.length, 3)
    assert.deepEqual(effects.said, [
      'in ada',
      'accepted ',
      'forget',
      'in ada',
      'accepted again',
      'forget',
      'in ada',
      'accepted again',
      'forget',
      'refused authorization',
    ])
  })

  it('takes an authenticator that fails for a refusal', async () => {
    door.users.set('ada', () => Promise.reject(new Error('the resolver is gone')))
    handshake().connect('{"user":"ada"}')
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(effects.said, ['hold', 'refused authorization', 'resume'])
  })
})

describe('INFO for one client', () => {
  function fieldsOf(connection: object, options: object = {}, isLameDuck = false): object {
    const whole = {
      id: 7,
      channel: { kind: 'tcp', remoteAddress: '192.0.2.1' },
      door: {},
      security: 'plain',
      payloadBytesMax: 100,
      tellsAccount: false,
      identity: undefined,
      handshake: { authenticator: { isRequired: false }, nonce: '', hasSaidConnect: false },
      ...connection,
    } as unknown as ClientConnection
    const info = infoFor(
      whole,
      { ...OPTIONS, ...options },
      {
        port: 4222,
        connectUrls: ['a:4222'],
        webSocketUrls: ['a:8080'],
        isLameDuck,
        isSystemAccount: (account) => account === 'SYS',
      },
    )
    const { server_id, server_name, version, go, proto, ...rest } = info
    return rest
  }

  const PLAIN = {
    host: '0.0.0.0',
    port: 4222,
    headers: true,
    max_payload: 100,
    client_id: 7,
    client_ip: '192.0.2.1',
    connect_urls: ['a:4222'],
  }

  function without(fields: object): object {
    const { api_lvl, ...rest } = fields as { api_lvl?: number }
    assert.equal(typeof api_lvl, 'number')
    return rest
  }

  it('leaves out what is not so', () => {
    assert.deepEqual(without(fieldsOf({})), PLAIN)
  })

  it('says where the client is once no PROXY header can come any more', () => {
    const handshake = { authenticator: { isRequired: false }, nonce: '', hasSaidConnect: true }
    const door = { isProxied: true }
    const { client_ip, ...others } = PLAIN
    assert.deepEqual(without(fieldsOf({ door })), others)
    assert.deepEqual(without(fieldsOf({ door, handshake })), PLAIN)
  })

  it('says how TLS stands', () => {
    const verifies = { verifiesTls: true }
    assert.deepEqual(without(fieldsOf({ security: 'awaited' }, verifies)), {
      ...PLAIN,
      tls_required: true,
      tls_verify: true,
    })
    assert.deepEqual(without(fieldsOf({ security: 'offered' })), { ...PLAIN, tls_available: true })
    assert.deepEqual(without(fieldsOf({ security: 'tls' })), { ...PLAIN, tls_required: true })
    assert.deepEqual(without(fieldsOf({ security: 'plain' }, verifies)), PLAIN)
  })

  it('tells WebSocket clients of WebSocket ports', () => {
    const channel = { kind: 'websocket', remoteAddress: '192.0.2.1' }
    const door = { host: 'h', port: 8080 }
    assert.deepEqual(without(fieldsOf({ channel, door, security: 'tls' })), {
      ...PLAIN,
      host: 'h',
      port: 8080,
      tls_required: true,
      tls_available: true,
      connect_urls: ['a:8080'],
    })
  })

  it('shows the nonce before CONNECT, the account after it', () => {
    const handshake = { authenticator: { isRequired: true }, nonce: 'NONCE', hasSaidConnect: false }
    assert.deepEqual(without(fieldsOf({ handshake })), {
      ...PLAIN,
      auth_required: true,
      nonce: 'NONCE',
    })
    const after = { ...handshake, hasSaidConnect: true }
    const identity = { user: 'u', account: 'SYS' }
    assert.deepEqual(
      without(fieldsOf({ handshake: after, identity, tellsAccount: true }, {}, true)),
      {
        ...PLAIN,
        auth_required: true,
        ldm: true,
        connect_info: true,
        remote_account: 'SYS',
        acc_is_sys: true,
      },
    )
  })
})
