/** What a durable session receives at QoS 2, while the test decides when its store commits. */
import assert from 'node:assert/strict'
import type { IConnectPacket, IPublishPacket } from 'mqtt-packet'
import { generate } from 'mqtt-packet'
import { MqttFrontDoor } from '../../../../bridge-mqtt/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { MQTT_CONFIG, MqttCore } from '../../../support/mqtt-core.ts'
import { MqttLine } from '../../../support/mqtt-line.ts'
import { connectPacket } from '../../../support/mqtt-packets.ts'

describe('QoS 2 to a durable session', () => {
  let store: MemoryStore
  let core: MqttCore
  let door: MqttFrontDoor

  beforeEach(async () => {
    store = new MemoryStore(() => Date.UTC(2030, 0, 1))
    core = new MqttCore({ store })
    door = new MqttFrontDoor({ ...MQTT_CONFIG, receive_maximum: 4 }, { unreleasedMax: 4 })
    await door.open(core)
    await door.start(core)
  })

  afterEach(async () => {
    store.isAuto = true
    store.commit()
    await door.destroy()
    await core.close()
  })

  /** @param isPresent whether its session was there */
  async function come(isPresent = false, rest: Partial<IConnectPacket> = {}): Promise<MqttLine> {
    const line = await MqttLine.open(door.port)
    line.send(connectPacket('device', { clean: false, ...rest }))
    assert.equal(await line.take(4), isPresent ? '20020100' : '20020000')
    return line
  }

  it('a repeated PUBREL gets its PUBCOMP when the first is on disk [MQTT-4.3.3-2]', async () => {
    const line = await come()
    line.send(publish(1))
    assert.equal(await line.take(4), PUBREC_1)
    store.isAuto = false
    line.send(PUBREL_1)
    assert.equal(await line.takeUntilPong(), '')
    line.send(PUBREL_1)
    assert.equal(await line.takeUntilPong(), '')
    const again = await come(true)
    again.send(PUBREL_1)
    assert.equal(await again.takeUntilPong(), '')
    store.commit()
    assert.equal(await again.take(4), PUBCOMP_1)
  })

  it('PUBREC waits for the identifier, when nobody stores the message too', async () => {
    const line = await come()
    store.isAuto = false
    line.send(publish(1))
    assert.equal(await line.takeUntilPong(), '')
    store.commit()
    assert.equal(await line.take(4), PUBREC_1)
  })

  it('is bounded, by what earlier connections left unreleased too', async () => {
    const line = await come()
    line.send(Buffer.concat([publish(1), publish(2), publish(3)]))
    assert.equal(await line.take(12), `${PUBREC_1}5002000250020003`)
    line.destroy()
    const back = await come(true)
    // A repetition takes no room, and what is released gives it back, in one chunk too.
    back.send(Buffer.concat([publish(1), publish(4), Buffer.from(PUBREL_1, 'hex'), publish(5)]))
    const answers = await back.take(16)
    assert.deepEqual(answers.match(/.{8}/g)?.sort(), [PUBREC_1, '50020004', '50020005', PUBCOMP_1])
    back.send(publish(6))
    assert.equal(await back.rest(), '')
    const five = await MqttLine.open(door.port)
    five.send(
      connectPacket('device', {
        clean: false,
        protocolVersion: 5,
        properties: { sessionExpiryInterval: 60 },
      }),
    )
    five.send(publish(7, 5))
    assert.match(await five.rest(), /^20..0100.*e0..93/)
  })

  it('is bounded for a clean session of MQTT 3.1.1 as well', async () => {
    const line = await MqttLine.client(door.port, connectPacket('clean'))
    line.send(Buffer.concat([1, 2, 3, 4].map((id) => publish(id))))
    assert.equal((await line.take(16)).length, 32)
    line.send(Buffer.concat([Buffer.from(PUBREL_1, 'hex'), publish(5)]))
    assert.equal(await line.take(8), `${PUBCOMP_1}50020005`)
    line.send(publish(6))
    assert.equal(await line.rest(), '')
  })
})

const PUBREC_1 = '50020001'
const PUBREL_1 = '62020001'
const PUBCOMP_1 = '70020001'

function publish(messageId: number, protocolVersion = 4): Buffer {
  const packet: IPublishPacket = {
    cmd: 'publish',
    topic: 'a',
    payload: 'x',
    qos: 2,
    dup: false,
    retain: false,
    messageId,
  }
  return generate(packet, { protocolVersion })
}
