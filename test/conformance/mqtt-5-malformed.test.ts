import assert from 'node:assert/strict'
import { packetOf } from '../support/mqtt-codec.ts'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'
import { FROM_CLIENT } from './mqtt-normative/packets-5.ts'

/** A CONNACK or a DISCONNECT with a reason code, or only the end. */
type Answer = number | 'close'

const NAME = '0004 4d515454 05'
const HEAD = `${NAME} 02 0000`
const CONNECT = packetOf('10', `${HEAD} 00 0000`)

/**
 * Whoever has not said that he speaks MQTT 5 hears nothing, and a CONNECT that breaks a rule is answered where its
 * version is known. mosquitto 2.0.11 closes without a CONNACK in all of these, as it may [MQTT-3.1.4-1].
 */
const STRANGER: readonly (readonly [string, string, string, Answer])[] = [
  ['MQTT-3.1.0-1', 'PUBLISH before CONNECT', '30 06 0001 61 00 6869', 'close'],
  ['MQTT-3.1.0-1', 'AUTH before CONNECT', 'f0 06 18 04 15000161', 'close'],
  ['MQTT-3.1.0-1', 'DISCONNECT before CONNECT', 'e0 00', 'close'],
  ['MQTT-2.1.4', 'remaining length of five bytes', '10 ff ff ff ff 01', 'close'],
  [
    'MQTT-3.1.2-2',
    'level 6: in the format of 3.1.1',
    '10 0e 0004 4d515454 06 02 0000 00 0001 61',
    1,
  ],
  ['MQTT-4.13.1-1', 'CONNECT of 16 MiB', '10 ff ff ff 07', 'close'],
  ['MQTT-4.12.0-1', 'a method that there is not', `10 11 ${HEAD} 04 15000158 0000`, 0x8c],
]

/**
 * What is wrong because of what came before it. mosquitto 2.0.11 differs where it says so: `-` closes without
 * a DISCONNECT, `ok` goes on.
 */
const IN_SESSION: readonly (readonly [string, string, string, Answer])[] = [
  ['MQTT-3.1.0-2', 'a second CONNECT', CONNECT.toString('hex'), 0x82],
  ['MQTT-2.1.4', 'remaining length of five bytes', '30 80 80 80 80 01', 0x81],
  ['MQTT-1.5.5-1', 'remaining length of too many bytes (ok)', 'c0 80 00', 0x81],
  ['MQTT-3.3.2-9', 'topic alias 65,535', '30 07 0001 61 03 23ffff', 0x94],
  ['MQTT-3.3.2.3.4', 'an alias that stands for nothing yet', '30 06 0000 03 230001', 0x82],
  ['MQTT-3.2.2-15', 'PUBLISH of 256 MB', '30 ff ff ff 7f', 0x95],
  ['MQTT-4.12.0-7', 'AUTH where CONNECT named no method', 'f0 06 18 04 15000161', 0x82],
  ['MQTT-3.14.2.2.2', 'session expiry that CONNECT had not', 'e0 07 00 05 1100000001', 0x82],
  ['MQTT-4.7.1-1', '# in the middle of a filter', '82 0b 0001 00 0005 612f232f62 00', 0x81],
  ['MQTT-4.7.1-2', '+ in a level', '82 08 0001 00 0002 612b 00', 0x81],
]

describe('MQTT 5: malformed packets', () => {
  let hub: MqttHub
  let other: PacketClient

  before(async () => {
    hub = await MqttHub.start()
    other = await PacketClient.client(hub.port, { clientId: 'unharmed' })
    await other.subscribe(1, ['#'])
  })

  after(() => hub.remove())

  afterEach('another client goes on undisturbed, and heard nothing', async () => {
    assert.deepEqual(await other.beforePong(), [])
  })

  async function isAnswered(client: PacketClient, answer: Answer): Promise<void> {
    if (answer === 'close') assert.deepEqual(await client.end(), [])
    else assert.equal(await client.disconnected(), answer)
  }

  async function isRefused(bytes: Uint8Array | string, answer: Answer): Promise<void> {
    const client = await PacketClient.open(hub.port)
    client.raw(bytes)
    if (answer !== 'close') assert.equal((await client.next('connack')).reasonCode, answer)
    assert.deepEqual(await client.end(), [])
  }

  for (const [rule, name, bytes, answer] of STRANGER) {
    it(`[${rule}] ${name}: ${said(answer)}`, () => isRefused(bytes, answer))
  }

  for (const [rule, name, bytes, answer] of IN_SESSION) {
    it(`[${rule}] ${name}: ${said(answer)}`, async () => {
      const client = await PacketClient.client(hub.port, { clientId: 'wrong' })
      client.raw(bytes)
      await isAnswered(client, answer)
    })
  }

  describe('what the codec refuses, the front door refuses', () => {
    for (const [ids, name, first, body, expected] of FROM_CLIENT) {
      if (expected === 'ok') continue
      const packet = packetOf(first, body)
      const isConnect = first.startsWith('1')
      // Before its level a CONNECT has not said which version an answer would have to be of.
      const isUnknown = first !== '10' || !body.startsWith(NAME)
      const answer = isConnect && isUnknown ? 'close' : expected
      it(`[MQTT-${ids.split(' ')[0]}] ${name}: ${said(answer)}`, async () => {
        if (isConnect) return isRefused(packet, answer)
        const client = await PacketClient.client(hub.port, { clientId: 'wrong' })
        client.raw(packet)
        return isAnswered(client, answer)
      })
    }
  })

  it('logs what was wrong, and not once for each packet', () => {
    const lines = hub.log.lines.filter(({ level }) => level === 'warn')
    assert.ok(lines.length >= 1 && lines.length <= 3, `${lines.length} warnings`)
    assert.match(String(lines[0]?.fields['rule']), /^MQTT-/)
  })
})

function said(answer: Answer): string {
  return answer === 'close' ? 'closed' : `0x${answer.toString(16)}, closed`
}
