/**
 * Ordered consumers of the official client, pushed to and pulling, while their server is killed and
 * started again: each message once, in order, and none missing.
 */
import assert from 'node:assert/strict'
import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { connect } from '../support/patience.ts'
import { StoredHub } from '../support/stored-hub.ts'

const MESSAGES = 2_000
const KILLS = 2

describe('fault: ordered consumers of a server that is killed', function () {
  this.timeout(180_000)
  let hub: StoredHub
  let connection: NatsConnection

  beforeEach(async () => {
    hub = await StoredHub.create()
    await hub.start()
    connection = await connect({
      servers: `127.0.0.1:${hub.port}`,
      reconnectTimeWait: 100,
      maxReconnectAttempts: -1,
    })
    const jsm = await jetstreamManager(connection)
    await jsm.streams.add({ name: 'S', subjects: ['s.>'] })
    await fill(1, MESSAGES)
  })

  afterEach(async () => {
    await connection.close()
    await hub.remove()
  })

  /** From a connection of its own: the reader's may not be back yet. */
  async function fill(from: number, count: number): Promise<void> {
    const publisher = await connect({ servers: `127.0.0.1:${hub.port}` })
    const js = jetstream(publisher)
    const acks: Promise<unknown>[] = []
    for (let i = from; i < from + count; i++) acks.push(js.publish('s.a', `m${i}`))
    await Promise.all(acks)
    await publisher.close()
  }

  /** Reads to the end, and kills the server now and then on the way. */
  async function readAll(messages: AsyncIterable<JsMsg>): Promise<number[]> {
    const seen: number[] = []
    for await (const message of messages) {
      seen.push(message.seq)
      assert.equal(message.string(), `m${message.seq}`)
      if (seen.length === MESSAGES * (KILLS + 1)) break
      if (seen.length % MESSAGES === MESSAGES / 2) {
        await hub.kill()
        await hub.start()
        await fill(MESSAGES * Math.ceil(seen.length / MESSAGES) + 1, MESSAGES)
      }
    }
    return seen
  }

  const everything = Array.from({ length: MESSAGES * (KILLS + 1) }, (_, i) => i + 1)

  it('push', async () => {
    const consumer = await jetstream(connection).consumers.getPushConsumer('S')
    assert.deepEqual(await readAll(await consumer.consume()), everything)
  })

  it('pull', async () => {
    const consumer = await jetstream(connection).consumers.get('S')
    const options = { max_messages: 100, idle_heartbeat: 500, expires: 2_000 }
    assert.deepEqual(await readAll(await consumer.consume(options)), everything)
  })
})
