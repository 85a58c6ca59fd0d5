/**
 * Imports that lead back to where they came from: a message would go round for ever. Followed as
 * nats-server does (server/accounts.go): services by what is asked for, streams by what is delivered.
 */
import type { AccountFile, ImportFile } from './account-schema.ts'
import { covers, overlap } from './subject-rule.ts'

export type Accounts = ReadonlyMap<string, AccountFile>

/** Whether `one`, an import of `importer`, closes a circle of imports. */
export function formsCycle(accounts: Accounts, importer: AccountFile, one: ImportFile): boolean {
  const search = new CycleSearch(accounts, one)
  const visited = new Set([importer.name])
  if (one.service !== undefined) {
    return search.services(one.service.account, localSubject(one), visited)
  }
  if (one.stream === undefined) return false
  const { account, subject } = one.stream
  return (
    search.streams(account, localSubject(one), visited) ||
    search.streams(account, subject, new Set([importer.name]))
  )
}

class CycleSearch {
  readonly #accounts: Accounts
  readonly #start: ImportFile

  constructor(accounts: Accounts, start: ImportFile) {
    this.#accounts = accounts
    this.#start = start
  }

  services(name: string, subject: string, visited: Set<string>): boolean {
    const account = this.#accounts.get(name)
    for (const one of account?.imports ?? []) {
      if (one.service === undefined || one === this.#start) continue
      if (!overlap(subject, one.service.subject)) continue
      if (this.#isKnown(one.service.account, name, visited)) return true
      const local = localSubject(one)
      const next = covers(subject, local) ? local : subject
      if (this.services(one.service.account, next, visited)) return true
    }
    return false
  }

  streams(name: string, subject: string, visited: Set<string>): boolean {
    const account = this.#accounts.get(name)
    const isExported = (account?.exports ?? []).some(({ stream }) => {
      return stream !== undefined && covers(stream, subject)
    })
    if (!isExported) return false
    for (const one of account?.imports ?? []) {
      if (one.stream === undefined || one === this.#start) continue
      const local = localSubject(one)
      if (!overlap(subject, local)) continue
      if (this.#isKnown(one.stream.account, name, visited)) return true
      const next = covers(subject, local) ? local : subject
      if (this.streams(one.stream.account, next, visited)) return true
    }
    return false
  }

  /** Each account is entered once: the search ends after as many steps as there are accounts. */
  #isKnown(target: string, from: string, visited: Set<string>): boolean {
    if (visited.has(target)) return true
    visited.add(from)
    return false
  }
}

/** Where the importer has it, with `*` in the place of what stands for a wildcard. */
function localSubject(one: ImportFile): string {
  const subject = one.stream?.subject ?? one.service?.subject ?? ''
  const prefix = (one.prefix ?? '').replace(/\.$/, '')
  const local = prefix === '' ? (one.to ?? subject) : `${prefix}.${subject}`
  return local.replace(/\{\{\s*wildcard\(\d+\)\s*\}\}|\$\d+/gi, '*')
}
