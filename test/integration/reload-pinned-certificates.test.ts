import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { startHub } from '../../index.ts'
import { type ConfigInput, parseConfig } from '../../shared/config/index.ts'
import { fingerprintOf } from '../../shared/transport/certificate.ts'
import { CertificateAuthority, type CertificateFiles } from '../support/certificates.ts'

describe('a reload that pins other certificates', () => {
  const authority = new CertificateAuthority()

  after(() => authority.remove())

  it('closes who has shown one that is pinned no longer, and nobody else', async () => {
    const server = authority.server()
    const [one, two] = ['one', 'two'].map((name) =>
      authority.issue(name, { subject: [['CN', name]] }),
    )
    assert.ok(one !== undefined && two !== undefined)
    const config = (...pinned: readonly CertificateFiles[]): ConfigInput => ({
      host: '127.0.0.1',
      port: -1,
      jetstream: false,
      tls: {
        ...server,
        ca_file: authority.ca_file,
        verify: true,
        pinned_certs: pinned.map(({ cert_file }) =>
          fingerprintOf(new X509Certificate(readFileSync(cert_file))),
        ),
      },
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
})
