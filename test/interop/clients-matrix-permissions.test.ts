import assert from 'node:assert/strict'
import { createInbox } from '@nats-io/transport-node'
import { DoorServers } from './matrix/door-servers.ts'
import { DOORS, TRANSPORT_NAMES, type Transport } from './matrix/doors.ts'
import { SERVER_KINDS, type ServerKind } from './matrix/matrix-server.ts'

const CONFIG = `accounts { A {
  default_permissions { publish: "default.>", subscribe: ["default.>", "_INBOX.>"] }
  users [
    { user: admin, password: admin, permissions { publish: ">", subscribe: ">" } }
    { user: usual, password: usual }
    { user: writer, password: writer, permissions { publish: ["a.*", "b.>"], subscribe { deny: ">" } } }
    { user: quiet, password: quiet, permissions { publish { deny: ["secret", "secret.>", "*.no"] } } }
    { user: both, password: both, permissions { publish { allow: "a.>", deny: ["a.secret", "a.*.x"] } } }
    { user: reader, password: reader, permissions { subscribe: ["a.*", "b.>"], publish { deny: ">" } } }
    { user: blind, password: blind, permissions { subscribe { allow: ["a.>", "b.*"], deny: ["a.secret", "b.*"] } } }
    { user: worker, password: worker, permissions {
      subscribe { allow: ["jobs", "queued workers", "queued v1.>"], deny: "> bosses" } } }
    { user: answers, password: answers, permissions { subscribe: "svc.>", allow_responses: true } }
    { user: twice, password: twice, permissions {
      subscribe: "svc.>", publish: "log", allow_responses: { max: 2, expires: "1m" } } }
    { user: slow, password: slow, permissions {
      subscribe: "svc.>", allow_responses: { max: 5, expires: "30ms" } } }
  ]
} }`

/** nats-server takes this for a subject of two tokens that `a.*` allows, and so delivers `a.b.c` as well. */
const WIDER = 'a.>'

/** What a user does, and what comes of it. */
const PUBLISHED: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
  admin: { 'any.thing': true },
  usual: { 'default.x': true, default: false, other: false },
  writer: { 'a.b': true, 'a.b.c': false, 'b.c.d': true, b: false, c: false },
  quiet: { a: true, secret: false, 'secret.x.y': false, 'x.no': false, 'x.y.no': true },
  both: { 'a.b': true, 'a.secret': false, 'a.secret.y': true, 'a.y.x': false, b: false },
  reader: { 'a.b': false },
  answers: { 'svc.x': false, _INBOX: false },
}

const SUBSCRIBED: readonly (readonly [user: string, subject: string, queue: string, boolean])[] = [
  ['usual', 'default.*', '', true],
  ['usual', '>', '', false],
  ['usual', '_INBOX.me.*', '', true],
  ['writer', 'a.b', '', false],
  ['reader', 'a.b', '', true],
  ['reader', 'a.*', '', true],
  ['reader', WIDER, '', false],
  ['reader', 'b.x.>', 'group', true],
  ['reader', 'c', '', false],
  ['blind', 'a.>', '', true],
  ['blind', 'a.secret', '', false],
  ['blind', 'b.x', '', false],
  ['worker', 'jobs', '', true],
  ['worker', 'jobs', 'any', true],
  ['worker', 'jobs', 'bosses', false],
  ['worker', 'queued', 'workers', true],
  ['worker', 'queued', 'v1.2', true],
  ['worker', 'queued', 'v2.1', false],
  ['worker', 'queued', '', false],
]

/** What users may do, whatever they came over; here and at nats-server. */
describe('permissions of official clients', function () {
  this.timeout(60_000)
  for (const kind of SERVER_KINDS) {
    describe(kind, () => {
      const servers = new DoorServers()
      before(() => servers.start(kind, DOORS, CONFIG))
      afterEach(() => servers.closeClients())
      after(() => servers.stop())
      for (const transport of TRANSPORT_NAMES) {
        it(`to publish, over ${transport}`, () => publishes(servers, transport))
        it(`to subscribe, over ${transport}`, () => subscribes(kind, servers, transport))
        it(`to hear, over ${transport}`, () => hears(servers, transport))
        it(`to answer, over ${transport}`, () => answers(servers, transport))
      }
    })
  }
})

async function publishes(servers: DoorServers, transport: Transport): Promise<void> {
  const admin = await servers.user(transport, 'admin')
  await admin.subscribe('>')
  for (const [name, subjects] of Object.entries(PUBLISHED)) {
    const user = await servers.user(transport, name)
    for (const [subject, isFine] of Object.entries(subjects)) {
      const verdict = await user.publish(subject)
      assert.equal(verdict, isFine ? 'fine' : `no publish ${subject}`, `${name} ${subject}`)
    }
    await admin.publish('end')
    const allowed = Object.keys(subjects).filter((subject) => subjects[subject])
    assert.deepEqual(await admin.until('end'), [...allowed, 'end'], name)
  }
}

async function subscribes(
  kind: ServerKind,
  servers: DoorServers,
  transport: Transport,
): Promise<void> {
  for (const name of new Set(SUBSCRIBED.map(([user]) => user))) {
    const user = await servers.user(transport, name)
    for (const [, subject, queue, isFine] of SUBSCRIBED.filter(([it]) => it === name)) {
      const verdict = await user.subscribe(subject, queue)
      const by = queue === '' ? '' : ` by ${queue}`
      if (subject === WIDER && name === 'reader' && kind === 'nats-server') continue
      const wanted = isFine ? 'fine' : `no subscription ${subject}${by}`
      assert.equal(verdict, wanted, `${name} ${subject} ${queue}`)
    }
  }
}

/** A subscription that is wider than what is denied hears the rest. */
async function hears(servers: DoorServers, transport: Transport): Promise<void> {
  const admin = await servers.user(transport, 'admin')
  const blind = await servers.user(transport, 'blind')
  await blind.subscribe('a.>')
  await blind.subscribe('a.*', 'group')
  for (const subject of ['a.open', 'a.secret', 'a.secret.x', 'a.end']) await admin.publish(subject)
  await blind.until('a.end')
  await admin.publish('a.end')
  const heard = await blind.until('a.end')
  assert.ok(!heard.includes('a.secret'))
}

async function answers(servers: DoorServers, transport: Transport): Promise<void> {
  const admin = await servers.user(transport, 'admin')
  const inbox = createInbox()
  await admin.subscribe(`${inbox}.*`)
  await admin.subscribe('end')
  const tries: readonly (readonly [user: string, count: number, lateMs: number])[] = [
    ['answers', 1, 0],
    ['twice', 2, 0],
    ['slow', 0, 60],
  ]
  for (const [name, allowed, lateMs] of tries) {
    const user = await servers.user(transport, name)
    await user.subscribe('svc.>')
    const reply = `${inbox}.${name}`
    await admin.publish('svc.ask', '', reply)
    await user.until('svc.ask')
    const dueMs = performance.now() + lateMs
    while (performance.now() < dueMs) await user.client.flush()
    for (let i = 0; i < 4; i++) {
      const wanted = i < allowed ? 'fine' : `no publish ${reply}`
      assert.equal(await user.publish(reply), wanted, `${name} answers for the ${i + 1}. time`)
    }
    assert.equal(await user.publish(`${inbox}.other`), `no publish ${inbox}.other`)
    await admin.publish('end')
    const heard = await admin.until('end')
    assert.equal(heard.filter((subject) => subject === reply).length, allowed)
  }
}
