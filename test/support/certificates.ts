import { createPrivateKey, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { TlsConfig } from '../../shared/config/index.ts'

/**
 * A certificate authority for tests, written out in DER [RFC 5280]: P-256 keys, valid for a day around
 * now. Files live in a temporary folder until `remove`.
 */
export interface CertificateFiles {
  readonly cert_file: string
  readonly key_file: string
}

export interface CertificateRequest {
  /** Least specific first, as they are encoded: `[['O', 'Petiole'], ['CN', 'press-7']]`. */
  readonly subject: readonly (readonly [keyof typeof NAME_TYPES, string])[]
  readonly dns?: readonly string[]
  readonly ips?: readonly string[]
  readonly emails?: readonly string[]
  readonly uris?: readonly string[]
  readonly isExpired?: boolean
}

const NAME_TYPES = { C: '550406', O: '55040a', OU: '55040b', CN: '550403' } as const
const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'))
const DAY_MS = 86_400_000

export class CertificateAuthority {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'petiole-ca-'))
  readonly ca_file: string
  readonly #name: Buffer
  readonly #key: KeyObject
  #serial = 1

  constructor(name = 'Petiole test authority') {
    this.#name = encodeName([['CN', name]])
    const { privateKey, publicKey } = newKeys()
    this.#key = privateKey
    const basic = extension('551d13', sequence(Buffer.from([1, 1, 0xff])), true)
    const usage = extension('551d0f', Buffer.from([3, 2, 1, 6]), true)
    this.ca_file = this.#write('ca.pem', this.#sign(this.#name, publicKey, [basic, usage], false))
  }

  /** A certificate and its key, for either side of a connection. */
  issue(file: string, request: CertificateRequest): CertificateFiles {
    const { privateKey, publicKey } = newKeys()
    const purposes = sequence(oid('2b06010505070301'), oid('2b06010505070302'))
    const extensions = [
      extension('551d25', purposes, false),
      extension('551d11', altNames(request), false),
    ]
    const subject = encodeName(request.subject)
    const pem = this.#sign(subject, publicKey, extensions, request.isExpired ?? false)
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    return {
      cert_file: this.#write(`${file}.pem`, pem),
      key_file: this.#write(`${file}.key`, key),
    }
  }

  /** For a listener on this machine. */
  server(file = 'server', dns = ['localhost']): CertificateFiles {
    return this.issue(file, { subject: [['CN', dns[0] ?? '']], dns, ips: ['127.0.0.1'] })
  }

  file(name: string, text: string): string {
    return this.#write(name, text)
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #sign(subject: Buffer, publicKey: KeyObject, extensions: Buffer[], isExpired: boolean): string {
    const from = Date.now() - (isExpired ? 3 : 1) * DAY_MS
    const body = sequence(
      tagged(0xa0, integer(2)),
      integer(this.#serial++),
      ECDSA_SHA256,
      this.#name,
      sequence(time(from), time(from + 2 * DAY_MS)),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(...extensions)),
    )
    const signature = createSign('sha256').update(body).sign(this.#key)
    const der = sequence(body, ECDSA_SHA256, tagged(3, Buffer.from([0]), signature))
    const lines = der.toString('base64').match(/.{1,64}/g) ?? []
    return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
  }

  #write(name: string, text: string): string {
    const file = path.join(this.directory, name)
    writeFileSync(file, text)
    return file
  }
}

/** A `tls` block as the configuration hands it out. */
export function tlsConfig(over: Partial<TlsConfig> = {}): TlsConfig {
  return {
    certs: [],
    ca_file: '',
    verify: false,
    verify_and_map: false,
    insecure: false,
    cipher_suites: [],
    curve_preferences: [],
    min_version: 'TLSv1.2',
    pinned_certs: [],
    connection_rate_limit: 0,
    timeout: 30_000,
    handshake_first: 'no',
    handshake_first_delay: 50,
    ...over,
  }
}

function newKeys(): { privateKey: KeyObject; publicKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    privateKey: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicKey,
  }
}

function altNames({ dns = [], ips = [], emails = [], uris = [] }: CertificateRequest): Buffer {
  return sequence(
    ...emails.map((it) => tagged(0x81, Buffer.from(it))),
    ...dns.map((it) => tagged(0x82, Buffer.from(it))),
    ...uris.map((it) => tagged(0x86, Buffer.from(it))),
    ...ips.map((it) => tagged(0x87, Buffer.from(it.split('.').map(Number)))),
  )
}

function encodeName(parts: CertificateRequest['subject']): Buffer {
  return sequence(
    ...parts.map(([type, value]) =>
      tagged(0x31, sequence(oid(NAME_TYPES[type]), tagged(0x0c, Buffer.from(value)))),
    ),
  )
}

function extension(id: string, value: Buffer, isCritical: boolean): Buffer {
  const critical = isCritical ? [Buffer.from([1, 1, 0xff])] : []
  return sequence(oid(id), ...critical, tagged(4, value))
}

function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`
  return tagged(0x17, Buffer.from(text))
}

function integer(value: number): Buffer {
  return tagged(2, Buffer.from([value]))
}

function oid(hex: string): Buffer {
  return tagged(6, Buffer.from(hex, 'hex'))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts)
}

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const size = body.length
  const long = size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  const length = size < 128 ? [size] : long
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
