import { availableParallelism } from 'node:os'
import type { Clock } from '../runtime/index.ts'
import type { ProcessFacts } from './facts.ts'
import { CPU_WINDOW_MS } from './limits.ts'

/** Measures this process: its CPU share is over the time since the last look. */
export class ProcessMeter {
  readonly #clock: Clock
  readonly #cores = availableParallelism()
  #lastMs: number
  #lastCpuMicros: number
  #cpuPercent = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lastMs = clock.monotonicMs()
    this.#lastCpuMicros = cpuMicros()
  }

  read(): ProcessFacts {
    const nowMs = this.#clock.monotonicMs()
    const nowCpuMicros = cpuMicros()
    const passedMs = nowMs - this.#lastMs
    if (passedMs >= CPU_WINDOW_MS) {
      const percent = (nowCpuMicros - this.#lastCpuMicros) / passedMs / 10
      this.#cpuPercent = Math.round(percent * 100) / 100
      this.#lastMs = nowMs
      this.#lastCpuMicros = nowCpuMicros
    }
    const { rss, heapUsed } = process.memoryUsage()
    return {
      memoryBytes: rss,
      cores: this.#cores,
      cpuPercent: this.#cpuPercent,
      cpuSeconds: nowCpuMicros / 1e6,
      heapBytes: heapUsed,
    }
  }
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
