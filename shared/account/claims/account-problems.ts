import { isPublicKey } from '../nkey.ts'
import type { AccountClaims, ExportClaims, ImportClaims, MappingClaims } from './account-claims.ts'
import { activationProblems, decodeActivation } from './activation-claims.ts'
import { INFO_LENGTH_MAX } from './limits.ts'
import {
  hasWildcard,
  isContainedIn,
  renamingProblems,
  subjectProblem,
  withoutReferences,
} from './subject-claims.ts'
import { permissionProblems } from './user-terms.ts'

const RESPONSE_TYPES = ['', 'Singleton', 'Stream', 'Chunked']

/**
 * Why an account's JWT is not to be taken, in nats-server's words (jwt/v2, `AccountClaims.Validate`), since
 * they are what `nsc push` shows; empty when it is.
 */
export function accountProblems(account: AccountClaims): string[] {
  const problems = [
    ...importsProblems(account),
    ...exportsProblems(account.exports),
    ...storageProblems(account),
    ...permissionProblems(account.defaultPermissions),
    ...account.mappings.flatMap(mappingProblems),
    ...authorizationProblems(account),
    ...traceProblems(account),
    ...limitProblems(account),
    ...signerProblems(account),
    ...infoProblems(account),
  ]
  if (!['', 'system', 'owner'].includes(account.clusterTraffic)) {
    problems.push(`unknown cluster traffic option: "${account.clusterTraffic}"`)
  }
  return problems.filter((problem) => problem !== '')
}

function importsProblems(account: AccountClaims): string[] {
  const problems: string[] = []
  const taken = new Map<string, string[]>()
  for (const each of account.imports) {
    if (each.kind === 'service') {
      const local = each.to || withoutReferences(each.localSubject) || each.subject
      const others = taken.get(each.account) ?? []
      for (const other of others) {
        if (!isContainedIn(local, other) && !isContainedIn(other, local)) continue
        const both = `"${local}" and "${other}"`
        problems.push(`overlapping subject namespace for ${both} in same account "${each.account}"`)
      }
      taken.set(each.account, [...others, local])
    }
    problems.push(...importProblems(each, account.subject))
  }
  return problems
}

function importProblems(each: ImportClaims, importer: string): string[] {
  const isService = each.kind === 'service'
  const problems = [subjectProblem(each.subject)]
  if (each.kind === '') problems.push('invalid import type: "unknown"')
  if (isService && each.allowTrace) problems.push('AllowTrace only valid for stream import')
  if (each.account === '') problems.push('account to import from is not specified')
  if (each.localSubject !== '') {
    problems.push(...renamingProblems(each.localSubject, each.subject))
    if (each.to !== '') problems.push('Local Subject replaces To')
  }
  if (each.share && !isService) {
    const what = 'sharing information (for latency tracking) is only valid for services'
    problems.push(`${what}: "${each.subject}"`)
  }
  return [...problems, ...importTokenProblems(each, importer)]
}

function importTokenProblems(each: ImportClaims, importer: string): string[] {
  const { kind, subject, account, token, to } = each
  if (token === '' || kind === '') return []
  try {
    const wanted = kind === 'service' && to !== '' ? to : subject
    return activationProblems(decodeActivation(token), {
      kind,
      subject: wanted,
      account,
      importer,
    })
  } catch {
    return [`import "${subject}" contains an invalid activation token`]
  }
}

function exportsProblems(exports: readonly ExportClaims[]): string[] {
  const problems = exports.flatMap(exportProblems)
  for (const kind of ['service', 'stream'] as const) {
    const subjects = exports
      .filter((each) => (each.kind === 'service') === (kind === 'service'))
      .map(({ subject }) => subject)
    const reported = new Set<string>()
    for (const [i, inner] of subjects.entries()) {
      for (const [j, outer] of subjects.entries()) {
        if (i === j || reported.has(outer) || !isContainedIn(inner, outer)) continue
        reported.add(outer)
        problems.push(`${kind} export subject "${outer}" already exports "${inner}"`)
      }
    }
  }
  return problems
}

function exportProblems(each: ExportClaims): string[] {
  const { kind, latency, responseType, subject } = each
  const isService = kind === 'service'
  const problems = [subjectProblem(subject)]
  if (kind === '') problems.push('invalid export type: "unknown"')
  if (isService && !RESPONSE_TYPES.includes(responseType)) {
    problems.push(`invalid response type for service: "${responseType}"`)
  }
  if (kind === 'stream') {
    if (responseType !== '') {
      problems.push(`invalid response type for stream: "${responseType}"`)
    }
    if (each.allowTrace) problems.push('AllowTrace only valid for service export')
  }
  if (latency !== undefined) problems.push(...latencyProblems(each))
  if (each.responseThreshold < 0) {
    problems.push('negative response threshold is invalid')
  } else if (each.responseThreshold > 0 && !isService) {
    problems.push('response threshold only valid for services')
  }
  return [...problems, ...positionProblems(each)]
}

function latencyProblems({ kind, latency }: ExportClaims): string[] {
  if (latency === undefined) return []
  const problems = [subjectProblem(latency.results)]
  if (kind !== 'service') problems.push('latency tracking only permitted for services')
  if (latency.sampling < 0 || latency.sampling > 100) {
    problems.push('sampling percentage needs to be between 1-100')
  }
  if (hasWildcard(latency.results)) problems.push('results subject can not contain wildcards')
  return problems
}

function positionProblems({ accountTokenPosition: position, subject }: ExportClaims): string[] {
  if (position === 0) return []
  if (!hasWildcard(subject)) {
    return [`Account Token Position can only be used with wildcard subjects: ${subject}`]
  }
  const tokens = subject.split('.')
  if (position < 0 || position > tokens.length) {
    return [`Account Token Position ${position} exceeds length of subject '${subject}'`]
  }
  const token = tokens[position - 1]
  return token === '*'
    ? []
    : [`Account Token Position ${position} matches '${token}' but must match a * in: ${subject}`]
}

function storageProblems(account: AccountClaims): string[] {
  const limits = account.claims.object('limits')
  const names = [
    ...['mem_storage', 'disk_storage', 'streams', 'consumer', 'max_ack_pending'],
    ...['mem_max_stream_bytes', 'disk_max_stream_bytes'],
  ]
  if (account.storage.has('') && !limits.has('tiered_limits')) return []
  const problems: string[] = []
  const isTiered = limits.object('tiered_limits').names().length > 0
  const hasPlain = names.some((name) => limits.integer(name) !== 0)
  if (isTiered && (hasPlain || limits.flag('max_bytes_required'))) {
    problems.push('JetStream Limits and tiered JetStream Limits are mutually exclusive')
  }
  if (isTiered && account.storage.has('')) {
    problems.push('Tiered JetStream Limits can not contain a blank "" tier name')
  }
  return problems
}

function mappingProblems({ from, destinations }: MappingClaims): string[] {
  const problems = [subjectProblem(from)]
  const totals = new Map<string, number>()
  for (const { subject, weight, cluster } of destinations) {
    problems.push(subjectProblem(subject))
    if (weight < 0 || weight > 100) {
      problems.push(`Mapping "${from}" has a weight ${weight} that exceeds 100`)
    }
    totals.set(cluster, (totals.get(cluster) ?? 0) + weight)
  }
  for (const [cluster, total] of totals) {
    if (total <= 100) continue
    const where = cluster === '' ? '' : ` in cluster "${cluster}"`
    problems.push(`Mapping "${from}"${where} exceeds 100% among all of it's weighted to mappings`)
  }
  return problems
}

function authorizationProblems({ authorization }: AccountClaims): string[] {
  const { authUsers, allowedAccounts, xkey } = authorization
  const problems: string[] = []
  if (allowedAccounts.length > 0 && authUsers.length === 0) {
    problems.push('External authorization cannot have accounts without users specified')
  }
  for (const user of authUsers) {
    if (!isPublicKey(user, 'U')) problems.push(`AuthUser "${user}" is not a valid user public key`)
  }
  for (const each of allowedAccounts) {
    if (each === '*') {
      if (allowedAccounts.length === 1) continue
      problems.push('AllowedAccounts can only be a list of accounts or "*"')
    } else if (!isPublicKey(each, 'A')) {
      problems.push(`Account "${each}" is not a valid account public key`)
    }
  }
  if (xkey !== '' && !isPublicKey(xkey, 'X')) {
    problems.push(`XKey "${xkey}" is not a valid public xkey`)
  }
  return problems
}

function traceProblems({ trace }: AccountClaims): string[] {
  if (trace === undefined) return []
  const { dest, sampling } = trace
  const problem = subjectProblem(dest)
  const problems = problem === '' ? [] : [`the account Trace.Destination ${problem}`]
  if (hasWildcard(dest)) {
    const what = `the account Trace.Destination subject "${dest}"`
    problems.push(`${what} is not a valid publish subject`)
  }
  if (sampling < 0 || sampling > 100) {
    const what = `the account Trace.Sampling value '${sampling}'`
    problems.push(`${what} is not valid, should be in the range [1..100]`)
  }
  return problems
}

function limitProblems({ limits, imports, exports }: AccountClaims): string[] {
  const problems: string[] = []
  if (limits.imports !== -1 && imports.length > limits.imports) {
    problems.push('the account contains more imports than allowed by the operator')
  }
  if (limits.exports === -1) return problems
  if (exports.length > limits.exports) {
    problems.push('the account contains more exports than allowed by the operator')
  }
  if (!limits.wildcards && exports.some(({ subject }) => hasWildcard(subject))) {
    problems.push('the account contains wildcard exports that are not allowed by the operator')
  }
  return problems
}

function signerProblems({ signers }: AccountClaims): string[] {
  return [...signers].flatMap(([key, { template }]) => {
    if (isPublicKey(key, 'A')) return []
    return template === undefined
      ? [`"${key}" is not a valid account signing key`]
      : [`${key} is not an account public key`]
  })
}

function infoProblems({ claims }: AccountClaims): string[] {
  const problems: string[] = []
  if (claims.text('description').length > INFO_LENGTH_MAX) problems.push('Description is too long')
  if (claims.text('info_url').length > INFO_LENGTH_MAX) problems.push('Info URL is too long')
  return problems
}
