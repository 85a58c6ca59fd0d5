import { createHash } from 'node:crypto'
import { type Clock, codeOf, type Disk, PetioleError } from '../runtime/index.ts'
import { decodeToken, type Token } from './claims/index.ts'
import { DIRECTORY_FILES_MAX } from './limits.ts'
import { isPublicKey } from './nkey.ts'

export interface DirectoryStoreOptions {
  readonly directory: string
  /** Files; 0 for no limit of the file's. */
  readonly limit: number
  /** What is not asked for so long is removed; 0: what has expired by its own `exp`. */
  readonly ttlMs: number
  /** At the limit the longest unused makes room; else the new one is refused. */
  readonly evicts: boolean
  /** 'rename' keeps what is deleted as `<id>.jwt.deleted`. */
  readonly deletion: 'none' | 'rename' | 'remove'
}

interface Entry {
  readonly digest: Buffer
  /** Wall time; Infinity for never. */
  expiresMs: number
}

const EXTENSION = '.jwt'
const DIGEST_BYTES = 32

/**
 * Account JWTs as files `<id>.jwt` in one directory, which nats-server can take over as it is
 * (server/dirstore.go). `digest` is the XOR of the SHA-256 of all files: servers compare theirs to see
 * whether they know the same. Operations on the directory follow each other.
 */
export class DirectoryStore {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #options: DirectoryStoreOptions
  /** The longest unused first. */
  readonly #entries = new Map<string, Entry>()
  #last: Promise<unknown> = Promise.resolve()

  private constructor(disk: Disk, clock: Clock, options: DirectoryStoreOptions) {
    this.#disk = disk
    this.#clock = clock
    this.#options = options
  }

  static async open(
    disk: Disk,
    clock: Clock,
    options: DirectoryStoreOptions,
  ): Promise<DirectoryStore> {
    const store = new DirectoryStore(disk, clock, options)
    await disk.makeDirectory(options.directory)
    for (const name of await disk.list(options.directory)) {
      const id = name.slice(0, -EXTENSION.length)
      if (!name.endsWith(EXTENSION) || !isPublicKey(id, 'A')) continue
      store.#track(id, Buffer.from(await disk.readFile(`${options.directory}/${name}`)))
    }
    return store
  }

  ids(): string[] {
    return [...this.#entries.keys()]
  }

  digest(): Buffer {
    const sum = Buffer.alloc(DIGEST_BYTES)
    for (const { digest } of this.#entries.values()) {
      for (let i = 0; i < DIGEST_BYTES; i++) sum[i] = (sum[i] ?? 0) ^ (digest[i] ?? 0)
    }
    return sum
  }

  /** Where an account's JWT lies, for people. */
  fileOf(id: string): string {
    return this.#path(id)
  }

  load(id: string): Promise<string | undefined> {
    return this.#next(() => this.#load(id))
  }

  /** Whether that changed anything. Rejects with PETIOLE_ACCOUNTS_FULL. */
  save(id: string, jwt: string): Promise<boolean> {
    return this.#next(() => this.#save(id, jwt))
  }

  /** Rejects as `saveIfNewer` would for one of them, but for the room that it needs; writes nothing. */
  check(jwts: Readonly<Record<string, string>>): Promise<void> {
    return this.#next(async () => {
      for (const [id, jwt] of Object.entries(jwts)) {
        checkedToken(id, jwt)
        if (!isPublicKey(id, 'A')) throw refused('invalid public key')
      }
    })
  }

  /** Rejects with PETIOLE_ACCOUNTS_FULL when there is no room for all of them. */
  checkRoom(jwts: Readonly<Record<string, string>>): Promise<void> {
    return this.#next(async () => {
      const added = Object.keys(jwts).filter((id) => !this.#entries.has(id)).length
      const isFull = added > 0 && this.#entries.size + added > this.#limit
      if (isFull && !this.#options.evicts) throw full()
    })
  }

  /** As `save`, unless a younger one is there. Rejects with PETIOLE_TOKEN_INVALID too. */
  saveIfNewer(id: string, jwt: string): Promise<boolean> {
    return this.#next(async () => {
      const offered = checkedToken(id, jwt)
      const own = tokenOrNothing((await this.#load(id)) ?? '')
      const isOlder = own !== undefined && own.issuedAt > offered.issuedAt
      if (isOlder || (own !== undefined && own.id === offered.id)) return false
      return this.#save(id, jwt)
    })
  }

  /** Whether there was something to delete. Rejects when the file does not allow it. */
  delete(id: string): Promise<boolean> {
    return this.#next(async () => {
      if (this.#options.deletion === 'none') {
        throw refused('store is not set up to for delete')
      }
      if (!this.#entries.has(id)) return false
      const path = this.#path(id)
      if (this.#options.deletion === 'rename') {
        await this.#disk.rename(path, `${path}.deleted`)
        await this.#disk.syncDirectory(this.#options.directory)
      } else await this.#disk.remove(path)
      this.#entries.delete(id)
      return true
    })
  }

  /** Removes what has expired; resolves to what that was. */
  expire(): Promise<string[]> {
    return this.#next(async () => {
      const nowMs = this.#clock.wallMs()
      const expired = [...this.#entries].filter(([, { expiresMs }]) => expiresMs <= nowMs)
      for (const [id] of expired) {
        await this.#disk.remove(this.#path(id))
        this.#entries.delete(id)
      }
      return expired.map(([id]) => id)
    })
  }

  async #load(id: string): Promise<string | undefined> {
    if (!isPublicKey(id, 'A')) return undefined
    try {
      const bytes = Buffer.from(await this.#disk.readFile(this.#path(id)))
      this.#track(id, bytes)
      return bytes.toString('utf8').trim()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #save(id: string, jwt: string): Promise<boolean> {
    if (!isPublicKey(id, 'A')) throw refused('invalid public key')
    if (jwt === '') throw refused('invalid JWT')
    const bytes = Buffer.from(jwt)
    const known = this.#entries.get(id)
    if (known?.digest.equals(digestOf(bytes))) return false
    if (known === undefined) await this.#makeRoom()
    await this.#disk.writeFileAtomic(this.#path(id), bytes)
    this.#track(id, bytes)
    return true
  }

  get #limit(): number {
    return this.#options.limit === 0 ? DIRECTORY_FILES_MAX : this.#options.limit
  }

  async #makeRoom(): Promise<void> {
    if (this.#entries.size < this.#limit) return
    const [oldest] = this.#entries.keys()
    if (!this.#options.evicts || oldest === undefined) {
      throw full()
    }
    await this.#disk.remove(this.#path(oldest))
    this.#entries.delete(oldest)
  }

  #track(id: string, bytes: Buffer): void {
    const { ttlMs } = this.#options
    const ownExpiry = (): number => tokenOrNothing(bytes.toString('utf8').trim())?.expires ?? 0
    const seconds = ttlMs === 0 ? ownExpiry() : 0
    const untilMs = ttlMs === 0 ? seconds * 1_000 : this.#clock.wallMs() + ttlMs
    this.#entries.delete(id)
    this.#entries.set(id, {
      digest: digestOf(bytes),
      expiresMs: untilMs === 0 ? Infinity : untilMs,
    })
  }

  #path(id: string): string {
    return `${this.#options.directory}/${id}${EXTENSION}`
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function tokenOrNothing(jwt: string): Token | undefined {
  try {
    return decodeToken(jwt)
  } catch {
    return undefined
  }
}

function checkedToken(id: string, jwt: string): Token {
  const token = decodeToken(jwt)
  if (token.subject === id) return token
  throw refused('jwt subject nkey and provided nkey do not match')
}

function full(): PetioleError {
  return new PetioleError('PETIOLE_ACCOUNTS_FULL', 'jwt store is full')
}

function refused(problem: string): PetioleError {
  return new PetioleError('PETIOLE_ACCOUNT_INVALID', problem)
}
