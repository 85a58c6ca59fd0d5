/**
 * One change of a name at a time. Who asks while a change is on its way to the disk is served after
 * it, and so is never told of something that the disk has yet to take, and may refuse.
 */
export class Turns {
  /** The last one in line of each name. Callers bound their number. */
  readonly #last = new Map<string, Promise<void>>()

  /** Runs `work` at once when nothing of that name is under way. */
  take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const result = before === undefined ? work() : before.then(work)
    const ended = result.then(ignore, ignore)
    this.#last.set(name, ended)
    ended.then(() => {
      if (this.#last.get(name) === ended) this.#last.delete(name)
    }, ignore)
    return result
  }

  /** The same for several different names: who takes several at a time takes them one after the other. */
  takeAll<T>([first, ...others]: readonly string[], work: () => Promise<T>): Promise<T> {
    return first === undefined ? work() : this.take(first, () => this.takeAll(others, work))
  }
}

function ignore(): void {}
