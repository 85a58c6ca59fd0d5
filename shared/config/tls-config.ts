/** A `tls` block after reading. Files are paths as written; durations are milliseconds. */
export interface TlsConfig {
  /** Pairs of certificate and key, in the order of the file; a server needs one at least. */
  readonly certs: readonly { readonly cert_file: string; readonly key_file: string }[]
  /** Trusted authorities, as a PEM file; '' takes those of the platform. */
  readonly ca_file: string
  /** The other side must show a certificate that `ca_file` vouches for. */
  readonly verify: boolean
  /** The same, and the certificate names the user. Implies `verify`. */
  readonly verify_and_map: boolean
  /** Dialling only: take any certificate. */
  readonly insecure: boolean
  /** OpenSSL's names; empty for the platform's choice. */
  readonly cipher_suites: readonly string[]
  readonly curve_preferences: readonly string[]
  readonly min_version: 'TLSv1.2' | 'TLSv1.3'
  /** SHA-256 of the subject public key info, lower case hex; empty when any will do. */
  readonly pinned_certs: readonly string[]
  /** Handshakes a second that are let through; 0: no limit. */
  readonly connection_rate_limit: number
  readonly timeout: number
  /** `always`: TLS before INFO. `auto`: the same for who speaks first within `handshake_first_delay`. */
  readonly handshake_first: 'no' | 'always' | 'auto'
  readonly handshake_first_delay: number
}
