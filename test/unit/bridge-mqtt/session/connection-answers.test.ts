import assert from 'node:assert/strict'
import {
  type ConnectPacket,
  LEVEL,
  type Level,
  PACKET,
  type Properties,
  REASON,
} from '../../../../bridge-mqtt/codec/index.ts'
import { DEFAULT_LIMITS } from '../../../../bridge-mqtt/limits.ts'
import { Answers } from '../../../../bridge-mqtt/session/connection-answers.ts'
import { ENDING, leavingEnding } from '../../../../bridge-mqtt/session/connection-ending.ts'
import { termsOf } from '../../../../bridge-mqtt/session/connection-terms.ts'
import { allocate, release } from '../../../../shared/transport/index.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

const ROOM = 4_096
const TEXT_HEX = Buffer.from('no room').toString('hex')

const PACKET_BYTES_MAX = 1_000_000

describe('answers to a client', () => {
  let start: number
  let channel: RecordingChannel

  beforeEach(() => {
    start = allocate(ROOM)
    channel = new RecordingChannel(start)
  })

  afterEach(() => release(start, ROOM))

  function answers(properties: Properties = {}, level: Level = LEVEL.v5): Answers {
    const packet: ConnectPacket = {
      level,
      clientId: 'c',
      isClean: true,
      keepAliveSeconds: 0,
      user: undefined,
      password: undefined,
      will: undefined,
      properties,
    }
    return new Answers(channel, termsOf(packet, DEFAULT_LIMITS, PACKET_BYTES_MAX))
  }

  it('say success in four bytes, and before MQTT 5 nothing else', () => {
    answers().ack(PACKET.puback, 7)
    answers({}, LEVEL.v311).ack(PACKET.pubrec, 8, REASON.quotaExceeded, 'no room')
    assert.equal(channel.text, '4002000750020008')
  })

  it('[MQTT-3.1.2-29] have a reason string for who has asked for it', () => {
    answers().ack(PACKET.puback, 7, REASON.quotaExceeded, 'no room')
    assert.equal(channel.text, '4003000797')
    channel.written.length = 0
    answers({ requestsProblems: 1 }).ack(PACKET.puback, 7, REASON.quotaExceeded, 'no room')
    assert.equal(channel.text, `400e0007970a1f0007${TEXT_HEX}`)
  })

  it('[MQTT-3.1.2-24, 3.4.2-2] are no longer than the client takes: without the string, or not at all', () => {
    const asked = { requestsProblems: 1 }
    answers({ ...asked, maximumPacketSize: 15 }).ack(PACKET.puback, 7, 0x97, 'no room')
    assert.equal(channel.text, '4003000797')
    channel.written.length = 0
    answers({ ...asked, maximumPacketSize: 4 }).ack(PACKET.puback, 7, 0x97, 'no room')
    answers({ maximumPacketSize: 3 }).ack(PACKET.puback, 7)
    const connack = { code: 0, isSessionPresent: false, properties: {} }
    assert.equal(answers({ maximumPacketSize: 4 }).connack(connack), false)
    assert.equal(channel.text, '')
  })

  it('name the reason of an end to MQTT 5, and where to go', () => {
    answers({}, LEVEL.v311).disconnect(ENDING.takenOver)
    assert.equal(channel.text, '')
    answers().disconnect(ENDING.takenOver)
    assert.equal(channel.text, 'e0018e')
    channel.written.length = 0
    answers().disconnect(leavingEnding('h:1'))
    assert.equal(channel.text, 'e0089c061c0003683a31')
    assert.equal(leavingEnding(''), ENDING.shutDown)
  })
})
