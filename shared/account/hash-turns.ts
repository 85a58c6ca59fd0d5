import type { PasswordHashes } from '../runtime/index.ts'
import type { Applicant } from './authenticator.ts'
import { HASHES_RUNNING_MAX, HASHES_WAITING_MAX } from './limits.ts'

/** Who wants to know, of what is known of him. */
export interface Asker {
  readonly remoteAddress?: string
  readonly applicant?: Applicant
}

interface Question {
  readonly password: string
  readonly hash: string
}

interface Job extends Question {
  readonly applicant: Applicant
  readonly answer: (matches: boolean) => void
}

interface Line {
  /** In the order in which they came. */
  jobs: Job[]
  takesNewest: boolean
}

/**
 * Turns at comparing passwords with bcrypt hashes. A comparison takes a tenth of a second, so whoever
 * sends logins by the hundred would keep everybody else out. Addresses stand in a line each, and lines are
 * served in turn: a stranger's flood delays others by one comparison. A network of IPv6 [RFC 4291, 2.5.4]
 * counts as one address, since one customer has all of it. All devices of a plant may have one, so that a
 * line may be as long as there is room; then the longest gives up its last.
 *
 * A plant that comes back after an outage has more logins than its clients have patience for: they hang up
 * and dial again. What still gets everybody in, one after the other:
 *
 * - whoever is gone is not served, and who has hung up only when nobody else waits;
 * - a line is served from both ends by turns: who came last will most probably still be there when the
 *   answer is, and who is patient is not passed over for ever;
 * - one comparison answers all who ask the same: devices often share a user.
 */
export class HashTurns {
  readonly #hashes: PasswordHashes
  /** In the order of their turns; none is empty. */
  readonly #lines = new Map<string, Line>()
  readonly #running: { readonly question: Question; readonly jobs: Job[] }[] = []
  #waiting = 0

  constructor(hashes: PasswordHashes) {
    this.#hashes = hashes
  }

  /** False too when too many are in line, and to those who are gone; never rejects. */
  matches(password: string, hash: string, asker: Asker): Promise<boolean> {
    return new Promise((answer) => {
      const job: Job = { password, hash, applicant: asker.applicant ?? PATIENT, answer }
      const running = this.#running.find(({ question }) => asksTheSame(question, job))
      if (running !== undefined) running.jobs.push(job)
      else this.#queue(job, networkOf(asker.remoteAddress ?? ''))
    })
  }

  #queue(job: Job, key: string): void {
    if (this.#waiting >= HASHES_WAITING_MAX) this.#makeRoom()
    const line = this.#lines.get(key) ?? { jobs: [], takesNewest: false }
    line.jobs.push(job)
    this.#lines.set(key, line)
    this.#waiting++
    this.#next()
  }

  #next(): void {
    if (this.#waiting === 0 || this.#running.length >= HASHES_RUNNING_MAX) return
    const job = this.#take(isThere) ?? this.#take(() => true)
    if (job === undefined) return
    const running = { question: job, jobs: this.#withdraw((other) => asksTheSame(other, job)) }
    this.#running.push(running)
    void this.#hashes.matches(job.password, job.hash).then((matches) => {
      this.#running.splice(this.#running.indexOf(running), 1)
      for (const { answer } of running.jobs) answer(matches)
      this.#next()
    })
  }

  /** The job whose turn it is, of those that are `due`; its line is the last from now on. It stays in line. */
  #take(isDue: (job: Job) => boolean): Job | undefined {
    for (const { answer } of this.#withdraw(isGone)) answer(false)
    for (const [key, line] of this.#lines) {
      const { jobs, takesNewest } = line
      const job = takesNewest ? jobs.findLast(isDue) : jobs.find(isDue)
      if (job === undefined) continue
      line.takesNewest = !takesNewest
      this.#lines.delete(key)
      this.#lines.set(key, line)
      return job
    }
    return undefined
  }

  #withdraw(isMeant: (job: Job) => boolean): Job[] {
    const withdrawn: Job[] = []
    for (const [key, line] of this.#lines) {
      const meant = line.jobs.filter(isMeant)
      if (meant.length === 0) continue
      withdrawn.push(...meant)
      line.jobs = line.jobs.filter((job) => !meant.includes(job))
      if (line.jobs.length === 0) this.#lines.delete(key)
    }
    this.#waiting -= withdrawn.length
    return withdrawn
  }

  /** Whoever is gone gives way, else the last of the longest line, who is refused. */
  #makeRoom(): void {
    for (const { answer } of this.#withdraw(isGone)) answer(false)
    if (this.#waiting < HASHES_WAITING_MAX) return
    const lines = [...this.#lines.values()]
    const longest = lines.reduce((a, b) => (b.jobs.length > a.jobs.length ? b : a))
    const last = longest.jobs.findLast((job) => !isThere(job)) ?? longest.jobs.at(-1)
    for (const { answer } of this.#withdraw((job) => job === last)) answer(false)
  }
}

/** Nobody hears whether who asks is still there. */
const PATIENT: Applicant = { isClosed: false, hasEnded: false }

function isGone({ applicant }: Job): boolean {
  return applicant.isClosed
}

function isThere({ applicant }: Job): boolean {
  return !applicant.hasEnded
}

function asksTheSame(one: Question, other: Question): boolean {
  return one.hash === other.hash && one.password === other.password
}

const GROUPS = 8
const NETWORK_GROUPS = 4

/** The address itself; for IPv6 its first 64 bits. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [head = '', tail] = address.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(GROUPS - first.length - last.length, 0) }, () => '0')
  return [...first, ...(tail === undefined ? [] : zeros), ...last]
    .slice(0, NETWORK_GROUPS)
    .join(':')
}
