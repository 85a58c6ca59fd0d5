import { constants, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { TlsConfig } from '../config/index.ts'
import { codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import { fingerprintOf } from './certificate.ts'
import { HANDSHAKE_RATE_WINDOW_MS, TLS_HANDSHAKES_MAX } from './limits.ts'
import type { TlsFacts } from './tls-facts.ts'
import { cipherList, curveList } from './tls-names.ts'

/** One certificate that a server may show, ready for handshakes. */
interface Identity {
  readonly certificate: X509Certificate | undefined
  readonly context: SecureContext
}

/** What belongs to one reading of the files; replaced as a whole, so that no handshake sees a mixture. */
interface Loaded {
  readonly config: TlsConfig
  readonly identities: readonly Identity[]
  readonly pinned: ReadonlySet<string>
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** With client certificates no session is resumed: each handshake shows and verifies them again. */
const SESSION_CONTEXT = 'petiole'

/**
 * A `tls` block with its files read and checked. One object serves a listener, or the connections of
 * a remote, for as long as it lives: `reload` changes what new handshakes get, and connections that
 * stand keep what they have. The constructor and `reload` throw PETIOLE_TLS_INVALID, which names the
 * file and what is wrong with it; a `reload` that throws changes nothing.
 */
export class TlsSettings {
  readonly side: 'server' | 'client'
  readonly #block: string
  #loaded: Loaded
  /** The last reload has pinned other certificates than there were. */
  #isRepinned = false
  #windowStartMs = Number.NEGATIVE_INFINITY
  #handshakes = 0
  #underWay = 0

  /** @param block where it stands in the configuration, for people: `mqtt.tls` */
  constructor(config: TlsConfig, side: 'server' | 'client', block = 'tls') {
    this.side = side
    this.#block = block
    this.#loaded = load(config, side, block)
  }

  get config(): TlsConfig {
    return this.#loaded.config
  }

  /** A server asks for the other side's certificate. */
  get asksForCertificate(): boolean {
    const { verify, verify_and_map: mapped } = this.config
    return verify || mapped
  }

  /** Wall time until which the first certificate holds; undefined without one. */
  get endsMs(): number | undefined {
    const { certificate } = this.#first()
    return certificate === undefined ? undefined : Date.parse(certificate.validTo)
  }

  reload(config: TlsConfig): void {
    this.prepare(config)()
  }

  /** Reads what `reload` takes; the result, which cannot fail, goes on with it. */
  prepare(config: TlsConfig): () => void {
    const loaded = load(config, this.side, this.#block)
    return () => {
      this.#isRepinned = !isSame(this.#loaded.pinned, loaded.pinned)
      this.#loaded = loaded
    }
  }

  /** For dialling, and for clients that name no server. */
  get context(): SecureContext {
    return this.#first().context
  }

  /** The first certificate that covers the name, else the first of all: as Go does. */
  contextFor(serverName: string): SecureContext {
    const { identities } = this.#loaded
    const found = identities.find(({ certificate }) => covers(certificate, serverName))
    return (found ?? this.#first()).context
  }

  /** Whether the peer's certificate is one of `pinned_certs`; any will do when none is pinned. */
  isPinned(certificate: X509Certificate | undefined): boolean {
    const { pinned } = this.#loaded
    if (pinned.size === 0) return true
    return certificate !== undefined && pinned.has(fingerprintOf(certificate))
  }

  /**
   * Of a connection that stands: the last reload has pinned others, and not its certificate. One without a
   * certificate has come by a listener where that is allowed.
   */
  isUnpinned(facts: TlsFacts | undefined): boolean {
    if (facts === undefined || !this.#isRepinned) return false
    const { pinned } = this.#loaded
    return pinned.size > 0 && !pinned.has(facts.certificate?.keyDigest ?? '')
  }

  /**
   * A handshake is about to begin: true lets it, and `handshakeEnded` is to be called then. False when
   * `connection_rate_limit` is reached, or too many are under way.
   */
  admits(monotonicMs: number): boolean {
    if (this.#underWay >= TLS_HANDSHAKES_MAX || !this.#isInRate(monotonicMs)) return false
    this.#underWay++
    return true
  }

  handshakeEnded(): void {
    this.#underWay--
  }

  #isInRate(monotonicMs: number): boolean {
    const { connection_rate_limit: limit } = this.config
    if (limit === 0) return true
    if (monotonicMs - this.#windowStartMs >= HANDSHAKE_RATE_WINDOW_MS) {
      this.#windowStartMs = monotonicMs
      this.#handshakes = 0
    }
    this.#handshakes++
    return this.#handshakes <= limit
  }

  #first(): Identity {
    const [first] = this.#loaded.identities
    if (first === undefined) throw invalid('no certificate')
    return first
  }
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one))
}

/** What is wrong with a block is said with its place. */
function load(config: TlsConfig, side: 'server' | 'client', block: string): Loaded {
  try {
    return read(config, side)
  } catch (error) {
    if (codeOf(error) !== 'PETIOLE_TLS_INVALID') throw error
    const { cause } = error as PetioleError
    throw invalid(`${block}: ${messageOf(error)}`, cause)
  }
}

function read(config: TlsConfig, side: 'server' | 'client'): Loaded {
  if (side === 'server' && config.certs.length === 0) {
    throw invalid('a listener needs a certificate: set `cert_file` and `key_file`')
  }
  const ca = config.ca_file === '' ? undefined : readAuthorities(config.ca_file)
  const pairs = config.certs.map(({ cert_file, key_file }) => readPair(cert_file, key_file))
  const identities = (pairs.length === 0 ? [undefined] : pairs).map((pair) => ({
    certificate: pair?.certificate,
    context: makeContext(config, side, ca, pair),
  }))
  return { config, identities, pinned: new Set(config.pinned_certs) }
}

function makeContext(
  config: TlsConfig,
  side: 'server' | 'client',
  ca: readonly string[] | undefined,
  pair: { readonly cert: string; readonly key: string } | undefined,
): SecureContext {
  const ciphers = cipherList(config.cipher_suites)
  const ecdhCurve = curveList(config.curve_preferences)
  const isMutual = side === 'server' && (config.verify || config.verify_and_map)
  const ticketless = isMutual ? constants.SSL_OP_NO_TICKET : 0
  return createSecureContext({
    ...(pair === undefined ? {} : { cert: pair.cert, key: pair.key }),
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(ecdhCurve === undefined ? {} : { ecdhCurve }),
    minVersion: config.min_version,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | ticketless,
    sessionIdContext: SESSION_CONTEXT,
  })
}

function readPair(
  certFile: string,
  keyFile: string,
): { cert: string; key: string; certificate: X509Certificate } {
  const cert = readFile('cert_file', certFile)
  const certificate = parseCertificate('cert_file', certFile, cert)
  const key = readFile('key_file', keyFile)
  const isFitting = certificate.checkPrivateKey(parseKey(keyFile, key))
  if (!isFitting) {
    throw invalidFile('key_file', keyFile, `is not the key of the certificate in ${certFile}`)
  }
  return { cert, key, certificate }
}

function readAuthorities(file: string): readonly string[] {
  const text = readFile('ca_file', file)
  const blocks = text.match(PEM_BLOCK) ?? []
  if (blocks.length === 0) throw invalidFile('ca_file', file, 'holds no PEM certificate')
  for (const block of blocks) parseCertificate('ca_file', file, block)
  return blocks
}

function readFile(key: string, file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    const reason =
      codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(error)}`
    throw invalidFile(key, file, reason, error)
  }
}

function parseCertificate(key: string, file: string, pem: string): X509Certificate {
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw invalidFile(key, file, 'holds no PEM certificate')
  }
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw invalidFile(key, file, `holds a damaged certificate: ${messageOf(error)}`, error)
  }
}

function parseKey(file: string, pem: string): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw invalidFile('key_file', file, 'holds no PEM private key')
  }
  if (pem.includes('ENCRYPTED')) {
    throw invalidFile('key_file', file, 'is encrypted: store it without a passphrase')
  }
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw invalidFile('key_file', file, `holds a damaged key: ${messageOf(error)}`, error)
  }
}

function invalidFile(key: string, file: string, reason: string, cause?: unknown): PetioleError {
  return invalid(`${key} ${file} ${reason}`, cause)
}

function invalid(reason: string, cause?: unknown): PetioleError {
  return new PetioleError('PETIOLE_TLS_INVALID', reason, { cause })
}

function covers(certificate: X509Certificate | undefined, name: string): boolean {
  if (certificate === undefined || name === '') return false
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined
}
