/**
 * Many requests that one signal gives up: a session has dozens on the way. Each signal gets a single
 * listener, which is there as long as somebody waits for it; one per request would make Node warn of
 * a leak, and cost a search through all of them for each answer.
 */
export class AbortGroups {
  readonly #groups = new Map<AbortSignal, Group>()

  /** Calls back once when the signal aborts, unless what is returned was called before. */
  add(signal: AbortSignal, aborted: () => void): () => void {
    const group = this.#groups.get(signal) ?? this.#open(signal)
    group.waiting.add(aborted)
    return () => {
      if (group.waiting.delete(aborted) && group.waiting.size === 0) this.#close(signal, group)
    }
  }

  #open(signal: AbortSignal): Group {
    const waiting = new Set<() => void>()
    const listener = (): void => {
      this.#groups.delete(signal)
      const all = [...waiting]
      waiting.clear()
      for (const aborted of all) aborted()
    }
    const group = { waiting, listener }
    this.#groups.set(signal, group)
    signal.addEventListener('abort', listener, { once: true })
    return group
  }

  #close(signal: AbortSignal, group: Group): void {
    signal.removeEventListener('abort', group.listener)
    if (this.#groups.get(signal) === group) this.#groups.delete(signal)
  }
}

interface Group {
  readonly waiting: Set<() => void>
  readonly listener: () => void
}
