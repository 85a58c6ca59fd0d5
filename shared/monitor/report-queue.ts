import type { Clock } from '../runtime/index.ts'
import type { HttpRequest, HttpResponse } from '../transport/index.ts'
import { REPORTS_WAITING_MAX } from './limits.ts'

export type MakeReport = () => HttpResponse | Promise<HttpResponse>

/** A report that is to be made once, for all who wait for the same. */
interface Job {
  readonly key: string
  readonly make: MakeReport
  readonly report: Promise<HttpResponse>
  readonly settle: (report: HttpResponse | Promise<HttpResponse>) => void
}

/**
 * Reports that may take a while, for anybody who reaches the monitoring port: made one after the other, and each
 * followed by a pause as long as it took, so that clients have at least half of the time. Equal
 * questions that wait get one answer, the same bytes for all. The paths take turns: an exporter's
 * `/metrics` waits for one list of connections at most, however many are asked for.
 */
export class ReportQueue {
  readonly #clock: Clock
  readonly #jobs = new Map<string, Job>()
  /** By path; the first is next. */
  readonly #next = new Map<string, Job[]>()
  #waiting = 0
  #isBusy = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Undefined: too many are waiting already. */
  ask({ path, query }: HttpRequest, make: MakeReport): Promise<HttpResponse> | undefined {
    if (this.#waiting >= REPORTS_WAITING_MAX) return undefined
    this.#waiting++
    const key = `${path}?${query}`
    const job = this.#jobs.get(key) ?? this.#add(path, key, make)
    if (!this.#isBusy) this.#run()
    return job.report.finally(() => {
      this.#waiting--
    })
  }

  #add(path: string, key: string, make: MakeReport): Job {
    let settle: Job['settle'] = () => {}
    const report = new Promise<HttpResponse>((resolve) => {
      settle = resolve
    })
    const job = { key, make, report, settle }
    this.#jobs.set(key, job)
    const known = this.#next.get(path)
    if (known === undefined) this.#next.set(path, [job])
    else known.push(job)
    return job
  }

  #run(): void {
    const job = this.#take()
    if (job === undefined) return
    this.#isBusy = true
    const startedMs = this.#clock.monotonicMs()
    const goOn = (): void => {
      this.#isBusy = false
      this.#run()
    }
    const made = encoded(job.make)
    job.settle(made)
    const pause = (): void => {
      const tookMs = this.#clock.monotonicMs() - startedMs
      if (tookMs < 1) this.#clock.soon(goOn)
      else this.#clock.after(tookMs, goOn)
    }
    made.then(pause, pause)
  }

  #take(): Job | undefined {
    const [next] = this.#next
    if (next === undefined) return undefined
    const [path, jobs] = next
    const job = jobs.shift()
    this.#next.delete(path)
    if (jobs.length > 0) this.#next.set(path, jobs)
    if (job !== undefined) this.#jobs.delete(job.key)
    return job
  }
}

/** Its bytes are made here, once: they wait for each who does not read them. */
async function encoded(make: MakeReport): Promise<HttpResponse> {
  const report = await make()
  return typeof report.body === 'string' ? { ...report, body: Buffer.from(report.body) } : report
}
