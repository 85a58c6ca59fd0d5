export {
  type Authenticator,
  type Credentials,
  GLOBAL_ACCOUNT,
  type Identity,
} from './authenticator.ts'
