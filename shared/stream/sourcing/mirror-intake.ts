/**
 * The destination of a mirror: every message has the sequence and the time that it has in the origin, and
 * what is gone there, or does not match, is gone here too.
 */
import type { PetioleError, Random } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { parseMessageTtl } from '../publish/message-ttl.ts'
import { type PublishHeaders, parsePublishHeaders } from '../publish/publish-headers.ts'
import type { Publishing } from '../publish/publishing.ts'
import { FeedTransforms } from './feed-transforms.ts'
import { type FedMessage, IGNORED, type Intake, type Place, takeWhatFits } from './intake.ts'
import { mirroredHeaders } from './source-index.ts'

export interface FedStream {
  readonly config: StreamConfig
  readonly store: StreamStore
  readonly publishing: Publishing
}

export class MirrorIntake implements Intake {
  readonly #stream: FedStream
  readonly #transforms: FeedTransforms
  /** What it stored last: nobody else gives sequences to the stream. */
  #lastSeq = 0

  constructor(stream: FedStream, random: Random) {
    this.#stream = stream
    this.#transforms = new FeedTransforms(stream.config.mirror?.subject_transforms, random)
  }

  get place(): Place {
    return { seq: this.#stream.store.assignedSeq, identity: '' }
  }

  begin(delivered: number): number {
    const { store } = this.#stream
    if (delivered > store.assignedSeq) store.skipTo(delivered + 1)
    this.#lastSeq = store.assignedSeq
    return this.#lastSeq
  }

  restart(): void {}

  take(batch: readonly FedMessage[], done: (error: PetioleError | undefined) => void): undefined {
    const { store } = this.#stream
    // A commit that failed took its sequences back; what it held would look as if the origin had none.
    if (store.assignedSeq !== this.#lastSeq) throw new JetStreamError(10063)
    takeWhatFits(batch, this.#store, done)
  }

  readonly #store = (
    batch: readonly FedMessage[],
    done: (error: PetioleError | undefined) => void,
  ): void => {
    const { store, publishing } = this.#stream
    publishing.transaction(() => {
      for (const [i, message] of batch.entries()) {
        const { streamSeq } = message
        if (streamSeq > store.assignedSeq + 1) store.skipTo(streamSeq)
        this.#append(message, i === batch.length - 1 ? done : IGNORED)
      }
    })
    this.#lastSeq = store.assignedSeq
  }

  #append(message: FedMessage, done: (error: PetioleError | undefined) => void): void {
    const { config, publishing } = this.#stream
    const headers = mirroredHeaders(message.headers)
    const asked = parsePublishHeaders(headers)
    const seconds = asked.ttl === undefined ? 0 : (parseMessageTtl(asked.ttl) ?? 0)
    const subject = this.#transforms.of(message.subject)
    const { payload, timeMs } = message
    const ttl = config.allow_msg_ttl && seconds !== 0 ? seconds : undefined
    const subjectBytes = Buffer.from(subject)
    const rollup = rollupOf(asked)
    const draft = { subject, subjectBytes, headers, payload, timeMs, ttl, rollup }
    publishing.appendChecked(draft, asked, done)
  }
}

/** The origin took the message as it is: what it would not have taken means nothing. */
function rollupOf({ rollup }: PublishHeaders): 'sub' | 'all' | undefined {
  return rollup === 'sub' || rollup === 'all' ? rollup : undefined
}
