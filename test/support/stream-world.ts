import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'
import { StreamEngine, type StreamEngineOptions, UNLIMITED } from '../../shared/stream/index.ts'
import { SimClock, SimLoop, SimWallClock } from '../sim/index.ts'
import { MemoryPort } from './memory-port.ts'
import { MemoryStore } from './memory-store.ts'

/** One account's streams on a simulated clock, a store and a port in memory; time moves when told to. */
export class StreamWorld {
  readonly loop: SimLoop
  readonly #wall: SimWallClock
  readonly #options: Partial<StreamEngineOptions>
  #clock: SimClock
  store: MemoryStore
  port = new MemoryPort()
  engine: StreamEngine

  private constructor(seed: number, options: Partial<StreamEngineOptions>) {
    this.loop = new SimLoop(seed)
    this.#wall = new SimWallClock(this.loop)
    this.#options = options
    this.#clock = new SimClock(this.loop, this.#wall, 'streams')
    this.store = new MemoryStore(() => this.#wall.nowMs)
    this.engine = this.#newEngine(this.store)
  }

  static async start(seed = 1, options: Partial<StreamEngineOptions> = {}): Promise<StreamWorld> {
    const world = new StreamWorld(seed, options)
    await world.engine.start()
    return world
  }

  /** What its clocks on the wall show. */
  get wallMs(): number {
    return this.#wall.nowMs
  }

  /** Lets `ms` pass, with all that was due in it. */
  async pass(ms: number): Promise<void> {
    await this.loop.run({ forMs: ms })
  }

  /** Sets the wall clock ahead, or back. */
  jump(byMs: number): void {
    this.#wall.jump(byMs)
  }

  /** Kills the process: what was not committed is gone. */
  async crash(): Promise<void> {
    this.#clock.die()
    await this.engine.destroy()
    this.#clock = new SimClock(this.loop, this.#wall, 'streams')
    this.store = this.store.restarted()
    this.port = new MemoryPort()
    this.engine = this.#newEngine(this.store)
    await this.engine.start()
  }

  #newEngine(store: Store): StreamEngine {
    return new StreamEngine({
      account: 'A',
      store,
      port: this.port,
      clock: this.#clock,
      random: new SeededRandom(this.loop.seed),
      log: silentLog,
      domain: '',
      serverName: 'world',
      limits: UNLIMITED,
      ...this.#options,
    })
  }
}
