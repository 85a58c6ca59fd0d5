/**
 * A leaf that is a client of a plant's broker, killed again and again while messages flow both ways: nothing that
 * was acknowledged is lost, to devices of the leaf by the leaf, to devices of the plant by its broker.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connectAsync, type MqttClient } from 'mqtt'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { AedesPlant } from '../support/aedes-plant.ts'
import { fact } from '../support/bridging-leaf.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

const KILLS = 5
const BURST = 200

describe('fault: a leaf with a remote that is killed', function () {
  this.timeout(180_000)
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  let plant: AedesPlant
  let folder: string
  let leaf: PetioleProcess
  let ports: number[]

  beforeEach(async () => {
    plant = await AedesPlant.start()
    folder = mkdtempSync(path.join(tmpdir(), 'petiole-remote-kill-'))
    ports = await freePorts(3)
    const file = path.join(folder, 'leaf.conf')
    const [nats, mqtt, http] = ports
    writeFileSync(
      file,
      `server_name: press-7
listen: "127.0.0.1:${nats}"
http: "127.0.0.1:${http}"
jetstream { store_dir: "${folder}/store", domain: press-7 }
buffers { plant: { subjects: ["plant.>"] } }
mqtt {
  listen: "127.0.0.1:${mqtt}"
  remotes: [ { name: plant, url: "${plant.url}", subscribe: ["plant/#"], publish: ["cmd/#"], reconnect: 100ms } ]
}
`,
    )
    leaf = new PetioleProcess('leaf', ['leaf', '-c', file])
  })

  afterEach(async () => {
    await leaf.stop()
    await plant.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it(`loses nothing that was acknowledged, either way (seed ${seed})`, async () => {
    const random = new SeededRandom(seed)
    const atPlant = new Set<string>()
    plant.aedes.on('publish', ({ topic, payload }) => {
      if (topic === 'cmd/a') atPlant.add(String(payload))
    })
    await leaf.start()
    await fact('the first session', () => plant.aedes.connectedClients > 0)
    const acknowledged: string[] = []
    const device = await plant.client({ clientId: 'device' })
    const readings: string[] = []
    for (let round = 0; round < KILLS; round++) {
      const local = await connectAsync(`mqtt://127.0.0.1:${ports[1]}`, { reconnectPeriod: 0 })
      local.on('error', () => {})
      const sending = publishAll(local, round, acknowledged)
      for (let i = 0; i < BURST; i++) {
        const reading = `${round}.${i}`
        await device.publishAsync('plant/a', reading, { qos: 1 })
        readings.push(reading)
        if (i === random.below(BURST)) break
      }
      await leaf.kill()
      local.end(true)
      await sending
      await leaf.start()
    }
    assert.ok(acknowledged.length > 0)
    await fact('all orders at the plant', () => acknowledged.every((it) => atPlant.has(it)))
    const connection = await connect({ servers: `127.0.0.1:${ports[0]}` })
    try {
      const jsm = await jetstreamManager(connection)
      const stored = new Set<string>()
      await fact('all readings in the buffer', async () => {
        const { state } = await jsm.streams.info('plant')
        for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
          const message = await jsm.streams.getMessage('plant', { seq })
          if (message !== null) stored.add(message.string())
        }
        return readings.every((it) => stored.has(it))
      })
    } finally {
      await connection.close()
    }
  })
})

/** Publishes as fast as it is acknowledged, until the leaf is gone. */
async function publishAll(
  client: MqttClient,
  round: number,
  acknowledged: string[],
): Promise<void> {
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  const work = Array.from({ length: BURST }, async (_, i) => {
    await client.publishAsync('cmd/a', `${round}.${i}`, { qos: 1 })
    acknowledged.push(`${round}.${i}`)
  })
  await Promise.race([closed, Promise.allSettled(work)])
}
