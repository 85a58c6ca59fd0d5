/**
 * What a TLS handshake has found out about the peer. The same shape as `TlsFacts` of `shared/account`,
 * which stands on the same row. Source: RFC 5280, RFC 4514.
 */
export interface TlsFacts {
  /** `1.2` or `1.3`. */
  readonly version: string
  /** The name in the IANA registry, such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string
  /** undefined: the peer showed no certificate, or none was asked for. */
  readonly certificate: PeerCertificate | undefined
}

/** A peer's certificate; `verify` of the listener says whether an authority has vouched for it. */
export interface PeerCertificate {
  /** The subject's distinguished name, most specific part first (`CN=…,OU=…,O=…`). */
  readonly subject: string
  readonly emails: readonly string[]
  readonly dnsNames: readonly string[]
  readonly uris: readonly string[]
  /** The chain as PEM, the peer's own first. */
  readonly pem: readonly string[]
  /** SHA-256 of its public key info, lower case hex: what `pinned_certs` lists. */
  readonly keyDigest: string
}
