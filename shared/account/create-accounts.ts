import type { Accounts, AccountsDependencies } from './accounts.ts'
import { FileAccounts } from './file-accounts.ts'
import type { AccountsConfig } from './listener-logins.ts'
import { OperatorAccounts } from './operator-accounts.ts'

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
