import { PAGES_AT_ONCE } from './limits.ts'

/** Those who read from disk: some at a time, the others wait in line. */
export class PageLine {
  #free = PAGES_AT_ONCE
  readonly #waiting: (() => void)[] = []

  async read<Page>(read: () => Promise<Page>): Promise<Page> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await read()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
