import { isPublicKey } from '../nkey.ts'
import { isAddressRange } from './address-range.ts'
import { invalid } from './fields.ts'
import { isTimeOfDay, isTimeZone } from './time-of-day.ts'
import { decodeToken, type Token, timeProblem } from './token.ts'
import { permissionProblems, readUserTerms, type UserTerms } from './user-terms.ts'

export interface UserClaims extends Token {
  /** The account, when a signing key issued the JWT. */
  readonly issuerAccount: string
  readonly terms: UserTerms
}

/** Throws PETIOLE_TOKEN_INVALID. Times and meaning are looked at by `userProblems`. */
export function decodeUser(text: string): UserClaims {
  const token = decodeToken(text)
  if (token.type !== 'user') throw invalid('not user claim')
  if (!isPublicKey(token.subject, 'U')) throw invalid('expected subject to be user public key')
  return {
    ...token,
    issuerAccount: token.claims.text('issuer_account'),
    terms: readUserTerms(token.claims, token.version === 1 ? -1 : 0),
  }
}

/** The account that a user belongs to. */
export function accountOfUser(user: UserClaims): string {
  return user.issuerAccount === '' ? user.issuer : user.issuerAccount
}

/** Why a user's JWT is not, or no longer, valid; empty when it is. */
export function userProblems(user: UserClaims, nowMs: number): string[] {
  const problems = [timeProblem(user, nowMs), ...termsProblems(user.terms)]
  if (user.issuerAccount !== '' && !isPublicKey(user.issuerAccount, 'A')) {
    problems.push('account_id is not an account public key')
  }
  return problems.filter((problem) => problem !== '')
}

export function termsProblems(terms: UserTerms): string[] {
  const problems = permissionProblems(terms.permissions)
  for (const source of terms.sources) {
    if (!isAddressRange(source)) problems.push(`invalid cidr "${source}" in user src limits`)
  }
  for (const { start, end } of terms.times) {
    if (!isTimeOfDay(start)) problems.push(`start in time range is invalid "${start}"`)
    if (!isTimeOfDay(end)) problems.push(`end in time range is invalid "${end}"`)
  }
  if (terms.timesLocation !== '' && !isTimeZone(terms.timesLocation)) {
    problems.push(
      `could not parse iana time zone by name: unknown time zone ${terms.timesLocation}`,
    )
  }
  return problems
}
