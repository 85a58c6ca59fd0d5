/**
 * One session that has ended, and what of it goes to other members of its groups, what it had first, first: what it
 * had in flight, then what waited for it in the log.
 *
 * A batch of messages is stored for their new members in one transaction with the cursor behind them. Members that
 * store nothing have theirs before it is on disk, and nobody can take them back: when it does not get there, they
 * are left out of the next try (`#given`). Only an end of the process in between gives them to somebody twice; to
 * wait for the disk first would lose them then.
 */
import type { Peer, SubjectSpace } from '../../shared/broker/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import {
  onDisk,
  type Store,
  type StoredMessage,
  type StreamStore,
} from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { loggedHeaders, MessageFacts } from '../headers/index.ts'
import { beginsWithDollar } from '../topic-map.ts'
import { addresseeFilter, addressOf } from './address.ts'
import type { SessionIdentity } from './durable-session.ts'
import { HANDED_OVER_AT_ONCE, READ_BYTES, READ_MESSAGES } from './limits.ts'
import { encodeCursor, type InflightEntry } from './session-codec.ts'
import type { SessionCursor } from './session-cursor.ts'
import type { FilterEntry } from './session-filters.ts'
import { SessionRecords } from './session-records.ts'

/** A session that has ended: nothing comes to it any more. */
export interface EndedSession {
  readonly identity: Omit<SessionIdentity, 'expirySeconds'>
  readonly cursor: SessionCursor
  readonly filters: readonly FilterEntry[]
  /** One of them is shared, or was: something may be on its way to the log for it. */
  readonly hasShared: boolean
  /** It is of an earlier process, where one may have been. */
  readonly isFound: boolean
}

export interface LeavingParts {
  readonly store: Store
  readonly stream: StreamStore
  readonly records: SessionRecords
  readonly space: SubjectSpace
  /** In whose name it is published. */
  readonly peer: Peer
  /** By a clock that can be trusted; 0 when there is none. */
  readonly nowMs: () => number
}

/**
 * What is still to be handed over. In flight at QoS 1 is all of it: after a start what was in flight at QoS 2 counts as
 * sent and is left to nobody, which what is here was not. With which QoS it goes on its headers say.
 */
interface Left {
  readonly passedSeq: number
  readonly inflight: readonly InflightEntry[]
}

const NOTHING: Uint8Array = new Uint8Array(0)
const NEVER = -1
const SECOND_MS = 1_000

const facts = new MessageFacts()

export class LeavingSession {
  readonly session: EndedSession
  readonly #parts: LeavingParts
  /** Of its address. */
  readonly #filter: SubjectFilter
  #left: Left
  /** Sequences of all that it had in flight. */
  readonly #held: ReadonlySet<number>
  /** Sequences that members have who store nothing, while their batch is on its way to the disk, or did not get there. */
  readonly #given = new Set<number>()
  #isStopped = false

  /** undefined: it leaves nothing. */
  static of(session: EndedSession, parts: LeavingParts): LeavingSession | undefined {
    // To look for what it might leave takes long where the log has very many subjects.
    if (!session.hasShared && !session.isFound) return undefined
    const leaving = new LeavingSession(session, parts)
    return leaving.#left.inflight.length > 0 || leaving.#isWaitedFor ? leaving : undefined
  }

  private constructor(session: EndedSession, parts: LeavingParts) {
    this.session = session
    this.#parts = parts
    const { cursor, identity } = session
    const filter = addresseeFilter(identity.key)
    const inflight = [...cursor.inflight.published]
      .filter(
        ({ qos, wasSent, seq }) =>
          (qos === 1 || !wasSent) && filter.matchesText(parts.stream.subjectOf(seq) ?? ''),
      )
      .map(({ packetId, seq }): InflightEntry => ({ packetId, seq, qos: 1 }))
    this.#filter = filter
    this.#left = { passedSeq: cursor.passedSeq, inflight }
    this.#held = new Set(inflight.map(({ seq }) => seq))
  }

  /** Whether a message that was addressed to it has to be handed over. */
  needs(seq: number): boolean {
    return seq > this.#left.passedSeq || this.#held.has(seq)
  }

  /** How far it is; part of the transaction that is going on. */
  writeCursor(left: Left = this.#left): void {
    const { passedSeq, inflight } = left
    const entries = { size: inflight.length, released: [], published: inflight }
    const { states } = this.#parts.records
    const key = SessionRecords.cursorKey(this.session.identity.key)
    states.set(key, encodeCursor(passedSeq, entries))
  }

  /**
   * Resolves when nothing is left, or it was stopped. May be called again when it rejects.
   *
   * @param isOneOf how many sessions hand over at a time: together they do no more in one commit than one alone
   */
  async handOver(isOneOf: () => number): Promise<void> {
    const { store, stream } = this.#parts
    // What was addressed to it last is on its way to the disk; nothing comes behind that.
    await onDisk((done) => store.barrier(done))
    const { lastSeq } = stream
    while (this.#left.inflight.length > 0 && !this.#isStopped) {
      const { inflight } = this.#left
      const seqs = inflight.slice(0, HANDED_OVER_AT_ONCE).map(({ seq }) => seq)
      const messages = await stream.readAt([...new Set(seqs)].sort((a, b) => a - b))
      await this.#passOn(messages, { ...this.#left, inflight: inflight.slice(HANDED_OVER_AT_ONCE) })
    }
    while (this.#left.passedSeq < lastSeq && !this.#isStopped) {
      const { messages, nextSeq } = await stream.read({
        fromSeq: this.#left.passedSeq + 1,
        messagesMax: Math.ceil(READ_MESSAGES / isOneOf()),
        bytesMax: Math.ceil(READ_BYTES / isOneOf()),
        filter: this.#filter,
      })
      await this.#passOn(messages, { ...this.#left, passedSeq: nextSeq - 1 })
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  get #isWaitedFor(): boolean {
    const { stream } = this.#parts
    if (this.session.hasShared && stream.assignedSeq > stream.lastSeq) return true
    return stream.firstSeqMatching(this.#filter, this.#left.passedSeq + 1) > 0
  }

  /** Stores it for those who get it now, and that it is done with: both or nothing. Up to the first that is refused. */
  async #passOn(messages: readonly StoredMessage[], next: Left): Promise<void> {
    const { store } = this.#parts
    if (this.#isStopped) return
    let done = messages
    let reached = next
    let failure: PetioleError | undefined
    if (messages.length > 0) {
      store.transaction(() => {
        for (const [i, message] of messages.entries()) {
          if (this.#given.has(message.seq)) continue
          failure = this.#publish(message)
          if (failure === undefined) continue
          done = messages.slice(0, i)
          reached = reachedBefore(this.#left, done, message)
          break
        }
        this.writeCursor(reached)
      })
      await onDisk((committed) => store.barrier(committed))
    }
    this.#left = reached
    for (const { seq } of done) this.#given.delete(seq)
    if (failure !== undefined) throw failure
  }

  /** To a member of the group, and to nobody else: all others had it when it was published. Returns why nobody has it. */
  #publish(message: StoredMessage): PetioleError | undefined {
    const { space, peer } = this.#parts
    const { subjectBytes, headers, payload, timeMs, seq } = message
    const { identity, filters } = this.session
    const subject = subjectBytes.subarray(addressOf(identity.key).length)
    facts.read(headers)
    const { isRetain } = facts
    const group = facts.group === '' ? groupOf(filters, subject, isRetain) : facts.group
    const expirySeconds = this.#secondsLeft(facts.messageExpiry, timeMs)
    if (group === undefined || expirySeconds === 0) return undefined
    const kept = { qos: facts.qos, isRetain: false, from: '', replyTopic: undefined, expirySeconds }
    let failure: PetioleError | undefined
    let isStored = true
    const taken = space.publish(
      peer,
      { subject, reply: NOTHING, headers: loggedHeaders(headers, kept), payload },
      {
        queues: [group],
        isForGroupsOnly: true,
        capture: false,
        // At once, when nobody stores it.
        committed: (error) => {
          failure ??= error
          isStored = false
        },
      },
    )
    if (taken > 0 && !isStored && failure === undefined) this.#given.add(seq)
    return failure
  }

  #secondsLeft(expirySeconds: number, storedMs: number): number {
    const nowMs = this.#parts.nowMs()
    if (expirySeconds === NEVER || nowMs === 0) return expirySeconds
    const waited = Math.floor(Math.max(0, nowMs - storedMs) / SECOND_MS)
    return Math.max(0, expirySeconds - waited)
  }
}

/** What is left when those in front of a message are handed over: of what was in flight, or behind them. */
function reachedBefore(
  { passedSeq, inflight }: Left,
  done: readonly StoredMessage[],
  { seq }: StoredMessage,
): Left {
  if (inflight.length === 0) return { inflight, passedSeq: seq - 1 }
  const seqs = new Set(done.map((message) => message.seq))
  return { passedSeq, inflight: inflight.filter((it) => !seqs.has(it.seq)) }
}

/**
 * Whose message it is that does not say it, as those of earlier versions: by the filters that the session had. What
 * may be a retained one for a filter that is not shared was for that client alone.
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
