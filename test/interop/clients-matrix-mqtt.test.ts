import assert from 'node:assert/strict'
import bcrypt from 'bcryptjs'
import type { MqttClient } from 'mqtt'
import { createUser, inSeconds, JwtWorld } from '../unit/account/jwt-world.ts'
import { connectDevice, type DeviceLogin, deviceOutcome, WAYS, type Way } from './matrix/devices.ts'
import { Doors } from './matrix/doors.ts'
import { operatorConfig } from './matrix/jwt-logins.ts'
import { MatrixServer, SERVER_KINDS, type ServerKind } from './matrix/matrix-server.ts'
import { WatchedClient } from './matrix/watched-client.ts'

type DeviceDoor = keyof typeof WAYS
const DEVICE_DOORS = Object.keys(WAYS) as DeviceDoor[]

interface DeviceMode {
  readonly name: string
  readonly config: string
  readonly cases: Readonly<Record<string, readonly [DeviceLogin, expected: string]>>
}

const NO = 'refused 5'

const PERMISSIONS = `accounts { A { jetstream: enabled, users [
  { user: free, password: free }
  { user: bound, password: bound, permissions {
    publish: ["may.>", "$MQTT.>", "$JS.API.>"], subscribe: ["may.>", "$MQTT.>", "_INBOX.>"] } }
  { user: cloud, password: cloud }
] } }`

/** Devices by npm's mqtt: every login that MQTT can carry, over every transport; here and at nats-server. */
describe('MQTT devices', function () {
  this.timeout(60_000)
  const doors = new Doors()
  after(() => doors.authority.remove())
  for (const kind of SERVER_KINDS) {
    for (const mode of passwordModes()) {
      it(`log in or not: ${mode.name}, ${kind}`, () => logins(doors, kind, mode))
    }
    it(`log in or not: JWTs, ${kind}`, async () => logins(doors, kind, await operatorMode()))
    permissions(doors, kind)
  }
})

async function logins(doors: Doors, kind: ServerKind, mode: DeviceMode): Promise<void> {
  const { config, cases } = mode
  const surprises: string[] = []
  const trying = DEVICE_DOORS.map(async (door) => {
    const server = await MatrixServer.start(kind, deviceConfig(doors, door, config))
    for (const way of WAYS[door]) {
      for (const [who, [login, expected]] of Object.entries(cases)) {
        const found = await deviceOutcome(connectDevice(doors, server, way, login))
        if (found !== expected) surprises.push(`${door} ${way}: ${who}: ${found}, not ${expected}`)
      }
    }
    await server.stop()
  })
  await Promise.all(trying)
  assert.deepEqual(surprises, [])
}

function permissions(doors: Doors, kind: ServerKind): void {
  describe(`permissions, ${kind}`, () => {
    const servers = new Map<DeviceDoor, MatrixServer>()
    before(async () => {
      for (const door of DEVICE_DOORS.slice(0, 2)) {
        const text = deviceConfig(doors, door, PERMISSIONS)
        servers.set(door, await MatrixServer.start(kind, text))
      }
    })
    after(() => Promise.all([...servers.values()].map((server) => server.stop())))

    for (const door of DEVICE_DOORS.slice(0, 2)) {
      for (const way of WAYS[door]) {
        it(`are those of the user, over ${way}`, async () => {
          const server = servers.get(door)
          assert.ok(server)
          await tryPermissions(doors, server, door, way)
        })
      }
    }
  })
}

async function tryPermissions(
  doors: Doors,
  server: MatrixServer,
  door: DeviceDoor,
  way: Way,
): Promise<void> {
  const device = (user: string): Promise<MqttClient> =>
    connectDevice(doors, server, way, { username: user, password: user })
  const [free, bound] = [await device('free'), await device('bound')]
  const transport = door === 'open' ? 'tcp' : 'tls'
  const client = await doors.connect(server, transport, { user: 'cloud', pass: 'cloud' })
  const cloud = new WatchedClient(client)
  await cloud.subscribe('may.>')
  await cloud.subscribe('not.>')

  const [granted] = await bound.subscribeAsync('may/+', { qos: 1 })
  assert.equal(granted?.qos, 1)
  const refused = bound.subscribeAsync('not/+', { qos: 1 })
  await assert.rejects(refused, /Unspecified error|failure/i)

  const heard: string[] = []
  const last = new Promise<void>((resolve) => {
    bound.on('message', (topic) => {
      heard.push(topic)
      if (topic === 'may/end') resolve()
    })
  })
  // What may not be published at QoS 0 goes nowhere, and the device stays.
  await bound.publishAsync('not/x', '')
  await bound.publishAsync('may/x', '', { qos: 1 })
  await free.publishAsync('not/y', '', { qos: 1 })
  await cloud.publish('may.end')
  await last
  assert.deepEqual(heard.sort(), ['may/end', 'may/x'])
  const [first] = [await cloud.until('may.end')]
  assert.deepEqual(first.sort(), ['may.end', 'may.x', 'not.y'])

  for (const it of [free, bound]) await it.endAsync()
  await client.close()
}

function deviceConfig(doors: Doors, door: DeviceDoor, config: string): string {
  return [
    'server_name: matrix',
    'jetstream { store_dir: "%DIR%/store", max_memory_store: 10MB, max_file_store: 100MB }',
    doors.config(door),
    `mqtt { listen: "127.0.0.1:-1"\n${doors.tls(door)} }`,
    config,
  ].join('\n')
}

function passwordModes(): DeviceMode[] {
  const nkey = createUser().getPublicKey()
  return [
    {
      name: 'nothing asked for',
      config: '',
      cases: {
        'who shows nothing': [{}, 'in'],
        'who shows something': [{ username: 'a', password: 'b' }, 'in'],
      },
    },
    {
      name: 'users',
      config: `accounts { A { jetstream: enabled, users [
        { user: plain, password: plain }
        { user: hashed, password: "${bcrypt.hashSync('hashed', 4)}" }
        { user: device, password: device, allowed_connection_types: [MQTT, MQTT_WS] }
        { user: service, password: service, allowed_connection_types: [STANDARD, WEBSOCKET] }
        { nkey: ${nkey} }
      ] } }`,
      cases: {
        'a password': [{ username: 'plain', password: 'plain' }, 'in'],
        'a wrong password': [{ username: 'plain', password: 'x' }, NO],
        'no password': [{ username: 'plain' }, NO],
        'a hashed password': [{ username: 'hashed', password: 'hashed' }, 'in'],
        'a wrong one': [{ username: 'hashed', password: 'plain' }, NO],
        'a user of MQTT': [{ username: 'device', password: 'device' }, 'in'],
        'a user of NATS': [{ username: 'service', password: 'service' }, NO],
        'an nkey by name': [{ username: nkey, password: nkey }, NO],
        nothing: [{}, NO],
      },
    },
    {
      name: 'token',
      config: 'authorization { timeout: 20, token: "s3cr3t" }',
      cases: {
        'the token': [{ username: 'any', password: 's3cr3t' }, 'in'],
        'a wrong token': [{ username: 'any', password: 's3cr3' }, NO],
        nothing: [{}, NO],
      },
    },
  ]
}

async function operatorMode(): Promise<DeviceMode> {
  const world = new JwtWorld()
  const revoked = createUser()
  const limits = { conn: -1, leaf: -1, subs: -1, payload: -1, data: -1, imports: -1, exports: -1 }
  const own = await world.accountJwt({
    limits: {
      ...limits,
      wildcards: true,
      mem_storage: -1,
      disk_storage: -1,
      streams: -1,
      consumer: -1,
    },
    revocations: { [revoked.getPublicKey()]: inSeconds(60) },
  })
  const { jwts, resolver_preload } = await world.config(own)
  const bearer = { bearer_token: true }
  const show = async (...args: Parameters<JwtWorld['userJwt']>): Promise<DeviceLogin> => ({
    username: 'any',
    password: await world.userJwt(...args),
  })
  return {
    name: 'JWTs',
    config: `${operatorConfig(jwts[0]!, resolver_preload)}\nauthorization { timeout: 20 }`,
    cases: {
      'a bearer': [await show(bearer), 'in'],
      'one that must sign': [await show({}), NO],
      'a bearer that expired': [await show(bearer, { exp: inSeconds(-5) }), NO],
      'a bearer that was revoked': [await show(bearer, { user: revoked }), NO],
      'a bearer of NATS': [await show({ ...bearer, allowed_connection_types: ['STANDARD'] }), NO],
      'a bearer of MQTT': [
        await show({ ...bearer, allowed_connection_types: ['MQTT', 'MQTT_WS'] }),
        'in',
      ],
      'a password': [{ username: 'plain', password: 'plain' }, NO],
      nothing: [{}, NO],
    },
  }
}
