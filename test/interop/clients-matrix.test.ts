import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { calloutModes } from './matrix/callout-logins.ts'
import {
  DOORS,
  type Door,
  Doors,
  isWebSocket,
  TRANSPORT_NAMES,
  TRANSPORTS,
  type Transport,
} from './matrix/doors.ts'
import { jwtMode } from './matrix/jwt-logins.ts'
import { MatrixServer, SERVER_KINDS, type ServerKind } from './matrix/matrix-server.ts'
import { expectation, type Mode } from './matrix/mode.ts'
import { outcome } from './matrix/outcome.ts'
import { noAuthUserMode, passwordModes, tlsMapMode } from './matrix/password-logins.ts'

/**
 * Every way to log in over every transport, with the official clients: here and at nats-server, from the same
 * files. Who is let in talks; who is not must be told so in the words that the client library knows.
 */
describe('logins of official clients', function () {
  this.timeout(60_000)
  const doors = new Doors()
  after(() => doors.authority.remove())

  for (const kind of SERVER_KINDS) {
    describe(kind, () => {
      // Those of a file without an operator share their servers, which are told of the next by a reload.
      const shared: Servers = new Map()
      for (const mode of passwordModes()) {
        describe(mode.name, () => tryMode(doors, kind, shared, () => Promise.resolve(mode)))
      }
      after(() => stopAll(shared))
      for (const mode of [noAuthUserMode(), tlsMapMode(doors), ...calloutModes()]) {
        describe(mode.name, () => tryMode(doors, kind, undefined, () => Promise.resolve(mode)))
      }
      describe('operator', () => tryMode(doors, kind, undefined, jwtMode))
    })
  }
})

type Servers = Map<Door, MatrixServer>

async function stopAll(servers: Servers): Promise<void> {
  await Promise.all([...servers.values()].map((server) => server.stop()))
}

function tryMode(
  doors: Doors,
  kind: ServerKind,
  shared: Servers | undefined,
  make: () => Promise<Mode>,
): void {
  const servers: Servers = shared ?? new Map()
  const beside: NatsConnection[] = []
  let mode: Mode

  before(async () => {
    mode = await make()
    const { config, isMapped, webSocket } = mode
    const starting = (mode.doors ?? DOORS).map(async (door) => {
      const text = `${doors.config(door, isMapped, webSocket)}\n${config}`
      const running = servers.get(door)
      if (running === undefined) servers.set(door, await MatrixServer.start(kind, text))
      else await running.reload(text)
    })
    await Promise.all(starting)
    for (const [door, server] of servers) {
      const transport = TRANSPORT_NAMES.find((name) => TRANSPORTS[name].door === door)
      await mode.beside?.(async (login) => {
        const client = await doors.connect(server, transport!, login)
        beside.push(client)
        return client
      })
    }
  })

  after(async () => {
    for (const client of beside) await client.close()
    if (shared === undefined) await stopAll(servers)
  })

  // The client library keeps its kind of transport in a global: clients of both kinds never connect at once.
  for (const group of [isWebSocket, (name: Transport) => !isWebSocket(name)]) {
    const names = TRANSPORT_NAMES.filter(group)
    it(`over ${names.join(', ')}`, async () => {
      const surprises: string[] = []
      for (const transport of names) {
        const server = servers.get(TRANSPORTS[transport].door)
        if (server === undefined) continue
        const cases = Object.entries(mode.cases).filter(
          ([, { needs }]) => needs === undefined || isWebSocket(transport),
        )
        const trying = cases.map(async ([who, one]) => {
          const result = await outcome(doors.connect(server, transport, one.login))
          const wanted = expectation(one, transport)
          if (result !== wanted) surprises.push(`${transport}: ${who}: ${result}, not ${wanted}`)
        })
        await Promise.all(trying)
      }
      assert.deepEqual(surprises, [])
    })
  }
}
