import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { freePorts } from '../support/free-ports.ts'
import { PersistentMqttClient } from '../support/persistent-mqtt-client.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const KILLS = 20
const IN_FLIGHT = 40
const RETAINED_TOPICS = 8

/**
 * A server that is killed again and again with QoS 1 and 2 messages on their way in both directions. What was
 * acknowledged arrives, what was sent at QoS 2 arrives once, in order; sessions and retained messages are there
 * when it is back.
 */
describe('fault: MQTT sessions while the server is killed', function () {
  this.timeout(240_000)

  for (const level of [4, 5] as const) {
    it(`MQTT ${level === 4 ? '3.1.1' : '5'}: nothing lost, nothing twice at QoS 2 (SEED=${SEED})`, async () => {
      const directory = mkdtempSync(path.join(tmpdir(), 'petiole-mqtt-kill-'))
      const [port = 0, mqttPort = 0] = await freePorts(2)
      const file = path.join(directory, 'hub.conf')
      writeFileSync(
        file,
        `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${path.join(directory, 'store')}" }\n` +
          `mqtt { listen: "127.0.0.1:${mqttPort}" }\n`,
      )
      const hub = new PetioleProcess('hub', ['hub', '-c', file])
      const run = new KilledRun(hub, mqttPort, level, new SeededRandom(SEED))
      try {
        await run.begin()
        for (let kill = 1; kill <= KILLS; kill++) await run.round(kill)
        await run.finish()
      } catch (error) {
        const what = error instanceof Error ? error.message : String(error)
        throw new Error(`SEED=${SEED}: ${what}\n${hub.lastWords()}`, { cause: error })
      } finally {
        run.drop()
        await hub.kill()
        rmSync(directory, { recursive: true, force: true })
      }
    })
  }
})

class KilledRun {
  readonly #hub: PetioleProcess
  readonly #random: SeededRandom
  readonly #level: 4 | 5
  readonly #mqttPort: number
  readonly #publisher: PersistentMqttClient
  readonly #subscriber: PersistentMqttClient
  /** The newest reading on each retained topic that was sent, and that was acknowledged. */
  readonly #retained = new Map<string, number[]>()
  readonly #sent = { 1: [] as number[], 2: [] as number[] }
  #readings = 0

  constructor(hub: PetioleProcess, mqttPort: number, level: 4 | 5, random: SeededRandom) {
    this.#hub = hub
    this.#random = random
    this.#level = level
    this.#mqttPort = mqttPort
    this.#publisher = this.#client('publisher')
    this.#subscriber = this.#client('subscriber')
  }

  async begin(): Promise<void> {
    await this.#hub.start()
    await this.#subscriber.connect()
    assert.equal(this.#subscriber.isSessionPresent, false)
    await this.#subscriber.subscribe('plant/#', 2)
    await this.#publisher.connect()
  }

  /** Some work, a kill in the midst of it, and the way back. */
  async round(kill: number): Promise<void> {
    const publisher = this.#publisher
    const wanted = publisher.acknowledged.size + 1 + this.#random.below(150)
    // Now and then nobody is there to receive: it waits on the disk.
    if (this.#random.below(4) === 0) this.#subscriber.drop()
    this.#fill()
    await publisher.until(() => {
      if (publisher.isConnected) this.#fill()
      return publisher.acknowledged.size >= wanted
    }, `reading ${wanted} of round ${kill}`)
    await this.#hub.kill()
    await publisher.until(() => !publisher.isConnected, 'the end of its connection')
    this.drop()
    await this.#hub.start()
    for (const client of [this.#subscriber, publisher]) {
      await client.connect()
      assert.equal(client.isSessionPresent, true, `${client.clientId} has no session, kill ${kill}`)
    }
  }

  async finish(): Promise<void> {
    const [publisher, subscriber] = [this.#publisher, this.#subscriber]
    await publisher.until(() => publisher.inFlight === 0, 'all its acknowledgements')
    const sent = [...this.#sent[1], ...this.#sent[2]]
    assert.deepEqual(
      sent.filter((reading) => !publisher.acknowledged.has(reading)),
      [],
    )
    await subscriber.until(
      () => sent.every((reading) => subscriber.timesOf(reading) > 0),
      'every reading that was acknowledged',
    )
    const twice = this.#sent[2].filter((reading) => subscriber.timesOf(reading) !== 1)
    assert.deepEqual(twice, [], 'QoS 2 readings that came more than once')
    assert.deepEqual(subscriber.received.get('plant/qos2'), this.#sent[2])
    assert.deepEqual(subscriber.received.get('plant/qos1'), this.#sent[1])
    await this.#checkRetained()
  }

  drop(): void {
    this.#publisher.drop()
    this.#subscriber.drop()
  }

  /** All are acknowledged by now: the newest of each topic is what a newcomer gets. */
  async #checkRetained(): Promise<void> {
    const newcomer = this.#client('newcomer')
    await newcomer.connect()
    await newcomer.subscribe('state/#', 1)
    await newcomer.until(
      () => newcomer.received.size >= this.#retained.size,
      'all retained messages',
    )
    for (const [topic, readings] of this.#retained) {
      assert.deepEqual(newcomer.received.get(topic), [readings.at(-1)], topic)
    }
    newcomer.drop()
  }

  #fill(): void {
    while (this.#publisher.inFlight < IN_FLIGHT) {
      const reading = ++this.#readings
      const kind = this.#random.below(5)
      if (kind === 0) {
        const topic = `state/${this.#random.below(RETAINED_TOPICS)}`
        const readings = this.#retained.get(topic) ?? []
        readings.push(reading)
        this.#retained.set(topic, readings)
        this.#publisher.publish(topic, reading, 1, true)
        continue
      }
      const qos = kind < 3 ? 1 : 2
      this.#sent[qos].push(reading)
      this.#publisher.publish(`plant/qos${qos}`, reading, qos)
    }
  }

  #client(clientId: string): PersistentMqttClient {
    return new PersistentMqttClient({ clientId, port: this.#mqttPort, level: this.#level })
  }
}
