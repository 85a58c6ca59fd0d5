import assert from 'node:assert/strict'
import { NOTICE_INTERVAL_MS } from '../../bridge-mqtt/limits.ts'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'

const TIMES = 50
const FILTERS_MAX = 10
const CLIENTS_MAX = 10

/** Whatever a client may do as often as it likes: what is logged of it, and who does it so many times. */
type Offence = readonly [string, (hub: MqttHub, times: number) => Promise<void>]

const OFFENCES: readonly Offence[] = [
  [
    'packet breaks the protocol: closing',
    async ({ port }, times) => {
      for (let n = 0; n < times; n++) {
        const one = await PacketClient.client(port, { clientId: 'breaker' })
        one.raw('00 00')
        assert.equal(await one.disconnected(), 0x81)
      }
    },
  ],
  [
    'client has too many topic filters',
    async ({ port }, times) => {
      const one = await PacketClient.client(port, { clientId: 'greedy' })
      const filters = Array.from({ length: FILTERS_MAX + times }, (_, n) => `filter/${n}`)
      const { granted } = await one.subscribe(1, filters)
      assert.equal((granted as number[]).filter((code) => code === 0x97).length, times)
      await one.disconnect()
    },
  ],
  [
    'publish without permission is dropped',
    async ({ port }, times) => {
      const one = await PacketClient.client(port, { clientId: 'spy' })
      for (let n = 0; n < times; n++) one.publish('secret/a', 'x')
      await one.beforePong()
      await one.disconnect()
    },
  ],
  [
    'publish to a topic of the server is dropped',
    async ({ port }, times) => {
      const one = await PacketClient.client(port, { clientId: 'usurper' })
      for (let n = 0; n < times; n++) one.publish('$SYS/broker/version', 'x')
      await one.beforePong()
      await one.disconnect()
    },
  ],
  [
    'will without permission is dropped',
    async ({ port }, times) => {
      const will = { topic: 'secret/a', payload: 'x', qos: 0, retain: false } as const
      for (let n = 0; n < times; n++) {
        const one = await PacketClient.client(port, { clientId: 'spirit', will })
        await one.disconnect({ reasonCode: 4 })
      }
    },
  ],
  [
    'client is refused: too many clients (mqtt.max_connections)',
    async ({ port }, times) => {
      const crowd = await Promise.all(
        Array.from({ length: CLIENTS_MAX }, (_, n) =>
          PacketClient.client(port, { clientId: `c${n}` }),
        ),
      )
      for (let n = 0; n < times; n++) {
        const one = await PacketClient.open(port)
        one.sendConnect({ clientId: 'too many' })
        assert.equal((await one.next('connack')).reasonCode, 0x97)
        await one.end()
      }
      for (const one of crowd) await one.disconnect()
    },
  ],
]

describe('what MQTT clients can do at will is logged once, and counted', () => {
  let hub: MqttHub

  before(async () => {
    const permissions = { publish: { deny: ['secret.>'] } }
    hub = await MqttHub.start(
      { max_subscriptions: FILTERS_MAX, max_connections: CLIENTS_MAX, no_auth_user: 'anybody' },
      { authorization: { users: [{ user: 'anybody', password: 'x', permissions }] } },
    )
  })

  after(() => hub.remove())

  for (const [text, offend] of OFFENCES) {
    it(`${text}: ${TIMES + 2} times`, async () => {
      hub.clock.skip(NOTICE_INTERVAL_MS)
      hub.log.lines.splice(0)
      const beganMs = hub.clock.monotonicMs()
      await offend(hub, 1)
      assert.deepEqual(
        warnings(hub).map(({ message }) => message),
        [text],
      )
      await offend(hub, TIMES)
      const intervals = Math.floor((hub.clock.monotonicMs() - beganMs) / NOTICE_INTERVAL_MS)
      const lines = warnings(hub).length
      assert.ok(lines <= 1 + intervals, `${lines} lines`)

      hub.clock.skip(NOTICE_INTERVAL_MS)
      await offend(hub, 1)
      const said = warnings(hub)
      assert.equal(said.length, lines + 1)
      // None is of another kind, and the lines speak of all that happened.
      assert.ok(
        said.every(({ message }) => message === text),
        JSON.stringify(said),
      )
      const counted = said.map(({ fields }) => 1 + Number(fields['suppressed'] ?? 0))
      assert.equal(
        counted.reduce((sum, count) => sum + count, 0),
        TIMES + 2,
      )
    })
  }
})

function warnings({ log }: MqttHub) {
  return log.lines.filter(({ level }) => level === 'warn' || level === 'error')
}
