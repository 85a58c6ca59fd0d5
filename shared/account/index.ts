/** Who may connect, and to which account. */
export type { Account, AccountBook, AccountListener } from './account-book.ts'
export type { Accounts, AccountsDependencies } from './accounts.ts'
export type { CalloutPort, ServerFacts } from './auth-callout.ts'
export {
  type Authenticator,
  atOnce,
  type BearerRefusal,
  type Credentials,
  current,
  type Expulsion,
  GLOBAL_ACCOUNT,
  type Identity,
  recheckWhole,
  type TlsFacts,
  type UserLimits,
} from './authenticator.ts'
export type { ClaimsAnswer, ClaimsService } from './claims-service.ts'
export { compilePermissions, publishRulesOf, UNRESTRICTED } from './compiled-permissions.ts'
export { createAccounts, createAuthenticator } from './create-accounts.ts'
export { readCredentials, readNkeySeed, type SigningCredentials } from './credentials-file.ts'
export type { ClaimsExchange } from './directory-resolver.ts'
export { type ImportLeave, importLeave } from './import-leave.ts'
export type { AccountsConfig, Listener } from './listener-logins.ts'
export type { Permissions } from './permissions.ts'
export type { HttpGet } from './resolver.ts'
export type { ScramChallenge } from './scram-users.ts'
export { StaticAccountBook } from './static-account-book.ts'
