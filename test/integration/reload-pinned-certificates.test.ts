import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectAsync, type MqttClient } from 'mqtt'
import { startHub, startLeaf } from '../../index.ts'
import { type ConfigInput, parseConfig } from '../../shared/config/index.ts'
import { fingerprintOf } from '../../shared/transport/certificate.ts'
import { CertificateAuthority, type CertificateFiles } from '../support/certificates.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

describe('a reload that pins other certificates', () => {
  const authority = new CertificateAuthority()

  const server = authority.server()

  after(() => authority.remove())

  /** Where only these may come in. */
  const listener = (pinned: readonly CertificateFiles[]) => ({
    host: '127.0.0.1',
    port: -1,
    tls: {
      ...server,
      ca_file: authority.ca_file,
      verify: true,
      pinned_certs: pinned.map(digestOf),
    },
  })

  const issue = (name: string): CertificateFiles =>
    authority.issue(name, { subject: [['CN', name]] })

  it('closes who has shown one that is pinned no longer, and nobody else', async () => {
    const [one, two] = [issue('one'), issue('two')]
    const config = (...pinned: readonly CertificateFiles[]): ConfigInput => ({
      ...listener(pinned),
      jetstream: false,
    })
    const hub = await startHub(config(one, two))
    const client = ({ cert_file, key_file }: CertificateFiles): Promise<NatsConnection> =>
      connect({
        servers: `localhost:${hub.ports.client.port}`,
        tls: { caFile: authority.ca_file, certFile: cert_file, keyFile: key_file },
        reconnect: false,
      })
    const [first, second] = [await client(one), await client(two)]

    await hub.reload(parseConfig(config(two), 'hub'))

    await first.closed()
    await second.flush()
    await assert.rejects(client(one))
    await second.close()
    await hub.drain()
  })

  it('judges a leaf that came by WebSocket by the certificates of that listener', async () => {
    const other = issue('other')
    const config = (...pinned: readonly CertificateFiles[]): ConfigInput => ({
      host: '127.0.0.1',
      port: -1,
      jetstream: false,
      leafnodes: listener(pinned),
      websocket: { host: '127.0.0.1', port: -1, tls: server },
    })
    const hub = await startHub(config(other))
    const url = `wss://localhost:${hub.ports.webSocket?.port}/leafnode`
    const leaf = await startLeaf({
      host: '127.0.0.1',
      port: -1,
      jetstream: false,
      leafnodes: { remotes: [{ url, tls: { ca_file: authority.ca_file } }] },
    })
    const { client } = hub.ports
    const served = (await plain(leaf.ports.client.port)).subscribe('x', {
      callback: (_error, message) => void message.respond('here'),
    })
    const asker = await plain(client.port)
    const isThere = (): Promise<boolean> =>
      asker.request('x', '', { timeout: 1_000 }).then(
        () => true,
        () => false,
      )
    await eventually(isThere, 'the leaf to be linked')
    for (const pinned of [[other], [other, server]]) {
      await hub.reload(parseConfig(config(...pinned), 'hub'))
      // What a link that is closed would do first.
      assert.equal(await isThere(), true)
    }
    served.unsubscribe()
    await asker.close()
    await leaf.drain()
    await hub.drain()
  })

  it('closes MQTT clients too', async () => {
    const [one, two] = [issue('dev-1'), issue('dev-2')]
    const config = (...pinned: readonly CertificateFiles[]): ConfigInput => ({
      host: '127.0.0.1',
      port: -1,
      server_name: 'pins',
      jetstream: false,
      mqtt: listener(pinned),
    })
    const hub = await startHub(config(one, two))
    const device = ({ cert_file, key_file }: CertificateFiles): Promise<MqttClient> =>
      connectAsync(`mqtts://localhost:${hub.ports.frontDoors['mqtt']}`, {
        ca: readFileSync(authority.ca_file),
        cert: readFileSync(cert_file),
        key: readFileSync(key_file),
        protocolVersion: 4,
        reconnectPeriod: 0,
      })
    const [first, second] = [await device(one), await device(two)]
    const closed = new Promise<void>((resolve) => first.once('close', resolve))
    await hub.reload(parseConfig(config(two), 'hub'))
    await closed
    await second.subscribeAsync('a')
    await second.endAsync()
    await hub.drain()
  })
})

function digestOf({ cert_file }: CertificateFiles): string {
  return fingerprintOf(new X509Certificate(readFileSync(cert_file)))
}

async function eventually(holds: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS
  while (!(await holds())) assert.ok(performance.now() < endMs, what)
}

function plain(port: number): Promise<NatsConnection> {
  return connect({ servers: `localhost:${port}`, reconnect: false })
}
