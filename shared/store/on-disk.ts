import type { Committed } from './stream-store.ts'

/** Resolves when what `write` asks for is on disk; rejects with why it is not, and with what `write` throws. */
export function onDisk(write: (done: Committed) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    write((error) => (error === undefined ? resolve() : reject(error)))
  })
}
