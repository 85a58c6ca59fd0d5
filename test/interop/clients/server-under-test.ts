import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { freePorts } from '../../support/free-ports.ts'
import { DEADLINE_MS } from '../../support/patience.ts'

/** What clients of any language find when they are told there is a nats-server; INTEROP_SERVER tries another. */
const BINARY =
  process.env['INTEROP_SERVER'] ?? path.resolve(import.meta.dirname, '../../../scripts/nats-server')

/** A server started as `nats-server -c FILE` on ports that it keeps over restarts. */
export class ServerUnderTest {
  readonly port: number
  readonly websocketPort: number
  readonly #file: string
  #child: ChildProcess | undefined
  #output = ''

  private constructor(file: string, port: number, websocketPort: number) {
    this.#file = file
    this.port = port
    this.websocketPort = websocketPort
  }

  /** @param config all but the client port; `%WEBSOCKET_PORT%` stands for another free one */
  static async start(directory: string, name: string, config: string): Promise<ServerUnderTest> {
    const [port = 0, websocketPort = 0] = await freePorts(2)
    const file = path.join(directory, `${name}.conf`)
    const text = config.replace('%WEBSOCKET_PORT%', `${websocketPort}`)
    writeFileSync(file, `listen: "127.0.0.1:${port}"\n${text}\n`)
    const server = new ServerUnderTest(file, port, websocketPort)
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const child = spawn(BINARY, ['-c', this.#file], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#output = ''
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${why}\n${this.#output}`))
      const timer = setTimeout(() => fail('the server was not ready in time'), DEADLINE_MS)
      child.once('exit', () => {
        clearTimeout(timer)
        fail('the server ended')
      })
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          this.#output += chunk
          if (!this.#output.includes('Server is ready')) return
          clearTimeout(timer)
          resolve()
        })
      }
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }
}
