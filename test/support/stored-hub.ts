import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { freePorts } from './free-ports.ts'
import { PetioleProcess } from './petiole-process.ts'

/** A hub with JetStream as a process, to be killed and started again on the same store and port. */
export class StoredHub extends PetioleProcess {
  readonly port: number
  readonly #directory: string

  private constructor(port: number, directory: string, file: string) {
    super('hub', ['hub', '-c', file])
    this.port = port
    this.#directory = directory
  }

  /** Not started yet. */
  static async create(): Promise<StoredHub> {
    const directory = mkdtempSync(path.join(tmpdir(), 'petiole-stored-'))
    const [port = 0] = await freePorts(1)
    const file = path.join(directory, 'hub.conf')
    const store = path.join(directory, 'store')
    writeFileSync(file, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${store}" }\n`)
    return new StoredHub(port, directory, file)
  }

  /** Ends it, and its store. */
  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
