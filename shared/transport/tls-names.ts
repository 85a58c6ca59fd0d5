import { getCiphers } from 'node:tls'
import { PetioleError } from '../runtime/index.ts'

/**
 * Names of ciphers and curves: configuration files for nats-server have those of Go, which are the
 * IANA registry's; OpenSSL has its own below TLS 1.3. Both are taken.
 */
const OPENSSL_NAMES: Readonly<Record<string, string>> = {
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
}

/** Suites of TLS 1.3 cannot be turned off in Go, so a list without any keeps them all. */
const TLS13_SUITES = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
]

const CURVES: Readonly<Record<string, string>> = {
  curvep256: 'P-256',
  'p-256': 'P-256',
  prime256v1: 'P-256',
  secp256r1: 'P-256',
  curvep384: 'P-384',
  'p-384': 'P-384',
  secp384r1: 'P-384',
  curvep521: 'P-521',
  'p-521': 'P-521',
  secp521r1: 'P-521',
  x25519: 'X25519',
}

/** OpenSSL's cipher list; undefined for the platform's choice. Throws PETIOLE_TLS_INVALID. */
export function cipherList(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined
  const known = new Set(getCiphers())
  const ciphers = names.map((name) => {
    const cipher = OPENSSL_NAMES[name.toUpperCase()] ?? name.toUpperCase()
    if (known.has(cipher.toLowerCase())) return cipher
    throw new PetioleError('PETIOLE_TLS_INVALID', `unrecognized cipher ${name}`)
  })
  const hasTls13 = ciphers.some((cipher) => TLS13_SUITES.includes(cipher))
  return [...(hasTls13 ? [] : TLS13_SUITES), ...ciphers].join(':')
}

/** OpenSSL's list of groups; undefined for the platform's choice. Throws PETIOLE_TLS_INVALID. */
export function curveList(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined
  const curves = names.map((name) => {
    const curve = CURVES[name.toLowerCase()]
    if (curve !== undefined) return curve
    throw new PetioleError('PETIOLE_TLS_INVALID', `unrecognized curve preference ${name}`)
  })
  return curves.join(':')
}
