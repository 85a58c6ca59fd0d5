/** A hub and a leaf with keys: nothing that they were told can be read in their directories. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Objm } from '@nats-io/obj'
import { type ConfigInput, type Running, startHub, startLeaf } from '../../index.ts'
import { until } from '../support/fleet-harness.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

const SECRETS = [
  'STREAMNAME',
  'subject-token',
  'pay-load',
  'consumername',
  'BUCKETNAME',
  'kv-key',
  'kv-value',
  'OBJECTSNAME',
  'object-name',
  'object-content',
  'buffername',
]

/** What tells of the secrets in files of the folder, but for those named. */
function readable(folder: string, except: readonly string[] = []): string[] {
  const found = new Set<string>()
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (!entry.isFile() || except.includes(file)) continue
    const content = readFileSync(file).toString('latin1')
    // Keys and object names are stored as base64, too.
    for (const secret of SECRETS) {
      const forms = [secret, Buffer.from(secret).toString('base64').replace(/=+$/, '')]
      if (forms.some((form) => content.includes(form))) found.add(`${secret} in ${file}`)
    }
  }
  return [...found]
}

describe('servers with an encrypted store', function () {
  this.timeout(60_000)
  let folder: string
  let running: Running[]

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'petiole-encrypted-'))
    running = []
  })

  afterEach(async () => {
    for (const server of running.reverse()) await server.destroy()
    rmSync(folder, { recursive: true, force: true })
  })

  function keyFile(name: string, text: string, mode = 0o600): string {
    const file = path.join(folder, name)
    writeFileSync(file, text)
    chmodSync(file, mode)
    return file
  }

  async function hub(keys: Readonly<Record<string, string>>): Promise<Running> {
    const config: ConfigInput = {
      server_name: 'hub',
      http: '127.0.0.1:-1',
      port: -1,
      host: '127.0.0.1',
      leafnodes: { port: -1, host: '127.0.0.1' },
      jetstream: { store_dir: path.join(folder, 'hub'), ...keys },
      fleet: { streams: { STREAMNAME: { subjects: ['subject-token.>'] } } },
    }
    const server = await startHub(config)
    running.push(server)
    return server
  }

  async function leaf(hubPort: number | undefined): Promise<Running> {
    const server = await startLeaf({
      server_name: 'leaf',
      port: -1,
      host: '127.0.0.1',
      leafnodes: { remotes: [{ url: `nats://127.0.0.1:${hubPort}` }] },
      jetstream: { store_dir: path.join(folder, 'leaf'), key: 'the key of a leaf in a test' },
      buffers: { buffername: { subjects: ['subject-token.>'] } },
    })
    running.push(server)
    return server
  }

  async function use(server: Running): Promise<void> {
    const nc = await connect({ servers: `127.0.0.1:${server.ports.client?.port}` })
    const manager = await jetstreamManager(nc)
    await manager.consumers.add('STREAMNAME', {
      durable_name: 'consumername',
      ack_policy: 'explicit',
    })
    const consumer = await jetstream(nc).consumers.get('STREAMNAME', 'consumername')
    const message = await consumer.next({ expires: DEADLINE_MS })
    assert.ok(message)
    assert.equal(message.string(), 'pay-load 1')
    await message.ackAck()
    const bucket = await new Kvm(nc).create('BUCKETNAME')
    await bucket.put('kv-key', 'kv-value')
    assert.equal((await bucket.get('kv-key'))?.string(), 'kv-value')
    const objects = await new Objm(nc).create('OBJECTSNAME')
    await objects.putBlob({ name: 'object-name' }, Buffer.from('object-content'))
    await nc.close()
  }

  it('leave nothing readable, and start again with the key from a file or the configuration', async () => {
    const text = 'the key of a hub in a test, long enough'
    const file = keyFile('hub.key', `${text}\n`)
    const first = await hub({ key_file: file })
    const edge = await leaf(first.ports.leafNodes?.port)
    const device = edge.client()
    for (let i = 1; i <= 20; i++) {
      device.publish(`subject-token.${i}`, Buffer.from(`pay-load ${i}`))
    }
    const nc = await connect({ servers: `127.0.0.1:${first.ports.client?.port}` })
    const manager = await jetstreamManager(nc)
    await until(
      'all at the hub',
      async () => (await manager.streams.info('STREAMNAME')).state.messages,
      (messages) => messages === 20,
      DEADLINE_MS,
    )
    await nc.close()
    await use(first)
    assert.deepEqual(readable(folder), [])
    const answer = await fetch(`http://127.0.0.1:${first.ports.http?.port}/jsz`)
    const { petiole } = (await answer.json()) as { petiole: { store: { encryption: object } } }
    const expected = { cipher: 'aes', segments_left: 0, bytes_left: 0 }
    assert.deepEqual(petiole.store.encryption, expected)
    await edge.drain()
    await first.drain()
    assert.deepEqual(readable(folder), [])
    await assert.rejects(hub({}), { code: 'PETIOLE_STORE_KEY' })
    // The line end of the file is no part of the key.
    const again = await hub({ key: text })
    await again.drain()
  })

  it('would have left all of it without', async () => {
    const server = await hub({})
    const client = server.client()
    for (let i = 1; i <= 2; i++) client.publish(`subject-token.${i}`, Buffer.from(`pay-load ${i}`))
    await use(server)
    const found = readable(folder).map((one) => one.split(' ')[0])
    // There is no leaf.
    assert.deepEqual(found.sort(), SECRETS.filter((one) => one !== 'buffername').sort())
  })

  it('say which key file cannot be taken, and why', async () => {
    const open = keyFile('open.key', 'the key of a hub in a test', 0o644)
    await assert.rejects(hub({ key_file: open }), /open\.key can be read by everybody \(mode 644\)/)
    const short = keyFile('short.key', 'too short\n')
    await assert.rejects(hub({ key_file: short }), /key of 9 bytes is too short/)
    const absent = path.join(folder, 'absent.key')
    await assert.rejects(hub({ key_file: absent }), /absent\.key cannot be read \(ENOENT/)
    await assert.rejects(hub({ key: 'too short' }), /jetstream\.key: must be a string of 16 bytes/)
    await assert.rejects(
      hub({ key: 'sixteen bytes or more', key_file: open }),
      /is given beside key/,
    )
    await assert.rejects(
      hub({ key: 'sixteen bytes or more', cipher: 'rot13' }),
      /must be aes or chacha/,
    )
  })
})
