import type { PasswordHashes } from '../runtime/index.ts'
import { HASHES_RUNNING_MAX, HASHES_WAITING_MAX } from './limits.ts'

interface Job {
  readonly password: string
  readonly hash: string
  readonly answer: (matches: boolean) => void
}

/**
 * Turns at comparing passwords with bcrypt hashes. A comparison takes a tenth of a second, so whoever
 * sends logins by the hundred would keep everybody else out until their time is over. Addresses stand in
 * a line each, and lines are served in turn: a stranger's flood delays others by one comparison. A
 * line may be as long as there is room, since a plant's devices come from one address; when there is
 * none left, the longest line gives up its last. A
 * network of IPv6 [RFC 4291, 2.5.4] counts as one address, since one customer has all of it.
 */
export class HashTurns {
  readonly #hashes: PasswordHashes
  /** In the order of their turns; none is empty. */
  readonly #lines = new Map<string, Job[]>()
  #waiting = 0
  #running = 0

  constructor(hashes: PasswordHashes) {
    this.#hashes = hashes
  }

  /** False too when too many are in line; never rejects. */
  matches(password: string, hash: string, address: string): Promise<boolean> {
    const key = networkOf(address)
    const line = this.#lines.get(key) ?? []
    if (this.#waiting >= HASHES_WAITING_MAX) this.#shorten()
    return new Promise((answer) => {
      line.push({ password, hash, answer })
      this.#lines.set(key, line)
      this.#waiting++
      this.#next()
    })
  }

  #next(): void {
    const [first] = this.#lines
    if (first === undefined || this.#running >= HASHES_RUNNING_MAX) return
    const [key, line] = first
    const job = line.shift()
    this.#lines.delete(key)
    if (line.length > 0) this.#lines.set(key, line)
    if (job === undefined) return
    this.#waiting--
    this.#running++
    void this.#hashes.matches(job.password, job.hash).then((matches) => {
      this.#running--
      job.answer(matches)
      this.#next()
    })
  }

  /** Makes room: the last one of the longest line is refused. */
  #shorten(): void {
    let longest: [string, Job[]] | undefined
    for (const entry of this.#lines) {
      if (longest === undefined || entry[1].length > longest[1].length) longest = entry
    }
    if (longest === undefined) return
    const [key, line] = longest
    line.pop()?.answer(false)
    this.#waiting--
    if (line.length === 0) this.#lines.delete(key)
  }
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
