import type { SessionGuard } from './session-guard.ts'

/** What a filter stands for in the account's space. */
export interface FilterSubjects {
  readonly names: readonly string[]
  /** Of a shared subscription: the queue group. */
  readonly group: string | undefined
}

/**
 * Whether the user of a client may have a filter. What he may changes at once; his filters, of which there may be
 * hundreds of thousands, are looked at one by one after that (`FilterRecheck`), and each before that when it is asked
 * for: a message on its way, or a SUBSCRIBE. So nobody gets by a filter what its user may not have any more.
 */
export class FilterRule {
  /** Rises with every change of what the user may: what a filter was judged by. */
  generation = 0
  readonly #guard: SessionGuard

  constructor(guard: SessionGuard) {
    this.#guard = guard
  }

  mayHave({ names, group }: FilterSubjects): boolean {
    return names.every((subject) => this.#guard.maySubscribe(subject, group))
  }

  /** It matches subjects that the client may not receive. */
  filters({ names, group }: FilterSubjects): boolean {
    return names.some((subject) => this.#guard.filtersDeliveries(subject, group))
  }

  mayReceive(subject: Uint8Array, group: string | undefined): boolean {
    return this.#guard.mayReceive(subject, group)
  }
}
