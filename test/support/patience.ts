/**
 * How long the tests wait. A fact that holds ends a wait at once, so patience costs nothing where all is
 * well; where tests run beside other work, a second is nothing. mocha's own limit, in `.mocharc.json`, is
 * above these, so that what is missing is told by the wait for it.
 */
import type { NatsConnection } from '@nats-io/transport-node'

/** For one fact. */
export const DEADLINE_MS = 30_000

/** The official client gives up a request after a second when it is told nothing else: this one does not. */
export function patient<Client extends NatsConnection>(client: Client): Client {
  const request = client.request.bind(client)
  client.request = (subject, payload, options) =>
    request(subject, payload, { timeout: DEADLINE_MS, ...options })
  return client
}
