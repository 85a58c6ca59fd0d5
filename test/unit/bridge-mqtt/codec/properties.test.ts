import assert from 'node:assert/strict'
import {
  decodeProperties,
  encodeProperties,
  PLACE,
  type Place,
  PropertyCursor,
  VIOLATIONS,
} from '../../../../bridge-mqtt/codec/index.ts'

type PlaceName = keyof typeof PLACE

const ANSWERS =
  'connack puback pubrec pubrel pubcomp suback unsuback disconnectOfClient disconnectOfServer auth'
const PUBLISHED = 'publishOfClient publishOfServer will'
const ALL = `${ANSWERS} ${PUBLISHED} connect subscribe unsubscribe`

/** MQTT 5, table 2-4: identifier, a value in hex, one that must not be, and where it may stand. */
const TABLE: readonly (readonly [number, string, string, string])[] = [
  [0x01, '01', '02', PUBLISHED],
  [0x02, '00000000', '', PUBLISHED],
  [0x03, '000161', '0001ff', PUBLISHED],
  [0x08, '000161', '000123', PUBLISHED],
  [0x09, '0001ff', '', PUBLISHED],
  [0x0b, '01', '00', 'publishOfServer subscribe'],
  [0x11, 'ffffffff', '', 'connect connack disconnectOfClient'],
  [0x12, '000161', '000100', 'connack'],
  [0x13, '0000', '', 'connack'],
  [0x15, '000161', '0003eda080', 'connect connack auth'],
  [0x16, '000100', '', 'connect connack auth'],
  [0x17, '00', '02', 'connect'],
  [0x18, '00000000', '', 'will'],
  [0x19, '01', 'ff', 'connect'],
  [0x1a, '000161', '000180', 'connack'],
  [0x1c, '000161', '000180', 'connack disconnectOfServer'],
  [0x1f, '0000', '0001c0', ANSWERS],
  [0x21, '0001', '0000', 'connect connack'],
  [0x22, '0000', '', 'connect connack'],
  [0x23, '0001', '0000', 'publishOfClient publishOfServer'],
  [0x24, '01', '02', 'connack'],
  [0x25, '00', '02', 'connack'],
  [0x26, '00000000', '000000', ALL],
  [0x27, '00000001', '00000000', 'connect connack'],
  [0x28, '01', '02', 'connack'],
  [0x29, '01', '02', 'connack'],
  [0x2a, '01', '02', 'connack'],
]

const PLACES = Object.entries(PLACE) as readonly (readonly [PlaceName, Place])[]

describe('MQTT 5 properties', () => {
  it('stand where their table says, and nowhere else', () => {
    assert.equal(TABLE.length, 27)
    for (let id = 0; id < 256; id++) {
      const row = TABLE.find(([known]) => known === id)
      for (const [name, place] of PLACES) {
        const isLegal = row?.[3].split(' ').includes(name) === true
        const violation = walk(id, row?.[1] ?? '00', place)
        assert.equal(violation === undefined, isLegal, `0x${id.toString(16)} in ${name}`)
      }
    }
  })

  it('stand there once, but for user properties, and subscription identifiers of a server', () => {
    for (const [id, value, , places] of TABLE) {
      for (const name of places.split(' ') as PlaceName[]) {
        const twice = `${value}${id.toString(16).padStart(2, '0')}${value}`
        const repeats = id === 0x26 || (id === 0x0b && name === 'publishOfServer')
        const expected = repeats ? undefined : VIOLATIONS.propertyTwice
        assert.equal(walk(id, twice, PLACE[name]), expected, `0x${id.toString(16)} in ${name}`)
      }
    }
  })

  it('have no value that they must not have', () => {
    for (const [id, , bad, places] of TABLE) {
      if (bad === '') continue
      const [name] = places.split(' ') as PlaceName[]
      assert.ok(walk(id, bad, PLACE[name!]) !== undefined, `0x${id.toString(16)} of ${bad}`)
    }
  })

  it('are cut nowhere without being told', () => {
    for (const [id, value, , places] of TABLE) {
      const [name] = places.split(' ') as PlaceName[]
      for (let size = 0; size < value.length; size += 2) {
        const violation = walk(id, value.slice(0, size), PLACE[name!])
        assert.equal(violation, VIOLATIONS.propertyOverrun, `0x${id.toString(16)} cut at ${size}`)
      }
    }
  })

  it('cannot be written where they must not stand', () => {
    assert.throws(() => encodeProperties({ topicAlias: 1 }, PLACE.connect), /topicAlias/)
    assert.throws(() => encodeProperties({ subscriptionIds: [1] }, PLACE.publishOfClient))
  })

  it('come with names that objects have of their own', () => {
    const userProperties = ['__proto__', 'constructor', 'toString'].map((name) => ({
      name,
      value: name,
    }))
    const encoded = encodeProperties({ userProperties }, PLACE.connect)
    const bytes = Buffer.concat([Buffer.of(encoded.length), encoded])
    const section = decodeProperties(bytes, 0, bytes.length, PLACE.connect)
    assert.deepEqual(section, { properties: { userProperties }, end: bytes.length })
  })
})

/** What is wrong with a section of one property. */
function walk(id: number, value: string, place: Place) {
  const body = Buffer.concat([Buffer.of(id), Buffer.from(value, 'hex')])
  const bytes = Buffer.concat([Buffer.of(body.length), body])
  const cursor = new PropertyCursor()
  assert.ok(cursor.begin(bytes, 0, bytes.length, place))
  return cursor.finish()
}
