/** What accounts let each other have. Source: nats-server's server/opts.go, server/accounts.go. */
import type { AccountFile, ExportFile, ImportFile, MappingFile } from './account-schema.ts'
import { ROOT_ACCOUNT } from './config.ts'
import type { CoreFile } from './core-schema.ts'
import type { Findings, Keys } from './findings.ts'
import { formsCycle } from './import-cycles.ts'
import { covers, importFault, mappingFault, subjectFault } from './subject-rule.ts'

export function checkAccounts(findings: Findings, file: CoreFile): void {
  const byName = new Map(file.accounts.map((account) => [account.name, account]))
  checkMappings(findings, file.mappings, ['mappings'])
  for (const [i, account] of file.accounts.entries()) {
    const keys = ['accounts', i]
    checkMappings(findings, account.mappings, [...keys, 'mappings'])
    for (const [j, one] of account.exports.entries()) {
      checkExport(findings, file, byName, one, [...keys, 'exports', j])
    }
    for (const [j, one] of account.imports.entries()) {
      checkImport(findings, byName, account, one, [...keys, 'imports', j])
    }
    checkServiceSubjects(findings, account, keys)
    checkTrace(findings, account, [...keys, 'msg_trace'])
  }
}

function checkMappings(findings: Findings, mappings: readonly MappingFile[], at: Keys): void {
  for (const [i, { name, value }] of mappings.entries()) {
    const keys = [...at, i]
    const fault = subjectFault(name)
    if (fault !== undefined) findings.problem(keys, fault)
    const seen = new Set<string>()
    const totals = new Map<string, number>()
    for (const [j, { destination, weight, cluster }] of value.entries()) {
      const here = [...keys, 'value', j]
      const wrong = fault === undefined ? mappingFault(name, destination) : undefined
      if (wrong !== undefined) findings.problem([...here, 'destination'], wrong)
      findings.repeated(seen, destination, [...here, 'destination'])
      const isAlone = value.length === 1 && cluster === ''
      if (weight === undefined && !isAlone) findings.problem([...here, 'weight'], 'is missing')
      const total = (totals.get(cluster) ?? 0) + (weight ?? 0)
      totals.set(cluster, total)
      if (total > 100) findings.problem([...here, 'weight'], 'all weights come to more than 100%')
    }
  }
}

function checkExport(
  findings: Findings,
  file: CoreFile,
  byName: ReadonlyMap<string, AccountFile>,
  one: ExportFile,
  keys: Keys,
): void {
  if ((one.stream === undefined) === (one.service === undefined)) {
    findings.problem(keys, 'must be either a stream or a service')
    return
  }
  const subject = one.stream ?? one.service ?? ''
  const fault = subjectFault(subject)
  const kind = one.stream === undefined ? 'service' : 'stream'
  if (fault !== undefined) findings.problem([...keys, kind], fault)
  if (kind === 'stream') {
    for (const key of ['response_type', 'response_threshold', 'latency', 'allow_trace'] as const) {
      if (one[key] === undefined) continue
      findings.problem([...keys, key], 'is for services, and this is a stream')
    }
  }
  const position = one.account_token_position
  if (position > 0 && subject.split('.')[position - 1] !== '*') {
    findings.problem([...keys, 'account_token_position'], `must be that of a * in "${subject}"`)
  }
  if (position > 0 && one.accounts.length > 0) {
    findings.problem(
      [...keys, 'account_token_position'],
      'and a list of accounts exclude each other',
    )
  }
  for (const account of one.accounts) {
    if (byName.has(account)) continue
    findings.problem([...keys, 'accounts'], `there is no account "${account}" in accounts`)
  }
  if (one.latency !== undefined && (one.response_type ?? 'single') !== 'single') {
    findings.problem([...keys, 'latency'], 'needs a service with single responses')
  }
  if (one.latency !== undefined && file.no_system_account) {
    findings.problem(
      [...keys, 'latency'],
      'needs the system account, which no_system_account removes',
    )
  }
}

function checkImport(
  findings: Findings,
  byName: ReadonlyMap<string, AccountFile>,
  importer: AccountFile,
  one: ImportFile,
  keys: Keys,
): void {
  const kind = one.stream === undefined ? 'service' : 'stream'
  const source = one[kind]
  if (source === undefined || (one.stream !== undefined && one.service !== undefined)) {
    findings.problem(keys, 'must be either a stream or a service')
    return
  }
  checkTarget(findings, one, keys)
  const fault = subjectFault(source.subject)
  if (fault !== undefined) {
    findings.problem([...keys, kind, 'subject'], fault)
    return
  }
  const unlike = one.to === undefined ? undefined : importFault(source.subject, one.to)
  if (unlike !== undefined) findings.problem([...keys, 'to'], unlike)
  const exporter = byName.get(source.account)
  if (exporter === undefined) {
    const message =
      source.account === ROOT_ACCOUNT
        ? `${ROOT_ACCOUNT} exports nothing: give it a name in accounts`
        : `there is no account "${source.account}" in accounts`
    findings.problem([...keys, kind, 'account'], message)
    return
  }
  const offers = exporter.exports.filter((offer) => isOffered(offer, kind, source.subject))
  if (offers.length === 0) {
    const message = `${source.account} exports no ${kind} "${source.subject}"`
    findings.problem([...keys, kind], message)
  } else if (!offers.some((offer) => isFor(offer, importer.name, source.subject))) {
    const message = `${source.account} exports "${source.subject}", but not to ${importer.name}`
    findings.problem([...keys, kind], message)
  } else if (formsCycle(byName, importer, one)) {
    findings.problem([...keys, kind], 'import forms a cycle')
  }
}

function checkTarget(findings: Findings, one: ImportFile, keys: Keys): void {
  if (one.stream === undefined) {
    if (one.allow_trace !== undefined) {
      findings.problem([...keys, 'allow_trace'], 'is for streams; for a service the export decides')
    }
  } else if (one.prefix !== undefined && one.to !== undefined) {
    findings.problem([...keys, 'to'], 'and prefix exclude each other')
  }
  if (one.prefix !== undefined) {
    const fault = subjectFault(one.prefix.replace(/\.$/, ''))
    const hasWildcard = /(^|\.)[*>](\.|$)/.test(one.prefix)
    if (fault !== undefined || hasWildcard) {
      findings.problem([...keys, 'prefix'], fault ?? 'may not hold wildcards')
    }
  }
}

function isOffered(offer: ExportFile, kind: 'stream' | 'service', subject: string): boolean {
  const exported = offer[kind]
  return exported !== undefined && covers(exported, subject)
}

/** With a token position the importer's own name must stand there. */
function isFor(offer: ExportFile, importer: string, subject: string): boolean {
  const position = offer.account_token_position
  if (position > 0) return subject.split('.')[position - 1] === importer
  return offer.accounts.length === 0 || offer.accounts.includes(importer)
}

/** One request must have one answer: two services of one account under one subject would be chosen at random. */
function checkServiceSubjects(findings: Findings, account: AccountFile, keys: Keys): void {
  const seen = new Set<string>()
  for (const [i, one] of account.imports.entries()) {
    if (one.service === undefined) continue
    const to = one.to ?? one.service.subject
    const id = `${one.service.account} ${to}`
    if (seen.has(id)) findings.problem([...keys, 'imports', i], `imports "${to}" twice`)
    seen.add(id)
  }
}

function checkTrace(findings: Findings, account: AccountFile, keys: Keys): void {
  const trace = account.msg_trace
  if (trace === undefined) return
  if (trace.dest === undefined || trace.dest === '') {
    findings.warning([...keys, 'sampling'], 'has no effect without dest')
    return
  }
  const fault = subjectFault(trace.dest)
  const hasWildcard = /(^|\.)[*>](\.|$)/.test(trace.dest)
  if (fault !== undefined || hasWildcard) {
    findings.problem([...keys, 'dest'], fault ?? 'must be a subject without wildcards')
  }
}
