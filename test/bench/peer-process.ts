import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { END_DEADLINE_MS, within } from './deadline.ts'

/** A peer's server, in a process of its own. */
export class PeerProcess {
  readonly #binary: string
  readonly #child: ChildProcess

  constructor(binary: string, args: readonly string[]) {
    this.#binary = binary
    this.#child = spawn(binary, args, { stdio: 'ignore' })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** One that ended by itself is no benchmark's: what listens on its port is somebody else. */
  async ready(answers: Promise<void>): Promise<void> {
    await answers
    if (!this.isRunning) throw new Error(`${this.#binary} ended before it was ready`)
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return
    const gone = once(this.#child, 'exit')
    this.#child.kill(signal)
    try {
      await within(END_DEADLINE_MS, `end of ${this.#binary}`, gone)
    } catch (error) {
      this.#child.kill('SIGKILL')
      throw error
    }
  }
}
