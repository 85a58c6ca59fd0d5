/**
 * The account that a backup is restored into: keeps the name while the backup comes in, and makes the stream
 * in two steps, hidden first.
 */
import { type Committed, onDisk, type Store, type StreamStore } from '../../store/index.ts'
import type { AccountRoom } from '../account-room.ts'
import { encodeConfig, limitsOf, syncOf } from '../config/stored-config.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import type { StreamRequest } from '../config/stream-request.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { RESTORES_MAX } from '../limits.ts'
import type { Stream } from '../stream.ts'
import type { StreamJudge } from '../stream-judge.ts'
import type { StreamTable } from '../stream-table.ts'

export interface RestoreAccount {
  readonly root: Store
  readonly judge: StreamJudge
  readonly streams: StreamTable
  key(name: string): string
  /** Throws 10065 when another stream has some of its subjects. */
  checkFree(config: StreamConfig): void
  open(store: StreamStore, config: StreamConfig): Stream
  /** There is a stream of that name now. */
  made(name: string): void
}

const CAPTURING = { isCapturing: true, mayOverlap: false }

export class RestoreHost {
  readonly room: AccountRoom
  readonly #account: RestoreAccount
  readonly #names = new Set<string>()
  /** Of those, the ones that are not to be. */
  readonly #discarded = new Set<string>()

  constructor(account: RestoreAccount) {
    this.#account = account
    this.room = account.judge.room
  }

  /** Whether a stream of that name is on its way in. */
  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** What the stream will be; the name is its own until `adopt` or `discard`. */
  reserve(request: StreamRequest): StreamConfig {
    const { judge, streams } = this.#account
    const config = judge.configOf(request)
    judge.checkNew(config)
    if (streams.get(config.name) !== undefined || this.#names.has(config.name))
      throw new JetStreamError(10130)
    judge.checkAsked(request)
    if (this.#names.size >= RESTORES_MAX) throw new JetStreamError(10167)
    this.#names.add(config.name)
    return config
  }

  /** Resolves with its store: old messages leave it by its limits, but none for its age yet. */
  create(config: StreamConfig): Promise<StreamStore> {
    const { root, key } = this.#account
    const limits = { ...limitsOf(config), ageMaxMs: 0, discard: 'old' as const }
    return new Promise((resolve, reject) => {
      const name = key(config.name)
      const done: Committed = (error) => (error === undefined ? resolve(store) : reject(error))
      const { compression } = config
      const store = root.createStream(name, encodeHidden(config), limits, done, { compression })
    })
  }

  /** Resolves when all that was written before is on disk. */
  settled(): Promise<void> {
    const { root } = this.#account
    return onDisk((done) => root.barrier(done))
  }

  /** Shows the stream to everybody. */
  async adopt(store: StreamStore, config: StreamConfig): Promise<Stream> {
    const { streams, checkFree, open, made } = this.#account
    checkFree(config)
    await this.#show(store, config)
    this.#checkWanted(config)
    const stream = open(store, config)
    try {
      await stream.recover()
      this.#checkWanted(config)
      checkFree(config)
    } catch (error) {
      stream.close('409 Consumer Deleted', false)
      throw error
    }
    streams.set(stream)
    this.#names.delete(config.name)
    const opened = stream.openCaptures()
    made(config.name)
    await opened
    return stream
  }

  /** Somebody may have ended it meanwhile. */
  #checkWanted({ name }: StreamConfig): void {
    const isWanted = this.#names.has(name) && !this.#discarded.has(name)
    if (!isWanted) throw new JetStreamError(10062, 'restore was ended')
  }

  /** Removes what there is of it. */
  async discard(name: string): Promise<void> {
    const { root, key } = this.#account
    this.#discarded.add(name)
    try {
      if (root.streams.has(key(name))) {
        await onDisk((done) => root.removeStream(key(name), done))
      }
    } finally {
      this.#discarded.delete(name)
      this.#names.delete(name)
    }
  }

  #show(store: StreamStore, config: StreamConfig): Promise<void> {
    const bytes = encodeConfig(config, CAPTURING)
    const sync = syncOf(config, this.#account.judge.syncEveryMs)
    return onDisk((done) => store.configure(bytes, limitsOf(config), done, { sync }))
  }
}

/** The configuration of a stream whose backup has not come to its end. */
function encodeHidden(config: StreamConfig): Uint8Array {
  const shown: unknown = JSON.parse(Buffer.from(encodeConfig(config, CAPTURING)).toString())
  return Buffer.from(JSON.stringify({ ...(shown as object), isRestoring: true }))
}

/** Whether what lies in the store as a stream's configuration is that of half a restore. */
export function isHidden(bytes: Uint8Array): boolean {
  const { isRestoring } = JSON.parse(Buffer.from(bytes).toString()) as { isRestoring?: boolean }
  return isRestoring === true
}
