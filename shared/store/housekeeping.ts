/** Work behind the commits: limits by age, sealing, removing and rewriting segments, room. */

import type { Log } from '../log/index.ts'
import { type Cancel, type Clock, Tasks } from '../runtime/index.ts'
import type { Catalog } from './catalog.ts'
import type { Segment } from './segment.ts'

export class Housekeeping {
  readonly #tasks: Tasks
  constructor(_clock: Clock, _catalog: Catalog, log: Log) {
    this.#tasks = new Tasks((task, err) => log.error({ task, err }, 'store task failed'))
  }
  wake(): void {}
  sealed(_segment: Segment): void {}
  async destroy(): Promise<void> {
    await this.#tasks.destroy()
  }
  cancel: Cancel = () => {}
}
