import type { TlsConfig } from './tls-config.ts'
import type { TlsFile } from './tls-schema.ts'

/** Until a handshake must be done; nats-server's TLS_TIMEOUT. */
export const TLS_TIMEOUT_MS = 2_000

export function tlsOf(file: TlsFile): TlsConfig {
  const pair = { cert_file: file.cert_file, key_file: file.key_file }
  return {
    certs: file.cert_file === '' ? file.certs : [pair, ...file.certs],
    ca_file: file.ca_file,
    verify: file.verify || file.verify_and_map,
    verify_and_map: file.verify_and_map,
    insecure: file.insecure,
    cipher_suites: (file.cipher_suites ?? [])
      .map((suite) => suite.name)
      .filter((name) => name !== ''),
    curve_preferences: file.curve_preferences ?? [],
    min_version: file.min_version,
    pinned_certs: file.pinned_certs,
    connection_rate_limit: file.connection_rate_limit,
    timeout: file.timeout ?? TLS_TIMEOUT_MS,
    handshake_first: file.handshake_first.handshake,
    handshake_first_delay: file.handshake_first.delayMs,
  }
}

/** Peers show each other their certificates, always. */
export function peerTlsOf(file: TlsFile): TlsConfig {
  return { ...tlsOf(file), verify: true }
}

/** What a URL means that asks for TLS where no block says how. */
export const DIALLED_TLS: TlsConfig = {
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
  timeout: TLS_TIMEOUT_MS,
  handshake_first: 'no',
  handshake_first_delay: 0,
}
