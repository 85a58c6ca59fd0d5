/**
 * How long the tests wait. A fact that holds ends a wait at once, so patience costs nothing where all is
 * well; where tests run beside other work, a second is nothing. mocha's own limit, in `.mocharc.json`, is
 * above these, so that what is missing is told by the wait for it.
 */
import { wsconnect as connectOverWebSocket, type WsConnectionOptions } from '@nats-io/nats-core'
import {
  type ConnectionOptions,
  connect as connectClient,
  type NatsConnection,
} from '@nats-io/transport-node'

/** For one fact. */
export const DEADLINE_MS = 30_000

/** A configuration whose server waits for logins longer than two seconds, unless it says something of logins. */
export function patientLogins(config: string): string {
  return config.includes('authorization') ? config : `${config}\nauthorization { timeout: 20 }\n`
}

/** What the official client of JetStream gives a request when it is told nothing else. */
const JETSTREAM_DEFAULT_MS = 5_000

/** The official client, patient. Tests have it from here: `test/tidy.test.ts` holds that. */
export async function connect(options: ConnectionOptions = {}): Promise<NatsConnection> {
  return patient(await connectClient(options))
}

export async function wsconnect(options: WsConnectionOptions): Promise<NatsConnection> {
  return patient(await connectOverWebSocket(options))
}

/** It gives up a request after a second, or five for JetStream, when it is told nothing else: this one does not. */
function patient<Client extends NatsConnection>(client: Client): Client {
  const request = client.request.bind(client)
  client.request = (subject, payload, options) => {
    const told = options?.timeout ?? JETSTREAM_DEFAULT_MS
    const timeout = told === JETSTREAM_DEFAULT_MS ? DEADLINE_MS : told
    return request(subject, payload, { ...options, timeout })
  }
  return client
}
