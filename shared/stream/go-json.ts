/**
 * JSON as Go's encoding/json reads it: the same syntax, and the same words for what is wrong with it,
 * with the offset at which it was seen. Requests of the API are read with this, because people and
 * clients know those texts, and because what a number looks like matters: Go takes `1000` for an
 * integer, and neither `1e3` nor `1000.0`.
 *
 * Facts from Go's scanner.go and decode.go, and from what nats-server answers.
 */

/** A number that is not a plain integer within 2^53, as it was written. */
export class GoNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What is wrong with a text, in Go's words. */
export class GoJsonError extends Error {}

/** All members of an object that has one of the same name twice: Go looks at each. */
const MEMBERS = new WeakMap<object, [name: string, value: unknown][]>()

/** The members in their order, those that a later one of the same name stands in for included. */
export function membersOf(
  object: Readonly<Record<string, unknown>>,
): readonly (readonly [name: string, value: unknown])[] {
  return MEMBERS.get(object) ?? Object.entries(object)
}

/** Deeper nesting is refused; Go refuses 10,000, which nobody needs and our stack does not have. */
const DEPTH_MAX = 500

/**
 * The values of a text, one behind the other as a Go decoder reads a stream of them: none for an empty
 * text, and what is wrong further on is found when it comes to that. Throws GoJsonError.
 */
export function* readGoJson(bytes: Uint8Array): Generator<unknown, undefined, undefined> {
  const reader = new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  while (!reader.isAtEnd()) yield reader.value(0)
  return undefined
}

/**
 * The one value of a text, in the words of json.Unmarshal, which names no offsets. Throws GoJsonError,
 * also when something follows the value.
 */
export function readOneGoJson(bytes: Uint8Array): unknown {
  // At the end json.Unmarshal looks whether a blank could follow, and may complain of that one.
  const reader = new Reader(Buffer.concat([bytes, BLANK]))
  try {
    const value = reader.value(0)
    reader.end()
    return value
  } catch (error) {
    if (!(error instanceof GoJsonError)) throw error
    const text = error.message.replace(/ at offset \d+$/, '')
    const isCut = text === 'unexpected EOF'
    throw new GoJsonError(isCut ? 'unexpected end of JSON input' : text)
  }
}

const BLANK = Buffer.from(' ')
const QUOTE = 34
const COMMA = 44
const POINT = 46
const ZERO = 48
const NINE = 57
const COLON = 58
const ARRAY = 91
const BACKSLASH = 92
const ARRAY_END = 93
const LETTER_E = 101
const LETTER_F = 102
const LETTER_N = 110
const LETTER_T = 116
const OBJECT = 123
const OBJECT_END = 125
/** The bit by which small letters differ from large ones; a point has it. */
const LOWER_CASE = 32
const SMALL_DIGITS = 15

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Whether nothing but blanks follows. */
  isAtEnd(): boolean {
    this.#skipBlanks()
    return this.#at >= this.#bytes.length
  }

  /** Nothing may follow. */
  end(): void {
    if (!this.isAtEnd()) this.#wrong('after top-level value')
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new GoJsonError('exceeded max depth')
    this.#skipBlanks()
    switch (this.#byte()) {
      case OBJECT:
        return this.#object(depth)
      case ARRAY:
        return this.#array(depth)
      case QUOTE:
        return this.#string()
      case LETTER_T:
        return this.#literal('true', true)
      case LETTER_F:
        return this.#literal('false', false)
      case LETTER_N:
        return this.#literal('null', null)
      default: {
        const small = this.#smallNumber()
        if (small >= 0) return small
        const char = this.#char()
        if (char === '-' || isDigit(char)) return this.#number()
        return this.#wrong('looking for beginning of value')
      }
    }
  }

  #object(depth: number): unknown {
    const object: Record<string, unknown> = {}
    let members: [name: string, value: unknown][] | undefined
    this.#at++
    this.#skipBlanks()
    if (this.#byte() === OBJECT_END) {
      this.#at++
      return object
    }
    for (;;) {
      this.#skipBlanks()
      if (this.#byte() !== QUOTE) this.#wrong('looking for beginning of object key string')
      const key = this.#string()
      this.#skipBlanks()
      if (this.#byte() !== COLON) this.#wrong('after object key')
      this.#at++
      const value = this.value(depth + 1)
      if (members !== undefined) members.push([key, value])
      else if (Object.hasOwn(object, key)) {
        members = [...Object.entries(object), [key, value]]
        MEMBERS.set(object, members)
      }
      if (key === '__proto__') {
        // Assigning would set the prototype.
        const rest = { enumerable: true, configurable: true, writable: true }
        Object.defineProperty(object, key, { value, ...rest })
      } else object[key] = value
      this.#skipBlanks()
      const byte = this.#byte()
      if (byte !== COMMA && byte !== OBJECT_END) this.#wrong('after object key:value pair')
      this.#at++
      if (byte === OBJECT_END) return object
    }
  }

  #array(depth: number): unknown {
    const array: unknown[] = []
    this.#at++
    this.#skipBlanks()
    if (this.#byte() === ARRAY_END) {
      this.#at++
      return array
    }
    for (;;) {
      array.push(this.value(depth + 1))
      this.#skipBlanks()
      const byte = this.#byte()
      if (byte !== COMMA && byte !== ARRAY_END) this.#wrong('after array element')
      this.#at++
      if (byte === ARRAY_END) return array
    }
  }

  #string(): string {
    const start = this.#at++
    let isPlain = true
    for (;;) {
      this.#skipPlain()
      if (this.#byte() === QUOTE) break
      const char = this.#char()
      if (char < ' ') this.#wrong('in string literal')
      this.#at++
      isPlain = false
      if (char === '\\') this.#escape()
    }
    this.#at++
    if (isPlain) return this.#bytes.toString('utf8', start + 1, this.#at - 1)
    const text = this.#bytes.toString('utf8', start, this.#at)
    return JSON.parse(text) as string
  }

  /** To what ends a text, or means something else than itself in it. */
  #skipPlain(): void {
    const bytes = this.#bytes
    for (;;) {
      const byte = bytes[this.#at]
      if (byte === undefined || byte < 32 || byte === QUOTE || byte === BACKSLASH) return
      this.#at++
    }
  }

  #escape(): void {
    const char = this.#char()
    if (!'bfnrt\\/"u'.includes(char)) this.#wrong('in string escape code')
    this.#at++
    for (let i = 0; char === 'u' && i < 4; i++) {
      if (!/[0-9a-fA-F]/.test(this.#char())) this.#wrong('in \\u hexadecimal character escape')
      this.#at++
    }
  }

  /** Digits that a double holds whatever they are, which nearly all numbers are; -1 for what has to be looked at. */
  #smallNumber(): number {
    const bytes = this.#bytes
    let at = this.#at
    let value = 0
    // A zero has nothing behind it.
    if (bytes[at] === ZERO) return -1
    for (; at - this.#at <= SMALL_DIGITS; at++) {
      const byte = bytes[at] ?? 0
      if (byte < ZERO || byte > NINE) break
      value = value * 10 + byte - ZERO
    }
    const digits = at - this.#at
    const next = (bytes[at] ?? 0) | LOWER_CASE
    if (digits === 0 || digits > SMALL_DIGITS || next === POINT || next === LETTER_E) return -1
    this.#at = at
    return value
  }

  #number(): number | GoNumber {
    const start = this.#at
    if (this.#char() === '-') this.#at++
    if (!isDigit(this.#char())) this.#wrong('in numeric literal')
    const isZero = this.#char() === '0'
    this.#at++
    if (!isZero) this.#digits()
    let isPlain = true
    if (this.#peek() === '.') {
      isPlain = false
      this.#at++
      if (!isDigit(this.#char())) this.#wrong('after decimal point in numeric literal')
      this.#digits()
    }
    if (this.#peek().toLowerCase() === 'e') {
      isPlain = false
      this.#at++
      if ('+-'.includes(this.#char())) this.#at++
      if (!isDigit(this.#char())) this.#wrong('in exponent of numeric literal')
      this.#digits()
    }
    const text = this.#bytes.toString('latin1', start, this.#at)
    const value = Number(text)
    // A minus is one that an unsigned number can not have, also before 0.
    const isNumber = isPlain && Number.isSafeInteger(value) && !Object.is(value, -0)
    return isNumber ? value : new GoNumber(text)
  }

  #digits(): void {
    while (isDigit(this.#peek())) this.#at++
  }

  #literal<Value>(text: string, value: Value): Value {
    for (const expected of text) {
      if (this.#char() !== expected) {
        this.#wrong(`in literal ${text} (expecting '${expected}')`)
      }
      this.#at++
    }
    return value
  }

  #skipBlanks(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13) return
      this.#at++
    }
  }

  /** The next byte as a character; '' at the end. */
  #peek(): string {
    const byte = this.#bytes[this.#at]
    return byte === undefined ? '' : String.fromCharCode(byte)
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new GoJsonError('unexpected EOF')
    return byte
  }

  #char(): string {
    const char = this.#peek()
    if (char === '') throw new GoJsonError('unexpected EOF')
    return char
  }

  #wrong(context: string): never {
    const text = `invalid character ${quoteChar(this.#char())} ${context}`
    throw new GoJsonError(`${text} at offset ${this.#at + 1}`)
  }
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9' && char.length === 1
}

/** A character between single quotes, as Go shows it. */
function quoteChar(char: string): string {
  if (char === "'") return "'\\''"
  if (char === '"') return `'"'`
  return `'${goQuote(char).slice(1, -1)}'`
}

/** Go's %q of a text. */
export function goQuote(text: string): string {
  return JSON.stringify(text).replace(
    /\\u00([0-7][0-9a-f])|[\u007f-\u00a0]/g,
    (escaped, hex: string | undefined) => {
      if (hex === '07') return '\\a'
      if (hex === '0b') return '\\v'
      if (hex !== undefined) return `\\x${hex}`
      const code = escaped.charCodeAt(0).toString(16)
      return code === '7f' ? '\\x7f' : `\\u00${code}`
    },
  )
}
