import { type Authenticator, createAuthenticator } from '../../shared/account/index.ts'
import { authorizationConfig, FakeHashes, userConfig } from '../unit/account/setup.ts'

export interface DoorUser {
  readonly user: string
  readonly password: string
  /** `$G` when it is not named. */
  readonly account?: string
}

export interface UserDoorOptions {
  readonly users?: readonly DoorUser[]
  readonly token?: string
  readonly noAuthUser?: string
}

/** Lets in these users, and everybody when there are none. */
export function userDoor({ users = [], token, noAuthUser }: UserDoorOptions = {}): Authenticator {
  const authorization = authorizationConfig({
    users: users.map((user) => userConfig(user)),
    token: token ?? '',
    no_auth_user: noAuthUser ?? '',
  })
  return createAuthenticator(authorization, new FakeHashes())
}
