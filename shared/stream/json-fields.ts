/**
 * Strict JSON: an object against a table of its fields, as Go decodes it into a struct. A field that
 * is not in the table, or has another type, is an error with Go's wording. Like Go, the first of those
 * is told after everything was looked at, but for what a field's own decoder refuses (choices, times),
 * which ends it at once; and a name that differs in case only is the field's too.
 */
import { invariant, messageOf } from '../runtime/index.ts'
import { GoJsonError, GoNumber, goQuote, membersOf, readGoJson, readOneGoJson } from './go-json.ts'
import { JetStreamError } from './jetstream-error.ts'
import { parseTime, timeProblem } from './timestamp.ts'

interface Kinds {
  string: string
  /** Whole numbers: Go's int, int64, int32, uint64 and time.Duration. */
  int: number
  int64: number
  int32: number
  uint: number
  duration: number
  bool: boolean
  strings: readonly string[]
  durations: readonly number[]
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
  /** A list of pointers in Go, which shows in a text. */
  readonly isPointers?: boolean
}

/** One of some words; what refuses any other has words of its own. */
export interface ChoiceField<Choice extends string = string> {
  readonly choices: readonly Choice[]
  /** Words that stand for the first choice. */
  readonly alsoFirst?: readonly string[]
  readonly isCaseless?: boolean
  /** Whether what is no text at all is told like that of any other field. */
  readonly isText?: boolean
  /** @param json the value as JSON */
  readonly problem: (json: string) => string
}

export interface FieldTable {
  readonly [name: string]: keyof Kinds | ObjectField | ChoiceField
}

/** What a table decodes to: absent and null fields are left out. */
export type Decoded<Fields extends FieldTable> = {
  readonly [Name in keyof Fields]?: DecodedField<Fields[Name]>
}

type DecodedField<Field> = Field extends keyof Kinds
  ? Kinds[Field]
  : Field extends ChoiceField<infer Choice>
    ? Choice
    : Field extends { readonly object: infer Table extends FieldTable; readonly isList: true }
      ? readonly Decoded<Table>[]
      : Field extends { readonly object: infer Table extends FieldTable }
        ? Decoded<Table>
        : never

const GO_TYPES: Readonly<Record<keyof Kinds, string>> = {
  string: 'string',
  int: 'int',
  int64: 'int64',
  int32: 'int32',
  uint: 'uint64',
  duration: 'time.Duration',
  bool: 'bool',
  strings: '[]string',
  durations: '[]time.Duration',
  time: 'time.Time',
  map: 'map[string]string',
  json: 'any',
}

const INT64_MAX = 2n ** 63n - 1n
/** Of 2^64, or of 2^63 and its minus. */
const DIGITS_MAX = 20
const BOUNDS: Readonly<Record<string, readonly [least: bigint, most: bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint: [0n, 2n ** 64n - 1n],
}
const INT64_BOUNDS = [-INT64_MAX - 1n, INT64_MAX] as const

/** What `can not unmarshal` says in most of nats-server's own decoders. */
export const canNotUnmarshal = (json: string): string => `can not unmarshal ${goQuote(json)}`

/** Objects in which fields that nobody knows are passed over. */
const LENIENT = new WeakSet<object>()

/**
 * Parses a request. An empty payload is an empty object; of several objects, one behind the other,
 * later fields count. Numbers that are not plain integers are a GoNumber. Throws 10025.
 * @param isStrict false: `decodeFields` passes over what it does not know in the result
 */
export function parseJson(payload: Uint8Array, isStrict = true): unknown {
  if (payload.length === 0) return {}
  try {
    const value = readRequest(payload)
    if (!isStrict && isObject(value)) LENIENT.add(value)
    return value
  } catch (error) {
    // What nats-server does not understand it reads again, as one value, when it is not strict.
    if (!isStrict) return parseOneJson(payload)
    throw new JetStreamError(10025, messageOf(error))
  }
}

function readRequest(payload: Uint8Array): unknown {
  const filled: Readonly<Record<string, unknown>>[] = []
  let only: unknown
  let count = 0
  for (const value of readGoJson(payload)) {
    if (value === null) continue
    // Go complains of this one before it reads on.
    if (!isObject(value)) return value
    only = value
    count++
    // Hundreds of thousands of empty ones fit into a request.
    if (!isBlank(value)) filled.push(value)
  }
  return count === 1 ? only : Object.fromEntries(filled.flatMap(membersOf))
}

function isBlank(object: object): boolean {
  for (const _ in object) return false
  return true
}

/** The same for what nats-server reads as one value, and not as a stream of them. Throws 10025. */
export function parseOneJson(payload: Uint8Array): unknown {
  try {
    // Into a struct, Go takes `null` for nothing at all.
    return readOneGoJson(payload) ?? {}
  } catch (error) {
    throw new JetStreamError(10025, messageOf(error))
  }
}

/** What Go embeds in a struct, which its texts show; `except` are fields beside it. */
export interface Embedded {
  readonly struct: string
  readonly except: readonly string[]
}

/**
 * One value as json.Unmarshal reads it into a struct: what it does not know of it passes over. Throws
 * 10025.
 */
export function decodeOne<Fields extends FieldTable>(
  payload: Uint8Array,
  fields: Fields,
  typeName: string,
  embedded?: Embedded,
): Decoded<Fields> {
  const value = parseOneJson(payload)
  if (isObject(value)) LENIENT.add(value)
  return decodeFields(value, fields, typeName, embedded)
}

/**
 * Throws 10025 with what Go would say.
 * @param embedded the struct that Go embeds for these fields
 */
export function decodeFields<Fields extends FieldTable>(
  value: unknown,
  fields: Fields,
  typeName: string,
  embedded?: Embedded,
): Decoded<Fields> {
  const decoder = new Decoder(!isObject(value) || !LENIENT.has(value))
  try {
    if (!isObject(value)) {
      const into = `Go value of type server.${typeName}`
      throw new GoJsonError(`json: cannot unmarshal ${jsonType(value)} into ${into}`)
    }
    const decoded = decoder.object(value, fields, typeName, (name) =>
      embedded === undefined || embedded.except.includes(name) ? [name] : [embedded.struct, name],
    )
    if (decoder.problem !== undefined) throw new GoJsonError(decoder.problem)
    return decoded as Decoded<Fields>
  } catch (error) {
    if (error instanceof GoJsonError) throw new JetStreamError(10025, error.message)
    throw error
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  return !Array.isArray(value) && !(value instanceof GoNumber)
}

class Decoder {
  /** The first thing that Go would tell when it is done. */
  problem: string | undefined
  readonly #isStrict: boolean

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict
  }

  object(
    value: Readonly<Record<string, unknown>>,
    fields: FieldTable,
    struct: string,
    pathOf: (name: string) => readonly string[],
  ): Record<string, unknown> {
    const decoded: Record<string, unknown> = {}
    const names = namesOf(fields)
    for (const [given, item] of membersOf(value)) {
      const name = names.get(given) ?? names.get(given.toLowerCase())
      const field = name === undefined ? undefined : fields[name]
      if (name === undefined || field === undefined) {
        if (this.#isStrict) this.problem ??= `json: unknown field ${goQuote(given)}`
        continue
      }
      const taken = this.#take(field, item, { struct, path: pathOf(name) })
      if (taken !== undefined) decoded[name] = taken
    }
    return decoded
  }

  #take(field: keyof Kinds | ObjectField | ChoiceField, value: unknown, at: Place): unknown {
    if (typeof field === 'string') {
      return value === null ? undefined : this.#plain(field, value, at)
    }
    if ('choices' in field) {
      if (field.isText && value !== null && typeof value !== 'string') {
        this.#mismatch(jsonType(value), 'string', at)
        throw new GoJsonError(this.problem)
      }
      return choose(field, value)
    }
    if (value === null) return undefined
    if (field.isList === true) return this.#list(field, value, at)
    if (!isObject(value)) return this.#mismatch(jsonType(value), `server.${field.type}`, at)
    return this.object(value, field.object, field.type, (name) => [...at.path, name])
  }

  #list({ object, type, isPointers }: ObjectField, value: unknown, at: Place): unknown {
    if (!Array.isArray(value)) {
      return this.#mismatch(jsonType(value), `[]${isPointers ? '*' : ''}server.${type}`, at)
    }
    return value.map((item: unknown) => {
      if (item === null) return {}
      if (isObject(item)) return this.object(item, object, type, (name) => [...at.path, name])
      return this.#mismatch(jsonType(item), `server.${type}`, at) ?? {}
    })
  }

  #plain(kind: keyof Kinds, value: unknown, at: Place): unknown {
    switch (kind) {
      case 'string':
      case 'bool': {
        const isRight = typeof value === (kind === 'bool' ? 'boolean' : 'string')
        return isRight ? value : this.#mismatch(jsonType(value), GO_TYPES[kind], at)
      }
      case 'strings':
      case 'durations': {
        if (!Array.isArray(value)) return this.#mismatch(jsonType(value), GO_TYPES[kind], at)
        const element = kind === 'strings' ? 'string' : 'duration'
        const zero = kind === 'strings' ? '' : 0
        return value.map((item: unknown) =>
          item === null ? zero : (this.#plain(element, item, at) ?? zero),
        )
      }
      case 'time':
        return timeOf(value)
      case 'map': {
        if (!isObject(value)) return this.#mismatch(jsonType(value), GO_TYPES.map, at)
        const texts = Object.entries(value).map(([key, text]) => [
          key,
          text === null ? '' : this.#plain('string', text, at),
        ])
        return Object.fromEntries(texts)
      }
      case 'json':
        if (!this.#isStrict && isObject(value)) LENIENT.add(value)
        return value
      default:
        return this.#integer(kind, value, at)
    }
  }

  #integer(kind: keyof Kinds, value: unknown, at: Place): number | undefined {
    if (typeof value !== 'number' && !(value instanceof GoNumber)) {
      return this.#mismatch(jsonType(value), GO_TYPES[kind], at)
    }
    const [least, most] = BOUNDS[kind] ?? INT64_BOUNDS
    if (typeof value === 'number' && isSmall(value)) {
      if (value >= least && value <= most) return value
    }
    const text = typeof value === 'number' ? String(value) : value.text
    // More digits than any of them has are out of bounds, and not worth being read.
    const isWhole =
      text.length <= DIGITS_MAX &&
      /^-?\d+$/.test(text) &&
      !(kind === 'uint' && text.startsWith('-'))
    const whole = isWhole ? BigInt(text) : undefined
    if (whole === undefined || whole < least || whole > most) {
      return this.#mismatch(`number ${text}`, GO_TYPES[kind], at)
    }
    return withinBounds(Number(whole))
  }

  #mismatch(what: string, type: string, { struct, path }: Place): undefined {
    const where = `Go struct field ${struct}.${path.join('.')} of type ${type}`
    this.problem ??= `json: cannot unmarshal ${what} into ${where}`
  }
}

interface Place {
  readonly struct: string
  readonly path: readonly string[]
}

/** What is looked up of each member of a request is no property: to look for one keeps its name for good. */
function namesOf(fields: FieldTable): ReadonlyMap<string, string> {
  let names = NAMES.get(fields)
  if (names === undefined) {
    names = new Map(Object.keys(fields).map((name) => [name, name]))
    NAMES.set(fields, names)
  }
  return names
}

const NAMES = new WeakMap<FieldTable, ReadonlyMap<string, string>>()

function choose(field: ChoiceField, value: unknown): string {
  const { choices, alsoFirst = [], isCaseless, problem } = field
  if (typeof value === 'string') {
    const word = isCaseless ? value.toLowerCase() : value
    const [first] = choices
    invariant(first !== undefined, 'a choice of nothing')
    if (alsoFirst.includes(word)) return first
    if (choices.includes(word)) return word
  }
  throw new GoJsonError(problem(value instanceof GoNumber ? value.text : JSON.stringify(value)))
}

function timeOf(value: unknown): number {
  if (typeof value !== 'string') {
    throw new GoJsonError('Time.UnmarshalJSON: input is not a JSON string')
  }
  // Go takes what stands between the quotes as it is, and knows no escapes in a time.
  const text = JSON.stringify(value).slice(1, -1)
  const ms = parseTime(text)
  if (ms === undefined) throw new GoJsonError(timeProblem(text))
  return ms
}

/** Whether it is as it was written, without a look at its digits. */
function isSmall(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0)
}

/** Doubles round: what is written back must not be above what a Go client can read. */
function withinBounds(value: number): number {
  const most = 2 ** 63 - 1024
  return value > most && value <= 2 ** 63 ? most : value
}

function jsonType(value: unknown): string {
  if (value === null) return 'null'
  if (value instanceof GoNumber) return 'number'
  if (typeof value === 'boolean') return 'bool'
  return Array.isArray(value) ? 'array' : typeof value
}
