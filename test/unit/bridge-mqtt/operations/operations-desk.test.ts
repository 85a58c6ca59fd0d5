import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../../../bridge-mqtt/index.ts'
import { PAGE_ENTRIES_MAX, REQUEST_BYTES_MAX } from '../../../../bridge-mqtt/limits.ts'
import type { ClientEntry } from '../../../../bridge-mqtt/operations/index.ts'
import { StaticAccountBook } from '../../../../shared/account/index.ts'
import type { Message, Peer, Subscription } from '../../../../shared/broker/index.ts'
import { LocalClient } from '../../../../shared/client/index.ts'
import { MQTT_CONFIG, MqttCore } from '../../../support/mqtt-core.ts'
import { MqttLine } from '../../../support/mqtt-line.ts'
import { connectPacket, subscribePacket } from '../../../support/mqtt-packets.ts'
import { DEADLINE_MS } from '../../../support/patience.ts'
import { userDoor } from '../../../support/user-door.ts'
import { accountConfig } from '../../account/setup.ts'

interface Answer {
  readonly server: { readonly id: string; readonly name: string; readonly version: string }
  readonly error?: { readonly code: number; readonly description: string }
  readonly total?: number
  readonly next?: number | null
  readonly clients?: readonly ClientEntry[]
  readonly kicked?: string
  readonly account?: string
}

const USERS = ['A', 'B', 'SYS'].map((account) => ({ user: account, password: 'p', account }))

describe('requests of operators about MQTT', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  let book: StaticAccountBook
  const askers = new Map<string, LocalClient>()

  beforeEach(async () => {
    book = new StaticAccountBook(
      ['A', 'B', 'SYS'].map((name) => accountConfig(name)),
      'SYS',
    )
    core = new MqttCore({ accounts: book, authenticator: userDoor({ users: USERS }) })
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(core)
  })

  afterEach(async () => {
    for (const asker of askers.values()) asker.destroy()
    askers.clear()
    await door.destroy()
    await core.close()
  })

  function asker(account: string): LocalClient {
    const { clock, random } = core.machine
    const known = askers.get(account)
    if (known !== undefined) return known
    const client = new LocalClient(core.space(account), core.nextPeerId(), clock, random)
    askers.set(account, client)
    return client
  }

  async function ask(account: string, name: string, body: object | string = {}): Promise<Answer> {
    const subject = name === 'PING' ? '$MQTT.REQ.PING' : `$MQTT.REQ.NMQTT.${name}`
    const payload = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    const answer = await asker(account).request(subject, payload, { deadlineMs: DEADLINE_MS })
    return JSON.parse(Buffer.from(answer.payload).toString())
  }

  function device(account: string, clientId: string): Promise<MqttLine> {
    const packet = connectPacket(clientId, { username: account, password: Buffer.from('p') })
    return MqttLine.client(door.port, packet)
  }

  const idsOf = (answer: Answer) =>
    answer.clients?.map((each) => `${each.account}/${each.client_id}`)

  it('each account sees its own clients, the system account those of all', async () => {
    const line = await device('A', 'press-7')
    line.send(subscribePacket(1, ['a/#', 1], ['b', 0]))
    await line.take(6)
    await device('B', 'press-7')
    await device('B', 'other')
    const own = await ask('A', 'CLIENTS')
    assert.deepEqual(own.server, { id: 'NMQTT', name: 'mqtt-test', version: '0.0.0' })
    assert.deepEqual([own.total, own.next, idsOf(own)], [1, null, ['A/press-7']])
    const [entry] = own.clients ?? []
    assert.deepEqual([entry?.user, entry?.ip, entry?.subscriptions], ['A', '127.0.0.1', 2])
    assert.ok(Math.abs(Date.parse(entry?.connected_at ?? '') - Date.now()) < DEADLINE_MS)
    assert.deepEqual(idsOf(await ask('SYS', 'CLIENTS')), ['A/press-7', 'B/press-7', 'B/other'])
    assert.deepEqual(idsOf(await ask('SYS', 'CLIENTS', { account: 'B' })), ['B/press-7', 'B/other'])
    assert.deepEqual(idsOf(await ask('SYS', 'CLIENTS', { client: 'press-7' })), [
      'A/press-7',
      'B/press-7',
    ])
    assert.deepEqual(idsOf(await ask('A', 'CLIENTS', { client: 'other' })), [])
  })

  it('pages go on where the last one ended', async () => {
    for (const id of ['a', 'b', 'c']) await device('A', id)
    const first = await ask('A', 'CLIENTS', { limit: 2 })
    assert.deepEqual([idsOf(first), first.total, first.next], [['A/a', 'A/b'], 3, 2])
    const last = await ask('A', 'CLIENTS', { limit: 2, offset: first.next })
    assert.deepEqual([idsOf(last), last.next], [['A/c'], null])
    const whole = await ask('A', 'CLIENTS', { limit: 10 * PAGE_ENTRIES_MAX, offset: -3 })
    assert.equal(whole.clients?.length, 3)
  })

  it('a kick ends the connection, in the account alone', async () => {
    const [mine, theirs] = [await device('A', 'press-7'), await device('B', 'press-7')]
    const answer = await ask('A', 'KICK', { client: 'press-7' })
    assert.deepEqual([answer.account, answer.kicked], ['A', 'press-7'])
    await mine.rest()
    assert.equal(await theirs.takeUntilPong(), '')
    assert.deepEqual((await ask('A', 'KICK', { client: 'press-7' })).error, {
      code: 404,
      description:
        'no client press-7 is connected in account A at mqtt-test: `petiole mqtt clients` lists those that are',
    })
  })

  it('the system account kicks where there is one of that id, and asks where there are two', async () => {
    const line = await device('A', 'press-7')
    await device('B', 'press-7')
    const unclear = await ask('SYS', 'KICK', { client: 'press-7' })
    assert.deepEqual(unclear.error, {
      code: 409,
      description: 'press-7 is in several accounts, name one (--account): A, B',
    })
    assert.equal((await ask('SYS', 'KICK', { client: 'press-7', account: 'A' })).kicked, 'press-7')
    await line.rest()
    assert.equal((await ask('SYS', 'KICK', { client: 'press-7' })).account, 'B')
  })

  const refused: readonly (readonly [
    name: string,
    body: object | string,
    code: number,
    text: RegExp,
  ])[] = [
    ['CLIENTS', { account: 'B' }, 403, /system account alone/],
    ['KICK', { account: 'B', client: 'x' }, 403, /system account alone/],
    ['KICK', {}, 400, /client is missing/],
    ['KICK', { client: 7 }, 400, /client of type string/],
    ['END', {}, 400, /client is missing/],
    ['END', { client: 'nobody' }, 404, /no session nobody in account A at mqtt-test/],
    ['FORGET', {}, 400, /topic is missing/],
    ['FORGET', { topic: 'a/b' }, 404, /nothing is retained on a\/b in account A at mqtt-test/],
    ['FORGET', { topic: 'd/#' }, 400, /^d\/# is no topic: a filter/],
    ['FORGET', { topic: 'd#' }, 400, /^d# is no topic: topic name holds a wildcard/],
    ['RETAINED', { filter: '$share/g/a' }, 400, /shared subscription, .* behind its group/],
    ['CLIENTS', '{', 400, /invalid JSON/],
    ['CLIENTS', '[1]', 400, /array/],
    ['CLIENTS', { offset: 1.5 }, 400, /offset/],
    ['NONE', {}, 404, /no request NONE/],
    ['constructor', {}, 404, /no request constructor/],
    ['CLIENTS', `"${'x'.repeat(REQUEST_BYTES_MAX)}"`, 400, /bytes at most/],
  ]
  for (const [name, body, code, text] of refused) {
    it(`refuses ${name} ${JSON.stringify(body).slice(0, 40)}`, async () => {
      const { error } = await ask('A', name, body)
      assert.equal(error?.code, code)
      assert.match(error?.description ?? '', text)
    })
  }

  it('the system account hears of accounts and clients that there are not', async () => {
    const cases: readonly (readonly [name: string, body: object, text: string])[] = [
      ['CLIENTS', { account: 'X' }, 'there is no account X at mqtt-test'],
      ['KICK', { client: 'y', account: 'X' }, 'there is no account X at mqtt-test'],
      ['KICK', { client: 'y' }, 'no client y is connected, or has a session, at mqtt-test'],
      [
        'FORGET',
        { topic: 'a/b' },
        'nothing is retained on a/b at mqtt-test: `petiole mqtt retained` lists what is',
      ],
    ]
    for (const [name, body, description] of cases) {
      assert.deepEqual((await ask('SYS', name, body)).error, { code: 404, description })
    }
  })

  it('a leaf may look and not touch', async () => {
    const line = await device('A', 'press-7')
    const answers: Answer[] = []
    const inbox: Peer = {
      ...{ kind: 'local', id: core.nextPeerId(), echo: true },
      deliver: (_: Subscription, { payload }: Message) => {
        answers.push(JSON.parse(Buffer.from(payload).toString()))
      },
    }
    const leaf: Peer = { kind: 'leaf', id: core.nextPeerId(), echo: true, deliver: () => {} }
    const space = core.space('A')
    space.subscribe(inbox, { subject: 'answers' })
    const none = new Uint8Array(0)
    for (const name of ['CLIENTS', 'KICK', 'END', 'FORGET']) {
      space.publish(leaf, {
        subject: Buffer.from(`$MQTT.REQ.NMQTT.${name}`),
        reply: Buffer.from('answers'),
        headers: none,
        payload: Buffer.from('{"client":"press-7","topic":"a"}'),
      })
      const served = await ask('A', 'CLIENTS')
      assert.equal(served.total, 1)
    }
    assert.deepEqual(
      answers.map(({ error }) => error?.code),
      [undefined, 403, 403, 403],
    )
    assert.equal(await line.takeUntilPong(), '')
  })

  it('who floods it hears so, and others are served', async () => {
    const flood = await Promise.all(Array.from({ length: 40 }, () => ask('A', 'CLIENTS')))
    const codes = new Set(flood.map(({ error }) => error?.code))
    assert.deepEqual(codes, new Set([undefined, 503]))
    assert.equal((await ask('B', 'CLIENTS')).total, 0)
  })

  it('serves accounts that come later, and those no more that are gone', async () => {
    book.update(
      ['A', 'C', 'SYS'].map((name) => accountConfig(name)),
      'SYS',
      0,
    )
    assert.equal((await ask('C', 'PING')).server.name, 'mqtt-test')
    await assert.rejects(ask('B', 'PING'), { code: 'PETIOLE_NO_RESPONDERS' })
    await door.drain()
    await assert.rejects(ask('A', 'PING'), { code: 'PETIOLE_NO_RESPONDERS' })
  })
})
