import type { AuthorizationConfig } from '../config/index.ts'
import type { PasswordHashes } from '../runtime/index.ts'
import type { Accounts, AccountsDependencies } from './accounts.ts'
import { type Authenticator, GLOBAL_ACCOUNT } from './authenticator.ts'
import { FileAccounts } from './file-accounts.ts'
import { FileLogin } from './file-login.ts'
import type { AccountsConfig } from './listener-logins.ts'
import { OperatorAccounts } from './operator-accounts.ts'
import { Secrets } from './password.ts'

/**
 * Accounts of the file, or of an operator when it names one. Rejects with PETIOLE_OPERATOR_INVALID, with
 * PETIOLE_SYSTEM_ACCOUNT_UNKNOWN, and with what the disk says of a resolver's directory.
 */
export async function createAccounts(
  config: AccountsConfig,
  dependencies: AccountsDependencies,
): Promise<Accounts> {
  const { operator } = config
  if (operator === undefined) return new FileAccounts(config, dependencies)
  return OperatorAccounts.open({ ...config, operator }, dependencies)
}

/** One block's users and token by themselves, as links among hubs know them: they have no accounts. */
export function createAuthenticator(
  authorization: AuthorizationConfig,
  passwords: PasswordHashes,
): Authenticator {
  const login = new FileLogin({
    authorization,
    mapsCertificates: false,
    openAccount: GLOBAL_ACCOUNT,
    letsStrangersIn: false,
    isCertificateUser: () => false,
    secrets: new Secrets(passwords),
  })
  return {
    isRequired: login.isRequired,
    needsNonce: login.hasKeys,
    authenticate: (credentials) => login.check(credentials, { kind: 'none' }),
    challenge: ({ user = '' }) => login.challenge(user),
    recheck: () => undefined,
  }
}
