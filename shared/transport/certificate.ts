import { createHash, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { PeerCertificate, TlsFacts } from './tls-facts.ts'

/** SHA-256 of the subject's public key info, lower case hex: what `pinned_certs` lists. */
export function fingerprintOf(certificate: X509Certificate): string {
  const info = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(info).digest('hex')
}

/** `getPeerX509Certificate` takes the certificate out of the connection on the dialling side, so only once. */
export function peerCertificateOf(socket: TLSSocket): X509Certificate | undefined {
  const { raw } = socket.getPeerCertificate()
  return raw === undefined ? undefined : new X509Certificate(raw)
}

/** The facts of a handshake that is done. */
export function factsOf(socket: TLSSocket): TlsFacts {
  const certificate = peerCertificateOf(socket)
  return {
    version: (socket.getProtocol() ?? '').replace('TLSv', ''),
    cipherSuite: socket.getCipher().standardName,
    certificate: certificate === undefined ? undefined : describe(certificate, chainOf(socket)),
  }
}

function describe(certificate: X509Certificate, pem: readonly string[]): PeerCertificate {
  const names = alternativeNames(certificate.subjectAltName ?? '')
  return {
    subject: distinguishedName(certificate.subject),
    emails: names.filter(({ kind }) => kind === 'email').map(({ value }) => value),
    dnsNames: names.filter(({ kind }) => kind === 'DNS').map(({ value }) => value),
    uris: names.filter(({ kind }) => kind === 'URI').map(({ value }) => value),
    pem,
    keyDigest: fingerprintOf(certificate),
  }
}

/** The chain that the peer sent, its own certificate first; a root comes as its own issuer. */
function chainOf(socket: TLSSocket): readonly string[] {
  const pem: string[] = []
  const seen = new Set<string>()
  let next = socket.getPeerCertificate(true)
  while (next?.raw !== undefined && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256)
    pem.push(new X509Certificate(next.raw).toString())
    next = next.issuerCertificate
  }
  return pem
}

/**
 * One line per part, least specific first and with OpenSSL's escapes, becomes `CN=…,OU=…,O=…`.
 * Source: RFC 4514, 2.1.
 */
function distinguishedName(subject: string | undefined): string {
  return (subject ?? '')
    .split('\n')
    .filter((part) => part !== '')
    .reverse()
    .join(',')
}

/**
 * `DNS:a.example, email:b@example, URI:"…"`: Node writes a name with a comma, a quote or a control
 * character as a JSON string, so that no name can pass for two.
 */
export function alternativeNames(text: string): readonly { kind: string; value: string }[] {
  const names: { kind: string; value: string }[] = []
  const name = /\s*([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)/gy
  for (let found = name.exec(text); found !== null; found = name.exec(text)) {
    const [, kind = '', value = ''] = found
    names.push({ kind, value: value.startsWith('"') ? unquoted(value) : value })
  }
  return names
}

function unquoted(value: string): string {
  try {
    return String(JSON.parse(value))
  } catch {
    return value
  }
}
