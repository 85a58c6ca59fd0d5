/**
 * The destination of one source: its messages are published into the stream as others are, and how far
 * the origin was copied is in the stream's own state table, set in the same transaction. So neither is
 * ever ahead of the other, whatever ends the process, and it outlives the messages themselves.
 */
import { createHash } from 'node:crypto'
import type { PetioleError, Random } from '../../runtime/index.ts'
import type { StateTable } from '../../store/index.ts'
import type { StreamSource } from '../config/stream-source.ts'
import { isObject } from '../json-fields.ts'
import type { Message } from '../publish/admission.ts'
import { NOTHING_ASKED, parsePublishHeaders } from '../publish/publish-headers.ts'
import { FeedTransforms } from './feed-transforms.ts'
import { type FedMessage, IGNORED, type Intake, type Place, takeWhatFits } from './intake.ts'
import type { FedStream } from './mirror-intake.ts'
import { type SourceIndex, sourcedHeaders, sourceIndex } from './source-index.ts'

export const PLACE_PREFIX = 'source/'
const NOWHERE: Place = { seq: 0, identity: '' }
/** It was judged by the origin, and may carry what only a source says. */
const SOURCED = { isTrusted: true } as const

export class SourceIntake implements Intake {
  readonly #stream: FedStream
  readonly #states: StateTable
  readonly #index: SourceIndex
  readonly #transforms: FeedTransforms
  readonly #key: string
  #identity: string
  /** How many consumers there were: what came from the one before is not stored any more. */
  #runs = 0

  constructor(stream: FedStream, source: StreamSource, random: Random) {
    this.#stream = stream
    this.#states = stream.store.states
    this.#index = sourceIndex(source)
    this.#transforms = new FeedTransforms(source.subject_transforms, random)
    this.#key = placeKey(source)
    this.#identity = this.place.identity
  }

  get place(): Place {
    return decodePlace(this.#states.get(this.#key))
  }

  begin(delivered: number, identity: string): number {
    this.#identity = identity
    this.#runs++
    return Math.max(this.place.seq, delivered)
  }

  restart(): void {
    this.#identity = ''
    this.#states.set(this.#key, encodePlace(NOWHERE), IGNORED)
  }

  take(
    batch: readonly FedMessage[],
    done: (error: PetioleError | undefined) => void,
  ): Promise<void> | undefined {
    if (this.#stream.config.allow_msg_counter === true) return this.#takeCounts(batch, done)
    takeWhatFits(batch, this.#store, done)
    return undefined
  }

  /** What is counted on must be in memory before. */
  async #takeCounts(
    batch: readonly FedMessage[],
    done: (error: PetioleError | undefined) => void,
  ): Promise<void> {
    const runs = this.#runs
    for (const fed of batch) {
      const message = this.#messageOf(fed)
      await this.#stream.publishing.prepare(message, parsePublishHeaders(message.headers))
    }
    if (runs === this.#runs) takeWhatFits(batch, this.#store, done)
  }

  readonly #store = (
    batch: readonly FedMessage[],
    done: (error: PetioleError | undefined) => void,
  ): void => {
    const { publishing } = this.#stream
    publishing.transaction(() => {
      for (const fed of batch) {
        const message = this.#messageOf(fed)
        // The one header of such a message is our own, and asks for nothing.
        const isPlain = fed.headers.length === 0
        const asked = isPlain ? NOTHING_ASKED : parsePublishHeaders(message.headers)
        const draft = publishing.check(message, asked, SOURCED)
        // A number is the message that it repeats.
        if (typeof draft !== 'number') publishing.appendChecked(draft, asked, IGNORED)
      }
      const seq = batch.at(-1)?.streamSeq ?? 0
      this.#states.set(this.#key, encodePlace({ seq, identity: this.#identity }), done)
    })
  }

  #messageOf({ subject: original, headers, payload, streamSeq }: FedMessage): Message {
    const subject = this.#transforms.of(original)
    return {
      subject,
      subjectBytes: Buffer.from(subject),
      headers: sourcedHeaders(headers, this.#index, streamSeq, original, this.#identity),
      payload,
    }
  }
}

/** A digest, because a key has an end and transforms may be many. */
export function placeKey(source: StreamSource): string {
  const { name } = sourceIndex(source)
  return PLACE_PREFIX + createHash('sha256').update(name).digest('base64url')
}

export function encodePlace(place: Place): Uint8Array {
  return Buffer.from(JSON.stringify(place))
}

export function decodePlace(bytes: Uint8Array | undefined): Place {
  if (bytes === undefined) return NOWHERE
  const value: unknown = JSON.parse(Buffer.from(bytes).toString())
  if (!isObject(value)) return NOWHERE
  const { seq, identity } = value
  return {
    seq: typeof seq === 'number' ? seq : 0,
    identity: typeof identity === 'string' ? identity : '',
  }
}
