/** A store on real files in a temp folder, with its removal. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import {
  openStore,
  type Store,
  type StoreOptions,
  type StreamLimits,
  type StreamStore,
} from '../../shared/store/index.ts'

export const noLimits: StreamLimits = {
  messagesMax: 0,
  bytesMax: 0,
  ageMaxMs: 0,
  messagesPerSubjectMax: 0,
  messageBytesMax: 0,
  discard: 'old',
}

export class StoreFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'petiole-store-'))
  readonly #open: Store[] = []

  async open(options: Partial<StoreOptions> = {}): Promise<Store> {
    const store = await openStore({
      directory: this.path,
      clock: new SystemClock(),
      random: new SystemRandom(),
      disk: new SystemDisk(),
      log: silentLog,
      ...options,
    })
    this.#open.push(store)
    return store
  }

  get journal(): string {
    return join(this.path, 'journal')
  }

  async remove(): Promise<void> {
    for (const store of this.#open) await store.destroy()
    rmSync(this.path, { recursive: true, force: true })
  }
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text)
}

/** Appends and waits until it is on disk. */
export function appendDurably(
  stream: StreamStore,
  subject: string,
  payload: string,
  headers = '',
): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.append(bytes(subject), bytes(headers), bytes(payload), (error, seq) => {
      if (error === undefined) resolve(seq)
      else reject(error)
    })
  })
}

export function committed(store: Store): Promise<void> {
  return new Promise((resolve, reject) => {
    store.barrier((error) => (error === undefined ? resolve() : reject(error)))
  })
}

export async function readAll(stream: StreamStore): Promise<string[]> {
  const all: string[] = []
  for (let fromSeq = 1; ; ) {
    const batch = await stream.read({ fromSeq, messagesMax: 100, bytesMax: 1 << 20 })
    for (const { seq, subject, payload } of batch.messages) {
      all.push(`${seq} ${subject} ${Buffer.from(payload)}`)
    }
    if (batch.nextSeq > stream.state.lastSeq) return all
    fromSeq = batch.nextSeq
  }
}
