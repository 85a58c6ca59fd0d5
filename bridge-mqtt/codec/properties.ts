import { invariant } from '../../shared/runtime/index.ts'
import { PacketWriter } from './packet-writer.ts'
import { PropertyCursor } from './property-cursor.ts'
import {
  KIND,
  type Place,
  PROPERTIES,
  type Properties,
  type PropertyName,
  type PropertyRule,
  type UserProperty,
} from './property-table.ts'
import type { Violation } from './violation.ts'

type Value = number | string | Uint8Array | UserProperty

/** One for all: packets are decoded one after the other, to their end. */
const cursor = new PropertyCursor()

export interface PropertySection {
  readonly properties: Properties
  /** The offset behind them. */
  readonly end: number
}

/** The properties whose length is at `at`, which end at `end` at the latest. */
export function decodeProperties(
  bytes: Uint8Array,
  at: number,
  end: number,
  place: Place,
): PropertySection | Violation {
  const found: Partial<Record<PropertyName, unknown>> = {}
  if (cursor.begin(bytes, at, end, place)) {
    while (cursor.next()) keep(found, bytes)
  }
  if (cursor.violation !== undefined) return cursor.violation
  return { properties: found as Properties, end: cursor.sectionEnd }
}

function keep(found: Partial<Record<PropertyName, unknown>>, bytes: Uint8Array): void {
  const { rule } = cursor
  if (rule === undefined) return
  const value = fieldOf(rule, bytes)
  if (!isList(rule.name)) {
    found[rule.name] = value
    return
  }
  const list = found[rule.name] as Value[] | undefined
  if (list === undefined) found[rule.name] = [value]
  else list.push(value)
}

function fieldOf({ kind }: PropertyRule, bytes: Uint8Array): Value {
  switch (kind) {
    case KIND.string:
      return textAt(bytes, cursor.start, cursor.end)
    case KIND.binary:
      return Buffer.from(bytes.subarray(cursor.start, cursor.end))
    case KIND.pair:
      return {
        name: textAt(bytes, cursor.nameStart, cursor.nameEnd),
        value: textAt(bytes, cursor.start, cursor.end),
      }
    default:
      return cursor.number
  }
}

function textAt(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
}

/** The properties without their length; each must be one that may stand there. */
export function encodeProperties(properties: Properties, place: Place): Uint8Array {
  const writer = new PacketWriter()
  for (const rule of PROPERTIES) {
    const value = properties[rule.name]
    if (value === undefined) continue
    invariant((rule.places & (1 << place)) !== 0, `${rule.name} is no property of this packet`)
    if (!isList(rule.name)) writeProperty(writer, rule, value as Value)
    else for (const each of value as readonly Value[]) writeProperty(writer, rule, each)
  }
  return writer.body()
}

/** The same behind their length, as bytes of their own. */
export function propertySection(properties: Properties, place: Place): Uint8Array {
  const writer = new PacketWriter()
  writeProperties(writer, properties, place)
  return writer.body()
}

/** The properties behind their length, which is 0 when there are none [MQTT-2.2.2-1]. */
export function writeProperties(writer: PacketWriter, properties: Properties, place: Place): void {
  const encoded = encodeProperties(properties, place)
  writer.varint(encoded.length).raw(encoded)
}

function writeProperty(writer: PacketWriter, { id, kind }: PropertyRule, value: Value): void {
  writer.byte(id)
  if (typeof value === 'string') writer.string(value)
  else if (value instanceof Uint8Array) writer.binary(value)
  else if (typeof value === 'object') writer.string(value.name).string(value.value)
  else if (kind === KIND.byte) writer.byte(value)
  else if (kind === KIND.uint16) writer.uint16(value)
  else if (kind === KIND.uint32) writer.uint32(value)
  else writer.varint(value)
}

function isList(name: PropertyName): boolean {
  return name === 'userProperties' || name === 'subscriptionIds'
}

/**
 * The packet as `encode` makes it, but no larger than its receiver takes: then it goes without what is
 * for people only, first the user properties, then the reason string too [MQTT-3.2.2-19] and its kin.
 * Undefined when it is too large even so, and must not be sent [MQTT-3.1.2-24].
 */
export function encodeWithin<Packet extends { readonly properties: Properties }>(
  sizeMax: number,
  packet: Packet,
  encode: (packet: Packet) => Uint8Array,
): Uint8Array | undefined {
  const whole = encode(packet)
  if (whole.length <= sizeMax) return whole
  const { userProperties: _, ...terse } = packet.properties
  const brief = encode({ ...packet, properties: terse })
  if (brief.length <= sizeMax) return brief
  const { reasonString: __, ...silent } = terse
  const bare = encode({ ...packet, properties: silent })
  return bare.length <= sizeMax ? bare : undefined
}
