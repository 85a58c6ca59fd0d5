import type { Log } from '../../shared/log/index.ts'
import type { Committed, StateTable } from '../../shared/store/index.ts'
import type { WillMessage } from '../codec/index.ts'
import { blockKeys, moveToBlocks } from './received-ids.ts'
import {
  type CursorRecord,
  decodeCursor,
  decodeFilter,
  decodeSession,
  decodeWill,
  encodeFilter,
  encodeSession,
  encodeWill,
  type FilterRecord,
  type SessionRecord,
} from './session-codec.ts'

/** A session as it was found on disk. */
export interface FoundSession {
  readonly key: string
  readonly record: SessionRecord
  readonly filters: ReadonlyMap<number, FilterRecord>
  readonly will: WillMessage | undefined
  /** undefined: it begins at its oldest message. */
  readonly cursor: CursorRecord | undefined
}

interface Found {
  record: SessionRecord | undefined
  readonly filters: Map<number, FilterRecord>
  will: WillMessage | undefined
  cursor: CursorRecord | undefined
  readonly keys: string[]
}

/** The records of sessions in a state table [session-codec.ts]. */
export class SessionRecords {
  readonly states: StateTable

  constructor(states: StateTable) {
    this.states = states
  }

  static cursorKey(key: string): string {
    return `c/${key}`
  }

  static receivedKey(key: string): string {
    return `i/${key}`
  }

  writeSession(key: string, record: SessionRecord, committed?: Committed): void {
    const bytes = encodeSession(record)
    this.states.set(`s/${key}`, bytes)
    this.states.set(`s2/${key}`, bytes, committed)
  }

  writeFilter(key: string, number: number, record: FilterRecord, committed?: Committed): void {
    this.states.set(`f/${key}/${number}`, encodeFilter(record), committed)
  }

  removeFilter(key: string, number: number, committed?: Committed): void {
    this.states.remove(`f/${key}/${number}`, committed)
  }

  writeWill(key: string, will: WillMessage, committed: Committed): void {
    this.states.set(`w/${key}`, encodeWill(will), committed)
  }

  removeWill(key: string): void {
    this.#removeIfThere(`w/${key}`)
  }

  /** All of a session but its filters, which are nobody's then; to be called in a transaction. */
  remove(key: string, committed: Committed): void {
    for (const [, stateKey] of blockKeys(SessionRecords.receivedKey(key))) {
      this.#removeIfThere(stateKey)
    }
    for (const kind of ['w', 'c', 'i', 's']) this.#removeIfThere(`${kind}/${key}`)
    this.states.remove(`s2/${key}`, committed)
  }

  /** What belongs to no session is removed; what cannot be read is logged, and missing. */
  recover(log: Log): FoundSession[] {
    const found = new Map<string, Found>()
    for (const [stateKey, bytes] of this.states.entries()) {
      const [kind = '', key = '', number = ''] = stateKey.split('/')
      const session = found.get(key) ?? newlyFound()
      found.set(key, session)
      session.keys.push(stateKey)
      if (!take(session, kind, number, bytes)) {
        log.warn({ session: session.record?.clientId ?? key, kind }, 'damaged state of a session')
      }
    }
    const sessions: FoundSession[] = []
    for (const [key, { record, keys, ...rest }] of found) {
      if (record !== undefined) sessions.push({ key, record, ...rest })
      else for (const stateKey of keys) this.states.remove(stateKey)
    }
    return sessions
  }

  /** Makes blocks of what an earlier version wrote: of one session with each call of what is returned, until that is false. */
  moveReceived(sessions: readonly FoundSession[], log: Log): () => boolean {
    const left = sessions
      .map(({ key, record }) => ({ key: SessionRecords.receivedKey(key), client: record.clientId }))
      .filter(({ key }) => this.states.get(key) !== undefined)
      .values()
    return () => {
      const { value: earlier } = left.next()
      if (earlier === undefined) return false
      if (!moveToBlocks(this.states, earlier.key)) {
        log.warn({ session: earlier.client, kind: 'i' }, 'damaged state of a session')
      }
      return true
    }
  }

  #removeIfThere(stateKey: string): void {
    if (this.states.get(stateKey) !== undefined) this.states.remove(stateKey)
  }
}

function newlyFound(): Found {
  return { record: undefined, filters: new Map(), will: undefined, cursor: undefined, keys: [] }
}

/** False when it makes no sense. */
function take(session: Found, kind: string, number: string, bytes: Uint8Array): boolean {
  switch (kind) {
    case 's':
    case 's2': {
      const record = decodeSession(bytes)
      session.record ??= record
      return record !== undefined
    }
    case 'f': {
      const record = decodeFilter(bytes)
      if (record !== undefined) session.filters.set(Number(number), record)
      return record !== undefined
    }
    case 'w':
      session.will = decodeWill(bytes)
      return session.will !== undefined
    case 'c':
      session.cursor = decodeCursor(bytes)
      return session.cursor !== undefined
    default:
      return true
  }
}
