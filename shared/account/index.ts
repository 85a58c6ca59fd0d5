/** Who may connect, and to which account. */
export {
  type Authenticator,
  type Credentials,
  GLOBAL_ACCOUNT,
  type Identity,
} from './authenticator.ts'
export {
  type AuthenticatorOptions,
  UserAuthenticator,
  type UserOptions,
} from './user-authenticator.ts'
