/** All streams of one account removed at once, as an operator asks for with ACCOUNT.PURGE. */
import { onDisk, type Store } from '../store/index.ts'
import type { StreamEngine } from './engine.ts'
import { JetStreamError } from './jetstream-error.ts'
import { refuseManaged } from './stream-plan.ts'

/**
 * Resolves with how many are gone. Streams that the server's configuration makes are not an operator's to
 * remove: with one of them, all stay.
 * @param engine undefined: the account has none at work, and only what is left of it on disk goes
 */
export async function purgeAccount(
  store: Store,
  account: string,
  engine: StreamEngine | undefined,
): Promise<number> {
  if (/[\\/]/.test(account)) {
    throw new JetStreamError(10051, 'account name can not contain path separators')
  }
  try {
    if (engine === undefined) return await removeLeft(store, `${account}/`)
    const streams = engine.streams()
    for (const stream of streams) refuseManaged(stream)
    for (const { name } of streams) await engine.remove(name)
    return streams.length
  } catch (error) {
    const text = error instanceof JetStreamError ? error.description : String(error)
    throw new JetStreamError(10067, text, { cause: error })
  }
}

async function removeLeft(store: Store, prefix: string): Promise<number> {
  const keys = [...store.streams.keys()].filter((key) => key.startsWith(prefix))
  for (const key of keys) {
    await onDisk((done) => store.removeStream(key, done))
  }
  return keys.length
}
