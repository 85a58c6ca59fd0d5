import assert from 'node:assert/strict'
import type { Identity } from '../../shared/account/index.ts'
import { BrokerHarness } from '../support/broker-harness.ts'
import { eventually } from '../support/link-node.ts'
import { StubAuthenticator } from '../support/stub-authenticator.ts'

const LOGIN = 'CONNECT {"verbose":false,"user":"ada","pass":"p"}\r\n'

/** Clients that give up while it is being found out who they are: a crowd of them must be told from those who wait. */
describe('impatient clients', () => {
  let harness: BrokerHarness
  let door: StubAuthenticator
  let answers: ((identity: Identity | undefined) => void)[]

  beforeEach(async () => {
    door = new StubAuthenticator()
    answers = []
    door.users.set('ada', () => new Promise((resolve) => answers.push(resolve)))
    door.users.set('listener', { user: 'listener', account: 'red' })
    harness = await BrokerHarness.start({ authenticator: door, options: { authTimeoutMs: 50 } })
  })

  afterEach(() => harness.stop())

  it('are seen to have hung up, and what they said before is done when they are let in', async () => {
    const listener = await harness.connect()
    await listener.converse('CONNECT {"verbose":false,"user":"listener"}\r\nSUB last.words 1\r\n')
    const client = await harness.connect()
    client.send(`${LOGIN}PUB last.words 2\r\nok\r\n`)
    await eventually(() => answers.length === 1, 'somebody is asked')
    client.socket.end('PING\r\n')
    const applicant = door.asked.at(-1)?.applicant
    await eventually(() => applicant?.hasEnded === true, 'the end is seen')
    assert.equal(applicant?.isClosed, false)
    answers[0]?.({ user: 'ada', account: 'red' })
    await listener.expect('MSG last.words 1 2\r\nok\r\n')
    await client.expect('PONG\r\n')
    await client.closed()
  })

  it('are seen to be gone', async () => {
    const client = await harness.connect()
    client.send(`${LOGIN}PING\r\n`)
    await eventually(() => answers.length === 1, 'somebody is asked')
    client.socket.resetAndDestroy()
    const applicant = door.asked.at(-1)?.applicant
    await eventually(() => applicant?.isClosed === true, 'he is seen to be gone')
    assert.equal(harness.broker.connections.size, 0)
    answers[0]?.({ user: 'ada', account: 'red' })
  })
})
