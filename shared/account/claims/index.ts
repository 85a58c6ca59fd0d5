/** JWTs of accounts and users: what they say, whether their signatures hold, and how they are made. */
export {
  type AccountClaims,
  decodeAccount,
  type ExportClaims,
  type ImportClaims,
  isRevoked,
  type SignerClaims,
  type StorageLimitClaims,
} from './account-claims.ts'
export { accountProblems } from './account-problems.ts'
export {
  type ActivationClaims,
  activationProblems,
  decodeActivation,
  isActivationTimely,
} from './activation-claims.ts'
export { isInRanges } from './address-range.ts'
export { Fields } from './fields.ts'
export { decodeOperator, type OperatorClaims } from './operator-claims.ts'
export { fillTemplates } from './permission-template.ts'
export { openForMs } from './time-of-day.ts'
export { decodeToken, type Token, timeProblem } from './token.ts'
export { encodeToken, type TokenHead, type TokenSigner } from './token-writer.ts'
export { accountOfUser, decodeUser, type UserClaims, userProblems } from './user-claims.ts'
export {
  connectionTypesOf,
  permissionsOf,
  saysNothing,
  type UserTerms,
} from './user-terms.ts'
