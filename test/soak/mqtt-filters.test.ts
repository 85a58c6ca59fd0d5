import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Running, startHub } from '../../index.ts'
import { PacketClient } from '../support/packet-client.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** `FILTERS=1000` makes a million of all of them. */
const CLIENTS = 1_000
const FILTERS = Number(process.env['FILTERS'] ?? 100)
/** Matched, of all. */
const PUBLISHED = 2_000
/** Answers that somebody else gets meanwhile: all in one step would be one. */
const TURNS_MIN = 8
/** They go quickly; in one step there would be one answer, behind it. */
const GOING_MIN = 3
/** What a filter takes at most, with all that stands for it; and what may be left of all when they are gone. */
const FILTER_BYTES_MAX = 1_500
const LEFT_BYTES_MAX = 16 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** A fleet whose devices each listen to very many topics of their own, and go at once. */
describe(`soak: ${CLIENTS} MQTT clients with ${FILTERS} filters each`, function () {
  this.timeout(10 * DEADLINE_MS)
  let hub: Running
  let port: number
  let bystander: PacketClient

  before(async () => {
    const limits = { max_connections: 2 * CLIENTS, max_subscriptions: FILTERS }
    hub = await startHub({
      ...{ host: '127.0.0.1', port: -1, jetstream: false },
      mqtt: { host: '127.0.0.1', port: -1, ...limits },
    })
    port = hub.ports.frontDoors['mqtt'] ?? 0
    bystander = await PacketClient.client(port, { clientId: 'bystander' })
  })

  after(() => hub.destroy())

  it('others are answered while they come, and when all go at once; nothing of them stays', async () => {
    const before = weight()
    let crowd: PacketClient[] = []
    for (let n = 0; n < CLIENTS; n++) {
      crowd.push(await PacketClient.client(port, { clientId: `c${n}` }))
    }
    const subscribed = Promise.all(crowd.map((one, n) => one.subscribe(1, filtersOf(n))))
    const whileComing = await bystander.answeredDuring(subscribed)
    // Behind the last retained message that there might have been.
    for (const one of crowd) await one.beforePong()
    const each = (weight() - before) / (CLIENTS * FILTERS)
    for (let n = 0; n < PUBLISHED; n++) {
      const at = (n * 7_919) % CLIENTS
      hub.client().publish(`d.${at}.${n % FILTERS}`, Buffer.from(`${n}`))
      assert.equal(await crowd[at]?.message(), `d/${at}/${n % FILTERS} ${n}`)
    }
    const gone = Promise.all(crowd.map((one) => one.destroy()))
    crowd = []
    const whileGoing = await bystander.answeredDuring(gone.then(untilAllAreGone))
    const left = weight() - before
    const answers = `${whileComing} and ${whileGoing} answers`
    assert.ok(whileComing >= TURNS_MIN && whileGoing >= GOING_MIN, answers)
    assert.ok(each < FILTER_BYTES_MAX, `${each.toFixed()} bytes for each filter`)
    assert.ok(left < LEFT_BYTES_MAX, `${left} bytes are left`)
  })

  async function untilAllAreGone(): Promise<void> {
    const nats = hub.client()
    const endMs = Date.now() + 5 * DEADLINE_MS
    for (let n = 0; n < CLIENTS; ) {
      if (!nats.hasInterest(`d.${n}.${FILTERS - 1}`)) n++
      else await new Promise((resolve) => setImmediate(resolve))
      assert.ok(Date.now() < endMs, `filters of client ${n} are still there`)
    }
  }
})

function weight(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function filtersOf(client: number): { topic: string; qos: 0 }[] {
  return Array.from({ length: FILTERS }, (_, n) => ({ topic: `d/${client}/${n}`, qos: 0 }))
}
