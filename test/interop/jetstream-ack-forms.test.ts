import assert from 'node:assert/strict'
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { accountHash } from '../../shared/stream/consumer/ack-subject.ts'
import { ConfigTwins, type TwinClients } from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'

/** Both forms of ack and flow-control subjects, and which of them is sent, beside a real nats-server. */
const configOf = (flags: string): string => `
server_name: test
jetstream { store_dir: "%DIR%/js" }
accounts { A { jetstream: enabled, users: [{ user: a, password: a }] } }
${flags}
`
const PATIENT = { timeout: 20_000 }
/** From the name of the stream on. */
const OWN_TOKENS = 7

for (const [title, flags] of [
  ['without flags', ''],
  ['with js_ack_fc_v2', 'feature_flags { js_ack_fc_v2: true }'],
] as const) {
  describe(`acks ${title} beside a real nats-server`, function () {
    this.timeout(60_000)
    let twins: ConfigTwins
    let clients: TwinClients

    before(async () => {
      twins = await ConfigTwins.start(configOf(flags))
      clients = await twins.clients('a')
      for (const client of clients) {
        await make(client, 'STREAM.CREATE.S', { name: 'S', subjects: ['s'] })
      }
    })
    after(() => twins?.stop())

    it('are sent in one form, and taken in both', async () => {
      const [theirs, ours] = await both(async (client) => {
        await make(client, 'CONSUMER.CREATE.S.c', {
          stream_name: 'S',
          config: { name: 'c', durable_name: 'c', ack_policy: 'explicit' },
        })
        for (let i = 0; i < 4; i++) await client.request('s', 'x', PATIENT)
        const inbox = createInbox()
        const replies: string[] = []
        client.subscribe(inbox, { callback: (_error, { reply = '' }) => void replies.push(reply) })
        client.publish('$JS.API.CONSUMER.MSG.NEXT.S.c', '4', { reply: inbox })
        await eventually(() => replies.length === 4, 'four messages')
        const [first = '', second = '', third = '', fourth = ''] = replies
        const named = `$JS.ACK._.${accountHash('A')}.`
        await client.request(`$JS.ACK.${ownOf(first)}`, '', PATIENT)
        await client.request(`${named}${ownOf(second)}`, '', PATIENT)
        await client.request(`${named}${ownOf(third)}.more.tokens`, '', PATIENT)
        const floor = await floorOf(client)
        // Another account's, and one that is too short.
        client.publish(`$JS.ACK._.ABCDEFGH.${ownOf(fourth)}`)
        client.publish(`${named}${ownOf(fourth).split('.').slice(0, -1).join('.')}`)
        client.publish(`$JS.ACK.${ownOf(fourth)}.more`)
        await client.flush()
        return [first.split('.').slice(0, -OWN_TOKENS), floor, await floorOf(client)]
      })
      assert.deepEqual(ours, theirs)
      assert.deepEqual(ours?.slice(1), [3, 3])
    })

    for (const policy of ['explicit', 'all']) {
      it(`are answered or not, whatever they say and of which message, ack_policy ${policy}`, async () => {
        const texts = ['', '+ACK', '+OK', '+WPI', '-NAK', '+TERM', '-NAK x', '+ACK ', '+ack', 'x']
        const [theirs, ours] = await both(async (client) => {
          const config = { name: policy, durable_name: policy, ack_policy: policy }
          await make(client, `CONSUMER.CREATE.S.${policy}`, { stream_name: 'S', config })
          await client.request('s', 'x', PATIENT)
          await client.request(`$JS.API.CONSUMER.MSG.NEXT.S.${policy}`, '1', {
            ...PATIENT,
            noMux: true,
          })
          const answered: string[] = []
          const inbox = createInbox()
          client.subscribe(`${inbox}.>`, {
            callback: (_error, { subject, data }) => {
              answered.push(`${subject.slice(inbox.length)} ${data.length}`)
            },
          })
          // The last one is answered, and no answer to one before it comes later.
          const asks = [0, 1, 900].flatMap((seq) => texts.map((text) => [seq, text] as const))
          for (const [i, [seq, text]] of [...asks, [1, '+WPI'] as const].entries()) {
            const to = `$JS.ACK.S.${policy}.1.${seq}.${seq}.1700000000000000000.1`
            client.publish(to, text, { reply: `${inbox}.${seq}.${i % texts.length}.${i}` })
          }
          const last = `.1.0.${asks.length} 0`
          await eventually(() => answered.includes(last), 'an answer to the last')
          return answered.toSorted()
        })
        assert.deepEqual(ours, theirs)
      })
    }

    it('questions of flow control are in the same form', async () => {
      const [theirs, ours] = await both(async (client) => {
        const inbox = createInbox()
        const questions: Msg[] = []
        client.subscribe(inbox, {
          callback: (_error, message) => {
            if (message.headers?.description === 'FlowControl Request') questions.push(message)
          },
        })
        await make(client, 'CONSUMER.CREATE.S.push', {
          stream_name: 'S',
          config: {
            name: 'push',
            deliver_subject: inbox,
            flow_control: true,
            idle_heartbeat: 60e9,
            ack_policy: 'none',
          },
        })
        const asked = async (): Promise<void> => {
          while (questions.length === 0) await client.request('s', 'x'.repeat(500_000), PATIENT)
        }
        await asked()
        const [question] = questions.splice(0)
        question?.respond('')
        await asked()
        const [again] = questions
        return [question, again].map((it) => it?.reply?.split('.').slice(0, -1))
      })
      assert.deepEqual(ours, theirs)
    })

    function both<T>(work: (client: NatsConnection) => Promise<T>): Promise<T[]> {
      return Promise.all(clients.map(work))
    }
  })
}

async function make(client: NatsConnection, subject: string, body: object): Promise<void> {
  const answer = await client.request(`$JS.API.${subject}`, JSON.stringify(body), PATIENT)
  assert.ok(!answer.string().includes('"error"'), answer.string())
}

function ownOf(reply: string): string {
  return reply.split('.').slice(-OWN_TOKENS).join('.')
}

async function floorOf(client: NatsConnection): Promise<number> {
  const info = await client.request('$JS.API.CONSUMER.INFO.S.c', '', PATIENT)
  return info.json<{ ack_floor: { stream_seq: number } }>().ack_floor.stream_seq
}
