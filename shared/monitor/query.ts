import { PetioleError } from '../runtime/index.ts'

/**
 * What an HTTP query asks for, read as nats-server reads it, errors in Go's words. Throws
 * PETIOLE_BAD_QUERY: the requester sees 400 and the text.
 */
export class Query {
  readonly #parameters: URLSearchParams

  constructor(parameters: URLSearchParams) {
    this.#parameters = parameters
  }

  text(name: string): string {
    return this.#parameters.get(name) ?? ''
  }

  flag(name: string): boolean {
    const text = this.text(name)
    if (text === '' || FALSE.has(text)) return false
    if (TRUE.has(text)) return true
    throw notDecoded('boolean', name, 'ParseBool', text)
  }

  /** 0 when it is absent. Negative numbers are for the reader to judge. */
  count(name: string): number {
    const text = this.text(name)
    if (text === '') return 0
    if (/^[+-]?\d{1,15}$/.test(text)) return Number(text)
    throw notDecoded('int', name, 'Atoi', text)
  }

  /** A whole number that may not be negative. */
  id(name: string): number {
    const text = this.text(name)
    if (text === '') return 0
    if (/^\d{1,15}$/.test(text)) return Number(text)
    throw notDecoded('uint64', name, 'ParseUint', text)
  }
}

export function badQuery(message: string): PetioleError {
  return new PetioleError('PETIOLE_BAD_QUERY', message)
}

/** One page of a list. Out of range is empty; a limit of 0 or less is the default. */
export function pageOf<T>(items: readonly T[], offset: number, limit: number): readonly T[] {
  return items.slice(offset, offset + limit)
}

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

function notDecoded(kind: string, name: string, parser: string, text: string): PetioleError {
  return badQuery(
    `Error decoding ${kind} for '${name}': strconv.${parser}: parsing ${JSON.stringify(text)}: invalid syntax`,
  )
}
