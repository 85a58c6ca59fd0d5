import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { Cancel, Clock } from './clock.ts'

/** Checks passwords against bcrypt hashes and SCRAM verifiers, which is meant to take long. */
export interface PasswordHashes {
  /** False too for a hash that is none, and when more are waiting than may; never rejects. */
  matches(password: string, hash: string): Promise<boolean>
  close(): void
}

/** Hundreds of logins at a time: those behind them would wait longer than a login may take. */
const WAITING_MAX = 256

/** An idle thread holds several megabytes. */
const IDLE_MS = 10_000

/** The thread is given as text because a file would have another name compiled than in the sources. */
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { createHash, createHmac, pbkdf2Sync, timingSafeEqual } = require('node:crypto')
  const bcrypt = require(workerData)
  function compare(password, hash) {
    const verifier = /^SCRAM-SHA-256\\$(\\d+):(.+)\\$(.+):/.exec(hash)
    if (verifier === null) return bcrypt.compareSync(password, hash)
    const [salt, storedKey] = verifier.slice(2).map((part) => Buffer.from(part, 'base64'))
    const salted = pbkdf2Sync(password, salt, Number(verifier[1]), 32, 'sha256')
    const clientKey = createHmac('sha256', salted).update('Client Key').digest()
    return timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey)
  }
  parentPort.on('message', ({ password, hash }) => {
    let matches = false
    try { matches = compare(password, hash) } catch {}
    parentPort.postMessage(matches)
  })
`

/**
 * One thread for all these comparisons, since each takes some tenth of a second that the event loop
 * does not have. It is started by the first and ends when there was nothing to do for a while.
 */
export class BcryptThread implements PasswordHashes {
  readonly #clock: Clock
  readonly #waiting: ((matches: boolean) => void)[] = []
  #thread: Worker | undefined
  #cancelIdle: Cancel = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  matches(password: string, hash: string): Promise<boolean> {
    if (this.#waiting.length >= WAITING_MAX) return Promise.resolve(false)
    this.#cancelIdle()
    const thread = this.#thread ?? this.#start()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      thread.postMessage({ password, hash: readable(hash) })
    })
  }

  close(): void {
    this.#cancelIdle()
    this.#lose(this.#thread)
  }

  #start(): Worker {
    const module = createRequire(import.meta.url).resolve('bcryptjs')
    const thread = new Worker(THREAD, { eval: true, workerData: module, execArgv: [] })
    thread.unref()
    thread.on('message', (matches: boolean) => this.#answered(matches))
    thread.on('error', () => this.#lose(thread))
    thread.on('exit', () => this.#lose(thread))
    this.#thread = thread
    return thread
  }

  /** Answers come in the order of the questions. */
  #answered(matches: boolean): void {
    this.#waiting.shift()?.(matches)
    if (this.#waiting.length > 0) return
    this.#cancelIdle()
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => this.#lose(this.#thread))
  }

  /** Whoever still waits is refused; the next question starts another thread. */
  #lose(thread: Worker | undefined): void {
    if (thread === undefined || this.#thread !== thread) return
    this.#thread = undefined
    thread.removeAllListeners()
    void thread.terminate()
    for (const refuse of this.#waiting.splice(0)) refuse(false)
  }
}

/** All revisions mean the same for valid UTF-8; the library knows them but for `x` (crypt_blowfish's old bug). */
function readable(hash: string): string {
  return hash.startsWith('$2x') ? `$2b${hash.slice(3)}` : hash
}
