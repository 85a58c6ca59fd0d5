import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import * as path from 'node:path'
import { connect as connectMqtt } from 'mqtt'
import { WebSocket } from 'ws'

const DIST = path.resolve(import.meta.dirname, '../../dist')

/** The package as others import it: what is bundled finds what it loads later. */
describe('built library', () => {
  let library: typeof import('../../index.ts')
  before(async () => {
    library = await import(path.join(DIST, 'index.js'))
  })

  it('starts a hub that loads each door and report when it is asked for', async () => {
    const hub = await library.startHub({
      port: -1,
      http: '127.0.0.1:-1',
      websocket: { listen: '127.0.0.1:-1', no_tls: true },
      mqtt: { listen: '127.0.0.1:-1' },
    })
    try {
      const { http, webSocket, frontDoors } = hub.ports
      const metrics = await fetch(`http://127.0.0.1:${http?.port}/metrics`)
      assert.match(await metrics.text(), /^# HELP /)
      const mqtt = connectMqtt(`mqtt://127.0.0.1:${frontDoors['mqtt']}`)
      await new Promise((resolve) => mqtt.once('connect', resolve))
      await mqtt.endAsync()
      const socket = new WebSocket(`ws://127.0.0.1:${webSocket?.port}`)
      const [info] = await once(socket, 'message')
      assert.match(String(info), /^INFO \{/)
      socket.close()
    } finally {
      await hub.destroy()
    }
  })

  it('says what is wrong with a configuration by an error that can be told', () => {
    assert.throws(
      () => library.startHub({ prot: 4222 } as never),
      (error) => error instanceof library.ConfigError && /prot/.test(error.message),
    )
  })

  it('is a few files, with the license of each package that is in them', async () => {
    const code = (await readdir(DIST)).filter((name) => name.endsWith('.js'))
    assert.ok(code.length < 30, code.join())
    const licenses = await readFile(path.join(DIST, 'LICENSES.txt'), 'utf8')
    for (const name of ['pino', 'valibot', 'tweetnacl', '@nats-io/nkeys']) {
      assert.match(licenses, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: \\S`, 'm'))
    }
  })
})
