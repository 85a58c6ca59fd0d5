import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'
import { ScramClient } from '../support/scram-client.ts'

const KEPT = { properties: { sessionExpiryInterval: 3_600 } }
const METHOD = 'SCRAM-SHA-256'

describe('MQTT 5: CONNECT and CONNACK', () => {
  let hub: MqttHub

  before(async () => {
    hub = await MqttHub.start()
  })

  after(() => hub.remove())

  function connect(packet: Partial<IConnectPacket>) {
    return PacketClient.connect(hub.port, packet)
  }

  async function refusal(packet: Partial<IConnectPacket>, port = hub.port): Promise<number> {
    const client = await PacketClient.open(port)
    client.sendConnect(packet)
    const { reasonCode = -1, sessionPresent } = await client.next('connack')
    assert.equal(sessionPresent, false)
    assert.deepEqual(await client.end(), [])
    return reasonCode
  }

  it('[MQTT-3.1.4-5, 3.2.0-1, 3.2.0-2] CONNACK 0 comes first, and once', async () => {
    const client = await PacketClient.open(hub.port)
    client.sendConnect({ clientId: 'first' })
    client.send({ cmd: 'pingreq' })
    assert.equal((await client.next('connack')).reasonCode, 0)
    await client.next('pingresp')
    assert.deepEqual(await client.beforePong(), [])
    await client.destroy()
  })

  it('[MQTT-3.2.2-2, 3.1.2-4, 3.1.4-4] clean start discards the session, and finds none', async () => {
    const first = await connect({ clientId: 'clean', clean: false, ...KEPT })
    await first.client.subscribe(1, ['clean/a'])
    await first.client.disconnect()
    const second = await connect({ clientId: 'clean', clean: true, ...KEPT })
    assert.equal(second.connack.sessionPresent, false)
    second.client.publish('clean/a', 'nobody is subscribed', { messageId: 1 })
    assert.equal((await second.client.next('puback')).reasonCode, 0x10)
    await second.client.disconnect()
    const third = await connect({ clientId: 'clean', clean: false, ...KEPT })
    assert.equal(third.connack.sessionPresent, true, 'it began another session')
    await third.client.disconnect({ properties: { sessionExpiryInterval: 0 } })
  })

  it('[MQTT-3.1.2-5, 3.1.2-6, 3.2.2-3] without clean start a session goes on, or begins', async () => {
    const first = await connect({ clientId: 'kept', clean: false, ...KEPT })
    assert.equal(first.connack.sessionPresent, false)
    await first.client.subscribe(1, ['kept/a'])
    await first.client.disconnect()
    const second = await connect({ clientId: 'kept', clean: false, ...KEPT })
    assert.equal(second.connack.sessionPresent, true)
    second.client.publish('kept/a', 'still subscribed')
    assert.equal(await second.client.message(), 'kept/a still subscribed')
    await second.client.disconnect({ properties: { sessionExpiryInterval: 0 } })
  })

  it('[MQTT-3.1.3-2] a session belongs to its client identifier', async () => {
    const first = await connect({ clientId: 'mine', clean: false, ...KEPT })
    await first.client.disconnect()
    const other = await connect({ clientId: 'Mine', clean: false })
    assert.equal(other.connack.sessionPresent, false)
    const again = await connect({ clientId: 'mine', clean: false })
    assert.equal(again.connack.sessionPresent, true)
    await Promise.all([other.client.disconnect(), again.client.disconnect()])
  })

  it('[MQTT-3.1.3-5] client identifiers of 23 letters and digits are allowed, and others', async () => {
    for (const clientId of ['0123456789ABCDEFGHIJKLM', 'abcdefghijklmnopqrstuvw', 'ü/+#', 'x y']) {
      const { client, connack } = await connect({ clientId })
      assert.equal(connack.properties?.assignedClientIdentifier, undefined)
      await client.disconnect()
    }
  })

  it('[MQTT-3.1.3-6, 3.1.3-7, 3.2.2-16] an empty identifier is replaced by a new one, which is told', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => connect({ clientId: '' })))
    const ids = clients.map(({ connack }) => connack.properties?.assignedClientIdentifier ?? '')
    assert.equal(new Set(ids).size, 3)
    assert.ok(ids.every((id) => id.length > 8))
    for (const { client } of clients) await client.disconnect()
  })

  it('[MQTT-3.1.4-3] the elder connection of an identifier is told 0x8E and closed', async () => {
    const elder = await connect({ clientId: 'twice' })
    const younger = await connect({ clientId: 'twice' })
    assert.equal(await elder.client.disconnected(), 0x8e)
    assert.deepEqual(await younger.client.beforePong(), [])
    await younger.client.disconnect()
  })

  it('[MQTT-3.1.2-28] response information is sent to nobody who has not asked', async () => {
    for (const requestResponseInformation of [undefined, false]) {
      const asked = requestResponseInformation === undefined ? {} : { requestResponseInformation }
      const { client, connack } = await connect({ clientId: 'response', properties: asked })
      assert.equal(connack.properties?.responseInformation, undefined)
      await client.disconnect()
    }
  })

  it('[MQTT-3.1.2-29] reasons in words are sent to nobody who does not want them', async () => {
    const quiet = { properties: { requestProblemInformation: false } }
    const { client } = await connect({ clientId: 'quiet', ...quiet })
    client.raw('82 08 0001 00 0002 612b 00')
    client.raw(`32 07 0001 61 0001 00 ff`)
    client.raw('30 06 0001 2b 00 ff')
    const packets = await client.end()
    assert.ok(packets.length > 0)
    for (const packet of packets) {
      assert.equal('properties' in packet ? packet.properties : undefined, undefined)
    }
  })

  it('[MQTT-3.1.2-22] the server closes after one and a half keep alive intervals of silence', async () => {
    const { client, connack } = await connect({ clientId: 'silent', keepalive: 60 })
    const patient = await connect({ clientId: 'patient', keepalive: 0 })
    assert.equal(connack.properties?.serverKeepAlive, undefined)
    hub.clock.skip(60_000)
    assert.deepEqual(await client.beforePong(), [])
    hub.clock.skip(89_000)
    assert.deepEqual(await client.beforePong(), [])
    hub.clock.skip(91_000)
    assert.equal(await client.disconnected(), 0x8d)
    assert.deepEqual(await patient.client.beforePong(), [], 'keep alive 0 is none')
    await patient.client.disconnect()
  })

  it('[MQTT-3.12.4-1] PINGREQ is answered', async () => {
    const { client } = await connect({ clientId: 'ping' })
    client.raw('c000 c000')
    await client.next('pingresp')
    await client.next('pingresp')
    await client.disconnect()
  })

  it('[MQTT-4.12.0-1] an unknown method is 0x8C, and closes', async () => {
    const properties = { authenticationMethod: 'KERBEROS', authenticationData: Buffer.from('x') }
    assert.equal(await refusal({ clientId: 'method', properties }), 0x8c)
  })

  describe('of users', () => {
    let guarded: MqttHub

    before(async () => {
      const users = [
        { user: 'ada', password: 'x1' },
        { user: 'bob', password: 'x2', allowed_connection_types: ['STANDARD'] },
      ]
      guarded = await MqttHub.start({}, { authorization: { users } })
    })

    after(() => guarded.remove())

    function authenticate(data: Uint8Array): Partial<IConnectPacket> {
      return {
        clientId: 'scram',
        properties: { authenticationMethod: METHOD, authenticationData: Buffer.from(data) },
      }
    }

    async function login(user: string, password: string): Promise<[PacketClient, ScramClient]> {
      const client = await PacketClient.open(guarded.port)
      const scram = new ScramClient(user, password)
      client.sendConnect(authenticate(scram.first))
      await prove(client, scram)
      return [client, scram]
    }

    async function prove(client: PacketClient, scram: ScramClient): Promise<void> {
      const { properties, reasonCode } = await client.next('auth')
      assert.deepEqual([reasonCode, properties?.authenticationMethod], [0x18, METHOD])
      const final = scram.final(properties?.authenticationData ?? Buffer.alloc(0))
      const mine = { authenticationMethod: METHOD, authenticationData: final }
      client.send({ cmd: 'auth', reasonCode: 0x18, properties: mine })
    }

    it('[MQTT-3.1.4-2, 3.2.2-7] who is not known is told so, and closed', async () => {
      const password = Buffer.from('wrong')
      for (const username of ['ada', 'eve']) {
        const code = await refusal({ clientId: 'wrong', username, password }, guarded.port)
        assert.ok(code === 0x86 || code === 0x87, `${code}`)
      }
    })

    it('[MQTT-3.1.4-6] what comes behind a refused CONNECT is not processed', async () => {
      const login = { username: 'ada', password: Buffer.from('x1') }
      const other = await PacketClient.client(guarded.port, { clientId: 'other', ...login })
      await other.subscribe(1, ['#'])
      const client = await PacketClient.open(guarded.port)
      client.sendConnect({ clientId: 'refused', username: 'ada', password: Buffer.from('x2') })
      client.publish('not/processed', 'x')
      await client.next('connack')
      assert.deepEqual(await client.end(), [])
      assert.deepEqual(await other.beforePong(), [])
      await other.disconnect()
    })

    it('[MQTT-4.12.0-2, 4.12.0-5] SCRAM: AUTH 0x18, then CONNACK, both with the method', async () => {
      const [client, scram] = await login('ada', 'x1')
      const { properties, reasonCode } = await client.next('connack')
      assert.equal(reasonCode, 0)
      assert.equal(properties?.authenticationMethod, METHOD)
      assert.equal(properties.authenticationData?.toString(), scram.serverFinal)
      await client.subscribe(1, ['a'])
      await client.disconnect()
    })

    it('[MQTT-4.12.0-4] who fails is told, and closed', async () => {
      const cases: [string, string, number][] = [
        ['ada', 'x2', 0x86],
        ['eve', 'x1', 0x86],
      ]
      for (const [user, password, code] of cases) {
        const [client] = await login(user, password)
        assert.equal((await client.next('connack')).reasonCode, code)
        assert.deepEqual(await client.end(), [])
      }
    })

    it('a user of another kind of connection is refused, however he proves himself', async () => {
      const [client] = await login('bob', 'x2')
      const { reasonCode = 0, properties } = await client.next('connack')
      assert.ok(reasonCode >= 0x86 && reasonCode <= 0x87)
      assert.equal(properties?.authenticationData, undefined)
      assert.deepEqual(await client.end(), [])
    })

    it('nothing but AUTH is taken in the middle of an exchange', async () => {
      const client = await PacketClient.open(guarded.port)
      client.sendConnect(authenticate(new ScramClient('ada', 'x1').first))
      await client.next('auth')
      client.publish('too/soon', 'x')
      const packets = await client.end()
      assert.ok(packets.every(({ cmd }) => cmd === 'connack'))
    })

    it('[MQTT-4.12.1-1] a client proves itself again while messages go on', async () => {
      const [client] = await login('ada', 'x1')
      await client.next('connack')
      await client.subscribe(1, ['again'])
      const scram = new ScramClient('ada', 'x1', 'another')
      const properties = { authenticationMethod: METHOD, authenticationData: scram.first }
      client.send({ cmd: 'auth', reasonCode: 0x19, properties })
      await prove(client, scram)
      const done = await client.next('auth')
      assert.equal(done.reasonCode, 0)
      assert.equal(done.properties?.authenticationData?.toString(), scram.serverFinal)
      client.publish('again', 'x')
      assert.equal(await client.message(), 'again x')
      await client.disconnect()
    })

    it('[MQTT-4.12.1-2] who cannot is told by DISCONNECT, and closed', async () => {
      const [client] = await login('ada', 'x1')
      await client.next('connack')
      const scram = new ScramClient('ada', 'x2', 'another')
      const properties = { authenticationMethod: METHOD, authenticationData: scram.first }
      client.send({ cmd: 'auth', reasonCode: 0x19, properties })
      await prove(client, scram)
      assert.equal(await client.disconnected(), 0x87)
    })

    it('[MQTT-4.12.0-6, 4.12.0-7] without a method there is no AUTH, of either side', async () => {
      const user = { username: 'ada', password: Buffer.from('x1') }
      const { client, connack } = await PacketClient.connect(guarded.port, {
        clientId: 'n',
        ...user,
      })
      assert.equal(connack.properties?.authenticationMethod, undefined)
      const scram = new ScramClient('ada', 'x1')
      const properties = { authenticationMethod: METHOD, authenticationData: scram.first }
      client.send({ cmd: 'auth', reasonCode: 0x19, properties })
      assert.equal(await client.disconnected(), 0x82)
    })
  })
})
