import type { AccountConfig, ExportConfig, ImportConfig } from '../config/index.ts'
import {
  hasWildcard,
  numberWildcards,
  overlaps,
  SubjectTransform,
  subsetOf,
} from '../subject/index.ts'
import { CYCLE_SEARCH_DEPTH_MAX } from './limits.ts'

/**
 * Which imports hold: those of a subject that the other account exports, to this account, and that do
 * not lead back to it. Texts are nats-server's. Source: its server/accounts.go, checkAuth,
 * checkServiceImportsForCycles, checkStreamImportsForCycles.
 */
export type ImportFault =
  | 'stream import not authorized'
  | 'service import not authorized'
  | 'stream import already exists'
  | 'import forms a cycle'
  | 'search cycle depth exhausted'
  | `duplicate service import subject ${string}`

/**
 * Until when a token that an import brings along lets the account in: wall time in milliseconds, Infinity
 * when it has no end, 0 when it does not at all.
 */
export type ActivatedUntil = (
  importer: string,
  wanted: ImportConfig,
  offered: ExportConfig,
) => number

/** The export that an import is about: of just this subject, or else of one that covers it. */
export function exportFor(
  exporter: AccountConfig,
  kind: ImportConfig['kind'],
  subject: string,
): ExportConfig | undefined {
  const offers = exporter.exports.filter((it) => it.kind === kind)
  return (
    offers.find((it) => it.subject === subject) ??
    offers.find((it) => subsetOf(subject, it.subject))
  )
}

/** Whether it takes a token to import it: the importer's name in the subject goes before. */
export function isByToken({
  account_token_position: position,
  token_required,
}: ExportConfig): boolean {
  return token_required && position === 0
}

export function isAuthorized(
  offered: ExportConfig,
  importer: string,
  wanted: ImportConfig,
  activatedUntil: ActivatedUntil,
): boolean {
  const { accounts, account_token_position: position, token_required } = offered
  if (position > 0) {
    // The whole of such an export is nobody's.
    if (wanted.subject === offered.subject) return false
    return wanted.subject.split('.')[position - 1] === importer
  }
  if (token_required) return activatedUntil(importer, wanted, offered) > 0
  return accounts === undefined || accounts.includes(importer)
}

/** The imports that hold so far, for the search for cycles. */
export class ImportGraph {
  readonly #imports = new Map<string, Set<ImportConfig>>()

  /** Undefined when the import may be added. */
  faultOf(
    importer: string,
    wanted: ImportConfig,
    exporter: AccountConfig | undefined,
    activatedUntil: ActivatedUntil,
  ): ImportFault | undefined {
    const { kind, subject } = wanted
    const offered = exporter && exportFor(exporter, kind, subject)
    if (offered === undefined || !isAuthorized(offered, importer, wanted, activatedUntil)) {
      return `${kind} import not authorized`
    }
    return this.loopOf(importer, wanted) ?? this.#duplicateOf(importer, wanted)
  }

  loopOf(importer: string, wanted: ImportConfig): ImportFault | undefined {
    const local = localSubject(wanted)
    const found = this.#search(wanted.kind, wanted.account, local, new Set([importer]))
    if (found !== undefined || wanted.kind === 'service') return found
    return this.#search(wanted.kind, wanted.account, wanted.subject, new Set([importer]))
  }

  add(importer: string, wanted: ImportConfig): void {
    const own = this.#imports.get(importer)
    if (own === undefined) this.#imports.set(importer, new Set([wanted]))
    else own.add(wanted)
  }

  remove(importer: string, wanted: ImportConfig): void {
    const own = this.#imports.get(importer)
    if (own?.delete(wanted) && own.size === 0) this.#imports.delete(importer)
  }

  #duplicateOf(importer: string, wanted: ImportConfig): ImportFault | undefined {
    for (const { kind, account, subject, to } of this.#imports.get(importer) ?? []) {
      if (kind !== wanted.kind || account !== wanted.account) continue
      if (kind === 'stream' && subject === wanted.subject) return 'stream import already exists'
      if (kind === 'service' && to === wanted.to) {
        return `duplicate service import subject ${JSON.stringify(to)}, previously used in import for account ${JSON.stringify(account)}, subject ${JSON.stringify(subject)}`
      }
    }
    return undefined
  }

  #search(
    kind: ImportConfig['kind'],
    account: string,
    subject: string,
    visited: Set<string>,
  ): ImportFault | undefined {
    if (visited.size >= CYCLE_SEARCH_DEPTH_MAX) return 'search cycle depth exhausted'
    for (const it of this.#imports.get(account) ?? []) {
      if (it.kind !== kind) continue
      const local = localSubject(it)
      // A service is asked under its name there, a stream comes under its name here.
      if (!overlaps(subject, kind === 'service' ? it.subject : local)) continue
      if (visited.has(it.account)) return 'import forms a cycle'
      visited.add(account)
      const next = subsetOf(local, subject) ? local : subject
      const found = this.#search(kind, it.account, next, visited)
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** What is wrong with the imports of a configuration file, in the order in which they are added. */
export function importFaults(accounts: readonly AccountConfig[]): readonly {
  readonly account: string
  readonly wanted: ImportConfig
  /** nats-server's text: `Error adding stream import "foo": stream import not authorized`. */
  readonly text: string
}[] {
  const graph = new ImportGraph()
  const byName = new Map(accounts.map((account) => [account.name, account]))
  const faults: { account: string; wanted: ImportConfig; text: string }[] = []
  for (const kind of ['stream', 'service'] as const) {
    for (const { name, imports } of accounts) {
      for (const wanted of imports.filter((it) => it.kind === kind)) {
        const exporter = byName.get(wanted.account)
        const fault = graph.faultOf(name, wanted, exporter, () => 0) ?? transformFault(wanted)
        if (fault === undefined) graph.add(name, wanted)
        else {
          const shown = JSON.stringify(wanted.subject)
          faults.push({
            account: name,
            wanted,
            text: `Error adding ${kind} import ${shown}: ${fault}`,
          })
        }
      }
    }
  }
  return faults
}

/** What an import is called in the importing account, with `*` for place holders. */
function localSubject({ to }: ImportConfig): string {
  return to
    .split('.')
    .map((token) => (/^\$[1-9]|^\{\{\s*[wW]ildcard\s*\(.+\)\s*\}\}$/.test(token) ? '*' : token))
    .join('.')
}

function transformFault({ kind, subject, to }: ImportConfig): string | undefined {
  if (to === subject || !hasWildcard(subject)) return undefined
  try {
    new SubjectTransform(subject, numberWildcards(to), true)
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const [from, target] = kind === 'stream' ? [subject, to] : [to, subject]
    return `failed to create mapping transform for ${kind} import subject from ${JSON.stringify(from)} to ${JSON.stringify(target)}: ${reason}`
  }
}
