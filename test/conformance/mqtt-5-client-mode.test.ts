import { ClientMode } from '../support/client-mode.ts'

describe('MQTT 5: a leaf that is a client', () => {
  let mode: ClientMode

  beforeEach(async () => {
    mode = await ClientMode.begin('5')
  })

  afterEach(() => mode.end())

  it('[MQTT-4.6.0-1] sends again in the order of before, with the identifiers of before', () =>
    mode.sendsAgain())

  it('[MQTT-3.2.2-5] forgets the session that the broker has lost', () => mode.beginsAnew())

  it('[MQTT-4.5.0-2, 4.6.0-2] acknowledges every PUBLISH, in their order', () =>
    mode.acknowledges())

  it('[MQTT-3.1.2-20] sends PINGREQ within its keep alive', () => mode.pings('1s'))

  it("[MQTT-3.1.2-21, 3.2.2-21] uses the server's keep alive in place of its own", () =>
    mode.pings('1h', { serverKeepAlive: 1 }))

  it('[MQTT-3.3.4-8] delays nothing but publishes when the receive maximum is reached', () =>
    mode.delaysOnlyPublishes())

  for (const most of [0, 10]) {
    it(`[MQTT-3.2.2-17, 3.2.2-18] sets no topic alias where the broker takes ${most}`, () =>
      mode.setsNoAlias(most))
  }

  it('[MQTT-3.14.4-1, 3.14.4-2] closes behind its DISCONNECT', () => mode.takesLeave())

  it('[MQTT-6.0.0-3] offers mqtt as the subprotocol of a WebSocket', () => mode.offersSubprotocol())
})
