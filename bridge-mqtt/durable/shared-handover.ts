/**
 * What a session leaves behind when it ends. Messages that were addressed to it as a member of shared
 * subscriptions go to other members of their groups, also those at QoS 1 that it had in flight; what was sent
 * to it at QoS 2 goes to nobody [MQTT-4.8.2-5]. That takes reading the log, so the session stays on disk
 * meanwhile, as one whose time is over: a start ends it once more, and goes on from its cursor.
 *
 * A batch of messages is stored for their new members in one transaction with the cursor behind them.
 */
import type { Peer, SubjectSpace } from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Clock, messageOf, type PetioleError } from '../../shared/runtime/index.ts'
import {
  onDisk,
  type Store,
  type StoredMessage,
  type StreamStore,
} from '../../shared/store/index.ts'
import { loggedHeaders, MessageFacts } from '../headers/index.ts'
import { beginsWithDollar } from '../topic-map.ts'
import { addresseeFilter, addressOf } from './address.ts'
import type { SessionIdentity } from './durable-session.ts'
import type { SessionCommitted } from './filter-journal.ts'
import type { InflightMessage } from './inflight.ts'
import { HANDED_OVER_AT_ONCE, READ_BYTES, READ_MESSAGES, READ_RETRY_MS } from './limits.ts'
import { encodeCursor } from './session-codec.ts'
import type { SessionCursor } from './session-cursor.ts'
import type { FilterEntry } from './session-filters.ts'
import { SessionRecords } from './session-records.ts'

/** A session that has ended: nothing comes to it any more. */
export interface EndedSession {
  readonly identity: Omit<SessionIdentity, 'expirySeconds'>
  readonly cursor: SessionCursor
  readonly filters: readonly FilterEntry[]
}

export interface SharedHandoverParts {
  readonly store: Store
  readonly stream: StreamStore
  readonly records: SessionRecords
  readonly space: SubjectSpace
  /** In whose name it is published. */
  readonly peer: Peer
  readonly clock: Clock
  readonly log: Log
  /** By a clock that can be trusted; 0 when there is none. */
  readonly nowMs: () => number
  /** Messages of the log are needed no more. */
  readonly done: () => void
}

/** What of a session is still to be handed over. */
interface Leaving {
  readonly session: EndedSession
  passedSeq: number
  inflight: readonly InflightMessage[]
  /** Of all that it had in flight. */
  readonly held: ReadonlySet<number>
}

const NOTHING: Uint8Array = new Uint8Array(0)
const NEVER = -1
const SECOND_MS = 1_000

const facts = new MessageFacts()

export class SharedHandover {
  readonly #parts: SharedHandoverParts
  readonly #leaving = new Map<string, Leaving>()
  #isRunning = false
  #isClosed = false

  constructor(parts: SharedHandoverParts) {
    this.#parts = parts
  }

  /** Takes the session from the disk, at once or when all is handed over that it leaves; until then it has ended there. */
  end(session: EndedSession, committed: SessionCommitted | undefined): void {
    const { store, records } = this.#parts
    const leaving = this.#leavingOf(session)
    try {
      store.transaction(() => {
        if (leaving === undefined) this.#erase(session, committed)
        else {
          const { clientId, key, createdMs } = session.identity
          this.#writeCursor(leaving)
          records.removeWill(key)
          const record = { clientId, createdMs, expirySeconds: 0, leftMs: 0 }
          records.writeSession(key, record, committed)
        }
      })
    } catch (error) {
      committed?.(error as PetioleError)
    }
    if (leaving === undefined) return
    this.#leaving.set(session.identity.key, leaving)
    this.#run()
  }

  /** Whether a message that was addressed to a session that has ended has to be handed over. */
  needs(key: string, seq: number): boolean {
    const leaving = this.#leaving.get(key)
    if (leaving === undefined) return false
    return seq > leaving.passedSeq || leaving.held.has(seq)
  }

  close(): void {
    this.#isClosed = true
    this.#leaving.clear()
  }

  /** undefined: it leaves nothing. */
  #leavingOf(session: EndedSession): Leaving | undefined {
    const { stream } = this.#parts
    const { cursor, filters, identity } = session
    if (!filters.some(({ group }) => group !== '')) return undefined
    const filter = addresseeFilter(identity.key)
    const inflight = [...cursor.inflight.published].filter(
      ({ qos, wasSent, seq }) =>
        (qos === 1 || !wasSent) && filter.matchesText(stream.subjectOf(seq) ?? ''),
    )
    const { passedSeq } = cursor
    const isWaiting =
      stream.assignedSeq > stream.lastSeq || stream.firstSeqMatching(filter, passedSeq + 1) > 0
    if (inflight.length === 0 && !isWaiting) return undefined
    return { session, passedSeq, inflight, held: new Set(inflight.map(({ seq }) => seq)) }
  }

  #erase({ identity, filters }: EndedSession, committed?: SessionCommitted): void {
    const numbers = filters.map(({ number }) => number)
    this.#parts.records.remove(identity.key, numbers, committed)
  }

  /** One session after the other: thousands may end at once. */
  #run(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#handOverAll().catch((error: unknown) => {
      this.#isRunning = false
      if (this.#isClosed) return
      const { clock, log } = this.#parts
      log.warn({ err: messageOf(error) }, 'messages of ended sessions not handed over yet')
      clock.after(READ_RETRY_MS, () => this.#run())
    })
  }

  async #handOverAll(): Promise<void> {
    const { store, done } = this.#parts
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { session } = next
      await this.#handOver(next)
      if (this.#isClosed) return
      store.transaction(() => this.#erase(session))
      this.#leaving.delete(session.identity.key)
      done()
    }
    this.#isRunning = false
  }

  #next(): Leaving | undefined {
    for (const leaving of this.#leaving.values()) return leaving
    return undefined
  }

  /** What it had first, first. */
  async #handOver(leaving: Leaving): Promise<void> {
    const { store, stream } = this.#parts
    // What was addressed to it last is on its way to the disk.
    await onDisk((done) => store.barrier(done))
    while (leaving.inflight.length > 0 && !this.#isClosed) {
      const seqs = leaving.inflight.slice(0, HANDED_OVER_AT_ONCE).map(({ seq }) => seq)
      const messages = await stream.readAt([...new Set(seqs)].sort((a, b) => a - b))
      const inflight = leaving.inflight.slice(HANDED_OVER_AT_ONCE)
      await this.#passOn(leaving, messages, { ...leaving, inflight })
    }
    const filter = addresseeFilter(leaving.session.identity.key)
    const limits = { messagesMax: READ_MESSAGES, bytesMax: READ_BYTES, filter }
    while (leaving.passedSeq < stream.lastSeq && !this.#isClosed) {
      const fromSeq = leaving.passedSeq + 1
      const { messages, nextSeq } = await stream.read({ ...limits, fromSeq })
      await this.#passOn(leaving, messages, { ...leaving, passedSeq: nextSeq - 1 })
    }
  }

  /**
   * Stores it for those who get it now, and that it is done with: both or nothing. Up to the first that is refused,
   * when one is: who stores nothing has those before it already.
   */
  async #passOn(
    leaving: Leaving,
    messages: readonly StoredMessage[],
    next: Leaving,
  ): Promise<void> {
    const { store } = this.#parts
    if (this.#isClosed) return
    let reached = next
    let failure: PetioleError | undefined
    store.transaction(() => {
      for (const [i, message] of messages.entries()) {
        failure = this.#publish(leaving.session, message)
        if (failure === undefined) continue
        reached = reachedBefore(leaving, messages, i)
        break
      }
      this.#writeCursor(reached)
    })
    await onDisk((done) => store.barrier(done))
    leaving.passedSeq = reached.passedSeq
    leaving.inflight = reached.inflight
    if (failure !== undefined) throw failure
  }

  #writeCursor({ session, passedSeq, inflight }: Leaving): void {
    const entries = { size: inflight.length, released: [], published: inflight }
    const { states } = this.#parts.records
    states.set(SessionRecords.cursorKey(session.identity.key), encodeCursor(passedSeq, entries))
  }

  /** To a member of the group, and to nobody else: all others had it when it was published. Returns why nobody has it. */
  #publish(session: EndedSession, message: StoredMessage): PetioleError | undefined {
    const { space, peer } = this.#parts
    const { subjectBytes, headers, payload, timeMs } = message
    const subject = subjectBytes.subarray(addressOf(session.identity.key).length)
    facts.read(headers)
    const group = groupOf(session.filters, subject, facts.isRetain)
    const expirySeconds = this.#secondsLeft(facts.messageExpiry, timeMs)
    if (group === undefined || expirySeconds === 0) return undefined
    const kept = { qos: facts.qos, isRetain: false, from: '', replyTopic: undefined, expirySeconds }
    let failure: PetioleError | undefined
    space.publish(
      peer,
      { subject, reply: NOTHING, headers: loggedHeaders(headers, kept), payload },
      {
        queues: [group],
        isForGroupsOnly: true,
        capture: false,
        committed: (error) => {
          failure ??= error
        },
      },
    )
    return failure
  }

  #secondsLeft(expirySeconds: number, storedMs: number): number {
    const nowMs = this.#parts.nowMs()
    if (expirySeconds === NEVER || nowMs === 0) return expirySeconds
    const waited = Math.floor(Math.max(0, nowMs - storedMs) / SECOND_MS)
    return Math.max(0, expirySeconds - waited)
  }
}

/** What is left when those in front of `messages[index]` are handed over: of what was in flight, or behind it. */
function reachedBefore(
  leaving: Leaving,
  messages: readonly StoredMessage[],
  index: number,
): Leaving {
  const done = new Set(messages.slice(0, index).map(({ seq }) => seq))
  const { inflight } = leaving
  if (inflight.length > 0)
    return { ...leaving, inflight: inflight.filter((it) => !done.has(it.seq)) }
  return { ...leaving, passedSeq: (messages[index]?.seq ?? 1) - 1 }
}

/**
 * Whose message it is, by the filters that the session had: the address does not say. What may be a retained one
 * for a filter that is not shared was for that client alone.
 */
function groupOf(
  filters: readonly FilterEntry[],
  subject: Uint8Array,
  isRetain: boolean,
): string | undefined {
  let found: string | undefined
  for (const { group, subjects, skipsDollar } of filters) {
    if (skipsDollar && beginsWithDollar(subject)) continue
    if (!subjects.some((filter) => filter.matches(subject))) continue
    if (group !== '') found ??= group
    else if (isRetain) return undefined
  }
  return found
}
