import assert from 'node:assert/strict'
import { startRole } from '../../index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { RawClient } from '../support/broker-harness.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { ConfigFiles } from '../support/config-files.ts'
import { freePort } from '../support/free-ports.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'

const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"tls_required":false}\r\nPING\r\n'

/** What a client gets that goes on in plain where INFO asked for TLS. */
describe('a client in plain at a port that wants TLS', () => {
  const authority = new CertificateAuthority()
  const { cert_file, key_file } = authority.server()
  const tls = `tls { cert_file: "${cert_file}", key_file: "${key_file}" }`
  const config = (leafPort: number): string =>
    `${tls}\nleafnodes { listen: "127.0.0.1:${leafPort}", ${tls} }`

  after(() => authority.remove())

  async function transcript(port: number): Promise<string> {
    const client = await RawClient.connect(port)
    await client.expect('INFO ')
    client.send(CONNECT)
    await client.closed()
    assert.equal(client.info['tls_required'], true)
    return client.transcript
  }

  it('is told so before it ends; nats-server ends it without a word', async () => {
    const leafPort = await freePort()
    const peer = await NatsServerPeer.start(config(leafPort))
    const theirs = [await transcript(peer.port), await transcript(leafPort)]
    await peer.stop()
    const files = await ConfigFiles.create()
    const file = await files.write('hub.conf', `listen: "127.0.0.1:-1"\n${config(-1)}`)
    const hub = await startRole((await loadConfig(new SystemDisk(), file, 'hub')).config)
    const { client, leafNodes } = hub.ports
    const ours = [await transcript(client!.port), await transcript(leafNodes!.port)]
    await hub.drain()
    await files.remove()
    assert.deepEqual(theirs, ['<INFO>', '<INFO>'])
    // nats-server has this text too, but loses it in its failed handshake: people are glad of it.
    const told = "<INFO>-ERR 'Secure Connection - TLS Required'\r\n"
    assert.deepEqual(ours, [told, '<INFO>'])
  })
})
