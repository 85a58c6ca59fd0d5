import assert from 'node:assert/strict'
import * as path from 'node:path'
import type { TlsConfig } from '../../../shared/config/index.ts'
import { TlsSettings } from '../../../shared/transport/index.ts'
import { TLS_HANDSHAKES_MAX } from '../../../shared/transport/limits.ts'
import { CertificateAuthority, tlsConfig } from '../../support/certificates.ts'

describe('TLS settings', () => {
  const authority = new CertificateAuthority()
  const server = authority.server()
  const other = authority.server('other')
  const junk = authority.file('junk.pem', 'no PEM at all')
  const damaged = authority.file(
    'damaged.pem',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  )
  const encrypted = authority.file('encrypted.key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n')
  const missing = path.join(authority.directory, 'missing.pem')
  after(() => authority.remove())

  const cases: readonly (readonly [string, Partial<TlsConfig>, string | RegExp])[] = [
    ['no certificate', {}, 'tls: a listener needs a certificate: set `cert_file` and `key_file`'],
    [
      'a missing certificate',
      { certs: [{ ...server, cert_file: missing }] },
      `tls: cert_file ${missing} does not exist`,
    ],
    [
      'a certificate that is a folder',
      { certs: [{ ...server, cert_file: authority.directory }] },
      /^tls: cert_file .* cannot be read: EISDIR/,
    ],
    [
      'a certificate that is none',
      { certs: [{ ...server, cert_file: junk }] },
      `tls: cert_file ${junk} holds no PEM certificate`,
    ],
    [
      'a damaged certificate',
      { certs: [{ ...server, cert_file: damaged }] },
      /^tls: cert_file .*damaged\.pem holds a damaged certificate: /,
    ],
    [
      'a key that is none',
      { certs: [{ ...server, key_file: junk }] },
      `tls: key_file ${junk} holds no PEM private key`,
    ],
    [
      'a key with a passphrase',
      { certs: [{ ...server, key_file: encrypted }] },
      `tls: key_file ${encrypted} is encrypted: store it without a passphrase`,
    ],
    [
      'the key of another certificate',
      { certs: [{ ...server, key_file: other.key_file }] },
      `tls: key_file ${other.key_file} is not the key of the certificate in ${server.cert_file}`,
    ],
    [
      'an authority that is none',
      { certs: [server], ca_file: junk },
      `tls: ca_file ${junk} holds no PEM certificate`,
    ],
    [
      'a missing authority',
      { certs: [server], ca_file: missing },
      `tls: ca_file ${missing} does not exist`,
    ],
    [
      'an unknown cipher',
      { certs: [server], cipher_suites: ['TLS_ROT13'] },
      'tls: unrecognized cipher TLS_ROT13',
    ],
    [
      'an unknown curve',
      { certs: [server], curve_preferences: ['CurveP1'] },
      'tls: unrecognized curve preference CurveP1',
    ],
  ]
  for (const [what, config, message] of cases) {
    it(`says what is wrong with ${what}`, () => {
      const make = (): TlsSettings => new TlsSettings(tlsConfig(config), 'server')
      assert.throws(make, { code: 'PETIOLE_TLS_INVALID', message })
    })
  }

  it("takes Go's names of ciphers and curves, and OpenSSL's", () => {
    for (const cipher of [
      'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
      'ECDHE-ECDSA-AES128-GCM-SHA256',
    ]) {
      const config = tlsConfig({
        certs: [server],
        cipher_suites: [cipher],
        curve_preferences: ['CurveP521', 'X25519', 'prime256v1'],
      })
      assert.equal(new TlsSettings(config, 'server').config, config)
    }
  })

  it('a reload that fails changes nothing', () => {
    const config = tlsConfig({ certs: [server] })
    const settings = new TlsSettings(config, 'server')
    const { context } = settings
    assert.throws(() => settings.reload(tlsConfig({ certs: [server], ca_file: missing })))
    assert.equal(settings.config, config)
    assert.equal(settings.context, context)
    settings.reload(tlsConfig({ certs: [other] }))
    assert.notEqual(settings.context, context)
  })

  it('lets no more handshakes begin when too many are under way', () => {
    const settings = new TlsSettings(tlsConfig({ certs: [server] }), 'server')
    for (let i = 0; i < TLS_HANDSHAKES_MAX; i++) assert.ok(settings.admits(0))
    assert.equal(settings.admits(0), false)
    settings.handshakeEnded()
    assert.equal(settings.admits(0), true)
    assert.equal(settings.admits(0), false)
  })
})
