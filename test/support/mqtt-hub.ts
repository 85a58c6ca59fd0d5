import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { type ConfigInput, type Running, startHub } from '../../index.ts'
import { type HubConfig, parseConfig } from '../../shared/config/index.ts'
import { systemMachine } from '../../shared/server/index.ts'
import { RecordingLog } from './mqtt-core.ts'
import { SkippingClock } from './skipping-clock.ts'

/** The port of another server, to see what it makes of the same tests: those that look inside fail there. */
const OTHER_PORT = Number(process.env['MQTT_PORT'] ?? 0)

/** A hub with a store in a folder of its own, which serves MQTT on a free port. */
export class MqttHub {
  readonly log = new RecordingLog()
  readonly clock = new SkippingClock()
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'petiole-mqtt-hub-'))
  readonly #config: ConfigInput
  #running: Running | undefined

  private constructor(mqtt: object, rest: object) {
    this.#config = {
      host: '127.0.0.1',
      port: -1,
      jetstream: { store_dir: path.join(this.#directory, 'store') },
      mqtt: { host: '127.0.0.1', port: -1, ...mqtt },
      ...rest,
    }
  }

  /**
   * @param mqtt keys of its block
   * @param rest other blocks
   */
  static async start(mqtt: object = {}, rest: object = {}): Promise<MqttHub> {
    const hub = new MqttHub(mqtt, rest)
    await hub.#open()
    return hub
  }

  get port(): number {
    if (OTHER_PORT !== 0) return OTHER_PORT
    return this.running.ports.frontDoors['mqtt'] ?? 0
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error('the hub is not running')
    return this.#running
  }

  /** Goes on with other blocks in place of those that it was started with. */
  reload(rest: object): Promise<void> {
    return this.running.reload(parseConfig({ ...this.#config, ...rest }, 'hub') as HubConfig)
  }

  /** Ends as by a signal, and starts again on the same store. */
  async restart(): Promise<void> {
    await this.running.drain()
    await this.#open()
  }

  /** Ends without a word, and starts again with what is on disk. */
  async crash(): Promise<void> {
    await this.running.destroy()
    await this.#open()
  }

  async remove(): Promise<void> {
    await this.#running?.destroy()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #open(): Promise<void> {
    const machine = { ...systemMachine(this.log), clock: this.clock }
    this.#running = await startHub(this.#config, { log: this.log, machine })
  }
}
