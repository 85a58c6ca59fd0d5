import { PetioleError } from '../runtime/index.ts'

/** What a query asks for, read as nats-server reads it. Throws PETIOLE_BAD_QUERY: the requester sees 400. */
export class Query {
  readonly #parameters: URLSearchParams

  constructor(parameters: URLSearchParams) {
    this.#parameters = parameters
  }

  text(name: string): string {
    return this.#parameters.get(name) ?? ''
  }

  has(name: string): boolean {
    return this.text(name) !== ''
  }

  flag(name: string): boolean {
    const text = this.text(name).toLowerCase()
    if (['', '0', 'f', 'false'].includes(text)) return false
    if (['1', 't', 'true'].includes(text)) return true
    throw badQuery(`Error decoding boolean for '${name}': "${text}" is neither true nor false`)
  }

  count(name: string, absent: number): number {
    const text = this.text(name)
    if (text === '') return absent
    if (/^-?\d{1,15}$/.test(text)) return Math.max(0, Number(text))
    throw badQuery(`Error decoding int for '${name}': "${text}" is no whole number`)
  }
}

export function badQuery(message: string): PetioleError {
  return new PetioleError('PETIOLE_BAD_QUERY', message)
}

/** One page of a list: `total` counts what is in all of it. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly total: number
  readonly offset: number
  readonly limit: number
}

export function pageOf<T>(items: readonly T[], query: Query, limitDefault: number): Page<T> {
  const offset = query.count('offset', 0)
  const limit = query.count('limit', limitDefault) || limitDefault
  return { items: items.slice(offset, offset + limit), total: items.length, offset, limit }
}
