import type { Credentials } from './authenticator.ts'
import { isNonceSigned } from './nkey.ts'

/**
 * What is known of the proxy in front of a connection [ADR-55]. `none` when nobody claims to be one,
 * or none is trusted here; `false` when the claim does not hold.
 */
export type ProxyCheck =
  | { readonly kind: 'none' }
  | { readonly kind: 'trusted'; readonly key: string }
  | { readonly kind: 'refused' }

/** @param trusted public nkeys, of any kind that signs */
export function checkProxy(credentials: Credentials, trusted: readonly string[]): ProxyCheck {
  const { nonce, proxySignature } = credentials
  if (proxySignature === undefined || proxySignature === '' || trusted.length === 0) return NONE
  const key = trusted.find((each) => isNonceSigned(each, kindOf(each), nonce, proxySignature))
  return key === undefined ? REFUSED : { kind: 'trusted', key }
}

const NONE: ProxyCheck = { kind: 'none' }
const REFUSED: ProxyCheck = { kind: 'refused' }

function kindOf(key: string) {
  const [first] = key
  switch (first) {
    case 'A':
    case 'C':
    case 'N':
    case 'O':
      return first
    default:
      return 'U'
  }
}
