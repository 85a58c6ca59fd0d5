import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import * as path from 'node:path'
import * as readline from 'node:readline'
import { DEADLINE_MS } from './patience.ts'

const CLI = path.resolve(import.meta.dirname, '../../dist/cli.js')
const LOG_LINES_KEPT = 200

/** A hub or a leaf as operators run it: its own process, from its own configuration file. */
export class PetioleProcess {
  readonly name: string
  readonly #args: readonly string[]
  readonly #nodeFlags: readonly string[]
  #child: ChildProcess | undefined
  /** The newest log lines, for the message of a failed test. */
  readonly log: string[] = []

  constructor(name: string, args: readonly string[], nodeFlags: readonly string[] = []) {
    this.name = name
    this.#args = args
    this.#nodeFlags = nodeFlags
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get isRunning(): boolean {
    return (
      this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
    )
  }

  /** Resolves when the process says `Server is ready`; rejects with its last words when it ends first. */
  async start(): Promise<void> {
    if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run npm run build`)
    const child = spawn(process.execPath, [...this.#nodeFlags, CLI, ...this.#args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.name} was not ready in time\n${this.lastWords()}`)),
        DEADLINE_MS,
      )
      const seen = (line: string): void => {
        this.log.push(line)
        if (this.log.length > LOG_LINES_KEPT) this.log.shift()
        if (!line.includes('Server is ready')) return
        clearTimeout(timer)
        resolve()
      }
      for (const stream of [child.stdout, child.stderr]) {
        if (stream !== null) readline.createInterface({ input: stream }).on('line', seen)
      }
      child.once('exit', (code, signal) => {
        clearTimeout(timer)
        reject(new Error(`${this.name} ended (${code ?? signal})\n${this.lastWords()}`))
      })
    })
  }

  /** kill -9: nothing is flushed, nothing is said. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM: drains and stops. Resolves to the exit code. */
  async stop(): Promise<number | null> {
    return await this.#end('SIGTERM')
  }

  lastWords(): string {
    return this.log.slice(-20).join('\n')
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return child?.exitCode ?? null
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
    return child.exitCode
  }
}
