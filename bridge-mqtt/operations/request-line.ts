import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { REQUESTS_WAITING_MAX, REQUESTS_WAITING_PER_ACCOUNT_MAX } from '../limits.ts'

type Job = () => void | Promise<void>

/**
 * Requests of operators, one in a turn of the event loop: an answer may be a page of a hundred thousand entries,
 * and whoever has an account may ask. Accounts take turns, and what took long is followed by as long a
 * pause, so that devices have at least half of the time.
 */
export class RequestLine {
  readonly #clock: Clock
  /** By account; the first is next. */
  readonly #waiting = new Map<string, Job[]>()
  #size = 0
  #isBusy = false
  #isStopped = false
  #cancel: Cancel | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** False when too many are waiting already. @param job must not throw or reject */
  add(account: string, job: Job): boolean {
    const jobs = this.#waiting.get(account) ?? []
    if (this.#isStopped || this.#size >= REQUESTS_WAITING_MAX) return false
    if (jobs.length >= REQUESTS_WAITING_PER_ACCOUNT_MAX) return false
    jobs.push(job)
    this.#waiting.set(account, jobs)
    this.#size++
    if (!this.#isBusy) this.#run()
    return true
  }

  /** Does nothing more. */
  stop(): void {
    this.#isStopped = true
    this.#waiting.clear()
    this.#cancel?.()
  }

  #run(): void {
    const job = this.#take()
    if (job === undefined) return
    this.#isBusy = true
    const startedMs = this.#clock.monotonicMs()
    const done = job()
    if (done === undefined) this.#pause(startedMs)
    else void done.then(() => this.#pause(startedMs))
  }

  #pause(startedMs: number): void {
    const goOn = (): void => {
      this.#isBusy = false
      if (!this.#isStopped) this.#run()
    }
    const tookMs = this.#clock.monotonicMs() - startedMs
    if (tookMs < 1) this.#clock.soon(goOn)
    else this.#cancel = this.#clock.after(tookMs, goOn)
  }

  #take(): Job | undefined {
    const [next] = this.#waiting
    if (next === undefined) return undefined
    const [account, jobs] = next
    const job = jobs.shift()
    this.#waiting.delete(account)
    if (jobs.length > 0) this.#waiting.set(account, jobs)
    if (job !== undefined) this.#size--
    return job
  }
}
