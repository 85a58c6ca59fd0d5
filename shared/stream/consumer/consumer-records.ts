/**
 * The configurations of a stream's consumers in its state table. Each lies there twice, because without
 * it nothing knows what was acknowledged: `consumer/<name>` and `consumer-copy/<name>` hold
 * {config, createdMs, revision}. Of two that differ the one of the higher revision holds, as the newest
 * record of the other is damaged then and an older one shows.
 */
import type { Log } from '../../log/index.ts'
import { messageOf } from '../../runtime/index.ts'
import type { Committed, StateTable, Store } from '../../store/index.ts'
import type { ConsumerConfig } from '../config/consumer-config.ts'
import { consumerOfState, eraseState, evenOut, isStoredTwice, storedState } from './state-copies.ts'

const PREFIXES = ['consumer/', 'consumer-copy/'] as const

interface Kept {
  readonly config: ConsumerConfig
  readonly createdMs: number
  /** Of records of before there were copies there is none. */
  readonly revision?: number
}

/** All that are told of, whether their records can be understood or not, or only their states are left. */
export function storedConsumers(states: StateTable): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [key] of states.entries()) {
    const prefix = PREFIXES.find((one) => key.startsWith(one))
    const name = prefix === undefined ? consumerOfState(key) : key.slice(prefix.length)
    if (name !== undefined) names.add(name)
  }
  return names
}

/**
 * undefined when it was removed. What a damaged record told is written again; when there is no room for
 * that now, at a later start. Throws when a copy cannot be understood.
 */
export function recoverConsumer(
  root: Store,
  states: StateTable,
  name: string,
  log: Log,
): Kept | undefined {
  const copies = copiesOf(states, name)
  const [first, second] = copies
  const newest = newestOf(copies)
  const isAlone = first === undefined || second === undefined
  // Alone and without the state that is written with it, it is of a removal that lost a record.
  const isLeft = isAlone && newest?.revision !== undefined && !storedState(states, name)
  try {
    if (newest === undefined) root.transaction(() => eraseState(states, name))
    else if (isLeft) root.transaction(() => eraseConsumer(states, name))
    else if (isAlone || first.revision !== second.revision) {
      root.transaction(() => storeConsumer(states, newest.config, newest.createdMs))
    }
    if (newest !== undefined && !isStoredTwice(states, name)) evenOut(states, name)
  } catch (error) {
    log.warn({ consumer: name, err: messageOf(error) }, 'consumer not written again')
  }
  return isLeft ? undefined : newest
}

/** Both copies, in one transaction of the caller. */
export function storeConsumer(
  states: StateTable,
  config: ConsumerConfig,
  createdMs: number,
  committed?: Committed,
): void {
  const { name } = config
  const revision = (newestOf(copiesOf(states, name))?.revision ?? 0) + 1
  const bytes = Buffer.from(JSON.stringify({ config, createdMs, revision }))
  for (const [i, prefix] of PREFIXES.entries()) {
    states.set(prefix + name, bytes, i === 0 ? undefined : committed)
  }
}

/** Both copies, in one transaction of the caller. */
export function eraseConsumer(states: StateTable, name: string, committed?: Committed): void {
  for (const [i, prefix] of PREFIXES.entries()) {
    states.remove(prefix + name, i === 0 ? undefined : committed)
  }
}

function copiesOf(states: StateTable, name: string): readonly (Kept | undefined)[] {
  return PREFIXES.map((prefix) => {
    const bytes = states.get(prefix + name)
    return bytes && (JSON.parse(Buffer.from(bytes).toString()) as Kept)
  })
}

function newestOf(copies: readonly (Kept | undefined)[]): Kept | undefined {
  const [first, second] = copies
  if (first === undefined || second === undefined) return first ?? second
  return (first.revision ?? 0) < (second.revision ?? 0) ? second : first
}
