import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { untilAnswering } from './answering-port.ts'
import { freePorts } from './free-ports.ts'

const ATTEMPTS = 5
const BIN = path.resolve(import.meta.dirname, '../../.peers/bin/mosquitto')

/** A real mosquitto with its sessions on disk, for the interop tests; it is started again on the same port. */
export class Mosquitto {
  readonly port: number
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  /** @param more lines of its configuration */
  static async start(more = 'allow_anonymous true', listener = ''): Promise<Mosquitto> {
    for (let attempt = 1; ; attempt++) {
      const broker = await Mosquitto.#make(more, listener)
      try {
        await broker.back()
        return broker
      } catch (error) {
        await broker.remove()
        // Between the choice of a port and its use somebody else may take it.
        if (attempt === ATTEMPTS) throw error
      }
    }
  }

  static async #make(more: string, listener: string): Promise<Mosquitto> {
    const [port = 0] = await freePorts(1)
    const folder = mkdtempSync(path.join(tmpdir(), 'petiole-mosquitto-'))
    const lines = [
      `listener ${port} 127.0.0.1`,
      listener,
      more,
      'persistence true',
      `persistence_location ${folder}/`,
      'max_queued_messages 0',
      'user root',
    ]
    writeFileSync(path.join(folder, 'mosquitto.conf'), `${lines.join('\n')}\n`)
    return new Mosquitto(port, folder)
  }

  file(name: string, text: string): string {
    const file = path.join(this.#folder, name)
    writeFileSync(file, text)
    return file
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`
  }

  async back(): Promise<void> {
    const child = spawn(BIN, ['-c', path.join(this.#folder, 'mosquitto.conf')], { stdio: 'ignore' })
    this.#child = child
    const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
    await untilAnswering({ port: this.port, name: 'mosquitto', isRunning })
  }

  /** SIGTERM: it writes its sessions down. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
