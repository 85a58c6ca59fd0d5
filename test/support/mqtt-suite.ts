/** What suites about MQTT begin with: a hub with a store, and clients that leave with the test they came for. */
import type { IConnectPacket } from 'mqtt-packet'
import { MqttHub } from './mqtt-hub.ts'
import { PacketClient } from './packet-client.ts'

export interface MqttSuite {
  /** Of the tests so far, the one that runs included. */
  readonly count: number
  /** A name that is this test's own. */
  nameOf(what: string): string
  /** Connected under such a name until the test is over. */
  client(what: string, packet?: Partial<IConnectPacket>): Promise<PacketClient>
}

/**
 * For the suite that is being described.
 * @param tell the hub, when it is there
 */
export function mqttSuite(tell: (hub: MqttHub) => void): MqttSuite {
  let hub: MqttHub
  let count = 0
  const clients: PacketClient[] = []

  before(async () => {
    hub = await MqttHub.start()
    tell(hub)
  })
  after(() => hub?.remove())

  beforeEach(() => {
    count++
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.destroy()
  })

  const nameOf = (what: string): string => `${what}-${count}`
  return {
    get count() {
      return count
    },
    nameOf,
    async client(what, packet = {}) {
      const client = await PacketClient.client(hub.port, { clientId: nameOf(what), ...packet })
      clients.push(client)
      return client
    },
  }
}
