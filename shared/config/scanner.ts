import { ConfigError, type Position } from './problem.ts'

const ESCAPES: Readonly<Record<string, string>> = {
  t: '\t',
  n: '\n',
  r: '\r',
  b: '\b',
  f: '\f',
  '"': '"',
  '\\': '\\',
  '/': '/',
}

/** What ends a value that is written without quotes. */
const BARE_END = new Set(['', '\n', '\r', '\t', ' ', ',', ';', ']', '}'])

/** One pass over the characters of a file: lines, comments, quoted and bare words. */
export class Scanner {
  readonly #file: string
  readonly #text: string
  #at: number
  #line = 1

  constructor(text: string, file: string) {
    this.#file = file
    this.#text = text
    this.#at = text.charCodeAt(0) === 0xfeff ? 1 : 0
  }

  get position(): Position {
    return { file: this.#file, line: this.#line }
  }

  /** The next character; '' at the end. */
  get peek(): string {
    return this.#text[this.#at] ?? ''
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length
  }

  get isAtComment(): boolean {
    return this.peek === '#' || this.#text.startsWith('//', this.#at)
  }

  next(): string {
    const char = this.peek
    if (char === '\n') this.#line++
    this.#at++
    return char
  }

  fail(message: string, position = this.position): never {
    throw new ConfigError([{ position, path: '', message }])
  }

  /** Passes spaces and tabs, but stays on the line. */
  skipBlanks(): void {
    while (this.peek === ' ' || this.peek === '\t') this.next()
  }

  /** Passes white space, new lines and comments. */
  skipSpace(): void {
    for (;;) {
      if (this.isAtComment) this.skipComment()
      else if (isSpace(this.peek)) this.next()
      else return
    }
  }

  /** Passes white space and new lines; a comment is none here. */
  skipLines(): void {
    while (isSpace(this.peek)) this.next()
  }

  skipComment(): void {
    while (!this.isAtEnd && this.peek !== '\n') this.next()
  }

  /** A key without quotes: up to white space, a separator, or the block that is its value. */
  key(): string {
    const start = this.#at
    while (!this.isAtEnd && !isSpace(this.peek) && !':={'.includes(this.peek)) this.next()
    return this.#text.slice(start, this.#at)
  }

  /** A value without quotes, and whether an escape makes it a string whatever it looks like. */
  bareWord(): { readonly text: string; readonly isEscaped: boolean } {
    let text = ''
    let isEscaped = false
    while (!BARE_END.has(this.peek)) {
      if (this.peek === '\\') {
        text += this.#escape()
        isEscaped = true
      } else {
        text += this.next()
      }
    }
    return { text, isEscaped }
  }

  /** A string in quotes, which may go over several lines. Only double quotes know escapes. */
  quoted(isRaw: boolean): string {
    const opened = this.position
    const quote = this.next()
    let text = ''
    while (this.peek !== quote) {
      if (this.isAtEnd) this.fail(`the string that begins here is never closed (${quote})`, opened)
      text += this.peek === '\\' && !isRaw && quote === '"' ? this.#escape() : this.next()
    }
    this.next()
    return text
  }

  /** `(` text `)`: ends at a `)` that is alone at the start of its line. */
  blockString(): string {
    const opened = this.position
    this.next()
    const start = this.#at
    while (!this.isAtEnd) {
      const char = this.next()
      const isClosed = char === '\n' && this.peek === ')' && this.#endsLine(this.#at + 1)
      if (!isClosed) continue
      const text = this.#text.slice(start, this.#at)
      this.next()
      return text
    }
    this.fail('the "(" that opens here needs a ")" alone on its line', opened)
  }

  #endsLine(at: number): boolean {
    const char = this.#text[at]
    return char === undefined || char === '\n' || char === '\r'
  }

  #escape(): string {
    this.next()
    const char = this.peek
    if (char === 'x') return this.#bytes()
    this.next()
    if (char === 'u') return String.fromCharCode(this.#hex(4, '\\u'))
    const escaped = ESCAPES[char]
    if (escaped !== undefined) return escaped
    this.fail(`"\\${char}" is no escape: use \\t \\n \\r \\" \\\\ or \\xXX`)
  }

  /** A run of `\xXX`: bytes that are UTF-8 together. The first backslash is consumed. */
  #bytes(): string {
    const bytes: number[] = []
    do {
      if (this.peek === '\\') this.next()
      this.next()
      bytes.push(this.#hex(2, '\\x'))
    } while (this.#text.startsWith('\\x', this.#at))
    return Buffer.from(bytes).toString()
  }

  #hex(digits: number, form: string): number {
    const text = this.#text.slice(this.#at, this.#at + digits)
    if (text.length < digits || !/^[0-9a-fA-F]+$/.test(text)) {
      this.fail(`${form} needs ${digits} hexadecimal digits, not "${text}"`)
    }
    this.#at += digits
    return Number.parseInt(text, 16)
  }
}

function isSpace(char: string): boolean {
  return char !== '' && /\s/.test(char)
}
