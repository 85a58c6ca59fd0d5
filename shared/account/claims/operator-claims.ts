import { isPublicKey } from '../nkey.ts'
import { invalid } from './fields.ts'
import { decodeToken, type Token } from './token.ts'

export interface OperatorClaims extends Token {
  readonly signingKeys: readonly string[]
  /** Account id; '' for none. */
  readonly systemAccount: string
  readonly accountServerUrl: string
  /** `2.9.0`; '' for any. */
  readonly serverVersion: string
  /** Neither the operator nor its accounts sign with their own key. */
  readonly isStrict: boolean
}

/** Throws PETIOLE_TOKEN_INVALID. Its times are not looked at: a server that runs does not stop for them. */
export function decodeOperator(text: string): OperatorClaims {
  const token = decodeToken(text)
  if (token.type !== 'operator') throw invalid('not operator claim')
  const { claims } = token
  const signingKeys = claims.texts('signing_keys')
  const wrong = [token.subject, ...signingKeys].find((key) => !isPublicKey(key, 'O'))
  if (wrong !== undefined) throw invalid(`${wrong} is not an operator public key`)
  // Only its own keys may say what they are: anybody can sign a JWT about anybody.
  if (![token.subject, ...signingKeys].includes(token.issuer)) {
    throw invalid('operator JWT is not signed by the operator')
  }
  return {
    ...token,
    signingKeys,
    systemAccount: claims.text('system_account'),
    accountServerUrl: claims.text('account_server_url'),
    serverVersion: claims.text('assert_server_version'),
    isStrict: claims.flag('strict_signing_key_usage'),
  }
}
