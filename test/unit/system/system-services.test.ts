import assert from 'node:assert/strict'
import { type ClaimsService, compilePermissions } from '../../../shared/account/index.ts'
import type { Peer } from '../../../shared/broker/index.ts'
import { ImportedOrigin } from '../../../shared/imports/index.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'
import { accountsNamed, SystemWorld, turn } from '../../support/system-world.ts'

describe('system services: requests', () => {
  let world: SystemWorld
  beforeEach(() => {
    world = new SystemWorld()
    world.services.start()
  })
  afterEach(() => world.services.destroy())

  it('answers in an envelope that says who answers, with rising numbers', async () => {
    const client = world.client('$SYS')
    const first = await world.ask(client, '$SYS.REQ.SERVER.PING.VARZ')
    assert.equal(first.data.server_id, 'NABC')
    const { seq, time, ...server } = first.server
    assert.equal(time, '2030-01-01T00:00:00.000Z')
    assert.deepEqual(server, {
      name: 'hub-eu',
      host: '127.0.0.1',
      id: 'NABC',
      ver: '2.15.2',
      tags: ['eu'],
      jetstream: true,
      flags: 1,
    })
    const second = await world.ask(client, '$SYS.REQ.SERVER.NABC.SUBSZ')
    assert.equal(second.server.seq, seq + 1)
  })

  it('counts subscribers of the account that asks, whatever its protocol', async () => {
    const device = new RecordingPeer('mqtt')
    for (const [account, subject] of [
      ['$SYS', 's'],
      ['$SYS', 't'],
      ['B', 's'],
    ] as const) {
      world.space(account).subscribe(device, { subject })
    }
    const heard = world.hear(world.client('$SYS'), 'inbox')
    const ask = (origin: Peer, subject: string): void => {
      const [headers, payload] = [Buffer.from(''), Buffer.from(subject)]
      const to = { subject: Buffer.from('$SYS.DEBUG.SUBSCRIBERS'), reply: Buffer.from('inbox') }
      world.space('$SYS').publish(origin, { ...to, headers, payload })
    }
    const hop = { service: {}, share: false }
    ask(new ImportedOrigin(device, { ...hop, importer: 'B' }), 't')
    ask(new ImportedOrigin(device, { ...hop, importer: 'B' }), 's')
    ask(new ImportedOrigin(device, hop), 't')
    ask(device, '>')
    for (let i = 0; i < 10 && heard.length < 3; i++) await turn()
    assert.deepEqual(
      heard.map(({ body }) => body),
      [0, 1, 2],
    )
  })

  const refused: readonly (readonly [subject: string, body: string, code: number, text: string])[] =
    [
      ['PING.CONNZ', '{', 400, 'invalid JSON in the request'],
      ['PING.CONNZ', '[]', 400, 'json: cannot unmarshal array into options'],
      [
        'PING.CONNZ',
        '{"limit":"x"}',
        400,
        'json: cannot unmarshal string into options field limit of type int',
      ],
      ['PING.VARZ', '{"tags":"eu"}', 400, 'json: cannot unmarshal string into options field tags'],
      ['PING.CONNZ', '{"sort":"foo"}', 500, 'invalid sorting option: foo'],
      ['NABC.KICK', '{"cid":9}', 500, 'no such client or leafnode id'],
      ['NABC.LDM', '{"cid":9}', 500, 'no such client id'],
      [
        'NABC.LDM',
        '{"cid":8}',
        500,
        'client does not support Lame Duck Mode or is not ready to receive the notification',
      ],
    ]
  for (const [subject, body, code, description] of refused) {
    it(`${subject} ${body} is ${code}`, async () => {
      const answer = await world.ask(world.client('$SYS'), `$SYS.REQ.SERVER.${subject}`, body)
      assert.deepEqual(answer.error, { code, description })
      assert(!('data' in answer))
    })
  }

  it('keys that everybody has are no options', async () => {
    const body = '{"__proto__":{"limit":1},"constructor":5}'
    const answer = await world.ask(world.client('$SYS'), '$SYS.REQ.SERVER.PING.CONNZ', body)
    assert.equal(answer.data.limit, 1_024)
  })

  it('does what administrators ask for', async () => {
    const client = world.client('$SYS')
    const kicked = await world.ask(client, '$SYS.REQ.SERVER.NABC.KICK', '{"cid":7}')
    const reloaded = await world.ask(client, '$SYS.REQ.SERVER.NABC.RELOAD')
    assert.deepEqual([Object.keys(kicked), Object.keys(reloaded)], [['server'], ['server']])
    assert.deepEqual(world.done, ['kick 7', 'reload'])
  })

  it('is not there for other accounts', async () => {
    const stranger = world.client('B')
    for (const subject of ['$SYS.REQ.SERVER.PING.VARZ', '$SYS.REQ.SERVER.NABC.KICK']) {
      await assert.rejects(world.ask(stranger, subject), { code: 'PETIOLE_NO_RESPONDERS' })
    }
  })

  it('tells an account of itself, whatever it asks for', async () => {
    const client = world.client('$G')
    const body = '{"acc":"B","auth":true}'
    for (const subject of ['$SYS.REQ.SERVER.PING.CONNZ', '$SYS.REQ.ACCOUNT.PING.CONNZ']) {
      const { data } = await world.ask(client, subject, body)
      assert.deepEqual([data.total, data.connections.length], [3, 3])
    }
    const { data } = await world.ask(client, '$SYS.REQ.ACCOUNT.PING.STATZ', '{"accounts":["B"]}')
    assert.deepEqual(
      data.account_statz.map((one: { acc: string }) => one.acc),
      ['$G'],
    )
  })

  it('says who one is, and nothing to links and services', async () => {
    const permissions = compilePermissions({
      publish: { allow: ['a.>'], deny: ['a.b'] },
      subscribe: { allow: undefined, deny: [] },
      allow_responses: { max: 1, expires: 500 },
    })
    const expiresMs = world.clock.wallMs() + 2_000
    const user = world.client('B', { user: 'bo', account: 'B', permissions, expiresMs })
    const { data } = await world.ask(user, '$SYS.REQ.USER.INFO')
    assert.deepEqual(data, {
      user: 'bo',
      account: 'B',
      account_name: 'B',
      permissions: {
        publish: { allow: ['a.>'], deny: ['a.b'] },
        subscribe: {},
        responses: { max: 1, ttl: 500_000_000 },
      },
      expires: 2_000_000_000,
    })
    const service = world.client('B')
    const heard = world.hear(service, 'answers')
    service.publish('$SYS.REQ.USER.INFO', Buffer.from(''), { reply: 'answers' })
    await turn()
    assert.deepEqual(heard, [])
  })

  it('follows accounts as they come and go, and leaves nothing behind', async () => {
    world.book.update(accountsNamed('$G', 'C', '$SYS'), '$SYS', 0)
    await assert.rejects(
      world.ask(world.client('B', { user: 'x', account: 'B' }), '$SYS.REQ.USER.INFO'),
      { code: 'PETIOLE_NO_RESPONDERS' },
    )
    const { data } = await world.ask(
      world.client('C', { user: 'x', account: 'C' }),
      '$SYS.REQ.USER.INFO',
    )
    assert.equal(data.account, 'C')
    await world.services.drain()
    const left = [...world.space('$SYS').subscriptions()].map(({ subject }) => subject)
    assert.deepEqual(left, [])
    assert.equal(world.space('B').subscriptionCount, 1, 'the inbox of the test')
    world.services.start()
    assert.equal((await world.ask(world.client('$SYS'), '$SYS.REQ.SERVER.PING.IDZ')).id, 'NABC')
  })

  it('asks of an account nobody is connected to are left to other servers', async () => {
    const client = world.client('$SYS')
    const heard = world.hear(client, 'answers')
    const reply = { reply: 'answers' }
    client.publish('$SYS.REQ.ACCOUNT.nobody.STATZ', Buffer.from(''), reply)
    client.publish('$SYS.REQ.ACCOUNT.nobody.CONNS', Buffer.from(''), reply)
    client.publish(
      '$SYS.REQ.SERVER.PING.VARZ',
      Buffer.from('{"exact_match":true,"host":"127"}'),
      reply,
    )
    await turn()
    assert.deepEqual(heard, [])
  })
})

describe('system services: claims', () => {
  const digest = Buffer.alloc(32, 7)
  let asked: string[]
  let world: SystemWorld

  function claims(kind: ClaimsService['kind']): ClaimsService {
    return {
      kind,
      intervalMs: 60_000,
      lookup: async (id) => (id === 'ABC' ? 'jwt-of-abc' : ''),
      update: async (jwt, id) => {
        asked.push(`update ${id} ${jwt}`)
        return { data: { code: 200, message: 'jwt updated', account: id ?? 'ABC' } }
      },
      list: () => ['ABC'],
      digest: () => digest,
      async *pack(theirs) {
        if (!digest.equals(theirs)) yield* ['ABC|one', 'DEF|two']
      },
      merge: async (pack) => {
        asked.push(`merge ${pack}`)
      },
      delete: async () => ({ error: { code: 500, description: 'not allowed' } }),
    }
  }

  beforeEach(() => {
    asked = []
  })
  afterEach(() => world.services.destroy())

  it('a full resolver answers all there is', async () => {
    world = new SystemWorld({}, claims('full'))
    world.services.start()
    const client = world.client('$SYS')
    const raw = async (subject: string): Promise<string> => {
      const answer = await client.request(subject, Buffer.from(''), { deadlineMs: 1_000 })
      return Buffer.from(answer.payload).toString()
    }
    assert.equal(await raw('$SYS.REQ.ACCOUNT.ABC.CLAIMS.LOOKUP'), 'jwt-of-abc')
    assert.equal(await raw('$SYS.REQ.ACCOUNT.DEF.CLAIMS.LOOKUP'), '')
    const updated = await world.ask(client, '$SYS.REQ.ACCOUNT.ABC.CLAIMS.UPDATE', 'new')
    assert.deepEqual(updated.data, { code: 200, message: 'jwt updated', account: 'ABC' })
    assert.equal(updated.server.id, 'NABC')
    await world.ask(client, '$SYS.ACCOUNT.OLD.CLAIMS.UPDATE', 'older')
    await world.ask(client, '$SYS.REQ.CLAIMS.UPDATE', 'any')
    assert.deepEqual(asked, ['update ABC new', 'update OLD older', 'update undefined any'])
    assert.deepEqual((await world.ask(client, '$SYS.REQ.CLAIMS.LIST')).data, ['ABC'])
    const refused = await world.ask(client, '$SYS.REQ.CLAIMS.DELETE', 'x')
    assert.deepEqual(refused.error, { code: 500, description: 'not allowed' })
  })

  it('packs what the other side lacks, and takes what it has not', async () => {
    world = new SystemWorld({}, claims('full'))
    world.services.start()
    const client = world.client('$SYS')
    const lines: string[] = []
    client.subscribe('packs', ({ payload }) => lines.push(Buffer.from(payload).toString()))
    client.publish('$SYS.REQ.CLAIMS.PACK', Buffer.from('other'), { reply: 'packs' })
    await turn()
    assert.deepEqual(lines.splice(0), ['ABC|one', 'DEF|two', ''])
    client.publish('$SYS.REQ.CLAIMS.PACK', digest, { reply: 'packs' })
    await turn()
    assert.deepEqual(lines, [''])
    const requests: { reply: string; payload: Uint8Array }[] = []
    client.subscribe('$SYS.REQ.CLAIMS.PACK', (message) => requests.push(message))
    world.clock.advance(60_000)
    await turn()
    assert.deepEqual(Buffer.from(requests[0]?.payload ?? []), digest)
    client.publish(requests[0]?.reply ?? '', Buffer.from('GHI|three'))
    client.publish(requests[0]?.reply ?? '', Buffer.from(''))
    await turn()
    assert.deepEqual(asked, ['merge GHI|three'])
  })

  it('one that keeps nothing takes updates only', async () => {
    world = new SystemWorld({}, claims('none'))
    world.services.start()
    const client = world.client('$SYS')
    await world.ask(client, '$SYS.REQ.ACCOUNT.ABC.CLAIMS.UPDATE', 'new')
    for (const subject of ['$SYS.REQ.CLAIMS.LIST', '$SYS.REQ.ACCOUNT.ABC.CLAIMS.LOOKUP']) {
      await assert.rejects(world.ask(client, subject), { code: 'PETIOLE_NO_RESPONDERS' })
    }
  })
})
