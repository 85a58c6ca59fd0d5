import assert from 'node:assert/strict'
import { Authentication, type Step } from '../../../../bridge-mqtt/auth/index.ts'
import {
  type ConnectPacket,
  LEVEL,
  NO_PROPERTIES,
  type Properties,
} from '../../../../bridge-mqtt/codec/index.ts'
import type { Authenticator, Credentials, Identity } from '../../../../shared/account/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { ScramClient } from '../../../support/scram-client.ts'
import { userDoor } from '../../../support/user-door.ts'

const METHOD = 'SCRAM-SHA-256'
const USERS = [
  { user: 'ada', password: 'x1', account: 'RED' },
  { user: 'bob', password: 'x2' },
]

describe('Authentication', () => {
  let asked: Credentials[]
  let door: Authenticator
  let authentication: Authentication

  beforeEach(() => {
    asked = []
    const users = userDoor({ users: USERS })
    door = {
      ...users,
      authenticate: (credentials) => {
        asked.push(credentials)
        return users.authenticate(credentials)
      },
    }
    authentication = made(door)
  })

  function made(by: Authenticator): Authentication {
    const credentials = { connectionType: 'MQTT', remoteAddress: '192.0.2.7' } as const
    return new Authentication(by, new SeededRandom(7), credentials)
  }

  function again(reason: number, data: Uint8Array, method = METHOD): Step {
    const properties = { authenticationMethod: method, authenticationData: data }
    return authentication.continue({ reason, properties })
  }

  function login(client: ScramClient): Step {
    const step = authentication.begin(connect({ data: client.first }))
    return again(0x18, client.final(dataOf(step)))
  }

  it('a user who proves his password is who he is by the authenticator', async () => {
    const client = new ScramClient('ada', 'x1')
    const step = login(client)
    assert.ok(step.kind === 'done')
    assert.equal(Buffer.from(step.data).toString(), client.serverFinal)
    const identity = (await step.identity) as Identity
    assert.deepEqual([identity.user, identity.account], ['ada', 'RED'])
    const [credentials] = asked
    assert.equal(credentials?.connectionType, 'MQTT')
    assert.equal(credentials.remoteAddress, '192.0.2.7')
    assert.equal(credentials.password, undefined)
  })

  it('what the authenticator says about a proven user counts', () => {
    authentication = made({ ...door, authenticate: () => undefined })
    const step = login(new ScramClient('ada', 'x1'))
    assert.ok(step.kind === 'done')
    assert.equal(step.identity, undefined)
  })

  it('a wrong password is code 0x86, and no SCRAM is 0x87', () => {
    assert.equal(codeOf(login(new ScramClient('ada', 'x2'))), 0x86)
    authentication = made(door)
    assert.equal(codeOf(login(new ScramClient('eve', 'x1'))), 0x86)
    authentication = made(door)
    assert.equal(codeOf(authentication.begin(connect({ data: Buffer.from('hello') }))), 0x87)
    authentication = made(door)
    assert.equal(codeOf(authentication.begin(connect({ data: undefined }))), 0x87)
    assert.deepEqual(asked, [])
  })

  it('[MQTT-4.12.0-1] a method that nobody can use is 0x8C', () => {
    const client = new ScramClient('ada', 'x1')
    for (const method of ['SCRAM-SHA-1', 'SCRAM-SHA-256-PLUS', 'scram-sha-256', '']) {
      authentication = made(door)
      assert.equal(codeOf(authentication.begin(connect({ data: client.first, method }))), 0x8c)
    }
    for (const nobody of [
      userDoor(),
      userDoor({ token: 'x1' }),
      userDoor({ users: [{ user: 'ada', password: '$2b$04$x1' }] }),
      userDoor({ users: [{ user: 'ada', password: '' }] }),
      { ...door, challenge: () => undefined },
    ]) {
      authentication = made(nobody)
      assert.equal(codeOf(authentication.begin(connect({ data: client.first }))), 0x8c)
    }
  })

  it('a user name beside the method must be the same', () => {
    const client = new ScramClient('ada', 'x1')
    assert.equal(codeOf(authentication.begin(connect({ data: client.first, user: 'bob' }))), 0x86)
    authentication = made(door)
    const step = authentication.begin(connect({ data: client.first, user: 'ada' }))
    assert.equal(again(0x18, client.final(dataOf(step))).kind, 'done')
  })

  it('[MQTT-4.12.0-5] AUTH of another method is a protocol error', () => {
    const client = new ScramClient('ada', 'x1')
    const step = authentication.begin(connect({ data: client.first }))
    assert.equal(codeOf(again(0x18, client.final(dataOf(step)), 'SCRAM-SHA-1')), 0x82)
    assert.equal(codeOf(again(0x18, client.final(dataOf(step)))), 0x82, 'it has ended')
  })

  it('AUTH out of turn is a protocol error', () => {
    const client = new ScramClient('ada', 'x1')
    assert.equal(codeOf(again(0x18, client.first)), 0x82, 'nothing has begun')
    authentication = made(door)
    authentication.begin(connect({ data: client.first }))
    assert.equal(codeOf(again(0x19, client.first)), 0x82, 'the first has not ended')
    authentication = made(door)
    login(client)
    assert.equal(codeOf(again(0x18, client.first)), 0x82, 'the first has ended')
  })

  describe('again, while connected', () => {
    beforeEach(() => {
      assert.equal(login(new ScramClient('ada', 'x1')).kind, 'done')
    })

    it('[MQTT-4.12.1-1] the same user proves himself as often as he likes', () => {
      for (const nonce of ['one', 'two']) {
        const client = new ScramClient('ada', 'x1', nonce)
        const final = client.final(dataOf(again(0x19, client.first)))
        const step = again(0x18, final)
        assert.ok(step.kind === 'done')
        assert.equal(Buffer.from(step.data).toString(), client.serverFinal)
      }
      assert.equal(asked.length, 3)
    })

    it('[MQTT-4.12.1-2] who fails is told by a code that DISCONNECT has', () => {
      const client = new ScramClient('ada', 'x2')
      const final = client.final(dataOf(again(0x19, client.first)))
      assert.equal(codeOf(again(0x18, final)), 0x87)
      assert.equal(codeOf(again(0x19, client.first)), 0x82, 'there is no next time')
    })

    it('another user is refused, whatever he knows', () => {
      assert.equal(codeOf(again(0x19, new ScramClient('bob', 'x2').first)), 0x87)
    })

    it('another method is refused', () => {
      assert.equal(codeOf(again(0x19, new ScramClient('ada', 'x1').first, 'SCRAM-SHA-1')), 0x82)
    })

    it('an exchange in another one is refused', () => {
      const client = new ScramClient('ada', 'x1')
      again(0x19, client.first)
      assert.equal(codeOf(again(0x19, client.first)), 0x82)
    })
  })
})

function connect(parts: {
  readonly data: Uint8Array | undefined
  readonly method?: string
  readonly user?: string
}): ConnectPacket {
  const { data, method = METHOD, user } = parts
  const properties: Properties = {
    ...NO_PROPERTIES,
    authenticationMethod: method,
    ...(data === undefined ? {} : { authenticationData: data }),
  }
  return {
    level: LEVEL.v5,
    clientId: 'c',
    isClean: true,
    keepAliveSeconds: 0,
    user,
    password: Buffer.from('what comes beside the method is not looked at'),
    will: undefined,
    properties,
  }
}

function dataOf(step: Step): Uint8Array {
  assert.ok(step.kind === 'continue', JSON.stringify(step))
  return step.data
}

function codeOf(step: Step): number {
  assert.ok(step.kind === 'refused', step.kind)
  return step.reasonCode
}
