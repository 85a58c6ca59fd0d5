import type { Log } from '../log/index.ts'
import { FETCH_TIMEOUT_MS } from './limits.ts'
import { isPublicKey } from './nkey.ts'

/** Where account JWTs are had from. What it gives is not believed before it is verified. */
export interface AccountResolver {
  /** undefined: nobody knows it. Rejects when that cannot be told. */
  fetch(id: string): Promise<string | undefined>
  /** What `fetch` gave has been verified: it may be believed at the next start. */
  keep?(id: string, jwt: string): Promise<void>
  close(): void
}

/** HTTP as a dependency. */
export interface HttpGet {
  /** The body of a response with status 200; rejects otherwise, and after `timeoutMs`. */
  get(url: string, timeoutMs: number): Promise<string>
}

/** `resolver: MEMORY` */
export class MemoryResolver implements AccountResolver {
  readonly #jwts: ReadonlyMap<string, string>

  constructor(preload: Readonly<Record<string, string>>) {
    this.#jwts = new Map(Object.entries(preload))
  }

  fetch(id: string): Promise<string | undefined> {
    return Promise.resolve(this.#jwts.get(id))
  }

  close(): void {}
}

/** `resolver: URL(…)`: an account server that answers `GET <url><id>` with a JWT. */
export class UrlResolver implements AccountResolver {
  readonly #url: string
  readonly #http: HttpGet
  readonly #preload: MemoryResolver
  readonly #log: Log
  /** Strangers choose what is asked for: the first failure is news, those behind it are not. */
  #isFailing = false

  constructor(url: string, preload: Readonly<Record<string, string>>, http: HttpGet, log: Log) {
    this.#url = url.endsWith('/') ? url : `${url}/`
    this.#preload = new MemoryResolver(preload)
    this.#http = http
    this.#log = log
  }

  async fetch(id: string): Promise<string | undefined> {
    const known = await this.#preload.fetch(id)
    if (known !== undefined) return known
    if (!isPublicKey(id, 'A')) return undefined
    try {
      const jwt = await this.#http.get(`${this.#url}${id}`, FETCH_TIMEOUT_MS)
      this.#isFailing = false
      return jwt.trim()
    } catch (err) {
      const level = this.#isFailing ? 'debug' : 'warn'
      this.#isFailing = true
      this.#log[level]({ account: id, err }, 'account could not be fetched')
      return undefined
    }
  }

  close(): void {}
}
