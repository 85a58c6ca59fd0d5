import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import {
  createInbox,
  headers,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { drawWorld, type Step, type World } from './drawn-consumers.ts'

/** Whatever a consumer is made of and whatever happens to it, it delivers and says what a real nats-server's does. */
const WORLDS = 6
const STEPS = 30
const PATIENT = { timeout: DEADLINE_MS }
/** How long what is said of a consumer may differ: nats-server takes acknowledgements and requests side by side. */
const SETTLE_MS = 1_500
/** A pull that is neither filled nor ended after so long will not be. */
const PULL_MS = 1_500
/** An acknowledgement that is not answered by then is not. */
const ACK_MS = 150
/** A machine that is busy has answered so many requests before any of these times counts as over. */
const ANSWERS_MEANWHILE = 50
/** A difference is one when it comes again: a busy machine makes others of its own. */
const TRIES = 3

describe('consumers beside a real nats-server', function () {
  this.timeout(240_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`stand where they should whatever is done to them: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    for (let i = 0; i < WORLDS; i++) {
      const world = drawWorld(random, STEPS)
      for (let tries = 1; ; tries++) {
        const found = await differenceIn(world, clients)
        await clearStreams(clients)
        if (found === undefined) break
        if (tries < TRIES) continue
        assert.deepEqual(found.ours, found.theirs, `SEED=${seed} world ${i}\n${found.title}`)
      }
    }
  })
})

interface Difference {
  readonly title: string
  readonly theirs: unknown
  readonly ours: unknown
}

/** Acts it out at both, up to the first step after which they differ. */
async function differenceIn(world: World, clients: TwinClients): Promise<Difference | undefined> {
  const sides = clients.map((client) => new Side(client, world)) as [Side, Side]
  const create = { stream_name: 'S', config: world.consumer }
  const steps: readonly Step[] = [
    { type: 'api', route: 'STREAM.CREATE.S', body: world.stream },
    ...world.earlier,
    { type: 'api', route: 'CONSUMER.CREATE.S.c', body: create },
    ...world.steps,
  ]
  const done: string[] = []
  let isThere = false
  for (const step of steps) {
    done.push(JSON.stringify(step))
    const [theirs, ours] = await Promise.all(sides.map((side) => side.act(step)))
    if (!isDeepStrictEqual(ours, theirs)) return { title: done.join('\n'), theirs, ours }
    isThere ||= step.type === 'api' && step.route.startsWith('CONSUMER.CREATE')
    if (!isThere) continue
    const found = await settled(sides)
    if (found !== undefined) return { title: done.join('\n'), ...found }
  }
  return undefined
}

/** What still differs of their consumers and streams once nothing moves any more. */
async function settled(sides: readonly Side[]): Promise<Omit<Difference, 'title'> | undefined> {
  const endMs = Date.now() + SETTLE_MS
  for (let answers = 1; ; answers++) {
    const [theirs, ours] = await Promise.all(sides.map((side) => side.state()))
    if (isDeepStrictEqual(ours, theirs)) return undefined
    if (answers >= ANSWERS_MEANWHILE && Date.now() > endMs) return { theirs, ours }
  }
}

class Side {
  readonly #client: NatsConnection
  /** Reply subjects, of every delivery. */
  readonly #delivered: string[] = []
  #pinId = ''

  readonly #hasFloors: boolean

  readonly #isAll: boolean
  /** Until it delivers again nats-server may say that it is where it was before. */
  #isReset = false

  constructor(client: NatsConnection, { isCalm, consumer }: World) {
    this.#client = client
    this.#hasFloors = isCalm
    this.#isAll = consumer['ack_policy'] === 'all'
  }

  async act(step: Step): Promise<unknown> {
    switch (step.type) {
      case 'api':
        if (step.route.startsWith('CONSUMER.RESET')) {
          this.#isReset = true
          // Who acknowledges all below names places of before the reset.
          if (this.#isAll) this.#delivered.length = 0
        }
        return this.#answer(await this.#ask(step.route, step.body))
      case 'publish': {
        const block = headers()
        if (step.isKind) block.set('Kind', 'one')
        const payload = 'x'.repeat(step.bytes)
        return (
          await this.#client.request(step.subject, payload, { ...PATIENT, headers: block })
        ).json()
      }
      case 'pull':
        return this.#pull(step.request)
      case 'ack':
        return this.#ack(step.at, step.text, step.isAsked)
    }
  }

  async state(): Promise<unknown> {
    const { state } = (await this.#ask('STREAM.INFO.S')) as { state?: Record<string, unknown> }
    const info = await this.#ask('CONSUMER.INFO.S.c')
    const { messages, first_seq, last_seq } = state ?? {}
    return [{ messages, first_seq, last_seq }, this.#answer(info)]
  }

  async #ask(route: string, body?: object): Promise<Record<string, unknown>> {
    const text = body === undefined || Object.keys(body).length === 0 ? '' : JSON.stringify(body)
    return (await this.#client.request(`$JS.API.${route}`, text, PATIENT)).json()
  }

  async #pull(drawn: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = drawn['id'] === 'pinned' ? this.#pinId || undefined : drawn['id']
    const request = { ...drawn, id }
    const inbox = createInbox()
    const seen: Msg[] = []
    let subscription: Subscription | undefined
    const isOver = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), PULL_MS)
      subscription = this.#client.subscribe(inbox, {
        callback: (_error, message) => {
          seen.push(message)
          const isStatus = (message.headers?.code ?? 0) > 100
          if (!isStatus && (seen.length < Number(drawn['batch']) || 'max_bytes' in drawn)) return
          clearTimeout(timer)
          resolve(true)
        },
      })
      this.#client.publish('$JS.API.CONSUMER.MSG.NEXT.S.c', JSON.stringify(request), {
        reply: inbox,
      })
    })
    subscription?.unsubscribe()
    for (const { reply } of seen) {
      if (!reply) continue
      this.#isReset = false
      this.#delivered.push(reply)
    }
    return [...seen.map((message) => this.#shown(message)), isOver]
  }

  async #ack(at: number, text: string, isAsked: boolean): Promise<unknown> {
    const reply = this.#delivered.at(-1 - at)
    if (reply === undefined) return 'nothing to acknowledge'
    if (!isAsked) {
      this.#client.publish(reply, text)
      await this.#client.flush()
      return 'sent'
    }
    const inbox = createInbox()
    let isTold = false
    const subscription = this.#client.subscribe(inbox, {
      callback: () => {
        isTold = true
      },
    })
    this.#client.publish(reply, text, { reply: inbox })
    const endMs = Date.now() + ACK_MS
    for (let answers = 0; answers < ANSWERS_MEANWHILE || Date.now() < endMs; answers++) {
      if (isTold) break
      await this.#ask('INFO')
    }
    subscription.unsubscribe()
    return isTold
  }

  /** Where messages are gone, or do not match, the floor is each server's own: see docs/conformance.md. */
  #answer(answer: unknown): unknown {
    const text = JSON.stringify(answer, (key, value) => {
      if (VARYING.has(key)) return undefined
      if (key === 'ack_floor') return this.#hasFloors ? value.consumer_seq : undefined
      if (key === 'delivered') {
        if (this.#isReset) return undefined
        return this.#hasFloors && value.consumer_seq > 0 ? value : value.consumer_seq
      }
      if (key === 'pinned_client_id') return 'there'
      if (key === 'pause_until' && String(value).startsWith('0001')) return undefined
      return value
    })
    return JSON.parse(text)
  }

  #shown(message: Msg): unknown {
    const { reply = '', subject } = message
    const block = message.headers
    const fields = Object.fromEntries([...(block ?? [])])
    const pin = block?.get('Nats-Pin-Id') ?? ''
    if (pin !== '') this.#pinId = pin
    if (pin !== '') fields['Nats-Pin-Id'] = ['there']
    if (block !== undefined && block.code !== 0) {
      const own = fields['Nats-Pending-Bytes'] === undefined ? {} : fields
      return [`${block.code} ${block.description}`, own]
    }
    const [deliveries, streamSeq, consumerSeq, , pending] = reply.split('.').slice(-5)
    return [subject, { deliveries, streamSeq, consumerSeq, pending }, fields, message.data.length]
  }
}

/** What is different at each run; and where a reset goes back to, which is before or behind what does not match. */
const VARYING = new Set([
  'created',
  'ts',
  'last_active',
  'pause_remaining',
  'pinned_ts',
  'metadata',
  'reset_seq',
  'state',
])
