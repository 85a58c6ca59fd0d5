import type { SubjectSpace, Subscription } from '../broker/index.ts'
import type { InterestWatch } from '../stream/index.ts'

/**
 * Who waits for subscribers of certain literal subjects, and is told outside of the router when the
 * first one has come or the last one is gone. The space is observed only while anybody waits; then each
 * change of interest costs one look into a map. As in nats-server a subscription with wildcards is
 * nobody's subscriber.
 */
export class InterestWatches {
  readonly #space: SubjectSpace
  readonly #bySubject = new Map<string, Set<Watch>>()
  #stopObserving: (() => void) | undefined

  constructor(space: SubjectSpace) {
    this.#space = space
  }

  add(subject: string, queue: string, onChange: () => void): InterestWatch {
    const watch = new Watch(queue, onChange)
    for (const subscription of this.#space.matching(subject)) {
      if (subscription.subject === subject) watch.count(subscription, 1)
    }
    watch.settle()
    const watches = this.#bySubject.get(subject)
    if (watches === undefined) this.#bySubject.set(subject, new Set([watch]))
    else watches.add(watch)
    this.#stopObserving ??= this.#space.observe({
      subscriptionAdded: (subscription) => this.#count(subscription, 1),
      subscriptionRemoved: (subscription) => this.#count(subscription, -1),
    })
    return {
      get isInterested() {
        return watch.isInterested
      },
      stop: () => this.#remove(subject, watch),
    }
  }

  #count(subscription: Subscription, change: 1 | -1): void {
    const watches = this.#bySubject.get(subscription.subject)
    if (watches === undefined) return
    for (const watch of watches) watch.count(subscription, change)
  }

  #remove(subject: string, watch: Watch): void {
    watch.isStopped = true
    const watches = this.#bySubject.get(subject)
    if (!watches?.delete(watch) || watches.size > 0) return
    this.#bySubject.delete(subject)
    if (this.#bySubject.size > 0) return
    this.#stopObserving?.()
    this.#stopObserving = undefined
  }
}

class Watch {
  isInterested = false
  isStopped = false
  readonly #queue: string
  readonly #onChange: () => void
  #subscribers = 0
  #isTelling = false

  constructor(queue: string, onChange: () => void) {
    this.#queue = queue
    this.#onChange = onChange
  }

  count(subscription: Subscription, change: 1 | -1): void {
    if (subscription.queue !== this.#queue) return
    this.#subscribers += change
    if (this.#isTelling) return
    this.#isTelling = true
    // One subscriber for another within a turn is no change.
    queueMicrotask(() => {
      this.#isTelling = false
      const was = this.isInterested
      this.settle()
      if (was !== this.isInterested && !this.isStopped) this.#onChange()
    })
  }

  settle(): void {
    this.isInterested = this.#subscribers > 0
  }
}
