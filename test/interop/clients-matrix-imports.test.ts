import assert from 'node:assert/strict'
import { errors } from '@nats-io/transport-node'
import { DEADLINE_MS } from '../support/patience.ts'
import { DoorServers } from './matrix/door-servers.ts'
import { DOORS, TRANSPORT_NAMES, type Transport } from './matrix/doors.ts'
import { SERVER_KINDS } from './matrix/matrix-server.ts'
import type { WatchedClient } from './matrix/watched-client.ts'

const CONFIG = `accounts {
  PLANT {
    users [ { user: plant, password: plant }, { user: press, password: press } ]
    exports [
      { stream: "state.>" }
      { stream: "plan.*", accounts: [OFFICE] }
      { service: "echo" }
      { service: "private.echo", accounts: [OFFICE] }
      { service: "count", response_type: stream }
      { service: "pages", response_type: chunked }
      { service: "press.*.do.*" }
      { service: "nobody" }
    ]
  }
  OFFICE {
    users [ { user: office, password: office } ]
    imports [
      { stream: { account: PLANT, subject: "state.>" }, prefix: "from.plant" }
      { stream: { account: PLANT, subject: "plan.*" }, to: "our.$1.plan" }
      { service: { account: PLANT, subject: "echo" }, to: "ask.echo" }
      { service: { account: PLANT, subject: "private.echo" } }
      { service: { account: PLANT, subject: "count" } }
      { service: { account: PLANT, subject: "pages" } }
      { service: { account: PLANT, subject: "press.*.do.*" }, to: "do.$2.on.$1" }
      { service: { account: PLANT, subject: "nobody" } }
    ]
  }
  GUEST {
    users [ { user: guest, password: guest } ]
    imports [ { stream: { account: PLANT, subject: "state.public" } } ]
  }
}`

/** Who exports over what, and who imports. */
const PAIRS: readonly (readonly [Transport, Transport])[] = [
  ...TRANSPORT_NAMES.map((name) => [name, name] as const),
  ['tcp', 'ws compressed'],
  ['ws', 'tcp'],
  ['wss', 'tls'],
  ['tls', 'wss compressed'],
  ['mutual wss', 'mutual tls'],
]

/** What accounts give each other, whatever their clients came over; here and at nats-server. */
describe('imports of official clients', function () {
  this.timeout(60_000)
  for (const kind of SERVER_KINDS) {
    describe(kind, () => {
      const servers = new DoorServers()
      before(() => servers.start(kind, DOORS, CONFIG))
      afterEach(() => servers.closeClients())
      after(() => servers.stop())
      for (const [theirs, ours] of PAIRS) {
        it(`streams, from ${theirs} to ${ours}`, () => streams(servers, theirs, ours))
        it(`services, from ${theirs} to ${ours}`, () => services(servers, theirs, ours))
      }
    })
  }
})

async function streams(servers: DoorServers, theirs: Transport, ours: Transport): Promise<void> {
  const plant = await servers.user(theirs, 'plant')
  const office = await servers.user(ours, 'office')
  const guest = await servers.user(ours, 'guest')
  for (const client of [plant, office, guest]) await client.subscribe('>')
  await office.subscribe('from.plant.state.*', 'readers')
  const published = ['state.a', 'state.b.c', 'plan.week', 'plan.a.b', 'other', 'state.public']
  for (const subject of published) await plant.publish(subject)
  assert.deepEqual(await plant.until('state.public'), published)
  const last = 'from.plant.state.public'
  const one = ['from.plant.state.b.c', 'our.week.plan']
  // What both a plain subscription and a queue group match is heard by each.
  const twice = ['from.plant.state.a', last]
  await office.client.flush()
  assert.deepEqual((await office.until(last)).sort(), [...one, ...twice, ...twice].sort())
  assert.deepEqual(await guest.until('state.public'), ['state.public'])

  // Nothing goes back.
  await office.publish('from.plant.state.a')
  await office.publish('state.a')
  await plant.publish('end')
  assert.deepEqual(await plant.until('end'), ['end'])
}

async function services(servers: DoorServers, theirs: Transport, ours: Transport): Promise<void> {
  const plant = await servers.user(theirs, 'plant')
  const press = await servers.user(theirs, 'press')
  const office = await servers.user(ours, 'office')
  const guest = await servers.user(ours, 'guest')
  for (const worker of [plant, press]) {
    for (const subject of ['echo', 'private.echo', 'press.*.do.*']) {
      await worker.subscribe(subject, 'workers', (message) => {
        message.respond(`${message.subject} ${message.string()}`)
        message.respond('once more')
      })
    }
  }
  await plant.subscribe('count', '', (message) => {
    for (const body of ['1', '2', '3']) message.respond(body)
  })
  await plant.subscribe('pages', '', (message) => {
    for (const body of ['one', 'two', '']) message.respond(body)
  })

  assert.deepEqual(await asked(office, 'ask.echo', 'hi'), ['echo hi'])
  assert.deepEqual(await asked(office, 'private.echo', 'psst'), ['private.echo psst'])
  assert.deepEqual(await asked(office, 'do.open.on.7', 'now'), ['press.7.do.open now'])
  assert.deepEqual(await asked(office, 'count', '', 3), ['1', '2', '3'])
  assert.deepEqual(await asked(office, 'pages', '', 3), ['one', 'two', ''])
  // Each was asked of one of the workers, and so was the witness behind each of the five.
  const heard = [...plant.heard, ...press.heard].filter((it) => !/count|pages/.test(it))
  assert.deepEqual(heard.sort(), [...Array(6).fill('echo'), 'press.7.do.open', 'private.echo'])

  const refused = (client: WatchedClient, subject: string): Promise<void> =>
    assert.rejects(client.client.request(subject, '', { timeout: DEADLINE_MS }), (error) => {
      return error instanceof errors.RequestError && error.isNoResponders()
    })
  await refused(office, 'nobody')
  await refused(office, 'echo')
  await refused(guest, 'echo')
  await refused(guest, 'private.echo')
}

/** The answers, until there are `count` and the next question was answered too. */
async function asked(
  { client }: WatchedClient,
  subject: string,
  body: string,
  count = 1,
): Promise<string[]> {
  const found: string[] = []
  const inbox = `answers.${Math.floor(performance.now() * 1_000)}`
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${subject}: ${found.join()}`)), DEADLINE_MS)
    client.subscribe(inbox, {
      callback: (_error, message) => {
        found.push(message.string())
        if (found.length < count) return
        clearTimeout(timer)
        resolve()
      },
    })
    client.publish(subject, body, { reply: inbox })
  })
  // What comes late comes before the answer to this.
  await client.request('ask.echo', 'witness')
  return found
}
