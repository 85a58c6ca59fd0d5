/** A level of the shelf: what lies on the subject that ends here, and the subjects that go on. */
interface Level<Value> {
  value: Value | undefined
  readonly next: Map<string, Level<Value>>
}

/** Levels to be looked at, whose first `depth` tokens match; below a `>` everything does. */
interface Frame<Value> {
  readonly levels: Iterator<Level<Value>>
  readonly depth: number
}

const ALL_BELOW = Number.POSITIVE_INFINITY

/** Values by subject, found by filters at the price of what matches and the branches on the way there. */
export class SubjectShelf<Value> {
  readonly #root: Level<Value> = { value: undefined, next: new Map() }

  get(subject: string): Value | undefined {
    let level: Level<Value> | undefined = this.#root
    for (const token of subject.split('.')) level = level?.next.get(token)
    return level?.value
  }

  set(subject: string, value: Value): void {
    let level = this.#root
    for (const token of subject.split('.')) {
      let next = level.next.get(token)
      if (next === undefined) {
        next = { value: undefined, next: new Map() }
        level.next.set(token, next)
      }
      level = next
    }
    level.value = value
  }

  delete(subject: string): void {
    const tokens = subject.split('.')
    const way: Level<Value>[] = [this.#root]
    for (const token of tokens) {
      const level = way.at(-1)?.next.get(token)
      if (level === undefined) return
      way.push(level)
    }
    const last = way.at(-1)
    if (last !== undefined) last.value = undefined
    for (let i = tokens.length; i > 0; i--) {
      const level = way[i]
      if (level === undefined || level.value !== undefined || level.next.size > 0) return
      way[i - 1]?.next.delete(tokens[i - 1] ?? '')
    }
  }

  /**
   * Values on subjects that match, and undefined for each step that found none. What is put there or taken
   * away in between may be among them or not.
   */
  *matching(filter: string): Generator<Value | undefined> {
    const tokens = filter.split('.')
    const frames: Frame<Value>[] = [{ levels: [this.#root].values(), depth: 0 }]
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const { done, value: level } = frame.levels.next()
      if (done === true) {
        frames.pop()
        continue
      }
      const isMatch = frame.depth === tokens.length || frame.depth === ALL_BELOW
      yield isMatch ? level.value : undefined
      const below = belowOf(level, tokens, frame.depth)
      if (below !== undefined) frames.push(below)
    }
  }
}

function belowOf<Value>(
  { next }: Level<Value>,
  tokens: readonly string[],
  depth: number,
): Frame<Value> | undefined {
  if (depth === ALL_BELOW) return { levels: next.values(), depth }
  const token = tokens[depth]
  if (token === undefined) return undefined
  if (token === '>') return { levels: next.values(), depth: ALL_BELOW }
  if (token === '*') return { levels: next.values(), depth: depth + 1 }
  const level = next.get(token)
  return level && { levels: [level].values(), depth: depth + 1 }
}
