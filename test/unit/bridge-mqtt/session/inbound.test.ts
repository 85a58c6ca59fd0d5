import assert from 'node:assert/strict'
import { generate } from 'mqtt-packet'
import { Frame, LEVEL } from '../../../../bridge-mqtt/codec/index.ts'
import { MqttCounters } from '../../../../bridge-mqtt/counters.ts'
import { MqttFrontDoor } from '../../../../bridge-mqtt/index.ts'
import { DEFAULT_LIMITS } from '../../../../bridge-mqtt/limits.ts'
import type { MqttContext } from '../../../../bridge-mqtt/session/context.ts'
import { Inbound } from '../../../../bridge-mqtt/session/inbound.ts'
import { Scratch } from '../../../../bridge-mqtt/session/scratch.ts'
import type { SessionLine, SessionOwner } from '../../../../bridge-mqtt/session/session.ts'
import { Translator } from '../../../../bridge-mqtt/translator.ts'
import { AccountSpace } from '../../../../shared/broker/index.ts'
import { PetioleError, SeededRandom } from '../../../../shared/runtime/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { MQTT_CONFIG, MqttCore } from '../../../support/mqtt-core.ts'
import { MqttLine } from '../../../support/mqtt-line.ts'
import { connectPacket, publishPacket } from '../../../support/mqtt-packets.ts'

describe('inbound', () => {
  it('holds deliveries to the client no longer when routing has failed', () => {
    const context = {
      scratch: new Scratch(),
      translator: new Translator(),
      counters: new MqttCounters(),
      limits: DEFAULT_LIMITS,
      retainedOf: () => undefined,
    } as unknown as MqttContext
    const space = new AccountSpace(new SeededRandom(1), '$G')
    const held: boolean[] = []
    space.publish = () => {
      held.push(true)
      throw new Error('routing failed')
    }
    const owner = {
      clientId: 'c',
      guard: { payloadBytesMax: 1_024, mayPublish: () => true },
      terms: { level: LEVEL.v311, inboundQosMax: 2, inboundUnackedMax: 10, inboundAliasMax: 0 },
    } as unknown as SessionOwner
    const peer = {
      ...({ kind: 'mqtt', id: 1, echo: true } as const),
      deliver: () => {},
      holdDeliveries: (isHeld: boolean) => void held.push(isHeld),
    }
    const inbound = new Inbound(context, space, {} as SessionLine, owner, peer)
    const bytes = generate({
      ...({ cmd: 'publish', topic: 'a', payload: 'x', qos: 2, messageId: 1 } as const),
      ...{ dup: false, retain: false },
    })
    const frame = new Frame()
    frame.read(bytes, 0, bytes.length)
    assert.throws(() => inbound.publish(bytes, frame), /routing failed/)
    assert.deepEqual(held, [true, true, false])
  })
  it('asks no store for a message that is to be retained where nothing is', async () => {
    const store = new MemoryStore(() => Date.UTC(2030, 0, 1))
    const core = new MqttCore({ store })
    const door = new MqttFrontDoor({ ...MQTT_CONFIG, max_retained: 0 })
    await door.open(core)
    await door.start(core)
    try {
      store.transaction = () => {
        throw new PetioleError('PETIOLE_STORE_FULL', 'the disk is full')
      }
      const line = await MqttLine.client(door.port, connectPacket('c'))
      line.send(publishPacket('a', 'x', { packetId: 1, retain: true }))
      assert.equal(await line.take(4), '40020001')
      line.destroy()
    } finally {
      await door.destroy()
      await core.close()
    }
  })
})
