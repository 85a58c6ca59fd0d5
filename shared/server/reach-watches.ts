import type { LinkKind, SubjectSpace, Subscription } from '../broker/index.ts'
import { subsetOf } from '../subject/index.ts'

interface Watch {
  readonly subject: string
  readonly onReached: () => void
  isTelling: boolean
}

/**
 * Who waits for servers that take messages on certain literal subjects, and is told outside of the router
 * of each link's subscription that matches: a link that was lost and is back brings all of its own anew.
 * The space is observed only while anybody waits.
 */
export class ReachWatches {
  readonly #space: SubjectSpace
  readonly #watches = new Set<Watch>()
  #stopObserving: (() => void) | undefined

  constructor(space: SubjectSpace) {
    this.#space = space
  }

  add(subject: string, onReached: () => void): () => void {
    const watch = { subject, onReached, isTelling: false }
    this.#watches.add(watch)
    this.#stopObserving ??= this.#space.observe({
      subscriptionAdded: (subscription) => this.#added(subscription),
      subscriptionRemoved: () => {},
    })
    return () => {
      this.#watches.delete(watch)
      if (this.#watches.size > 0) return
      this.#stopObserving?.()
      this.#stopObserving = undefined
    }
  }

  #added({ peer, subject }: Subscription): void {
    if (!LINKS.has(peer.kind)) return
    for (const watch of this.#watches) {
      if (watch.isTelling || !subsetOf(watch.subject, subject)) continue
      watch.isTelling = true
      queueMicrotask(() => {
        watch.isTelling = false
        if (this.#watches.has(watch)) watch.onReached()
      })
    }
  }
}

const LINKS: ReadonlySet<string> = new Set<LinkKind>(['leaf', 'uplink', 'route', 'gateway'])
