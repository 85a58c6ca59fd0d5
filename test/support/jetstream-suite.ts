/** What suites about JetStream begin with: a server, the official client of it, and a stream name for each test. */
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { clientOf, type JetStreamServer, startJetStreamServer } from './jetstream-server.ts'

export interface JetStreamFacts {
  readonly server: JetStreamServer
  readonly connection: NatsConnection
  readonly jsm: JetStreamManager
  readonly js: JetStreamClient
}

export interface JetStreamSuite {
  /** A name that no test has used yet. */
  newName(): string
  /** Ends the server and starts it again on the same store; the client is another then. */
  restart(): Promise<void>
}

/**
 * For the suite that is being described.
 * @param tell what is there now: at the start, and after each restart
 */
export function jetStreamSuite(
  prefix: string,
  tell: (facts: JetStreamFacts) => void,
): JetStreamSuite {
  let server: JetStreamServer
  let connection: NatsConnection
  let names = 0

  const open = async (): Promise<void> => {
    connection = await clientOf(server)
    const jsm = await jetstreamManager(connection)
    tell({ server, connection, jsm, js: jetstream(connection) })
  }

  before(async () => {
    server = await startJetStreamServer()
    await open()
  })

  after(async () => {
    await connection.close()
    await server.stop()
  })

  return {
    newName: () => `${prefix}${++names}`,
    async restart() {
      await connection.close()
      await server.restart()
      await open()
    },
  }
}
