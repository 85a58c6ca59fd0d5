import assert from 'node:assert/strict'
import { BrokerHarness, type RawClient } from '../support/broker-harness.ts'
import { eventually } from '../support/link-node.ts'
import { RecordingLink } from '../support/recording-peer.ts'

const PLAIN = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
const SUBSCRIPTIONS = 100_000
const JOBS = 20

/** Who had very many subscriptions is gone at once, although they are forgotten piece by piece. */
describe('a client with very many subscriptions that is gone', function () {
  this.timeout(60_000)
  let harness: BrokerHarness

  beforeEach(async () => {
    harness = await BrokerHarness.start()
  })

  afterEach(() => harness.stop())

  async function connect(lines: string): Promise<RawClient> {
    const client = await harness.connect()
    await client.converse(`${PLAIN}${lines}`)
    client.received = ''
    return client
  }

  async function giant(): Promise<RawClient> {
    let lines = ''
    for (let i = 0; i < SUBSCRIPTIONS; i++) lines += `SUB many.${i} ${i}\r\n`
    return connect(`${lines}SUB jobs workers q\r\nSUB reply r\r\nSUB events observers e\r\n`)
  }

  const goings: [string, (client: RawClient) => void][] = [
    ['without a word', (client) => client.socket.resetAndDestroy()],
    ['in order', (client) => client.socket.end()],
    ['because of what it said', (client) => client.send('NONSENSE\r\n')],
  ]
  for (const [how, go] of goings) {
    it(`${how}, is interested in nothing, is no member of a group, and leaves others their turn`, async () => {
      const worker = await connect('SUB jobs workers 1\r\n')
      const space = harness.broker.space('$G')
      const floor = harness.broker.totals.subscriptions
      const others = harness.broker.connections.size
      const client = await giant()
      assert.ok(space.hasInterest('reply') && space.hasInterest('events'))
      go(client)
      await eventually(() => harness.broker.connections.size === others, 'the client is gone')
      const left = harness.broker.totals.subscriptions - floor
      assert.ok(left > SUBSCRIPTIONS / 2, `${left} subscriptions are still to be forgotten`)

      const stillThere = ['many.99999', 'reply', 'events'].filter((it) => space.hasInterest(it))
      assert.deepEqual(stillThere, [])
      assert.ok(space.hasInterest('jobs'))
      const groups = [...space.subscriptions()].filter(({ queue }) => queue !== '')
      assert.deepEqual(
        groups.map(({ subject, sid }) => [subject, sid]),
        [['jobs', '1']],
      )

      const link = new RecordingLink('route')
      const nothing = new Uint8Array(0)
      const job = { subject: Buffer.from('jobs'), reply: nothing, headers: nothing }
      let given = 0
      let turns = 0
      for (; harness.broker.totals.subscriptions > floor; turns++) {
        if (given < JOBS) {
          const payload = Buffer.from(`job ${given++}`)
          assert.equal(space.publish(link, { ...job, payload }, { queues: ['workers'] }), 1)
        }
        worker.received = ''
        await worker.converse('PUB jobs 2\r\nok\r\n')
        assert.match(worker.received, /MSG jobs 1 2\r\nok\r\n/)
      }
      assert.ok(given >= 5 && turns >= 5, `others had ${turns} turns`)
    })
  }
})
