import assert from 'node:assert/strict'
import { act, listOf, type OperatorLine } from '../../../../bridge-mqtt/index.ts'

const SERVER = { id: 'NA', name: 'hub', version: '1' }

/** A server with so many clients, which shows three of them at a time. */
class PagingServer implements OperatorLine {
  readonly serverId = 'NA'
  readonly asked: string[] = []
  readonly #size: number
  pings: readonly string[] = []
  answer: string | undefined

  constructor(size: number) {
    this.#size = size
  }

  ask(subject: string, body: string): Promise<string> {
    this.asked.push(`${subject} ${body}`)
    if (this.answer !== undefined) return Promise.resolve(this.answer)
    const { offset, limit = 3 } = JSON.parse(body)
    const end = Math.min(offset + Math.min(limit, 3), this.#size)
    const clients = []
    for (let i = offset; i < end; i++) clients.push({ client_id: `c${i}` })
    const next = end < this.#size ? end : null
    return Promise.resolve(JSON.stringify({ server: SERVER, total: this.#size, next, clients }))
  }

  askAll(subject: string): Promise<readonly string[]> {
    this.asked.push(subject)
    return Promise.resolve(this.pings)
  }
}

describe('petiole mqtt asks a server', () => {
  it('page by page for a list', async () => {
    const server = new PagingServer(7)
    const { entries, total } = await listOf(server, 'clients', { account: 'A' })
    assert.deepEqual(
      entries.map((entry) => entry['client_id']),
      ['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6'],
    )
    assert.equal(total, 7)
    assert.deepEqual(server.asked, [
      '$MQTT.REQ.NA.CLIENTS {"account":"A","offset":0}',
      '$MQTT.REQ.NA.CLIENTS {"account":"A","offset":3}',
      '$MQTT.REQ.NA.CLIENTS {"account":"A","offset":6}',
    ])
  })

  it('for no more than is wanted', async () => {
    const server = new PagingServer(7)
    const { entries } = await listOf(server, 'clients', { limit: 4 })
    assert.equal(entries.length, 4)
    assert.equal(server.asked.at(-1), '$MQTT.REQ.NA.CLIENTS {"offset":3,"limit":1}')
  })

  it('ends with a server that sends it back', async () => {
    const server = new PagingServer(0)
    server.answer = JSON.stringify({ server: SERVER, total: 9, next: 0, clients: [{}] })
    assert.equal((await listOf(server, 'clients', {})).entries.length, 1)
  })

  it('another one by its name, and says which there are', async () => {
    const server = new PagingServer(0)
    const named = (name: string, id: string) => JSON.stringify({ server: { ...SERVER, name, id } })
    server.pings = [
      named('hub', 'NA'),
      named('press-7', 'NB'),
      named('twin', 'NC'),
      named('twin', 'ND'),
    ]
    server.answer = JSON.stringify({ server: SERVER, account: 'A', kicked: 'x' })
    await act(server, { name: 'KICK', body: { client: 'x' }, at: 'press-7' })
    assert.deepEqual(server.asked, ['$MQTT.REQ.PING', '$MQTT.REQ.NB.KICK {"client":"x"}'])
    await assert.rejects(act(server, { name: 'KICK', body: {}, at: 'press-8' }), {
      message: 'no server press-8 answers; those that do: hub, press-7, twin, twin',
    })
    await assert.rejects(act(server, { name: 'KICK', body: {}, at: 'twin' }), {
      message: 'there are 2 servers of the name twin: ask the one you mean itself',
    })
    server.pings = []
    await assert.rejects(act(server, { name: 'KICK', body: {}, at: 'hub' }), {
      message: 'no server answers that serves MQTT: is hub linked, and in this account?',
    })
  })

  const wrong: readonly (readonly [answer: string, message: string])[] = [
    ['{"server":{"id":"N","name":"n"},"error":{"code":404,"description":"no x"}}', 'no x'],
    ['nonsense', 'the answer is none of a Petiole server'],
    ['null', 'the answer is none of a Petiole server'],
    ['{"server":null}', 'the answer is none of a Petiole server'],
    ['{"server":{"id":1,"name":"n"}}', 'the answer is none of a Petiole server'],
    ['{"server":{"id":"N","name":"n"},"clients":7}', 'the answer is none of a Petiole server'],
  ]
  for (const [answer, message] of wrong) {
    it(`and says what is wrong with ${answer}`, async () => {
      const server = new PagingServer(0)
      server.answer = answer
      await assert.rejects(listOf(server, 'clients', {}), { message })
    })
  }
})
