import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { MqttLine } from '../support/mqtt-line.ts'
import { connectPacket, subscribePacket } from '../support/mqtt-packets.ts'

/** What a stranger sends, and all that comes back before the connection is closed. */
const BEFORE_CONNECT: readonly (readonly [string, string, string, string])[] = [
  ['MQTT-3.1.0-1', 'PUBLISH before CONNECT', '30 05 0001 61 6869', ''],
  ['MQTT-3.1.0-1', 'PINGREQ before CONNECT', 'c0 00', ''],
  ['MQTT-3.1.0-1', 'HTTP', '474554202f20485454502f312e310d0a0d0a', ''],
  ['MQTT-2.2.3', 'remaining length of five bytes', '10 ff ff ff ff 01', ''],
  ['MQTT-2.2.2-2', 'flags in CONNECT', '11 0d 0004 4d515454 04 02 0000 0001 61', ''],
  ['MQTT-3.1.2-1', 'protocol name MQTX', '10 0d 0004 4d515458 04 02 0000 0001 61', ''],
  ['MQTT-3.1.2-1', 'protocol name mqtt', '10 0d 0004 6d717474 04 02 0000 0001 61', ''],
  ['MQTT-3.1.2-2', 'level 6', '10 0d 0004 4d515454 06 02 0000 0001 61', '20020001'],
  ['MQTT-3.1.2-2', 'level 0', '10 0d 0004 4d515454 00 02 0000 0001 61', '20020001'],
  ['MQTT-3.1.2-3', 'reserved connect flag', '10 0d 0004 4d515454 04 03 0000 0001 61', ''],
  ['MQTT-3.1.2-11', 'will retain without will', '10 0d 0004 4d515454 04 22 0000 0001 61', ''],
  ['MQTT-3.1.2-13', 'will QoS without will', '10 0d 0004 4d515454 04 0a 0000 0001 61', ''],
  ['MQTT-3.1.2-14', 'will QoS 3', '10 13 0004 4d515454 04 1e 0000 0001 61 0001 62 0001 63', ''],
  ['MQTT-3.1.2-22', 'password without user', '10 10 0004 4d515454 04 42 0000 0001 61 0001 62', ''],
  [
    'MQTT-4.7.1-1',
    'wildcard in will topic',
    '10 13 0004 4d515454 04 06 0000 0001 61 0001 23 0001 63',
    '',
  ],
  ['MQTT-4.7.3-1', 'empty will topic', '10 12 0004 4d515454 04 06 0000 0001 61 0000 0001 63', ''],
  ['MQTT-1.5.3-1', 'surrogate in client id', '10 0f 0004 4d515454 04 02 0000 0003 eda080', ''],
  ['MQTT-1.5.3-2', 'NUL in client id', '10 0d 0004 4d515454 04 02 0000 0001 00', ''],
  ['MQTT-4.8.0-1', 'bytes after the last field', '10 0e 0004 4d515454 04 02 0000 0001 61 62', ''],
  ['MQTT-4.8.0-1', 'client id cut short', '10 0d 0004 4d515454 04 02 0000 0002 61', ''],
  ['MQTT-4.8.0-1', 'no will payload', '10 10 0004 4d515454 04 06 0000 0001 61 0001 62', ''],
  ['MQTT-4.8.0-1', 'empty CONNECT', '10 00', ''],
  ['MQTT-4.8.0-1', 'CONNECT of 16 MiB', '10 ff ff ff 07', ''],
  [
    'MQTT-3.1.3-8',
    'empty client id without clean session',
    '10 0c 0004 4d515454 04 00 0000 0000',
    '20020002',
  ],
]

/** What an admitted client sends. */
const CONNECTED: readonly (readonly [string, string, string])[] = [
  ['MQTT-3.1.0-2', 'second CONNECT', '10 0d 0004 4d515454 04 02 0000 0001 61'],
  ['MQTT-2.2.3', 'remaining length of five bytes', '30 80 80 80 80 01'],
  ['MQTT-2.3.1-1', 'PUBLISH QoS 1 with identifier 0', '32 05 0001 61 0000'],
  ['MQTT-3.3.1-2', 'DUP at QoS 0', '38 03 0001 61'],
  ['MQTT-3.3.1-4', 'QoS 3', '36 05 0001 61 0001'],
  ['MQTT-3.3.2-2', 'topic with +', '30 05 0003 612f2b'],
  ['MQTT-3.3.2-2', 'topic with #', '30 03 0001 23'],
  ['MQTT-4.7.3-1', 'empty topic', '30 02 0000'],
  ['MQTT-4.7.3-2', 'NUL in a topic', '30 05 0003 610062'],
  ['MQTT-1.5.3-1', 'overlong UTF-8 in a topic', '30 04 0002 c0af'],
  ['MQTT-1.5.3-1', 'surrogate in a topic', '30 05 0003 eda080'],
  ['MQTT-4.8.0-1', 'topic longer than the packet', '30 03 0005 61'],
  ['MQTT-4.8.0-1', 'PUBLISH of 256 MB', '30 ff ff ff 7f'],
  ['MQTT-2.2.2-2', 'SUBSCRIBE with flags 0', '80 06 0001 0001 61 00'],
  ['MQTT-2.3.1-1', 'SUBSCRIBE with identifier 0', '82 06 0000 0001 61 00'],
  ['MQTT-3.8.3-3', 'SUBSCRIBE without a filter', '82 02 0001'],
  ['MQTT-4.7.1-2', 'SUBSCRIBE to #/a', '82 08 0001 0003 232f61 00'],
  ['MQTT-4.7.1-3', 'SUBSCRIBE to a+', '82 07 0001 0002 612b 00'],
  ['MQTT-4.7.1-2', 'UNSUBSCRIBE of #/a', 'a2 07 0001 0003 232f61'],
  ['MQTT-3.8.3-4', 'requested QoS 3', '82 06 0001 0001 61 03'],
  ['MQTT-3.8.3-4', 'reserved bits in the requested QoS', '82 06 0001 0001 61 41'],
  ['MQTT-4.7.3-1', 'empty filter', '82 05 0001 0000 00'],
  ['MQTT-1.5.3-1', 'surrogate in a filter', '82 08 0001 0003 eda080 00'],
  ['MQTT-4.8.0-1', 'SUBSCRIBE without its QoS', '82 05 0001 0001 61'],
  ['MQTT-3.10.3-2', 'UNSUBSCRIBE without a filter', 'a2 02 0001'],
  ['MQTT-2.3.1-1', 'UNSUBSCRIBE with identifier 0', 'a2 05 0000 0001 61'],
  ['MQTT-2.2.2-2', 'UNSUBSCRIBE with flags 0', 'a0 05 0001 0001 61'],
  ['MQTT-4.8.0-1', 'PUBACK of one byte', '40 01 00'],
  ['MQTT-2.3.1-1', 'PUBACK for identifier 0', '40 02 0000'],
  ['MQTT-2.2.2-2', 'DISCONNECT with flags', 'e1 00'],
  ['MQTT-4.8.0-1', 'PINGREQ with a body', 'c0 01 00'],
  ['MQTT-2.2.1', 'type 0', '00 00'],
  ['MQTT-2.2.1', 'type 15', 'f0 00'],
  ['MQTT-2.2.1', 'CONNACK from a client', '20 02 0000'],
  ['MQTT-2.2.1', 'SUBACK from a client', '90 03 0001 00'],
]

describe('MQTT 3.1.1: malformed packets', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  let other: MqttLine

  before(async () => {
    core = new MqttCore({ payloadBytesMax: 64 * 1024 })
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(core)
    other = await MqttLine.client(door.port, connectPacket('unharmed'))
    other.send(subscribePacket(1, ['#', 0]))
    assert.equal(await other.take(5), '9003000100')
  })

  after(() => door.destroy())

  afterEach('another client goes on undisturbed, and heard nothing', async () => {
    assert.equal(await other.takeUntilPong(), '')
  })

  for (const [rule, name, sent, answer] of BEFORE_CONNECT) {
    it(`[${rule}] ${name}: ${answer === '' ? 'closed' : `answered ${answer}, closed`}`, async () => {
      const line = await MqttLine.open(door.port)
      line.send(sent)
      assert.equal(await line.rest(), answer)
    })
  }

  for (const [rule, name, sent] of CONNECTED) {
    it(`[${rule}] ${name}: closed`, async () => {
      const violations = door.counters.violations
      const line = await MqttLine.client(door.port, connectPacket('wrong'))
      line.send(sent)
      assert.equal(await line.rest(), '')
      assert.equal(door.counters.violations, violations + 1)
    })
  }

  it('logs what was wrong, and not once for each packet', () => {
    const lines = core.log.lines.filter(({ level }) => level === 'warn')
    assert.ok(lines.length >= 1 && lines.length <= 3, `${lines.length} warnings`)
    assert.match(String(lines[0]?.fields['rule']), /^MQTT-/)
  })
})
