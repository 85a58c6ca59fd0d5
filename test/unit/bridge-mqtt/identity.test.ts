import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../../bridge-mqtt/index.ts'
import type {
  Authenticator,
  Credentials,
  Expulsion,
  Identity,
} from '../../../shared/account/index.ts'
import { compilePermissions, createAccounts } from '../../../shared/account/index.ts'
import { SubjectMappings } from '../../../shared/subject/index.ts'
import { eventually } from '../../support/link-node.ts'
import { MQTT_CONFIG, MqttCore } from '../../support/mqtt-core.ts'
import { MqttLine } from '../../support/mqtt-line.ts'
import { connectPacket, publishPacket, subscribePacket } from '../../support/mqtt-packets.ts'
import { JwtWorld } from '../account/jwt-world.ts'
import {
  accountsConfig,
  authorizationConfig,
  dependencies,
  permissionsConfig,
  userConfig,
} from '../account/setup.ts'

const ACCEPTED = '20020000'
const REFUSED = '20020005'

describe('MQTT identity', () => {
  let core: MqttCore | undefined
  let door: MqttFrontDoor | undefined

  async function start(authenticator: Authenticator): Promise<number> {
    core = new MqttCore({ authenticator })
    door = new MqttFrontDoor(MQTT_CONFIG, { revealsReasons: true })
    await door.start(core)
    return door.port
  }

  afterEach(async () => {
    await door?.destroy()
    await core?.close()
  })

  async function connack(port: number, user?: string, password?: string): Promise<string> {
    const line = await MqttLine.open(port)
    line.send(connectPacket('c', credentials(user, password)))
    const answer = await line.take(4)
    line.destroy()
    return answer
  }

  it('says what it is, and takes the password for a token as well', async () => {
    const seen: Credentials[] = []
    const port = await start({
      isRequired: true,
      needsNonce: false,
      authenticate: (presented) => {
        seen.push(presented)
        return { user: 'ada', account: '$G' }
      },
      recheck: () => undefined,
    })
    assert.equal(await connack(port, 'ada', 'x1'), ACCEPTED)
    const { client, applicant, ...rest } = seen[0]!
    assert.equal(applicant?.hasEnded, false)
    assert.deepEqual(rest, {
      user: 'ada',
      password: 'x1',
      token: 'x1',
      connectionType: 'MQTT',
      remoteAddress: '127.0.0.1',
      tls: undefined,
    })
    assert.equal(client?.mqttClientId, 'c')
  })

  it('lets bcrypt users, tokens and the listener’s own no_auth_user in', async () => {
    const users = [userConfig({ user: 'bob', password: '$2b$04$x2' })]
    const { authenticator } = await createAccounts(
      accountsConfig({
        authorization: authorizationConfig({ users }),
        mqtt: { ...MQTT_CONFIG, no_auth_user: 'bob' },
      }),
      dependencies(),
    )
    const port = await start(authenticator)
    assert.equal(await connack(port, 'bob', 'x2'), ACCEPTED)
    assert.equal(await connack(port, 'bob', 'x3'), REFUSED)
    assert.equal(await connack(port), ACCEPTED)
    const tokens = await createAccounts(
      accountsConfig({
        authorization: authorizationConfig({ users }),
        mqtt: { ...MQTT_CONFIG, authorization: authorizationConfig({ token: 't' }) },
      }),
      dependencies(),
    )
    await door?.destroy()
    await core?.close()
    const other = await start(tokens.authenticator)
    assert.equal(await connack(other, 'any', 't'), ACCEPTED)
    assert.equal(await connack(other, 'bob', 'x2'), REFUSED)
  })

  it('takes the bearer JWT of a user as the password', async () => {
    const world = new JwtWorld()
    const { authenticator } = await world.accounts(await world.accountJwt())
    const port = await start(authenticator)
    assert.equal(await connack(port, 'any', await world.userJwt({ bearer_token: true })), ACCEPTED)
    assert.equal(await connack(port, 'any', await world.userJwt()), REFUSED)
    const said = (core?.log.lines ?? []).map(({ message }) => message)
    const reason = 'JWT needs bearer_token: its user would have to sign a nonce, which MQTT has not'
    assert.deepEqual(
      said.filter((message) => message.startsWith('client is refused')),
      [`client is refused: ${reason}`],
    )
    const line = await MqttLine.open(port)
    const login = credentials('any', await world.userJwt())
    const properties = { requestProblemInformation: true }
    line.send(connectPacket('c', { ...login, protocolVersion: 5, properties }))
    assert.ok(
      Buffer.from(await line.rest(), 'hex')
        .toString()
        .includes(reason),
    )
  })

  it('acknowledges and drops what may not be published, the will included', async () => {
    const permissions = permissionsConfig({ pub: ['up.>'], noPub: ['up.secret'] })
    const port = await start(one({ permissions }))
    const watcher = await MqttLine.client(port, connectPacket('w', credentials('watcher', 'p')))
    watcher.send(subscribePacket(1, ['#', 0]))
    assert.equal(await watcher.take(5), '9003000100')
    const will = { topic: 'down/will', payload: Buffer.from('gone') }
    const device = await MqttLine.client(
      port,
      connectPacket('d', { ...credentials('device', 'p'), will }),
    )
    device.send(publishPacket('down/x', 'no', { packetId: 1 }))
    device.send(publishPacket('up/secret', 'no', {}))
    device.send(publishPacket('up/x', 'yes', { packetId: 2 }))
    assert.equal(await device.take(8), '4002000140020002')
    device.destroy()
    const other = await MqttLine.client(port, connectPacket('e', credentials('device', 'p')))
    other.send(publishPacket('up/y', 'end', {}))
    const expected = [publishPacket('up/x', 'yes', {}), publishPacket('up/y', 'end', {})]
    const bytes = Buffer.concat(expected)
    assert.equal(await watcher.take(bytes.length), bytes.toString('hex'))
    assert.equal(door?.counters.deniedPublishes, 3)
  })

  it('holds a user to what the account’s mappings make of its topics, the will included', async () => {
    const permissions = permissionsConfig({ noPub: ['internal.>', 'shut.>'] })
    const port = await start(one({ permissions }))
    const space = core?.broker.space('$G')
    assert.ok(space)
    const rules = [
      rule('pub.*', 'internal.$1'),
      rule('shut.*', 'open.$1'),
      rule('lost.x', 'lost.x', 0),
    ]
    space.mappings = new SubjectMappings(rules, '')
    const watcher = await MqttLine.client(port, connectPacket('w', credentials('watcher', 'p')))
    watcher.send(subscribePacket(1, ['#', 0]))
    assert.equal(await watcher.take(5), '9003000100')
    const will = { topic: 'pub/will', payload: Buffer.from('gone') }
    const device = await MqttLine.client(
      port,
      connectPacket('d', { ...credentials('device', 'p'), will }),
    )
    device.send(publishPacket('pub/x', 'no', { packetId: 1 }))
    device.send(publishPacket('lost/x', 'no', { packetId: 2 }))
    device.send(publishPacket('shut/x', 'yes', { packetId: 3 }))
    assert.equal(await device.take(12), '400200014002000240020003')
    const successor = await MqttLine.client(port, connectPacket('d', credentials('device', 'p')))
    watcher.send(publishPacket('pub/y', 'end', {}))
    const expected = [publishPacket('open/x', 'yes', {}), publishPacket('internal/y', 'end', {})]
    const bytes = Buffer.concat(expected)
    assert.equal(await watcher.take(bytes.length), bytes.toString('hex'))
    assert.equal(door?.counters.deniedPublishes, 2)
    successor.destroy()
  })

  it('refuses filters that may not be subscribed to, and leaves out what is denied', async () => {
    const permissions = permissionsConfig({ sub: ['down.>', 'down'], noSub: ['down.secret'] })
    const port = await start(one({ permissions }))
    const device = await MqttLine.client(port, connectPacket('d', credentials('device', 'p')))
    const filters: [string, 0 | 1][] = [
      ['down/#', 0],
      ['down/secret', 0],
      ['#', 0],
      ['up/x', 1],
    ]
    device.send(subscribePacket(1, ...filters))
    assert.equal(await device.take(8), '9006000100808080')
    const sender = await MqttLine.client(port, connectPacket('s', credentials('watcher', 'p')))
    sender.send(publishPacket('down/secret', 'no', {}))
    sender.send(publishPacket('down/x', 'yes', {}))
    const bytes = publishPacket('down/x', 'yes', {})
    assert.equal(await device.take(bytes.length), Buffer.from(bytes).toString('hex'))
  })

  it('keeps a user to its limits', async () => {
    const port = await start(one({ limits: { subscriptions: 1, payloadBytes: 3 } }))
    const device = await MqttLine.client(port, connectPacket('d', credentials('device', 'p')))
    device.send(subscribePacket(1, ['a', 0], ['b', 0]))
    assert.equal(await device.take(6), '900400010080')
    device.send(publishPacket('x', 'abc', { packetId: 1 }))
    assert.equal(await device.take(4), '40020001')
    device.send(publishPacket('x', 'abcd', { packetId: 2 }))
    assert.equal(await device.rest(), '')
  })

  it('lets nobody in whom a reload removed while he was asked about, and outlives a bug there', async () => {
    let answer: (identity: Identity) => void = () => {}
    let recheck = (): Expulsion | undefined => 'authorization'
    const port = await start({
      isRequired: true,
      needsNonce: false,
      authenticate: () => new Promise((resolve) => (answer = resolve)),
      recheck: () => recheck(),
    })
    for (const expected of [REFUSED, '']) {
      const line = await MqttLine.open(port)
      const asked = answer
      line.send(connectPacket('c', credentials('ada', 'p')))
      await eventually(() => answer !== asked, 'the question')
      answer({ user: 'ada', account: '$G' })
      assert.equal(await line.rest(), expected)
      recheck = () => {
        throw new Error('a bug')
      }
    }
    assert.ok(core?.log.messages().includes('client login failed'))
  })

  it('holds a user to new permissions at once, and ends whom a reload shuts out', async () => {
    const device = userConfig({ user: 'device', password: 'p' })
    const file = (user: Parameters<typeof userConfig>[0]) =>
      accountsConfig({ authorization: authorizationConfig({ users: [userConfig(user)] }) })
    const accounts = await createAccounts(file(device), dependencies())
    const port = await start(accounts.authenticator)
    const line = await MqttLine.client(port, connectPacket('d', credentials('device', 'p')))
    line.send(
      Buffer.concat([subscribePacket(1, ['a', 0], ['b/#', 0]), publishPacket('a', '1', {})]),
    )
    const [first, last] = [publishPacket('a', '1', {}), publishPacket('b/y', '5', {})]
    assert.equal(await line.take(6 + first.length), `900400010000${first.toString('hex')}`)
    const permissions = permissionsConfig({ noSub: ['a', 'b.x'], noPub: ['b.z'] })
    await accounts.update(file({ ...device, permissions }))
    door?.recheck()
    assert.equal(door?.counters.filters, 1)
    line.send(publishPacket('a', '2', {}))
    line.send(publishPacket('b/x', '3', {}))
    line.send(publishPacket('b/z', '4', {}))
    line.send(last)
    assert.equal(await line.take(last.length), last.toString('hex'))
    assert.equal(door?.counters.deniedPublishes, 1)
    await accounts.update(file({ ...device, password: 'q' }))
    door?.recheck()
    assert.equal(await line.rest(), '')
  })
})

/** `device` has what is given, `watcher` may do everything. */
function one(parts: {
  readonly permissions?: ReturnType<typeof permissionsConfig>
  readonly limits?: NonNullable<Identity['limits']>
}): Authenticator {
  const { limits, permissions } = parts
  const identities = new Map<string | undefined, Identity>([
    ['watcher', { user: 'watcher', account: '$G' }],
    [
      'device',
      {
        user: 'device',
        account: '$G',
        ...(permissions === undefined ? {} : { permissions: compilePermissions(permissions) }),
        ...(limits === undefined ? {} : { limits }),
      },
    ],
  ])
  return {
    isRequired: true,
    needsNonce: false,
    authenticate: ({ user }) => identities.get(user),
    recheck: () => undefined,
  }
}

function rule(subject: string, to: string, weight = 100) {
  return { subject, destinations: [{ subject: to, weight, cluster: '' }] }
}

function credentials(username?: string, password?: string) {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  }
}
