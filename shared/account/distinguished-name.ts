/**
 * A distinguished name in text [RFC 4514]: parts separated by commas, each of one or more `type=value`
 * joined by `+`, the most specific first. Types compare without case, values as they are.
 */
export class DistinguishedName {
  /** Each part normalised, so that equal parts are equal strings. */
  readonly #parts: readonly string[]

  private constructor(parts: readonly string[]) {
    this.#parts = parts
  }

  /** undefined when the text is none: user names may be anything. */
  static parse(text: string): DistinguishedName | undefined {
    const parts = splitUnescaped(text, ',').map(readPart)
    if (!parts.every((part) => part !== undefined)) return undefined
    return new DistinguishedName(parts)
  }

  equals(other: DistinguishedName): boolean {
    return sameList(this.#parts, other.#parts)
  }

  /** The same parts in whatever order. */
  hasPartsOf(other: DistinguishedName): boolean {
    return sameList([...this.#parts].sort(), [...other.#parts].sort())
  }

  /** Values of one type from the least specific part on: the order of the certificate. */
  valuesOf(type: string): string[] {
    const found = this.#parts
      .flatMap((part) => JSON.parse(part) as [string, string][])
      .filter(([name]) => name === type)
      .map(([, value]) => value)
    return found.reverse()
  }
}

function readPart(text: string): string | undefined {
  const pairs: [string, string][] = []
  for (const pair of splitUnescaped(text, '+')) {
    const at = pair.indexOf('=')
    const type = pair.slice(0, at).trim().toUpperCase()
    const value = readValue(pair.slice(at + 1))
    if (at < 0 || type === '' || value === undefined) return undefined
    pairs.push([type, value])
  }
  return JSON.stringify(pairs.sort())
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === separator) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  return [...parts, text.slice(start)]
}

/** Blanks around the value are none of it unless they are escaped; `\xx` is a byte of UTF-8. */
function readValue(text: string): string | undefined {
  const trimmed = text.replace(/^ +/, '').replace(/(?<!\\) +$/, '')
  // `#` in front stands for a value in BER, which nats-server does not read either.
  if (trimmed.startsWith('#')) return undefined
  const bytes: Buffer[] = []
  let plain = 0
  for (let i = 0; i < trimmed.length; i++) {
    if (trimmed[i] !== '\\') continue
    bytes.push(Buffer.from(trimmed.slice(plain, i)))
    const special = /^[ "#+,;<=>\\]/.exec(trimmed.slice(i + 1))
    const hex = /^[0-9a-fA-F]{2}/.exec(trimmed.slice(i + 1))
    if (special !== null) bytes.push(Buffer.from(special[0]))
    else if (hex !== null) bytes.push(Buffer.from(hex[0], 'hex'))
    else return undefined
    i += special !== null ? 1 : 2
    plain = i + 1
  }
  bytes.push(Buffer.from(trimmed.slice(plain)))
  return Buffer.concat(bytes).toString('utf8')
}

function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((part, i) => part === right[i])
}
