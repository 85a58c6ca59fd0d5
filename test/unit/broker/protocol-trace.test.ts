import assert from 'node:assert/strict'
import { startHub } from '../../../index.ts'
import { TracedInput } from '../../../shared/broker/protocol-trace.ts'
import { type Log, silentLog } from '../../../shared/log/index.ts'
import { connect } from '../../support/patience.ts'

describe('protocol trace', () => {
  it('tells what clients say and are told, and no secret', async () => {
    const lines: string[] = []
    const log: Log = {
      ...silentLog,
      trace: (_fields, message) => lines.push(message),
      child: () => log,
    }
    const authorization = { user: 'ada', password: 'lovelace' }
    const config = { host: '127.0.0.1', port: -1, trace: true, jetstream: false, authorization }
    const hub = await startHub(config, { log })
    const servers = `127.0.0.1:${hub.ports.client.port}`
    const client = await connect({ servers, user: 'ada', pass: 'lovelace' })
    const subscription = client.subscribe('foo', { max: 1 })
    client.publish('foo', 'hello')
    for await (const message of subscription) assert.equal(message.string(), 'hello')
    await client.close()
    await hub.drain()
    const said = lines.map((line) => line.replace(/^127\.0\.0\.1:\d+ - cid:\d+ - /, ''))
    for (const line of [
      '<<- [SUB foo 1]',
      '<<- [UNSUB 1 1]',
      '<<- [PUB foo 5]',
      '<<- MSG_PAYLOAD: ["hello"]',
      '->> [MSG foo 1 5]',
      '<<- [PING]',
      '->> [PONG]',
    ]) {
      assert.ok(said.includes(line), `${line} is not in:\n${said.join('\n')}`)
    }
    assert.match(said.join('\n'), /<<- \[CONNECT \{.*"user":"ada"/)
    assert.doesNotMatch(said.join('\n'), /lovelace/)
  })

  it('shows no secret however it is written, and nothing of what cannot be read', () => {
    const shown: string[] = []
    const trace = { heard: (...words: string[]) => shown.push(words.join(' ')) }
    const input = new TracedInput(trace as never, {} as never, { connect: () => {} } as never)
    for (const json of [
      '{"user":"ada","p\\u0061ss":"s3cret"}',
      '{"PASS":83746}',
      '{"auth_token":{"a":["s3cret"]}}',
      '{"nested":[{"Jwt":"s3cret"}],"sig":null}',
      '{"pass":"s3cret"',
      '"s3cret"',
    ]) {
      input.connect(json)
    }
    assert.deepEqual(shown, [
      'CONNECT {"user":"ada","pass":"[REDACTED]"}',
      'CONNECT {"PASS":"[REDACTED]"}',
      'CONNECT {"auth_token":"[REDACTED]"}',
      'CONNECT {"nested":[{"Jwt":"[REDACTED]"}],"sig":"[REDACTED]"}',
    ])
  })
})
