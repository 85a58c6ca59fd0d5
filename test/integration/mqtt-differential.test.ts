import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { Aedes } from 'aedes'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { compareBrokers } from '../support/mqtt-differential.ts'
import { StoreFolder } from '../support/opened-store.ts'

const SCRIPTS = Number(process.env['SCRIPTS'] ?? 10)
const SCRIPT_MS = 60_000
const STEPS = 30
const CLIENTS = 3
const TOPICS = ['a', 'a/b', 'a/b/c', 'b', '/a', 'a/', 'a//b', '$x/a', 'v1.0/a', 'a b/c', '*', 'c/>']
const FILTERS = [...TOPICS, '#', '+', 'a/#', '+/b', 'a/+', '+/+', '/+', '+/', '$x/#', 'a/+/#', '/#']

/** One step of a script; all brokers are led through the same. */
type Step =
  | {
      readonly do: 'subscribe'
      readonly client: number
      readonly filter: string
      readonly qos: 0 | 1
    }
  | { readonly do: 'unsubscribe'; readonly client: number; readonly filter: string }
  | { readonly do: 'publish'; readonly client: number; readonly topic: string; readonly qos: 0 | 1 }

/**
 * Random legal scripts give the same observable results here and with aedes. One client subscribes at
 * one QoS only: of overlapping filters aedes takes the first one's QoS, we the highest [MQTT-3.3.5-1].
 */
describe('MQTT 3.1.1: the same as aedes', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  const folder = new StoreFolder()
  let core: MqttCore
  let door: MqttFrontDoor
  let aedes: Aedes
  let aedesServer: Server
  let aedesPort: number

  before(async () => {
    door = new MqttFrontDoor(MQTT_CONFIG)
    core = new MqttCore({ store: await folder.open() })
    await door.start(core)
    aedes = await Aedes.createBroker()
    aedesServer = createServer({ noDelay: true }, aedes.handle)
    await new Promise<void>((resolve) => aedesServer.listen(0, '127.0.0.1', () => resolve()))
    const address = aedesServer.address()
    aedesPort = typeof address === 'object' ? (address?.port ?? 0) : 0
  })

  after(async () => {
    await door.destroy()
    await new Promise<void>((resolve) => aedes.close(() => resolve()))
    await new Promise((resolve) => aedesServer.close(resolve))
    await core.close()
    await folder.remove()
  })

  it(`${SCRIPTS} scripts (seed ${seed})`, async () => {
    const random = new SeededRandom(seed)
    let deliveries = 0
    for (let i = 0; i < SCRIPTS; i++) {
      const script = randomScript(random)
      const [ours, theirs] = await Promise.all([run(door.port, script), run(aedesPort, script)])
      assert.deepEqual(ours, theirs, `script ${i}: ${JSON.stringify(script)}`)
      deliveries += ours.flat().length
    }
    assert.ok(deliveries > SCRIPTS * 5, `only ${deliveries} deliveries`)
  })

  it(`${SCRIPTS} scripts of sessions, wills, retained messages and QoS 2 (seed ${seed})`, async function () {
    this.timeout(SCRIPTS * SCRIPT_MS)
    const ports = { ours: door.port, theirs: aedesPort }
    const drawing = { version: 4, isForAedes: true } as const
    const messages = await compareBrokers({ ...ports, ...drawing, seed, scripts: SCRIPTS })
    assert.ok(messages > SCRIPTS * 20, `only ${messages} messages`)
  })
})

function randomScript(random: SeededRandom): Step[] {
  const pick = (from: readonly string[]): string => from[random.below(from.length)] ?? ''
  return Array.from({ length: STEPS }, (_, i): Step => {
    const client = random.below(CLIENTS)
    const qos = random.below(2) === 0 ? 0 : 1
    const kind = i < CLIENTS * 2 ? 0 : random.below(10)
    const granted = client === 0 ? 0 : 1
    if (kind < 2) return { do: 'subscribe', client, filter: pick(FILTERS), qos: granted }
    if (kind < 3) return { do: 'unsubscribe', client, filter: pick(FILTERS) }
    return { do: 'publish', client, topic: pick(TOPICS), qos }
  })
}

/** What each client received, as `topic payload qos`, sorted: their order is not compared. */
async function run(port: number, script: readonly Step[]): Promise<string[][]> {
  const options: IClientOptions = { reconnectPeriod: 0, protocolVersion: 4 }
  const clients: MqttClient[] = []
  const received: string[][] = []
  for (let i = 0; i < CLIENTS; i++) {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, options)
    const got: string[] = []
    client.on('message', (topic, payload, packet) => got.push(`${topic} ${payload} ${packet.qos}`))
    clients.push(client)
    received.push(got)
  }
  for (const [i, step] of script.entries()) {
    const client = clients[step.client]
    if (step.do === 'subscribe') await client?.subscribeAsync(step.filter, { qos: step.qos })
    else if (step.do === 'unsubscribe') await client?.unsubscribeAsync(step.filter)
    else await client?.publishAsync(step.topic, String(i), { qos: step.qos })
    await settle(client)
    await Promise.all(clients.map(settle))
  }
  await Promise.all(clients.map((client) => client.endAsync()))
  return received.map((got) => got.sort())
}

/** A round trip: what the client sent before is routed, what was on its way to it has come. */
async function settle(client: MqttClient | undefined): Promise<void> {
  await client?.unsubscribeAsync('never/subscribed')
}
