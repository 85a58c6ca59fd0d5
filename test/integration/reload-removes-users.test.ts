import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { connectAsync } from 'mqtt'
import { type Running, startHub, startLeaf } from '../../index.ts'
import { type ConfigInput, parseConfig } from '../../shared/config/index.ts'
import { connect as connectNats, DEADLINE_MS } from '../support/patience.ts'

/** A user who is taken out of the file is out everywhere, whatever he came by. */
describe('a reload that removes a user', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'petiole-reload-'))
  const running: Running[] = []

  after(async () => {
    for (const server of running) await server.destroy()
    rmSync(folder, { recursive: true, force: true })
  })

  it('closes clients, devices and leaf links of that user, and no others', async () => {
    const hub = await startHub(hubConfig(['ada', 'bob']))
    running.push(hub)
    const { client, frontDoors, leafNodes } = hub.ports
    const url = `nats-leaf://bob:bob@127.0.0.1:${leafNodes?.port}`
    running.push(
      await startLeaf({
        host: '127.0.0.1',
        port: -1,
        server_name: 'site',
        jetstream: { store_dir: path.join(folder, 'site') },
        leafnodes: { remotes: [{ url }], reconnect: 100 },
      }),
    )
    const login = { username: 'bob', password: 'bob', reconnectPeriod: 0 }
    const device = await connectAsync(`mqtt://127.0.0.1:${frontDoors['mqtt']}`, login)
    const bob = await connectNats({
      ...at(client.port),
      user: 'bob',
      pass: 'bob',
      reconnect: false,
    })
    const ada = await connectNats({
      ...at(client.port),
      user: 'ada',
      pass: 'ada',
      reconnect: false,
    })
    await leavesAre(hub, 1)

    const gone = new Promise<void>((resolve) => device.once('close', resolve))
    await hub.reload(parseConfig(hubConfig(['ada']), 'hub'))

    await bob.closed()
    await gone
    await leavesAre(hub, 0)
    await ada.flush()
    await ada.close()
    assert.equal(bob.isClosed(), true)
  })
})

function hubConfig(users: readonly string[]): ConfigInput {
  return {
    host: '127.0.0.1',
    port: -1,
    http_port: -1,
    jetstream: false,
    server_name: 'hub',
    mqtt: { host: '127.0.0.1', port: -1 },
    leafnodes: { host: '127.0.0.1', port: -1 },
    authorization: { users: users.map((user) => ({ user, password: user })) },
  }
}

function at(port: number): { servers: string } {
  return { servers: `127.0.0.1:${port}` }
}

/** Resolves when monitoring shows so many leaves. */
async function leavesAre(hub: Running, count: number): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${hub.ports.http?.port}/leafz`)
    const { leafnodes } = (await answer.json()) as { leafnodes: number }
    if (leafnodes === count) return
    assert.ok(performance.now() < endMs, `${leafnodes} leaves in place of ${count}`)
  }
}
