import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { type Running, startLeaf } from '../../index.ts'
import { RecordingLog } from './mqtt-core.ts'
import { DEADLINE_MS } from './patience.ts'

/** A leaf with remotes, on a store of its own, which it can be started on again. */
export class BridgingLeaf {
  readonly log = new RecordingLog()
  readonly #folder: string
  #running: Running | undefined

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async start(remotes: readonly object[], more: object = {}): Promise<BridgingLeaf> {
    const leaf = new BridgingLeaf(await mkdtemp(path.join(tmpdir(), 'petiole-bridge-')))
    try {
      await leaf.start(remotes, more)
    } catch (error) {
      await leaf.remove()
      throw error
    }
    return leaf
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error('the leaf does not run')
    return this.#running
  }

  /** What it is configured with. Waits are short, so that tests are. */
  config(remotes: readonly object[], more: object = {}): Record<string, unknown> {
    return {
      server_name: 'press-7',
      host: '127.0.0.1',
      port: -1,
      http: '127.0.0.1:-1',
      jetstream: { store_dir: path.join(this.#folder, 'store') },
      mqtt: { remotes: remotes.map((remote) => ({ reconnect: '100ms', ...remote })) },
      ...more,
    }
  }

  async start(remotes: readonly object[], more: object = {}): Promise<void> {
    this.#running = await startLeaf(this.config(remotes, more), { log: this.log })
  }

  async stop(): Promise<void> {
    await this.#running?.drain()
    this.#running = undefined
  }

  async remove(): Promise<void> {
    await this.#running?.destroy()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Publishes here, and resolves when whoever stores it has it on disk. */
  publish(subject: string, payload: string, headers?: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.running.client().publish(subject, Buffer.from(payload), {
        ...(headers === undefined ? {} : { headers }),
        committed: (error) => (error === undefined ? resolve() : reject(error)),
      })
    })
  }

  /** Collects what comes on a subject. */
  collect(subject: string): Collected[] {
    const collected: Collected[] = []
    this.running.client().subscribe(subject, (message) => {
      collected.push({
        subject: message.subject,
        payload: Buffer.from(message.payload).toString(),
        headers: Buffer.from(message.headers).toString(),
      })
    })
    return collected
  }

  /** The value of one of the remote's figures. */
  async metric(name: string, labels = ''): Promise<number> {
    const { http } = this.running.ports
    const page = await (await fetch(`http://127.0.0.1:${http?.port}/metrics`)).text()
    const line = page
      .split('\n')
      .find((it) => it.startsWith(`petiole_mqtt_remote_${name}{`) && it.includes(labels))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }

  async untilMetric(name: string, isRight: (value: number) => boolean, labels = ''): Promise<void> {
    await fact(`${name}`, async () => isRight(await this.metric(name, labels)))
  }

  async logged(message: string): Promise<Record<string, unknown>> {
    await fact(`"${message}" in ${JSON.stringify(this.log.messages())}`, async () =>
      this.log.messages().includes(message),
    )
    return { ...this.log.lines.find((line) => line.message === message)?.fields }
  }
}

export interface Collected {
  readonly subject: string
  readonly payload: string
  readonly headers: string
}

/** Waits until it holds. */
export async function fact(
  what: string | (() => string),
  isTrue: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = Date.now() + DEADLINE_MS
  while (!(await isTrue())) {
    if (Date.now() > endMs)
      throw new Error(`waited for ${typeof what === 'string' ? what : what()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
