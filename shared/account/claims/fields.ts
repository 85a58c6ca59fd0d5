import { PetioleError } from '../../runtime/index.ts'

/**
 * The members of a JSON object, read by name and type. What is absent or null reads as empty, as it
 * does in nats-server; what is of another type is an error.
 */
export class Fields {
  readonly #members: Readonly<Record<string, unknown>>
  readonly #path: string

  private constructor(members: Readonly<Record<string, unknown>>, path: string) {
    this.#members = members
    this.#path = path
  }

  /** Throws PETIOLE_TOKEN_INVALID, as all that follows. */
  static of(value: unknown, path = ''): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(`${path === '' ? 'claims' : path} must be an object`)
    }
    return new Fields(value as Readonly<Record<string, unknown>>, path)
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined
  }

  text(name: string): string {
    const value = this.#get(name) ?? ''
    if (typeof value !== 'string') throw this.#wrong(name, 'a string')
    return value
  }

  flag(name: string): boolean {
    const value = this.#get(name) ?? false
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false')
    return value
  }

  /** A whole number; those beyond what a double holds exactly are limits that nothing reaches. */
  integer(name: string): number {
    const value = this.#get(name) ?? 0
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      throw this.#wrong(name, 'a whole number')
    }
    return value
  }

  texts(name: string): string[] {
    return this.#list(name).map((value) => {
      if (typeof value !== 'string') throw this.#wrong(name, 'a list of strings')
      return value
    })
  }

  /** The members of a member; none when it is absent. */
  object(name: string): Fields {
    return Fields.of(this.#get(name) ?? {}, this.#pathOf(name))
  }

  objects(name: string): Fields[] {
    return this.#list(name).map((value, i) => Fields.of(value, `${this.#pathOf(name)}[${i}]`))
  }

  /** A list whose elements are strings or objects. */
  mixed(name: string): (string | Fields)[] {
    return this.#list(name).map((value, i) =>
      typeof value === 'string' ? value : Fields.of(value, `${this.#pathOf(name)}[${i}]`),
    )
  }

  raw(name: string): unknown {
    return this.#get(name)
  }

  names(): string[] {
    return Object.keys(this.#members).filter((name) => this.has(name))
  }

  integers(name: string): ReadonlyMap<string, number> {
    const fields = this.object(name)
    return new Map(fields.names().map((key) => [key, fields.integer(key)]))
  }

  #list(name: string): readonly unknown[] {
    const value = this.#get(name) ?? []
    if (!Array.isArray(value)) throw this.#wrong(name, 'a list')
    return value
  }

  #get(name: string): unknown {
    const value = Object.hasOwn(this.#members, name) ? this.#members[name] : undefined
    return value === null ? undefined : value
  }

  #pathOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }

  #wrong(name: string, expected: string): PetioleError {
    return invalid(`${this.#pathOf(name)} must be ${expected}`)
  }
}

export function invalid(problem: string): PetioleError {
  return new PetioleError('PETIOLE_TOKEN_INVALID', problem)
}
