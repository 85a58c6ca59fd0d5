/** Operator mode excludes what the file could say in its place. Source: nats-server's server/jwt.go. */
import { isOperated, operatorClaim } from './account-assembly.ts'
import type { CoreFile } from './core-schema.ts'
import { claimsOf, isPublicKey } from './credential-values.ts'
import type { Findings } from './findings.ts'

export function checkOperator(findings: Findings, file: CoreFile): void {
  checkResolver(findings, file)
  if (!isOperated(file)) {
    checkWithout(findings, file)
    return
  }
  if (file.operator.length > 0 && file.trusted_keys.length > 0) {
    findings.problem(['trusted_keys'], 'and operator exclude each other')
  }
  if (file.accounts.length > 0) {
    findings.problem(['accounts'], 'an operator excludes them: accounts come as JWTs')
  }
  if (file.authorization?.users !== undefined) {
    findings.problem(['authorization', 'users'], 'an operator excludes them: users come as JWTs')
  }
  if (file.mappings.length > 0) {
    findings.problem(['mappings'], 'an operator excludes them: they stand in account JWTs')
  }
  const hasServer = operatorClaim(file, 'account_server_url') !== ''
  if (file.operator.length > 0 && file.resolver === undefined && !hasServer) {
    findings.problem(['operator'], 'needs a resolver beside it, for example resolver: MEMORY')
  }
  checkSystemAccount(findings, file)
  checkSentinel(findings, file)
  checkLeaves(findings, file)
}

function checkWithout(findings: Findings, file: CoreFile): void {
  if (file.default_sentinel !== '') findings.problem(['default_sentinel'], 'needs an operator')
  const unused = ['resolver', 'resolver_tls'] as const
  for (const key of unused) {
    if (file[key] !== undefined) findings.warning([key], 'has no effect without an operator')
  }
}

function checkResolver(findings: Findings, file: CoreFile): void {
  const own = file.resolver
  if (own === undefined || own.short !== undefined) return
  if (own.type === undefined) {
    findings.problem(['resolver', 'type'], 'is missing')
    return
  }
  if (own.type === 'memory') return
  if (own.dir === '') findings.problem(['resolver', 'dir'], 'is missing')
  const excluded =
    own.type === 'full' ? (['ttl'] as const) : (['interval', 'allow_delete'] as const)
  for (const key of excluded) {
    if (own[key] === undefined || own[key] === false) continue
    findings.problem(['resolver', key], `is not for a resolver of the type ${own.type}`)
  }
}

function checkSystemAccount(findings: Findings, file: CoreFile): void {
  const fromJwt = operatorClaim(file, 'system_account')
  const own = file.system_account
  if (own === undefined) {
    const isDirectory = file.resolver?.type === 'full' || file.resolver?.type === 'cache'
    if (isDirectory && fromJwt === '') {
      findings.problem(['system_account'], 'is missing: a resolver with a directory needs it')
    }
    return
  }
  if (!isPublicKey(own, 'A')) {
    findings.problem(['system_account'], 'must be the id of an account, which begins with A')
  } else if (fromJwt !== '' && fromJwt !== own) {
    findings.problem(['system_account'], "and the one of the operator's JWT must be the same")
  }
}

function checkSentinel(findings: Findings, file: CoreFile): void {
  if (file.default_sentinel === '') return
  const nats = Object(claimsOf(file.default_sentinel)?.['nats'])
  // A user of a scoped signing key says nothing of itself: its account decides later.
  const isScoped = typeof nats.issuer_account === 'string' && nats.pub === undefined
  if (nats.type !== 'user' || (nats.bearer_token !== true && !isScoped)) {
    findings.problem(['default_sentinel'], 'must be the JWT of a user, and a bearer token')
  }
}

function checkLeaves(findings: Findings, file: CoreFile): void {
  const { authorization, remotes } = file.leafnodes
  if (authorization?.users !== undefined) {
    const message = 'an operator excludes them: leaves log in with credentials'
    findings.problem(['leafnodes', 'authorization', 'users'], message)
  }
  for (const [i, { account = '' }] of remotes.entries()) {
    if (isPublicKey(account, 'A')) continue
    const message =
      'must be the id of an account, which begins with A, because there is an operator'
    findings.problem(['leafnodes', 'remotes', i, 'account'], message)
  }
}
