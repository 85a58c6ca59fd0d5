import { connect, type MqttClient } from 'mqtt'

/**
 * A sensor that numbers its readings. It keeps a window of them in flight at QoS 1, remembers which
 * were acknowledged, and gives up on those in flight when its connection is lost: such a reading may
 * or may not have been stored, but it is never sent again, so every number may appear once at most.
 */
export class Sensor {
  readonly name: string
  readonly acknowledged = new Set<number>()
  readonly #url: string
  readonly #inFlightMax: number
  #sent = 0
  #inFlight = 0
  #client: MqttClient | undefined
  #isStopped = false
  #running: Promise<void> | undefined

  constructor(options: { name: string; mqttPort: number; inFlightMax: number }) {
    this.name = options.name
    this.#url = `mqtt://127.0.0.1:${options.mqttPort}`
    this.#inFlightMax = options.inFlightMax
  }

  get sent(): number {
    return this.#sent
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Stops sending, waits for what is in flight, disconnects. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const client = connect(this.#url, {
        reconnectPeriod: 0,
        connectTimeout: 2_000,
        clientId: this.name,
      })
      this.#client = client
      client.on('error', () => {})
      const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
      client.on('connect', () => this.#fill(client))
      await closed
      client.end(true)
      this.#inFlight = 0
      // A gateway's devices retry at their own pace; this one waits for the port to answer again.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  #fill(client: MqttClient): void {
    if (client !== this.#client) return
    while (!this.#isStopped && client.connected && this.#inFlight < this.#inFlightMax) {
      const reading = ++this.#sent
      this.#inFlight++
      client.publish(
        `plant/${this.name}/temp`,
        JSON.stringify({ n: reading }),
        { qos: 1 },
        (error) => {
          if (client !== this.#client) return
          this.#inFlight--
          if (!error) this.acknowledged.add(reading)
          if (this.#isStopped && this.#inFlight === 0) client.end()
          else setImmediate(() => this.#fill(client))
        },
      )
    }
    if (this.#isStopped && this.#inFlight === 0) client.end()
  }
}
