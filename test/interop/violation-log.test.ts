import assert from 'node:assert/strict'
import { startRole } from '../../index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { RawClient } from '../support/broker-harness.ts'
import { ConfigFiles } from '../support/config-files.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'

const USERS = `authorization { users = [
  { user: ada, password: x, permissions: { publish: "a", subscribe: "a" } }
  { user: bob, password: x, proxy_required: true }
  { user: cleo, password: x }
] }
max_subscriptions: 2
max_sub_tokens: 3
max_payload: 64`

const LOGINS = [
  '{"user":"ada","pass":"y"}',
  '{"user":"eve","pass":"y"}',
  '{}',
  '{"auth_token":"t"}',
  '{"nkey":"UABC","sig":"x"}',
  '{"jwt":"eyJx"}',
  '{"user":"bob","pass":"x"}',
]

const ADA = '"user":"ada","pass":"x","verbose":false,"name":"n","lang":"go","version":"1"'

async function misbehave(port: number): Promise<void> {
  const ada = await RawClient.connect(port)
  await ada.converse(
    `CONNECT {${ADA}}\r\nPUB b 0\r\n\r\nSUB b 1\r\nSUB b q 1\r\nPUB a $JS.ACK.x 0\r\n\r\n`,
  )
  const cleo = await RawClient.connect(port)
  const subscriptions = 'SUB a.b.c.d 1\r\nSUB a 2\r\nSUB b 3\r\nSUB c 4\r\n'
  await cleo.converse(`CONNECT {"user":"cleo","pass":"x","verbose":false}\r\n${subscriptions}`)
  for (const login of LOGINS) {
    const client = await RawClient.connect(port)
    client.send(`CONNECT ${login}\r\nPING\r\n`)
    await client.closed()
  }
  ada.close()
  cleo.close()
}

describe('what the log says of clients that do wrong', () => {
  it('is what nats-server says of them', async () => {
    const peer = await NatsServerPeer.start(USERS)
    await misbehave(peer.port)
    await peer.stop()
    const theirs = peer.output.split('\n').filter((line) => line.includes('[ERR]'))
    const ours: string[] = []
    const log: Log = {
      ...silentLog,
      error: (_fields, message) => void ours.push(message),
      child: () => log,
    }
    const files = await ConfigFiles.create()
    const file = await files.write('hub.conf', `listen: "127.0.0.1:-1"\n${USERS}`)
    const hub = await startRole((await loadConfig(new SystemDisk(), file, 'hub')).config, { log })
    await misbehave(hub.ports.client!.port)
    await hub.drain()
    await files.remove()
    assert.deepEqual(ours.map(withoutNumbers), theirs.map(withoutNumbers))
  })
})

/** Of time, process, port and connection. */
function withoutNumbers(line: string): string {
  return line.replace(/^.*\[ERR\] /, '').replace(/127\.0\.0\.1:\d+ - cid:\d+/, '<client>')
}
