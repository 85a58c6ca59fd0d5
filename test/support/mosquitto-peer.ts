import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { freePort } from './free-ports.ts'
import { DEADLINE_MS } from './patience.ts'

const BINARY = path.resolve(import.meta.dirname, '../../.peers/bin/mosquitto')
const ATTEMPTS = 5

/** A real mosquitto with its data in memory, for the interop tests; limits that a script could reach are off. */
export class MosquittoPeer {
  readonly port: number
  readonly #process: ChildProcess
  readonly #folder: string

  private constructor(child: ChildProcess, folder: string, port: number) {
    this.#process = child
    this.#folder = folder
    this.port = port
  }

  static async start(): Promise<MosquittoPeer> {
    for (let attempt = 1; ; attempt++) {
      const peer = await MosquittoPeer.#spawn()
      if (await peer.#isReady()) return peer
      await peer.stop()
      // Between the choice of a port and its use somebody else may take it.
      if (attempt === ATTEMPTS) throw new Error('mosquitto did not start')
    }
  }

  static async #spawn(): Promise<MosquittoPeer> {
    const folder = mkdtempSync(path.join(tmpdir(), 'petiole-mosquitto-'))
    const port = await freePort()
    const file = path.join(folder, 'mosquitto.conf')
    const limits = 'max_inflight_messages 0\nmax_queued_messages 0'
    writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\n${limits}\n`)
    const child = spawn(BINARY, ['-c', file], { stdio: 'ignore' })
    return new MosquittoPeer(child, folder, port)
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve))
      this.#process.kill('SIGKILL')
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #isReady(): Promise<boolean> {
    const endMs = performance.now() + DEADLINE_MS
    while (this.#process.exitCode === null && performance.now() < endMs) {
      if (await this.#answers()) return this.#process.exitCode === null
    }
    return false
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1')
      const done = (isThere: boolean) => {
        socket.destroy()
        setTimeout(resolve, isThere ? 0 : 10, isThere)
      }
      socket.once('connect', () => done(true)).once('error', () => done(false))
    })
  }
}
