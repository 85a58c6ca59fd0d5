/** A `tls` block, wherever it stands. Names of ciphers and curves are Go's in the file, OpenSSL's behind it. */
import * as v from 'valibot'
import { block } from './block.ts'
import {
  count,
  duration,
  flag,
  type Reading,
  readDuration,
  reading,
  shown,
  spelt,
  text,
} from './values.ts'

/** Go's crypto/tls, what it calls secure. */
const CIPHERS: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
}

/** The same, what it calls insecure; those without a name are not in OpenSSL 3 any more. */
const INSECURE_CIPHERS: Readonly<Record<string, string>> = {
  TLS_RSA_WITH_RC4_128_SHA: '',
  TLS_RSA_WITH_3DES_EDE_CBC_SHA: '',
  TLS_ECDHE_ECDSA_WITH_RC4_128_SHA: '',
  TLS_ECDHE_RSA_WITH_RC4_128_SHA: '',
  TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: '',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
}

/** nats-server knows hybrid curves too, which OpenSSL has from 3.5 on. */
const CURVES: Readonly<Record<string, string>> = {
  X25519: 'X25519',
  CurveP256: 'P-256',
  CurveP384: 'P-384',
  CurveP521: 'P-521',
}

const HYBRID_CURVES = ['X25519MLKEM768', 'SecP256r1MLKEM768', 'SecP384r1MLKEM1024']

export interface CipherSuite {
  /** OpenSSL's; '' for those that it does not have any more. */
  readonly name: string
  /** As written. */
  readonly written: string
  readonly isInsecure: boolean
}

function cipherSuites() {
  return reading<readonly CipherSuite[]>((input) =>
    eachOf(input, (name) => {
      const secure = Object.hasOwn(CIPHERS, name) ? CIPHERS[name] : undefined
      const insecure = Object.hasOwn(INSECURE_CIPHERS, name) ? INSECURE_CIPHERS[name] : undefined
      const found = secure ?? insecure
      if (found === undefined) return { fault: `unrecognized cipher ${name}` }
      return { value: { name: found, written: name, isInsecure: secure === undefined } }
    }),
  )
}

function curves() {
  return reading<readonly string[]>((input) =>
    eachOf(input, (name) => {
      const value = Object.hasOwn(CURVES, name) ? CURVES[name] : undefined
      if (value !== undefined) return { value }
      return HYBRID_CURVES.includes(name)
        ? {
            fault: `${name} is not supported, because OpenSSL here has no hybrid curves: use X25519`,
          }
        : { fault: `unrecognized curve preference ${name}` }
    }),
  )
}

function eachOf<T>(input: unknown, read: (name: string) => Reading<T>): Reading<readonly T[]> {
  if (!Array.isArray(input) || input.length === 0) {
    return { fault: `must be a list of names, not ${shown(input)}` }
  }
  const results = input.map((name) => read(String(name)))
  const faults = results.flatMap((result) => ('fault' in result ? [result.fault] : []))
  if (faults.length > 0) return { fault: faults.join('; ') }
  return { value: results.flatMap((result) => ('value' in result ? [result.value] : [])) }
}

function pinnedCerts() {
  return reading<readonly string[]>((input) => {
    const list = Array.isArray(input) ? input.map((pin) => String(pin).toLowerCase()) : undefined
    if (list?.every((pin) => /^[0-9a-f]{64}$/.test(pin))) return { value: list }
    return { fault: 'must be a list of SHA-256 hashes of the subject public key info, in hex' }
  })
}

const FALLBACK_DELAY_MS = 50

export interface HandshakeFirst {
  readonly handshake: 'no' | 'always' | 'auto'
  readonly delayMs: number
}

/** true, false, auto, or the time that a client gets to begin its handshake. */
function handshakeFirst() {
  return reading<HandshakeFirst>((input) => {
    const written = String(input).toLowerCase()
    if (['true', 'on'].includes(written)) return { value: { handshake: 'always', delayMs: 0 } }
    if (['false', 'off'].includes(written)) return { value: { handshake: 'no', delayMs: 0 } }
    const isAuto = written === 'auto' || written === 'auto_fallback'
    const delayMs = isAuto ? FALLBACK_DELAY_MS : readDuration(input)
    if (delayMs !== undefined && typeof input === 'string') {
      return { value: { handshake: 'auto', delayMs } }
    }
    return { fault: `must be true, false, auto or a duration like 300ms, not ${shown(input)}` }
  })
}

const WINDOWS_STORE =
  'there is no Windows certificate store here: give cert_file and key_file in its place'

export const tls = block(
  {
    cert_file: v.optional(text(), ''),
    key_file: v.optional(text(), ''),
    certs: v.optional(
      v.array(block({ cert_file: text(), key_file: text() }), 'must be a list of certificates'),
      [],
    ),
    ca_file: v.optional(text(), ''),
    verify: v.optional(flag(), false),
    verify_and_map: v.optional(flag(), false),
    insecure: v.optional(flag(), false),
    cipher_suites: v.optional(cipherSuites()),
    allow_insecure_cipher_suites: v.optional(flag(), false),
    curve_preferences: v.optional(curves()),
    min_version: v.optional(spelt({ '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' }), '1.2'),
    pinned_certs: v.optional(pinnedCerts(), []),
    connection_rate_limit: v.optional(count(0, 2 ** 31 - 1), 0),
    timeout: v.optional(duration()),
    handshake_first: v.optional(handshakeFirst(), false),
  },
  {
    aliases: {
      certificates: 'certs',
      first: 'handshake_first',
      immediate: 'handshake_first',
    },
    unsupported: {
      verify_cert_and_check_known_urls:
        'who a peer is follows from the authority that signed it: use verify, with a ca_file of your own',
      ocsp_peer: 'certificates are not looked up as revoked: use short-lived ones, or pinned_certs',
      cert_store: WINDOWS_STORE,
      cert_match: WINDOWS_STORE,
      cert_match_by: WINDOWS_STORE,
      cert_match_skip_invalid: WINDOWS_STORE,
      ca_certs_match: WINDOWS_STORE,
    },
  },
)

export type TlsFile = v.InferOutput<typeof tls>
