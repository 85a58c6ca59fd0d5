import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TlsConfig } from '../../../../shared/config/index.ts'
import { silentLog } from '../../../../shared/log/index.ts'
import { type Machine, systemMachine } from '../../../../shared/server/index.ts'
import { fingerprintOf } from '../../../../shared/transport/certificate.ts'
import { CertificateAuthority, tlsConfig } from '../../../support/certificates.ts'
import { eventually } from '../../../support/link-node.ts'
import { PeerHub } from '../../../support/peer-hub.ts'

describe('links between hubs with TLS', () => {
  let authority: CertificateAuthority
  const hubs: PeerHub[] = []
  let machine: Machine

  beforeEach(() => {
    authority = new CertificateAuthority()
    machine = systemMachine(silentLog)
    hubs.length = 0
  })

  afterEach(async () => {
    await Promise.all(hubs.map((hub) => hub.mesh.destroy()))
    authority.remove()
  })

  async function start(name: string, tls: TlsConfig | undefined, seed?: PeerHub): Promise<PeerHub> {
    const port = seed?.mesh.clusterAddress?.port
    const hub = new PeerHub({
      machine,
      name,
      region: 'eu',
      host: '127.0.0.1',
      ports: { cluster: 0, gateway: 0 },
      routes: port === undefined ? [] : [`localhost:${port}`],
      cluster: { tls },
    })
    hubs.push(hub)
    await hub.mesh.start()
    return hub
  }

  function tlsOf(name: string, of = authority): TlsConfig {
    const request = { subject: [['CN', name]], dns: ['localhost'], ips: ['127.0.0.1'] } as const
    return tlsConfig({ certs: [of.issue(name, request)], ca_file: authority.ca_file })
  }

  it('stand between hubs that vouch for each other, those told of among them', async () => {
    const a = await start('eu-1', tlsOf('eu-1'))
    const b = await start('eu-2', tlsOf('eu-2'), a)
    const c = await start('eu-3', tlsOf('eu-3'), a)
    await eventually(() => [a, b, c].every((hub) => hub.peers.length === 2), 'a full mesh')
    const peer = c.subscriber('x')
    await eventually(() => b.publish('x', 'y') > 0, 'interest')
    await eventually(() => peer.got.length > 0, 'the message')
  })

  it('end when a reload pins other certificates, and come no more', async () => {
    const own = tlsOf('eu-1')
    const [second, third] = [tlsOf('eu-2'), tlsOf('eu-3')]
    const digest = (tls: TlsConfig): string =>
      fingerprintOf(new X509Certificate(readFileSync(tls.certs[0]?.cert_file ?? '')))
    const pinning = (...pinned: readonly TlsConfig[]): TlsConfig => ({
      ...own,
      pinned_certs: pinned.map(digest),
    })
    const a = await start('eu-1', pinning(second, third))
    const b = await start('eu-2', second, a)
    const c = await start('eu-3', third, a)
    await eventually(() => [a, b, c].every((hub) => hub.peers.length === 2), 'a full mesh')
    a.reload(pinning(third, second))
    assert.deepEqual(a.peers, ['eu-2', 'eu-3'])
    a.reload(pinning(third))
    await eventually(() => a.peers.length === 1 && c.peers.length === 2, 'one to be gone')
    assert.deepEqual(a.peers, ['eu-3'])
    await eventually(() => /not linked|cannot link/.test(b.log.text()), 'another try')
    assert.deepEqual(a.peers, ['eu-3'])
  })

  it('are refused to who shows no certificate, one of another authority, or speaks plain', async () => {
    const a = await start('eu-1', tlsOf('eu-1'))
    const others = new CertificateAuthority('another')
    try {
      const b = await start('eu-2', tlsConfig({ certs: [], ca_file: authority.ca_file }), a).catch(
        (error: unknown) => error,
      )
      assert.match(String(b), /needs a certificate/, 'a listener has to have one')
      const c = await start('eu-3', tlsOf('eu-3', others), a)
      const d = await start('eu-4', undefined, a)
      const says = (hub: PeerHub): boolean => hub.log.text().includes('cannot link with a hub')
      await eventually(() => says(c) && says(d), 'both to fail')
      assert.deepEqual([a.peers, c.peers, d.peers], [[], [], []])
    } finally {
      others.remove()
    }
  })
})
