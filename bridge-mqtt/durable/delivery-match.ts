import { isFrom, MessageFacts, plainQos, qosOfHeaders } from '../headers/index.ts'
import type { DeliveryLine, LoggedMessage } from './delivery-line.ts'
import { FEW_FILTERS_MAX } from './limits.ts'
import type { LogEntry, RecentLog } from './recent-log.ts'
import type { FilterMatch, SessionFilters } from './session-filters.ts'

const NO_IDS: readonly number[] = []

/** A message that is being sent: filled for each. */
export type SentMessage = { -readonly [Key in keyof LoggedMessage]: LoggedMessage[Key] }

/**
 * What the filters of one session say of what is delivered to it. Most messages are on the subject of the one
 * before: what was found for that is remembered, as long as the filters are the same. Only of what lies in memory,
 * where those on one subject share it: one that was read from the disk is a view of a whole piece of the file.
 */
export class DeliveryMatch {
  readonly #recent: RecentLog
  readonly #filters: SessionFilters
  readonly #line: DeliveryLine
  /** In front of the subject of what is for this session alone. */
  readonly #address: Uint8Array
  /** The one whose answer is remembered: whoever has a copy of a subject changes it no more. */
  #subject: Uint8Array | undefined
  /** From here on the answer holds: no filter is younger. */
  #fromSeq = 0
  #qos = 0
  #isRetainAsPublished = false
  #subscriptionIds = NO_IDS

  constructor(recent: RecentLog, filters: SessionFilters, line: DeliveryLine, address: Uint8Array) {
    this.#recent = recent
    this.#filters = filters
    this.#line = line
    this.#address = address
  }

  /** The filters have changed. */
  forget(): void {
    this.#subject = undefined
  }

  /** Fills what the filters decide; returns the QoS to deliver with, 0 for not at all. */
  fill(sent: SentMessage, message: LogEntry): number {
    const { subjectBytes, headers, seq } = message
    const plain = plainQos(headers)
    if (plain > 0 && subjectBytes === this.#subject && seq >= this.#fromSeq) {
      sent.subject = subjectBytes
      sent.subscriptionIds = this.#subscriptionIds
      sent.groups = NO_GROUPS
      sent.isRetainAsPublished = this.#isRetainAsPublished
      return Math.min(this.#qos, plain)
    }
    if (isAddressed(subjectBytes, this.#address)) this.#fillAddressed(sent, message)
    else {
      sent.subject = subjectBytes
      this.#filters.match(subjectBytes, seq, isFrom(headers, this.#line.clientId), MATCH)
      if (!MATCH.isMatch) MATCH.qos = 0
      if (plain > 0 && this.#recent.get(seq) === message) this.#remember(subjectBytes, seq)
    }
    sent.subscriptionIds = MATCH.subscriptionIds
    sent.groups = MATCH.groups
    sent.isRetainAsPublished = MATCH.isRetainAsPublished
    return Math.min(MATCH.qos, plain > 0 ? plain : qosOfHeaders(headers))
  }

  #fillAddressed(sent: SentMessage, { subjectBytes, headers }: LogEntry): void {
    const filters = this.#filters
    sent.subject = subjectBytes.subarray(this.#address.length)
    facts.read(headers)
    const { group, isRetain } = facts
    filters.matchShared(sent.subject, group, MATCH)
    if (group === '' && (isRetain || MATCH.qos === 0)) {
      const isShared = MATCH.qos > 0
      filters.match(sent.subject, Number.POSITIVE_INFINITY, false, MATCH)
      // A retained one, if it is for a filter that is not shared; those of earlier versions do not say.
      if (isShared && !MATCH.isMatch) filters.matchShared(sent.subject, group, MATCH)
      else MATCH.isRetainAsPublished = true
    }
    // What was granted counted when it was addressed.
    MATCH.qos = 2
  }

  /** A filter that is younger than the message may match the next one. */
  #remember(subject: Uint8Array, seq: number): void {
    this.#subject = undefined
    const { all } = this.#filters
    if (all.size > FEW_FILTERS_MAX || MATCH.groups.length > 0) return
    for (const { sinceSeq } of all.values()) if (sinceSeq >= seq) return
    this.#subject = subject
    this.#fromSeq = seq
    this.#qos = MATCH.qos
    this.#isRetainAsPublished = MATCH.isRetainAsPublished
    // An empty list is filled for another message; one that is not is never changed again.
    this.#subscriptionIds = MATCH.subscriptionIds.length === 0 ? NO_IDS : MATCH.subscriptionIds
  }
}

const NO_GROUPS: readonly string[] = []

const facts = new MessageFacts()

/** One message is sent after the other, so one does for all sessions. */
const MATCH: FilterMatch = {
  isMatch: false,
  qos: 0,
  isRetainAsPublished: false,
  subscriptionIds: [],
  groups: [],
}

function isAddressed(subject: Uint8Array, address: Uint8Array): boolean {
  if (subject.length <= address.length) return false
  for (let i = 0; i < address.length; i++) if (subject[i] !== address[i]) return false
  return true
}
