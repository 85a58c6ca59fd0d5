import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { NatsConnection } from '@nats-io/transport-node'
import { connect as connectNats } from '../support/patience.ts'

/**
 * One cycle of a server's life: clients of all manners come, talk and go, in an order drawn from a seed.
 * What each one must get is counted; what is left behind is for the caller to look at.
 */
export interface ChurnOptions {
  readonly port: number
  readonly random: () => number
  readonly clients: number
  readonly rounds: number
}

export interface ChurnCounts {
  published: number
  delivered: number
  requests: number
  refused: number
}

/** What a socket that is no client sends: the server must end it, and nobody else must notice. */
const GARBAGE = [
  'GET / HTTP/1.1\r\n\r\n',
  'CONNECT {"verbose":\r\n',
  `PUB ${'a'.repeat(9_000)} 1\r\n`,
  'SUB a.>.b 1\r\nPUB x 99999999999\r\n',
  'PUB x -1\r\n',
  'HPUB x 10 5\r\nNATS/1.0\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'MSG a 1 1\r\nx\r\n',
]

export async function churn(options: ChurnOptions): Promise<ChurnCounts> {
  const counts: ChurnCounts = { published: 0, delivered: 0, requests: 0, refused: 0 }
  const { port, random } = options
  const servers = `127.0.0.1:${port}`
  const clients = await Promise.all(
    Array.from({ length: options.clients }, (_, i) => connectNats({ servers, name: `churn-${i}` })),
  )
  const responder = clients[0] as NatsConnection
  responder.subscribe('churn.service.*', {
    queue: 'workers',
    callback: (_error, message) => {
      message.respond(message.data)
    },
  })
  await responder.flush()
  for (let round = 0; round < options.rounds; round++) {
    const client = clients[Math.floor(random() * clients.length)] as NatsConnection
    const roll = random()
    if (roll < 0.35) await publishAndReceive(client, clients, random, counts)
    else if (roll < 0.6) await ask(client, random, counts)
    else if (roll < 0.75) await abandonedSubscriptions(client, random)
    else if (roll < 0.9) await sendGarbage(port, random, counts)
    else await frozenReader(port)
  }
  await Promise.all(clients.map((client) => client.close()))
  return counts
}

async function publishAndReceive(
  publisher: NatsConnection,
  clients: readonly NatsConnection[],
  random: () => number,
  counts: ChurnCounts,
): Promise<void> {
  const subject = `churn.${Math.floor(random() * 1e9)}`
  const size = Math.floor(random() ** 4 * 64 * 1024)
  const many = 1 + Math.floor(random() * 50)
  const subscriptions = clients.slice(0, 3).map((client) => {
    return client.subscribe(random() < 0.5 ? subject : `${subject.slice(0, 5)}.*`, { max: many })
  })
  for (const client of clients.slice(0, 3)) await client.flush()
  for (let i = 0; i < many; i++) publisher.publish(subject, new Uint8Array(size))
  for (const subscription of subscriptions) {
    let got = 0
    for await (const message of subscription) {
      assert.equal(message.data.length, size)
      got++
    }
    assert.equal(got, many)
    counts.delivered += got
  }
  counts.published += many
}

async function ask(
  client: NatsConnection,
  random: () => number,
  counts: ChurnCounts,
): Promise<void> {
  const body = new Uint8Array(Math.floor(random() * 2_000))
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.request(`churn.service.${i}`, body)),
  )
  for (const answer of answers) assert.equal(answer.data.length, body.length)
  await assert.rejects(client.request('churn.nobody', body, { timeout: 5_000 }), /no responders/i)
  counts.requests += answers.length
}

/** Made, used or not, and left to the end of the connection or taken back. */
async function abandonedSubscriptions(client: NatsConnection, random: () => number): Promise<void> {
  const made = Array.from({ length: 200 }, (_, i) => {
    return client.subscribe(`churn.left.${i}.${random() < 0.2 ? '>' : 'x'}`, {
      ...(random() < 0.3 ? { queue: `q${i % 5}` } : {}),
      callback: () => {},
    })
  })
  await client.flush()
  for (const subscription of made) subscription.unsubscribe()
  await client.flush()
}

async function sendGarbage(port: number, random: () => number, counts: ChurnCounts): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await ended(socket, GARBAGE[Math.floor(random() * GARBAGE.length)] ?? '')
  counts.refused++
}

async function ended(socket: Socket, said: string): Promise<void> {
  socket.on('error', () => {})
  socket.resume()
  socket.write(said, 'latin1')
  // Some garbage is the beginning of something: then it is we who hang up.
  const timer = setTimeout(() => socket.destroy(), 200)
  await once(socket, 'close')
  clearTimeout(timer)
}

/** Asks for a lot, reads nothing, is gone. */
async function frozenReader(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.pause()
  socket.write('CONNECT {"verbose":false}\r\nSUB churn.> 1\r\nSUB frozen.> 2\r\n')
  const body = 'x'.repeat(8_192)
  for (let i = 0; i < 50; i++) socket.write(`PUB frozen.flood ${body.length}\r\n${body}\r\n`)
  socket.destroy()
  await once(socket, 'close')
}
