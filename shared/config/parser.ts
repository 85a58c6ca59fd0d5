/**
 * nats-server's configuration syntax, a superset of JSON, as a recursive descent:
 *
 *   file   = statements, or the same in one pair of braces
 *   entry  = key [ ":" | "=" ] value, ended by a new line, "," or ";"
 *   value  = "{" statements "}" | "[" values "]" | string | number | boolean | "$" name
 *   string = "…" with escapes | '…' raw | bare word | "(" new line … new line ")"
 *
 * `include 'file'` stands where an entry may. A brace may follow on the next line, other values may
 * not, unless inside a block. Source for the rules: nats-server's conf/lex.go. Kinder than it: a key ends
 * at "{", and JSON's \u is known. Stricter: a value may not be left out, and a stray "}" is an error.
 *
 * Text in, tree out: files and the environment are `resolve`'s business.
 */
import { NESTING_MAX } from './limits.ts'
import type { Position } from './problem.ts'
import { parseNumber } from './quantity.ts'
import { Scanner } from './scanner.ts'
import type { Statement, WrittenBlock, WrittenNode } from './tree.ts'

/** Throws a ConfigError with the first mistake in the syntax. `file` is only named, never read. */
export function parseText(text: string, file: string): WrittenBlock {
  return new Parser(new Scanner(text, file)).file()
}

/** The text of an environment variable, read as the value it would be in a file. */
export function parseValue(text: string, place: string): WrittenNode {
  const scanner = new Scanner(text, place)
  const value = new Parser(scanner).value(0)
  scanner.skipSpace()
  if (!scanner.isAtEnd) scanner.fail('more than one value')
  return value
}

class Parser {
  readonly #scanner: Scanner

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  file(): WrittenBlock {
    const scanner = this.#scanner
    const { position } = scanner
    const statements: Statement[] = []
    scanner.skipSpace()
    while (!scanner.isAtEnd) {
      if (scanner.peek === '{') statements.push(...this.#block(1).statements)
      else if (scanner.peek === '}') scanner.fail('unexpected "}": no block is open here')
      else statements.push(this.#statement(0))
      this.#endOfStatement('')
      scanner.skipSpace()
    }
    return { kind: 'block', statements, position }
  }

  value(depth: number): WrittenNode {
    const scanner = this.#scanner
    const { position } = scanner
    if (depth > NESTING_MAX) scanner.fail(`nested more than ${NESTING_MAX} deep`)
    switch (scanner.peek) {
      case '{':
        return this.#block(depth + 1)
      case '[':
        return this.#list(depth + 1)
      case '"':
      case "'":
        return { kind: 'string', value: scanner.quoted(false), position }
      case '(':
        return { kind: 'string', value: scanner.blockString(), position }
      default:
        return this.#bare(position)
    }
  }

  #block(depth: number): WrittenBlock {
    const scanner = this.#scanner
    const { position } = scanner
    const statements: Statement[] = []
    scanner.next()
    for (;;) {
      scanner.skipSpace()
      if (scanner.isAtEnd) scanner.fail('the "{" that opens here is never closed', position)
      if (scanner.peek === '}') break
      statements.push(this.#statement(depth))
      this.#endOfStatement('}')
    }
    scanner.next()
    return { kind: 'block', statements, position }
  }

  #list(depth: number): WrittenNode {
    const scanner = this.#scanner
    const { position } = scanner
    const items: WrittenNode[] = []
    scanner.next()
    for (;;) {
      scanner.skipSpace()
      if (scanner.isAtEnd) scanner.fail('the "[" that opens here is never closed', position)
      if (scanner.peek === ']') break
      items.push(this.value(depth))
      this.#endOfItem()
    }
    scanner.next()
    return { kind: 'list', items, position }
  }

  #statement(depth: number): Statement {
    const scanner = this.#scanner
    const { position } = scanner
    const isQuoted = scanner.peek === '"' || scanner.peek === "'"
    const key = isQuoted ? scanner.quoted(true) : scanner.key()
    if (key === '' && !isQuoted) scanner.fail(`expected a key before ${shown(scanner.peek)}`)
    if (/^[\],;]/.test(key) && !isQuoted) scanner.fail(`expected a key, not ${shown(key)}`)
    const isSeparated = ':='.includes(scanner.peek)
    if (!isSeparated && !isQuoted && key.toLowerCase() === 'include') {
      return { kind: 'include', path: this.#includePath(), position }
    }
    this.#separator(key, depth)
    return { kind: 'entry', key, value: this.value(depth), position }
  }

  /** From behind a key to the first character of its value. */
  #separator(key: string, depth: number): void {
    const scanner = this.#scanner
    scanner.skipLines()
    if (scanner.peek === ':' || scanner.peek === '=') {
      scanner.next()
      if (depth === 0) scanner.skipBlanks()
      else scanner.skipLines()
    }
    if (scanner.isAtEnd || '\r\n,;}]'.includes(scanner.peek)) {
      scanner.fail(`"${key}" has no value`)
    }
  }

  #includePath(): string {
    const scanner = this.#scanner
    scanner.skipBlanks()
    const isQuoted = scanner.peek === '"' || scanner.peek === "'"
    const path = isQuoted ? scanner.quoted(true) : scanner.bareWord().text
    if (path === '' || /^[[{(]/.test(path)) scanner.fail('include needs the name of a file')
    return path
  }

  #bare(position: Position): WrittenNode {
    const scanner = this.#scanner
    const { text, isEscaped } = scanner.bareWord()
    if (text === '' && !isEscaped) scanner.fail(`expected a value before ${shown(scanner.peek)}`)
    if (isEscaped) return { kind: 'string', value: text, position }
    if (text.startsWith('$')) return variable(text, position)
    if (/^(true|yes|on)$/i.test(text)) return { kind: 'boolean', value: true, position }
    if (/^(false|no|off)$/i.test(text)) return { kind: 'boolean', value: false, position }
    const number = parseNumber(text)
    if (number === undefined) return { kind: 'string', value: text, position }
    if (!Number.isSafeInteger(Math.trunc(number.value))) {
      scanner.fail(`the number ${text} is out of range`, position)
    }
    return number.isFloat
      ? { kind: 'float', value: number.value, position }
      : { kind: 'integer', value: number.value, text, position }
  }

  #endOfStatement(close: '' | '}'): void {
    const scanner = this.#scanner
    scanner.skipBlanks()
    if (',;'.includes(scanner.peek) && !scanner.isAtEnd) scanner.next()
    else if (!this.#isAtEndOfLine() && (close === '' || scanner.peek !== close)) {
      scanner.fail(`expected a new line, "," or ";" before ${shown(scanner.peek)}`)
    }
  }

  #endOfItem(): void {
    const scanner = this.#scanner
    scanner.skipBlanks()
    if (scanner.peek === ',') scanner.next()
    else if (!this.#isAtEndOfLine() && scanner.peek !== ']') {
      scanner.fail(`expected "," or "]" before ${shown(scanner.peek)}`)
    }
  }

  #isAtEndOfLine(): boolean {
    const scanner = this.#scanner
    return scanner.isAtEnd || scanner.isAtComment || '\r\n'.includes(scanner.peek)
  }
}

/** nats-server lets a bcrypt hash stand without quotes, although it looks like a variable. */
function variable(text: string, position: Position): WrittenNode {
  if (text.startsWith('$2a$')) return { kind: 'string', value: text, position }
  return { kind: 'variable', name: text.slice(1), position }
}

function shown(char: string): string {
  if (char === '') return 'the end of the file'
  return char === '\n' || char === '\r' ? 'the end of the line' : `"${char}"`
}
