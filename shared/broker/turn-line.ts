/** Stands in line for a turn of the loop. */
export interface Waiting {
  /** Whose traffic it is: an account by its name, or what stands for nobody but itself. */
  readonly owner: unknown
  /** It carries the traffic of many who are elsewhere. */
  readonly isLink: boolean
  /** Its turn has come. Returns whether it has done already what it is going to do in it. */
  goOn(): boolean
}

/**
 * Those who wait. The owners are served in turn, and each of them whom it has had waiting longest: so a
 * hundred connections of one account keep another's waiting no longer than one of them would.
 */
export class TurnLine {
  readonly #byOwner = new Map<unknown, Waiting[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  push(one: Waiting): void {
    this.#size++
    const known = this.#byOwner.get(one.owner)
    if (known === undefined) this.#byOwner.set(one.owner, [one])
    else known.push(one)
  }

  shift(): Waiting | undefined {
    const [next] = this.#byOwner
    if (next === undefined) return undefined
    const [owner, waiting] = next
    const first = waiting.shift()
    this.#size--
    this.#byOwner.delete(owner)
    if (waiting.length > 0) this.#byOwner.set(owner, waiting)
    return first
  }
}
