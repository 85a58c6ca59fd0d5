import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { DEADLINE_MS } from '../../support/patience.ts'

let talks = 0

/** Publishes, subscribes and asks, as somebody who was let in may. */
export async function talk(client: NatsConnection): Promise<void> {
  const subject = `matrix.talk.${++talks}`
  const subscription = client.subscribe(`${subject}.*`, {
    callback: (_error, message) => {
      if (message.reply !== undefined && message.reply !== '') message.respond(message.data)
    },
  })
  const heard = client.subscribe(`${subject}.plain`, { max: 2 })
  client.publish(`${subject}.plain`, 'one')
  client.publish(`${subject}.plain`, 'x'.repeat(10_000))
  const sizes: number[] = []
  for await (const { data } of heard) sizes.push(data.length)
  assert.deepEqual(sizes, [3, 10_000])
  const answer = await client.request(`${subject}.asked`, 'what', { timeout: DEADLINE_MS })
  assert.equal(answer.string(), 'what')
  subscription.unsubscribe()
}

/** `in` for who came in and could talk; else the error that the client library made of its refusal. */
export async function outcome(connecting: Promise<NatsConnection>): Promise<string> {
  let client: NatsConnection
  try {
    client = await connecting
  } catch (error) {
    assert.ok(error instanceof Error)
    return describeError(error)
  }
  try {
    await talk(client)
    return 'in'
  } finally {
    await client.close()
  }
}

/** The class and the words of an error of the library. What it says of lost sockets depends on who noticed first. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'closed'
  const isOfSocket = 'code' in error || error.name === 'ConnectionError' || error.name === 'Error'
  return isOfSocket ? 'no handshake' : `${error.name}: ${error.message}`
}
