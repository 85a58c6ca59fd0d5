import { isPublicKey } from '../nkey.ts'
import { invalid } from './fields.ts'
import { isContainedIn, subjectProblem } from './subject-claims.ts'
import { decodeToken, type Token, timeProblem } from './token.ts'

/** An exporting account's leave for one other account, its subject, to import. */
export interface ActivationClaims extends Token {
  readonly kind: 'stream' | 'service' | ''
  readonly importSubject: string
  readonly issuerAccount: string
}

/** What an import says of itself, as an activation token must agree with it. */
export interface ActivatedImport {
  readonly kind: 'stream' | 'service'
  readonly subject: string
  /** The exporting account. */
  readonly account: string
  readonly importer: string
}

/** Throws PETIOLE_TOKEN_INVALID. */
export function decodeActivation(text: string): ActivationClaims {
  const token = decodeToken(text)
  if (token.type !== 'activation') throw invalid('not activation claim')
  const kind = token.claims.text('kind')
  return {
    ...token,
    kind: kind === 'stream' || kind === 'service' ? kind : '',
    importSubject: token.claims.text('subject'),
    issuerAccount: token.claims.text('issuer_account'),
  }
}

/** Why a token does not speak of an import, its times apart; empty when it does. */
export function activationProblems(token: ActivationClaims, wanted: ActivatedImport): string[] {
  const { subject } = wanted
  const problems: string[] = []
  if (token.issuer !== wanted.account && token.issuerAccount !== wanted.account) {
    problems.push(`activation token doesn't match account for import "${subject}"`)
  }
  if (token.subject !== wanted.importer) {
    problems.push(`activation token doesn't match account it is being included in, "${subject}"`)
  }
  if (token.kind === '') problems.push(`invalid import type: "${token.claims.text('kind')}"`)
  if (token.kind !== wanted.kind) {
    const kinds = `${token.kind || 'unknown'} and type of import ${wanted.kind}`
    problems.push(`mismatch between token import type ${kinds}`)
  }
  if (token.issuerAccount !== '' && !isPublicKey(token.issuerAccount, 'A')) {
    problems.push('account_id is not an account public key')
  }
  if (subjectProblem(token.importSubject) !== '' || !isContainedIn(subject, token.importSubject)) {
    problems.push(
      `activation token import subject "${token.importSubject}" doesn't match import "${subject}"`,
    )
  }
  return problems
}

export function isActivationTimely(token: ActivationClaims, nowMs: number): boolean {
  if (timeProblem(token, nowMs) !== '') return false
  return token.expires === 0 || token.expires * 1_000 > nowMs
}
