import type { OperatorConfig } from '../config/index.ts'
import { PetioleError } from '../runtime/index.ts'
import { decodeOperator, type OperatorClaims } from './claims/index.ts'
import { isPublicKey } from './nkey.ts'

/** Operators whose accounts are let in. Source: nats-server's server/jwt.go, `validateTrustedOperators`. */
export class TrustedOperators {
  /** Keys that may sign accounts. */
  readonly keys: ReadonlySet<string>
  /** Of the first operator: '' when there are trusted keys only. */
  readonly id: string
  /** Keys that may ask to delete accounts: those of the first operator. */
  readonly ownKeys: ReadonlySet<string>
  readonly isStrict: boolean
  readonly systemAccount: string
  readonly #strictKeys: ReadonlySet<string>

  /**
   * Throws PETIOLE_OPERATOR_INVALID.
   *
   * @param serverVersion that an operator may ask to be at least some version; undefined: any will do
   */
  constructor(config: OperatorConfig, serverVersion: string | undefined) {
    const operators = config.jwts.map((jwt) => readOperator(jwt, serverVersion))
    const [first] = operators
    const wrong = config.trusted_keys.find((key) => !isPublicKey(key, 'O'))
    if (wrong !== undefined) {
      throw invalid(`trusted_keys: ${wrong} is not the public nkey of an operator`)
    }
    this.keys = new Set([...config.trusted_keys, ...operators.flatMap(signingKeysOf)])
    this.id = first?.subject ?? ''
    this.ownKeys = new Set(first === undefined ? config.trusted_keys : signingKeysOf(first))
    this.isStrict = first?.isStrict ?? false
    this.systemAccount = first?.systemAccount ?? ''
    const strict = operators.filter(({ isStrict }) => isStrict)
    this.#strictKeys = new Set(strict.flatMap(({ signingKeys }) => signingKeys))
  }

  /** Whether accounts that this key signed may not sign users with their own key. */
  requiresSigningKeys(issuer: string): boolean {
    return this.#strictKeys.has(issuer)
  }
}

function signingKeysOf(operator: OperatorClaims): readonly string[] {
  return operator.isStrict ? operator.signingKeys : [operator.subject, ...operator.signingKeys]
}

function readOperator(jwt: string, serverVersion: string | undefined): OperatorClaims {
  let operator: OperatorClaims
  try {
    operator = decodeOperator(jwt)
  } catch (cause) {
    throw invalid(`operator: the JWT is not valid: ${messageOfCause(cause)}`, cause)
  }
  if (serverVersion === undefined) return operator
  const needed = versionOf(operator.serverVersion)
  const own = versionOf(serverVersion)
  const at = needed.findIndex((part, i) => part !== (own[i] ?? 0))
  if (at >= 0 && (needed[at] ?? 0) > (own[at] ?? 0)) {
    const what = `operator ${operator.subject} expects version ${operator.serverVersion}`
    throw invalid(`${what} of the server, and this one answers as ${serverVersion}`)
  }
  return operator
}

function versionOf(text: string): number[] {
  return text === '' ? [] : text.split('.').map((part) => Number.parseInt(part, 10) || 0)
}

function messageOfCause(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function invalid(problem: string, cause?: unknown): PetioleError {
  return new PetioleError('PETIOLE_OPERATOR_INVALID', problem, { cause })
}
