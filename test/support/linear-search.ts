/**
 * Whether operations that overlapped in time can have been done one after the other, each at one moment
 * between its begin and its end [Wing & Gong 1993, made lazy as by Lowe 2017]. Time is walked through
 * once; beside it goes every configuration that is still possible: a state, and which of the operations
 * that are under way have been done to reach it. One that must be done by now is done in all
 * of them, with whatever must go before it; the configurations that can not are given up. When none is
 * left the history is impossible.
 *
 * What changes nothing (reads, refusals) is done as soon as a state fits: that takes no way from any other.
 */
export interface Operation<State> {
  readonly startMs: number
  /** By when it has been done; one that is optional has been done by then, or never is. */
  readonly endMs: number
  readonly isOptional: boolean
  readonly changesNothing: boolean
  /** What it makes of a state; undefined: it can not have had its answer in this one. */
  readonly apply: (state: State) => State | undefined
  readonly describe: () => string
}

interface Configuration<State> {
  readonly state: State
  readonly done: ReadonlySet<Operation<State>>
}

/** Far more than most histories need. */
const CONFIGURATIONS_MAX = 500_000

/** So many orders are possible that it would take hours: whoever drew the history draws another one. */
export class UndecidedError extends Error {}

export interface Verdict<State> {
  /** What no order had a place for; undefined: there is an order. */
  readonly stuck?: Operation<State>
  /** Of before. */
  readonly states: readonly State[]
}

/** @param keyOf says the same of two states that cannot be told apart any more */
export function searchOrder<State>(
  begin: State,
  operations: readonly Operation<State>[],
  keyOf: (state: State) => string,
): Verdict<State> {
  const search = new Search(begin, operations, keyOf)
  for (const { operation, isEnd } of eventsOf(operations)) {
    if (!isEnd) search.start(operation)
    else if (!search.end(operation)) return { stuck: operation, states: search.states }
  }
  return { states: search.states }
}

interface Event<State> {
  readonly ms: number
  readonly isEnd: boolean
  readonly operation: Operation<State>
}

/** What begins at the very moment at which another ends may have come before it. */
function eventsOf<State>(operations: readonly Operation<State>[]): Event<State>[] {
  const events = operations.flatMap((operation) => [
    { ms: operation.startMs, isEnd: false, operation },
    { ms: operation.endMs, isEnd: true, operation },
  ])
  return events.sort((a, b) => (a.ms === b.ms ? Number(a.isEnd) - Number(b.isEnd) : order(a, b)))
}

function order(a: { readonly ms: number }, b: { readonly ms: number }): number {
  return a.ms < b.ms ? -1 : 1
}

class Search<State> {
  readonly #keyOf: (state: State) => string
  readonly #ids: ReadonlyMap<Operation<State>, number>
  readonly #pending = new Set<Operation<State>>()
  #tried = 0
  #configurations: Configuration<State>[]

  constructor(
    begin: State,
    operations: readonly Operation<State>[],
    keyOf: (state: State) => string,
  ) {
    this.#keyOf = keyOf
    this.#ids = new Map(operations.map((operation, i) => [operation, i]))
    this.#configurations = [{ state: begin, done: new Set() }]
  }

  get states(): State[] {
    return this.#configurations.map(({ state }) => state)
  }

  start(operation: Operation<State>): void {
    this.#pending.add(operation)
    if (!operation.changesNothing) return
    this.#configurations = this.#configurations.map(({ state, done }) => {
      if (operation.apply(state) === undefined) return { state, done }
      return { state, done: new Set([...done, operation]) }
    })
  }

  /** Whether any configuration is left. */
  end(operation: Operation<State>): boolean {
    const left = new Map<string, Configuration<State>>()
    const seen = new Set<string>()
    const open = [...this.#configurations]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const key = this.#key(next)
      if (seen.has(key)) continue
      seen.add(key)
      if (++this.#tried > CONFIGURATIONS_MAX) throw new UndecidedError('too many possible orders')
      const { state, done } = next
      const isDone = done.has(operation)
      if (isDone || operation.isOptional) {
        const rest = { state, done: new Set([...done].filter((other) => other !== operation)) }
        left.set(this.#key(rest), rest)
      }
      if (!isDone) open.push(...this.#steps(next))
    }
    this.#pending.delete(operation)
    if (left.size === 0) return false
    this.#configurations = [...left.values()]
    return true
  }

  /** Where one operation more leads to. */
  #steps({ state, done }: Configuration<State>): Configuration<State>[] {
    const steps: Configuration<State>[] = []
    for (const operation of this.#pending) {
      if (operation.changesNothing || done.has(operation)) continue
      const after = operation.apply(state)
      if (after === undefined) continue
      const also = [...this.#pending].filter(
        (other) => other.changesNothing && !done.has(other) && other.apply(after) !== undefined,
      )
      steps.push({ state: after, done: new Set([...done, operation, ...also]) })
    }
    return steps
  }

  #key({ state, done }: Configuration<State>): string {
    const ids = [...done].map((operation) => this.#ids.get(operation) ?? -1)
    return `${ids.sort((a, b) => a - b).join()}/${this.#keyOf(state)}`
  }
}
