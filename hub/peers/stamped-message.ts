import type { Message, Peer, PublishCommitted } from '../../shared/broker/index.ts'
import { rootOf } from '../../shared/imports/index.ts'
import { withStamp } from '../../shared/sync/index.ts'

/**
 * A message of a sync as it goes to another hub: with what the user of the link that it came over may
 * publish, which only the hub at which it enters knows.
 */
export class StampedMessage implements Message {
  readonly headers: Uint8Array
  readonly #message: Message

  constructor(message: Message) {
    this.#message = message
    this.headers = withStamp(message.headers, rootOf(message.origin).publishRules)
  }

  get serial(): number {
    return this.#message.serial
  }

  get origin(): Peer {
    return this.#message.origin
  }

  get subject(): string {
    return this.#message.subject
  }

  get subjectBytes(): Uint8Array {
    return this.#message.subjectBytes
  }

  get shownSubject(): string {
    return this.#message.shownSubject
  }

  get shownBytes(): Uint8Array {
    return this.#message.shownBytes
  }

  get reply(): string {
    return this.#message.reply
  }

  get replyBytes(): Uint8Array {
    return this.#message.replyBytes
  }

  get payload(): Uint8Array {
    return this.#message.payload
  }

  shareCommitted(): PublishCommitted | undefined {
    return this.#message.shareCommitted()
  }

  takeCommitted(): PublishCommitted | undefined {
    return this.#message.takeCommitted()
  }
}
