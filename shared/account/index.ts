/** Who may connect, and to which account. */
export type { Account, AccountBook, AccountListener } from './account-book.ts'
export {
  type Accounts,
  type AccountsConfig,
  type AccountsDependencies,
  createAccounts,
  type Listener,
} from './accounts.ts'
export {
  type Authenticator,
  atOnce,
  type Credentials,
  type Expulsion,
  GLOBAL_ACCOUNT,
  type Identity,
  type TlsFacts,
  type UserLimits,
} from './authenticator.ts'
export { compilePermissions } from './compiled-permissions.ts'
export type { Permissions } from './permissions.ts'
export { StaticAccountBook } from './static-account-book.ts'
export {
  type AuthenticatorOptions,
  UserAuthenticator,
  type UserOptions,
} from './user-authenticator.ts'
