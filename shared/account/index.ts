/** Who may connect, and to which account. */
export type { Account, AccountBook, AccountListener } from './account-book.ts'
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
export type { Permissions } from './permissions.ts'
export {
  type AuthenticatorOptions,
  UserAuthenticator,
  type UserOptions,
} from './user-authenticator.ts'
