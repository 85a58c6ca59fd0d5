import assert from 'node:assert/strict'
import { parseConfig } from '../../../shared/config/index.ts'
import { ServerTls } from '../../../shared/server/server-tls.ts'
import { CertificateAuthority } from '../../support/certificates.ts'

describe('TLS of a server', () => {
  const authority = new CertificateAuthority()
  const good = authority.server()
  const junk = { ...good, cert_file: authority.file('junk.pem', 'no PEM at all') }
  after(() => authority.remove())

  const listen = '127.0.0.1:-1'
  const region = { name: 'a', listen }
  const blocks: readonly (readonly [
    block: string,
    config: (tls: object) => Record<string, unknown>,
  ])[] = [
    ['tls', (tls) => ({ tls })],
    ['websocket.tls', (tls) => ({ websocket: { listen, tls } })],
    ['leafnodes.tls', (tls) => ({ leafnodes: { listen, tls } })],
    ['mqtt.tls', (tls) => ({ mqtt: { listen, tls } })],
    ['cluster.tls', (tls) => ({ cluster: { ...region, tls } })],
    ['gateway.tls', (tls) => ({ gateway: { ...region, tls } })],
  ]
  for (const [block, configOf] of blocks) {
    it(`names ${block} when something is wrong there, at the start and at a reload`, () => {
      const broken = parseConfig(configOf(junk), 'hub')
      const message = `${block}: cert_file ${junk.cert_file} holds no PEM certificate`
      assert.throws(() => new ServerTls(broken), { code: 'PETIOLE_TLS_INVALID', message })
      const tls = new ServerTls(parseConfig(configOf(good), 'hub'))
      assert.throws(() => tls.prepare(broken), { code: 'PETIOLE_TLS_INVALID', message })
    })
  }
})
