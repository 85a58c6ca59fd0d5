/** What a durable session receives at QoS 2, while the test decides when its store commits. */
import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
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
    door = new MqttFrontDoor({ ...MQTT_CONFIG, receive_maximum: 4 })
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
})

const PUBREC_1 = '50020001'
const PUBREL_1 = '62020001'
const PUBCOMP_1 = '70020001'

function publish(messageId: number): Buffer {
  return generate({
    cmd: 'publish',
    topic: 'a',
    payload: 'x',
    qos: 2,
    dup: false,
    retain: false,
    messageId,
  })
}
