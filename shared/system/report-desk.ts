import type { ClientMessage } from '../client/index.ts'
import type { Clock } from '../runtime/index.ts'
import type { Answers, EncodedAnswer, ProduceNow } from './answers.ts'
import {
  ANSWERS_PER_TURN_MAX,
  REQUEST_OVERHEAD_BYTES,
  WAITING_BYTES_MAX,
  WAITING_BYTES_PER_ASKER_MAX,
} from './limits.ts'

/** A report that is to be made once, for all who wait for the same. */
interface Job {
  readonly key: string
  readonly request: ClientMessage
  readonly produce: ProduceNow
  /** Bytes of the request itself; they are its asker's. */
  readonly bytes: number
  readonly waiting: { readonly reply: string; readonly asker: Asker }[]
}

/** Everything behind one inbox: one connection, as far as can be told. */
interface Asker {
  readonly name: string
  readonly jobs: Set<Job>
  waitingBytes: number
}

/** An answer on its way to those who wait. */
interface Sending {
  readonly job: Job
  readonly answer: EncodedAnswer | undefined
  sent: number
}

/**
 * Makes reports one in a turn, since a report of a large server takes a while and whoever has an account may
 * ask for some: the askers take turns, equal requests that wait get one answer, and a report that took long is
 * followed by as long a pause, so that others have at least half of the time. A request for which there is no
 * room is answered with an error.
 */
export class ReportDesk {
  readonly #clock: Clock
  readonly #answers: Answers
  readonly #jobs = new Map<string, Job>()
  readonly #askers = new Map<string, Asker>()
  /** Those of them who wait for a report that is not made yet; the first is next. */
  readonly #next = new Set<Asker>()
  #waitingBytes = 0
  #sending: Sending | undefined
  #isPaused = false
  #isStopped = false

  constructor(clock: Clock, answers: Answers) {
    this.#clock = clock
    this.#answers = answers
  }

  ask(request: ClientMessage, produce: ProduceNow): void {
    if (request.reply === '') return
    const key = keyOf(request)
    const known = this.#jobs.get(key)
    const asker = this.#askerOf(request.reply)
    const bytes = known === undefined ? key.length : 0
    if (!this.#reserve(asker, bytes + REQUEST_OVERHEAD_BYTES)) {
      this.#answers.refuse(request)
      return
    }
    const job = known ?? { key, request, produce, bytes, waiting: [] }
    job.waiting.push({ reply: request.reply, asker })
    if (known === undefined) {
      this.#jobs.set(key, job)
      asker.jobs.add(job)
      this.#next.add(asker)
    }
    if (!this.#isPaused) this.#run()
  }

  stop(): void {
    this.#isStopped = true
    this.#jobs.clear()
    this.#askers.clear()
    this.#next.clear()
    this.#sending = undefined
  }

  #run(): void {
    const startedMs = this.#clock.monotonicMs()
    this.#sending ??= this.#make()
    if (this.#sending === undefined) return
    this.#send(this.#sending)
    this.#isPaused = true
    const goOn = (): void => {
      this.#isPaused = false
      if (!this.#isStopped) this.#run()
    }
    const tookMs = this.#clock.monotonicMs() - startedMs
    if (tookMs < 1) this.#clock.soon(goOn)
    else this.#clock.after(tookMs, goOn)
  }

  #make(): Sending | undefined {
    const [asker] = this.#next
    const [job] = asker?.jobs ?? []
    if (asker === undefined || job === undefined) return undefined
    asker.jobs.delete(job)
    this.#next.delete(asker)
    if (asker.jobs.size > 0) this.#next.add(asker)
    this.#jobs.delete(job.key)
    this.#release(asker, job.bytes)
    return { job, answer: this.#answers.make(job.request, job.produce), sent: 0 }
  }

  #send(sending: Sending): void {
    const { waiting } = sending.job
    const end = Math.min(sending.sent + ANSWERS_PER_TURN_MAX, waiting.length)
    for (const { reply, asker } of waiting.slice(sending.sent, end)) {
      if (sending.answer !== undefined) this.#answers.publish(reply, sending.answer)
      this.#release(asker, REQUEST_OVERHEAD_BYTES)
    }
    sending.sent = end
    if (end === waiting.length) this.#sending = undefined
  }

  #askerOf(reply: string): Asker {
    const name = askerName(reply)
    return this.#askers.get(name) ?? { name, jobs: new Set(), waitingBytes: 0 }
  }

  #reserve(asker: Asker, bytes: number): boolean {
    if (asker.waitingBytes + bytes > WAITING_BYTES_PER_ASKER_MAX) return false
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) return false
    this.#askers.set(asker.name, asker)
    asker.waitingBytes += bytes
    this.#waitingBytes += bytes
    return true
  }

  #release(asker: Asker, bytes: number): void {
    this.#waitingBytes -= bytes
    asker.waitingBytes -= bytes
    if (asker.waitingBytes === 0) this.#askers.delete(asker.name)
  }
}

/** An inbox without what tells its requests apart: the last token, or what is behind a dash in it. */
export function askerName(reply: string): string {
  const token = reply.lastIndexOf('.')
  const dash = reply.indexOf('-', token)
  return reply.slice(0, Math.max(dash < 0 ? token : dash, 0))
}

/** Requests of one key have one answer. The server's own number in the answer is all that would differ. */
function keyOf({ subject, payload, headers }: ClientMessage): string {
  const parts = [subject, Buffer.from(headers).toString('latin1')]
  return `${parts.join('\n')}\n${Buffer.from(payload).toString('latin1')}`
}
