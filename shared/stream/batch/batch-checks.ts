/**
 * What a message in an atomic batch may not ask for that a single one may: whatever would depend on
 * what the batch itself has written, because nobody could know that when it was published.
 */
import { JetStreamError } from '../jetstream-error.ts'
import type { Draft, Message } from '../publish/admission.ts'
import type { PublishHeaders } from '../publish/publish-headers.ts'
import type { BatchTarget } from './batch-target.ts'

export class BatchChecks {
  readonly #target: BatchTarget
  /** Subjects that messages of this batch are on already. */
  readonly #written = new Set<string>()

  constructor(target: BatchTarget) {
    this.#target = target
  }

  /** Throws why the whole batch is refused. */
  check(message: Message, asked: PublishHeaders): Draft {
    if (asked.expectedLastMsgId !== undefined) {
      throw new JetStreamError(10177, 'Nats-Expected-Last-Msg-Id')
    }
    const { expectedLastSubjectSeq, expectedLastSeq, expectedSubject } = asked
    const isFirst = this.#written.size === 0
    if (expectedLastSubjectSeq !== undefined) {
      const subject = expectedSubject ?? this.#target.subjectOf(message.subject)
      if (this.#written.has(subject)) throw new JetStreamError(10164)
    }
    const draft = this.#target.check(message, asked)
    if (typeof draft === 'number') throw new JetStreamError(10201)
    if (expectedLastSeq !== undefined && !isFirst) throw new JetStreamError(10164)
    this.#checkRollup(draft)
    this.#written.add(draft.subject)
    return draft
  }

  #checkRollup({ subject, rollup }: Draft): void {
    if (rollup === 'sub' && this.#written.has(subject)) {
      throw new JetStreamError(10111, 'batch rollup sub invalid')
    }
    if (rollup === 'all' && this.#written.size > 0) {
      throw new JetStreamError(10111, 'batch rollup all invalid')
    }
  }
}
