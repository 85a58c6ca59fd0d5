import { availableParallelism } from 'node:os'
import type { Clock } from '../runtime/index.ts'
import type { ProcessFacts } from './facts.ts'

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
    if (passedMs > 0) {
      const percent = (nowCpuMicros - this.#lastCpuMicros) / passedMs / 10
      this.#cpuPercent = Math.round(percent * 100) / 100
      this.#lastMs = nowMs
      this.#lastCpuMicros = nowCpuMicros
    }
    return {
      memoryBytes: process.memoryUsage.rss(),
      cores: this.#cores,
      cpuPercent: this.#cpuPercent,
    }
  }
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
