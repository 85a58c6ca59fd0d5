import { performance } from 'node:perf_hooks'

export type Cancel = () => void

/** A wall clock below this has not learned the time: 1 January 2024. */
export const PLAUSIBLE_WALL_MS = 1_704_067_200_000

/** Time as a dependency: the simulator replaces it. All values are milliseconds. */
export interface Clock {
  /** Wall time since the Unix epoch. May jump either way, and is 1970 on a Pi without a clock. */
  wallMs(): number
  /** Time since an arbitrary origin in this process; never goes back. Carries fractions. */
  monotonicMs(): number
  /** Calls `fn` once after `delayMs`; the result cancels it. Does not keep the process alive. */
  after(delayMs: number, fn: () => void): Cancel
  /** Calls `fn` in the next turn of the event loop, after the I/O that is already pending. */
  soon(fn: () => void): void
}

/** Node's timers clamp longer delays to 1 ms; `SystemClock` re-arms instead. */
const TIMER_DELAY_MAX_MS = 2 ** 31 - 1

export class SystemClock implements Clock {
  wallMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  after(delayMs: number, fn: () => void): Cancel {
    let timer = this.#arm(delayMs, fn, (next) => {
      timer = next
    })
    return () => clearTimeout(timer)
  }

  soon(fn: () => void): void {
    setImmediate(fn)
  }

  #arm(delayMs: number, fn: () => void, rearmed: (timer: NodeJS.Timeout) => void): NodeJS.Timeout {
    const stepMs = Math.min(Math.max(delayMs, 0), TIMER_DELAY_MAX_MS)
    const timer = setTimeout(() => {
      if (delayMs <= stepMs) fn()
      else rearmed(this.#arm(delayMs - stepMs, fn, rearmed))
    }, stepMs)
    return timer.unref()
  }
}

/** Calls `fn` every `intervalMs` until cancelled; the first time after one interval. */
export function every(clock: Clock, intervalMs: number, fn: () => void): Cancel {
  const tick = (): void => {
    cancel = clock.after(intervalMs, tick)
    fn()
  }
  let cancel = clock.after(intervalMs, tick)
  return () => cancel()
}

/** Resolves after `delayMs`, at once (and false) when `signal` aborts first. */
export function wait(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false)
    const aborted = (): void => {
      cancel()
      resolve(false)
    }
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', aborted)
      resolve(true)
    })
    signal?.addEventListener('abort', aborted, { once: true })
  })
}
