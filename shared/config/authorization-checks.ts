/** Who may connect: users that contradict or repeat each other. Source: nats-server's server/opts.go, server/auth.go. */
import { isOperated } from './account-assembly.ts'
import type { AuthorizationFile, UserFile } from './authorization-schema.ts'
import { isCertificateUser, type MappingListeners } from './certificate-users.ts'
import { ROOT_ACCOUNT, SYSTEM_ACCOUNT } from './config.ts'
import type { CoreFile } from './core-schema.ts'
import type { Findings, Keys } from './findings.ts'
import { parseScramVerifier, SCRAM_VERIFIER_START } from './scram-verifier.ts'

/** Names and nkeys of all users, and of all accounts, as far as they are in the file. */
export interface Known {
  readonly users: Set<string>
  readonly accounts: Set<string>
}

export function checkUsers(findings: Findings, file: CoreFile): Known {
  const known: Known = { users: new Set(), accounts: new Set() }
  if (file.authorization !== undefined) {
    checkAuthorization(findings, file.authorization, ['authorization'], known.users, file)
  }
  for (const [i, account] of file.accounts.entries()) {
    if (account.name === ROOT_ACCOUNT) {
      findings.problem(['accounts', i, 'name'], 'is reserved: its users stand in authorization')
    }
    findings.repeated(known.accounts, account.name, ['accounts', i, 'name'])
    for (const [j, user] of account.users.entries()) {
      checkUser(findings, user, ['accounts', i, 'users', j], known.users, file)
    }
  }
  for (const [i, user] of file.authorization?.users?.entries() ?? []) {
    checkAccount(findings, file, known, user.account, ['authorization', 'users', i, 'account'])
  }
  checkSingle(findings, file)
  checkNoAuthUsers(findings, file, known)
  checkCallout(findings, file, known)
  return known
}

/** An account that some key names must be one of the file's; an operator's are known later. */
export function checkAccount(
  findings: Findings,
  file: CoreFile,
  known: Known,
  account: string | undefined,
  keys: Keys,
): void {
  if (account === undefined || account === ROOT_ACCOUNT || isOperated(file)) return
  const isSystem = account === SYSTEM_ACCOUNT && !file.no_system_account
  if (known.accounts.has(account) || (isSystem && file.system_account === undefined)) return
  findings.problem(keys, `there is no account "${account}" in accounts`)
}

/** @param listeners which of them take users from certificates; undefined: none does */
export function checkAuthorization(
  findings: Findings,
  file: AuthorizationFile,
  keys: Keys,
  names: Set<string>,
  listeners?: MappingListeners,
): void {
  const { user, password, token, nkey, users = [] } = file
  if (user !== undefined) {
    const single = { user, password, nkey: '', allowed_connection_types: [] }
    checkUser(findings, single, keys, names, listeners)
  } else if (password !== undefined) {
    findings.problem([...keys, 'password'], 'needs a user beside it')
  }
  if (token === '') findings.problem([...keys, 'token'], 'may not be empty')
  if (user !== undefined && nkey !== undefined) {
    findings.problem([...keys, 'nkey'], 'an nkey and a user exclude each other')
  }
  const single = user === undefined ? 'nkey' : 'user'
  if ((user ?? nkey) !== undefined && users.length > 0) {
    const message = 'a single user and a list of users exclude each other: put it into the list'
    findings.problem([...keys, single], message)
  }
  if (token !== undefined && (user !== undefined || users.length > 0)) {
    findings.problem([...keys, 'token'], 'a token and users exclude each other')
  }
  for (const [i, one] of users.entries()) {
    checkUser(findings, one, [...keys, 'users', i], names, listeners)
  }
}

const NO_VERIFIER =
  'is no SCRAM verifier: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> in base64, of 4096 to 1000000 iterations'

function checkUser(
  findings: Findings,
  {
    user,
    password,
    nkey,
    allowed_connection_types: types,
  }: Pick<UserFile, 'user' | 'password' | 'nkey' | 'allowed_connection_types'>,
  keys: Keys,
  names: Set<string>,
  listeners: MappingListeners | undefined,
): void {
  if (user === '' && nkey === '') {
    findings.problem(keys, 'needs a user and a password, or an nkey')
    return
  }
  if (nkey !== '') {
    if (user !== '' || password !== undefined) {
      findings.problem([...keys, 'nkey'], 'takes no user and no password beside it')
    }
    findings.repeated(names, nkey, [...keys, 'nkey'])
    return
  }
  if (password === undefined || password === '') {
    const isKnownByCertificate = listeners !== undefined && isCertificateUser(types, listeners)
    const message = `the user "${user}" has no password: whoever knows the name may log in`
    if (!isKnownByCertificate) findings.warning(keys, message)
  } else if (password.startsWith(SCRAM_VERIFIER_START) && !parseScramVerifier(password)) {
    // Else it would be a password as it stands, which nobody meant.
    findings.problem([...keys, 'password'], NO_VERIFIER)
  }
  findings.repeated(names, user, [...keys, 'user'])
}

/** The single user and the token of `authorization` are for servers that have no others. */
function checkSingle(findings: Findings, file: CoreFile): void {
  const { user, token } = file.authorization ?? {}
  if (!file.accounts.some((account) => account.users.length > 0)) return
  if (user !== undefined) {
    const message = 'a single user and accounts with users exclude each other: put it into a list'
    findings.problem(['authorization', 'user'], message)
  }
  if (token !== undefined) {
    findings.problem(
      ['authorization', 'token'],
      'a token and accounts with users exclude each other',
    )
  }
}

function checkNoAuthUsers(findings: Findings, file: CoreFile, known: Known): void {
  const named: [Keys, string][] = [
    [['no_auth_user'], file.no_auth_user],
    [['websocket', 'no_auth_user'], file.websocket?.no_auth_user ?? ''],
    [['mqtt', 'no_auth_user'], file.mqtt?.no_auth_user ?? ''],
  ]
  for (const [keys, user] of named) {
    if (user === '') continue
    if (isOperated(file)) {
      const message = 'excludes an operator: use default_sentinel in its place'
      findings.problem(keys, message)
    } else if (!known.users.has(user)) {
      findings.problem(keys, `"${user}" is none of the configured users`)
    }
  }
}

function checkCallout(findings: Findings, file: CoreFile, known: Known): void {
  const callout = file.authorization?.auth_callout
  if (callout === undefined) return
  const keys = ['authorization', 'auth_callout']
  checkAccount(findings, file, known, callout.account, [...keys, 'account'])
  for (const account of callout.allowed_accounts) {
    checkAccount(findings, file, known, account, [...keys, 'allowed_accounts'])
  }
  for (const user of callout.auth_users) {
    if (known.users.has(user) || isOperated(file)) continue
    const message = `"${user}" is none of the configured users: it cannot answer`
    findings.warning([...keys, 'auth_users'], message)
  }
}
