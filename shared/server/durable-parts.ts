import type { CoreConfig, Role } from '../config/index.ts'
import { ServerIdentity } from '../link/index.ts'
import type { Log } from '../log/index.ts'
import { codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import { HUB_SEGMENT_BYTES, LEAF_SEGMENT_BYTES, openStore, type Store } from '../store/index.ts'
import type { Machine } from './core.ts'
import { storeKeys } from './store-keys.ts'

/** A hub's disk takes larger segments than a leaf's SD card: fewer files for more data. */
const SEGMENT_BYTES: Readonly<Record<Role, number>> = {
  hub: HUB_SEGMENT_BYTES,
  leaf: LEAF_SEGMENT_BYTES,
}

/** What a server keeps between its starts: who it is, and its journal. */
export interface DurableParts {
  readonly identity: ServerIdentity
  /** `server_name`, or the identity where none is configured. */
  readonly serverName: string
  /** undefined: JetStream is off, so nothing is kept, and the identity is new at each start. */
  readonly store: Store | undefined
}

export interface DurableOptions {
  /** Size at which the journal begins a new segment. Default: what suits the role's disk. */
  readonly segmentBytes?: number
  /** Called before the store is opened, which may take its time. */
  readonly onIdentity?: (server: { readonly id: string; readonly name: string }) => void
}

/** Rejects with the errors of `openStore`; then nothing is left open. */
export async function openDurableParts(
  config: CoreConfig,
  role: Role,
  machine: Machine,
  log: Log,
  { segmentBytes = SEGMENT_BYTES[role], onIdentity }: DurableOptions = {},
): Promise<DurableParts> {
  const { clock, random, disk } = machine
  const { enabled, store_dir: directory, max_file: bytesMax, scrub_interval } = config.jetstream
  if (!enabled) {
    const identity = ServerIdentity.create(random)
    const serverName = config.server_name || identity.id
    onIdentity?.({ id: identity.id, name: serverName })
    return { identity, serverName, store: undefined }
  }
  const encryption = await storeKeys(config.jetstream.encryption)
  const { identity, mendedFiles } = await loadIdentity(machine, directory, log)
  const serverName = config.server_name || identity.id
  onIdentity?.({ id: identity.id, name: serverName })
  const store = await openStore({
    directory,
    clock,
    random,
    disk,
    log: log.child({ part: 'store' }),
    owner: `${role} ${serverName}`,
    segmentBytes,
    bytesMax,
    scrubIntervalMs: scrub_interval,
    encryption,
    subjectsMax: config.jetstream.max_subjects_in_memory,
    mendedFiles,
  })
  return { identity, serverName, store }
}

/** Why the store does not do its work, for people; undefined when it does. */
export function troubleOf(store: Store | undefined): string | undefined {
  const condition = store?.condition
  if (condition?.name === 'failed') return `the store has failed: ${condition.error.message}`
  if (condition?.name === 'full') return `the store is full: ${condition.reason}`
  return undefined
}

/** The first to touch the store directory, so the first to find that it cannot be used. */
async function loadIdentity(
  { disk, random }: Machine,
  directory: string,
  log: Log,
): Promise<{ readonly identity: ServerIdentity; readonly mendedFiles: number }> {
  let mendedFiles = 0
  try {
    const identity = await ServerIdentity.load(disk, random, directory, ({ file, was, error }) => {
      const problem = error === undefined ? {} : { err: messageOf(error) }
      if (was === 'damaged') {
        mendedFiles++
        log.error({ file, ...problem }, 'damaged identity file written again')
      } else log.info({ file, was, ...problem }, 'identity file written again from the other one')
    })
    return { identity, mendedFiles }
  } catch (error) {
    if (error instanceof PetioleError) throw error
    const advice =
      codeOf(error) === 'ENOSPC'
        ? 'free some space'
        : 'make it a directory that this user can write, or set another store_dir'
    throw new PetioleError(
      'PETIOLE_STORE_UNWRITABLE',
      `store directory ${directory} cannot be used (${messageOf(error)}): ${advice}`,
      { cause: error },
    )
  }
}
