/**
 * Strict JSON: an object against a table of its fields. A field that is not in the table, or has
 * another type, is an error with Go's wording, because clients and people know those texts.
 */
import { messageOf } from '../runtime/index.ts'
import { JetStreamError } from './jetstream-error.ts'
import { parseTime } from './timestamp.ts'

interface Kinds {
  string: string
  /** A whole number of either sign. */
  int: number
  uint: number
  bool: boolean
  strings: readonly string[]
  ints: readonly number[]
  /** RFC 3339 in, milliseconds since the epoch out. */
  time: number
  map: Readonly<Record<string, string>>
  /** Any JSON value, looked at by its owner. */
  json: unknown
}

/** An object with a table of its own, or a list of those; `type` is Go's name for it. */
export interface ObjectField {
  readonly object: FieldTable
  readonly type: string
  readonly isList?: boolean
}

export interface FieldTable {
  readonly [name: string]: keyof Kinds | ObjectField
}

/** What a table decodes to: absent and null fields are left out. */
export type Decoded<Fields extends FieldTable> = {
  readonly [Name in keyof Fields]?: DecodedField<Fields[Name]>
}

type DecodedField<Field> = Field extends keyof Kinds
  ? Kinds[Field]
  : Field extends { readonly object: infer Table extends FieldTable; readonly isList: true }
    ? readonly Decoded<Table>[]
    : Field extends { readonly object: infer Table extends FieldTable }
      ? Decoded<Table>
      : never

const GO_TYPES: Readonly<Record<keyof Kinds, string>> = {
  string: 'string',
  int: 'int64',
  uint: 'uint64',
  bool: 'bool',
  strings: '[]string',
  ints: '[]int64',
  time: 'time.Time',
  map: 'map[string]string',
  json: 'any',
}

/** Parses a request. An empty payload is an empty object. Throws 10025. */
export function parseJson(payload: Uint8Array): unknown {
  if (payload.length === 0) return {}
  try {
    return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString())
  } catch (error) {
    throw new JetStreamError(10025, messageOf(error))
  }
}

/** Throws 10025 with the name of the first field that is unknown or of the wrong type. */
export function decodeFields<Fields extends FieldTable>(
  value: unknown,
  fields: Fields,
  typeName: string,
): Decoded<Fields> {
  if (!isObject(value)) {
    throw new JetStreamError(
      10025,
      `json: cannot unmarshal ${jsonType(value)} into Go value of type ${typeName}`,
    )
  }
  const decoded: Record<string, unknown> = {}
  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(fields, name)) {
      throw new JetStreamError(10025, `json: unknown field ${JSON.stringify(name)}`)
    }
    if (given === null) continue
    const kind = fields[name] ?? 'json'
    const taken = typeof kind === 'object' ? takeObject(kind, given) : take(kind, given)
    if (taken === undefined) {
      const where = `${typeName}.${name} of type ${goType(kind)}`
      throw new JetStreamError(
        10025,
        `json: cannot unmarshal ${jsonType(given)} into Go struct field ${where}`,
      )
    }
    decoded[name] = taken
  }
  return decoded as Decoded<Fields>
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function goType(kind: keyof Kinds | ObjectField): string {
  if (typeof kind === 'string') return GO_TYPES[kind]
  return kind.isList ? `[]server.${kind.type}` : `server.${kind.type}`
}

/** A null in a list is Go's zero value. */
function takeObject({ object, type, isList }: ObjectField, value: unknown): unknown {
  if (isList !== true) return isObject(value) ? decodeFields(value, object, type) : undefined
  if (!Array.isArray(value)) return undefined
  return value.map((item: unknown) => decodeFields(item ?? {}, object, type))
}

function take(kind: keyof Kinds, value: unknown): unknown {
  switch (kind) {
    case 'string':
      return typeof value === 'string' ? value : undefined
    case 'bool':
      return typeof value === 'boolean' ? value : undefined
    case 'int':
      return Number.isInteger(value) ? value : undefined
    case 'uint':
      return Number.isInteger(value) && Number(value) >= 0 ? value : undefined
    case 'strings':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
        ? value
        : undefined
    case 'ints':
      return Array.isArray(value) && value.every(Number.isInteger) ? value : undefined
    case 'time':
      return typeof value === 'string' ? parseTime(value) : undefined
    case 'map':
      return isObject(value) && Object.values(value).every((item) => typeof item === 'string')
        ? value
        : undefined
    case 'json':
      return value
  }
}

function jsonType(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
