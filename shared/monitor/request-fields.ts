import { PetioleError } from '../runtime/index.ts'

type Kind = 'string' | 'number' | 'boolean'

/**
 * The JSON body of a request in the system account: options and filters by nats-server's keys. Keys
 * that are not known are passed over, a value of the wrong type is PETIOLE_BAD_REQUEST.
 */
export class RequestFields {
  readonly #fields: Readonly<Record<string, unknown>>

  private constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields
  }

  /** An empty body asks for nothing in particular. */
  static parse(payload: Uint8Array): RequestFields {
    if (payload.length === 0) return new RequestFields({})
    let parsed: unknown
    try {
      parsed = JSON.parse(Buffer.from(payload).toString())
    } catch {
      throw badRequest('invalid JSON in the request')
    }
    if (parsed === null) return new RequestFields({})
    if (typeof parsed !== 'object' || Array.isArray(parsed)) {
      throw badRequest(`json: cannot unmarshal ${kindOf(parsed)} into options`)
    }
    return new RequestFields({ ...parsed })
  }

  text(name: string): string {
    return this.#read(name, 'string', '')
  }

  flag(name: string): boolean {
    return this.#read(name, 'boolean', false)
  }

  count(name: string): number {
    const value = this.#read(name, 'number', 0)
    if (Number.isSafeInteger(value)) return value
    throw badRequest(`json: cannot unmarshal number into options field ${name} of type int`)
  }

  texts(name: string): readonly string[] {
    const value = Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined
    if (value === undefined || value === null) return []
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
    throw badRequest(`json: cannot unmarshal ${kindOf(value)} into options field ${name}`)
  }

  #read(name: string, kind: 'string', absent: string): string
  #read(name: string, kind: 'number', absent: number): number
  #read(name: string, kind: 'boolean', absent: boolean): boolean
  #read(name: string, kind: Kind, absent: unknown): unknown {
    const value = Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined
    if (value === undefined || value === null) return absent
    if (typeof value === kind) return value
    throw badRequest(
      `json: cannot unmarshal ${kindOf(value)} into options field ${name} of type ${GO_TYPES[kind]}`,
    )
  }
}

const GO_TYPES: Readonly<Record<Kind, string>> = {
  string: 'string',
  number: 'int',
  boolean: 'bool',
}

function badRequest(message: string): PetioleError {
  return new PetioleError('PETIOLE_BAD_REQUEST', message)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
