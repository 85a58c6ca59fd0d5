import type { SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import { BytesCache, SubjectTree } from '../../shared/subject/index.ts'
import { SYS_PREFIX } from '../sys-topics/index.ts'
import { KNOWN_SUBJECT_BYTES, KNOWN_SUBJECTS_MAX } from './limits.ts'

/**
 * Which subjects of an account a stream or a buffer stores, here or at another hub: what a NATS client
 * publishes on them is worth QoS 2 to whoever asked for that.
 */
export class StoredSubjects {
  readonly #captures = new SubjectTree<Subscription>()
  /** Made where something is stored at all. */
  #known: BytesCache<boolean> | undefined
  readonly #stop: () => void

  constructor(space: SubjectSpace) {
    for (const subscription of space.subscriptions()) {
      if (subscription.isCapture) this.#captures.add(subscription.subject, subscription)
    }
    this.#stop = space.observe({
      subscriptionAdded: (subscription) => this.#changed(subscription, true),
      subscriptionRemoved: (subscription) => this.#changed(subscription, false),
    })
  }

  isStored(subject: Uint8Array): boolean {
    if (this.#captures.size === 0) return false
    this.#known ??= new BytesCache(KNOWN_SUBJECTS_MAX, KNOWN_SUBJECT_BYTES)
    const known = this.#known.get(subject, 0, subject.length)
    if (known !== undefined) return known
    const text = Buffer.from(subject.buffer, subject.byteOffset, subject.length).toString()
    // What the server says of itself is sent past streams, those of `>` too.
    const isStored = !text.startsWith(SYS_PREFIX) && this.#captures.match(text).length > 0
    this.#known.add(subject, 0, subject.length, isStored)
    return isStored
  }

  close(): void {
    this.#stop()
  }

  #changed(subscription: Subscription, isThere: boolean): void {
    if (!subscription.isCapture) return
    if (isThere) this.#captures.add(subscription.subject, subscription)
    else this.#captures.remove(subscription.subject, subscription)
    this.#known?.clear()
  }
}
