import { ClientMode } from '../support/client-mode.ts'

describe('MQTT 3.1.1: a server that connects to others as a client [MQTT-7.0.0-1]', () => {
  let mode: ClientMode

  beforeEach(async () => {
    mode = await ClientMode.begin('3.1.1')
  })

  afterEach(() => mode.end())

  it('[MQTT-2.3.1-2, 2.3.1-3] gives each publish an unused identifier, which stays when it is sent again', () =>
    mode.sendsAgain())

  it('[MQTT-4.5.0-2] acknowledges every PUBLISH', () => mode.acknowledges())

  it('[MQTT-3.1.2-23] sends PINGREQ within its keep alive', () => mode.pings('1s'))

  it('[MQTT-3.14.4-1, 3.14.4-2] closes behind its DISCONNECT', () => mode.takesLeave())

  it('[MQTT-6.0.0-3] offers mqtt as the subprotocol of a WebSocket', () => mode.offersSubprotocol())
})
