/**
 * What no single key can show: keys that contradict, need or repeat each other. Each finding is put at the
 * keys' path as the schema names it, so that it is printed with its line.
 */

import { isOperated, systemAccountOf } from './account-assembly.ts'
import { checkAccounts } from './account-checks.ts'
import { checkAccount, checkUsers } from './authorization-checks.ts'
import { ROOT_ACCOUNT, type Role } from './config.ts'
import type { CoreFile } from './core-schema.ts'
import { Findings, type Keys } from './findings.ts'
import { checkListeners } from './listener-checks.ts'
import { checkOperator } from './operator-checks.ts'
import type { HubFile, LeafFile } from './schema.ts'
import { covers, overlap } from './subject-rule.ts'

/** What sync needs of max_payload: a batch of a reading and its subject, and a hello … */
const SYNC_PAYLOAD_BYTES_MIN = 4 * 1024
/** … which says this much about each buffer. */
const HELLO_BUFFER_BYTES = 512

export function checkHub(file: HubFile): Findings {
  const findings = checkCore(file, 'hub')
  const { streams, accounts } = file.fleet
  checkStreams(findings, streams, ['fleet', 'streams'])
  const names = new Set<string>()
  for (const [i, account] of accounts.entries()) {
    const path = ['fleet', 'accounts', i]
    findings.repeated(names, account.name, [...path, 'name'])
    checkFleetAccount(findings, file, account.name, path)
    checkStreams(findings, account.streams, [...path, 'streams'])
  }
  const key = streams.length > 0 ? 'fleet.streams' : 'fleet.accounts'
  if (streams.length + accounts.length > 0) {
    needsStore(findings, file, 'fleet')
    needsPayload(findings, file, key, SYNC_PAYLOAD_BYTES_MIN)
  }
  return findings
}

function checkStreams(findings: Findings, streams: HubFile['fleet']['streams'], path: Keys): void {
  const names = new Set<string>()
  for (const [i, stream] of streams.entries()) {
    findings.repeated(names, stream.name, [...path, i, 'name'])
    for (const [j, earlier] of streams.slice(0, i).entries()) {
      const shared = stream.subjects.find((subject) =>
        earlier.subjects.some((other) => overlap(other, subject)),
      )
      if (shared === undefined) continue
      const other = streams[j]?.name ?? ''
      const message = `"${shared}" is bound by the stream ${other} too: a subject has one stream`
      findings.problem([...path, i, 'subjects'], message)
    }
  }
}

/** Without an operator all accounts are known here, and whether they may have streams. */
function checkFleetAccount(findings: Findings, file: HubFile, name: string, path: Keys): void {
  if (name === ROOT_ACCOUNT) {
    findings.problem([...path, 'name'], 'the default account has its streams in fleet.streams')
    return
  }
  if (isOperated(file)) return
  const account = file.accounts.find((it) => it.name === name)
  if (account === undefined) findings.problem([...path, 'name'], `there is no account ${name}`)
  else if (account.jetstream?.enabled !== true) {
    const message = `the account ${name} has no JetStream: add "jetstream: enabled" to it`
    findings.problem([...path, 'name'], message)
  }
}

export function checkLeaf(file: LeafFile): Findings {
  const findings = checkCore(file, 'leaf')
  if (file.buffers.length > 0) {
    needsStore(findings, file, 'buffers')
    const leastBytes = SYNC_PAYLOAD_BYTES_MIN + HELLO_BUFFER_BYTES * file.buffers.length
    needsPayload(findings, file, 'buffers', leastBytes)
  }
  const names = new Set<string>()
  let shares = 0
  for (const [i, buffer] of file.buffers.entries()) {
    findings.repeated(names, buffer.name, ['buffers', i, 'name'])
    shares += buffer.share
    if (shares > 1 + 1e-9) {
      const message = 'the shares of all buffers come to more than 100%'
      findings.problem(['buffers', i, 'share'], message)
      shares = 0
    }
    if (buffer.order !== 'fifo') {
      const message = `${buffer.order} is not supported yet: buffers drain in fifo order`
      findings.problem(['buffers', i, 'order'], message)
    }
    checkShadow(findings, file, i)
  }
  const isLinked = file.leafnodes.remotes.some((remote) => !remote.disabled)
  if (file.buffers.length > 0 && !isLinked) {
    const message =
      'no leafnodes.remotes: messages are kept on disk, and nothing takes them to a hub'
    findings.warning(['buffers'], message)
  }
  return findings
}

/** First match wins: a buffer that earlier ones cover whole never gets a message. */
function checkShadow(findings: Findings, file: LeafFile, i: number): void {
  const buffer = file.buffers[i]
  const earlier = file.buffers.slice(0, i)
  const coverers = (buffer?.subjects ?? []).map((subject) =>
    earlier.find((other) => other.subjects.some((wide) => covers(wide, subject))),
  )
  if (coverers.some((other) => other === undefined)) return
  const by = [...new Set(coverers.map((other) => other?.name))].join(' and ')
  const message = `never gets a message: ${by} comes first and matches all its subjects`
  findings.warning(['buffers', i, 'name'], message)
}

function checkCore(file: CoreFile, role: Role): Findings {
  const findings = new Findings()
  const known = checkUsers(findings, file)
  checkAccounts(findings, file)
  checkOperator(findings, file)
  checkListeners(findings, file, known, role)
  checkAccount(findings, file, known, systemAccountOf(file) || undefined, ['system_account'])
  if (file.store_dir !== undefined && file.jetstream?.store_dir !== undefined) {
    findings.problem(['store_dir'], 'is given in jetstream too')
  }
  checkKeys(findings, file)
  if ((file.mqtt?.remotes.length ?? 0) > 0) needsStore(findings, file, 'mqtt.remotes')
  if (file.max_payload > file.max_pending) {
    const message = `may not be above max_pending, which is ${file.max_pending} bytes`
    findings.problem(['max_payload'], message)
  }
  if (file.lame_duck_grace_period >= file.lame_duck_duration) {
    findings.problem(['lame_duck_grace_period'], 'must be shorter than lame_duck_duration')
  }
  return findings
}

function checkKeys(findings: Findings, { jetstream }: CoreFile): void {
  if (jetstream === undefined) return
  const { key, key_file, prev_key, prev_key_file } = jetstream
  if (key !== undefined && key_file !== undefined) {
    findings.problem(['jetstream', 'key_file'], 'is given beside key: one of them is enough')
  }
  if (prev_key !== undefined && prev_key_file !== undefined) {
    const message = 'is given beside prev_key: one of them is enough'
    findings.problem(['jetstream', 'prev_key_file'], message)
  }
}

/** What is kept on disk cannot be kept with the store turned off. */
function needsStore(findings: Findings, file: CoreFile, key: string): void {
  if (file.jetstream?.enabled === false)
    findings.problem(['jetstream'], `is off, but ${key} needs its store`)
}

/** What is kept for the hub must fit through the link. */
function needsPayload(findings: Findings, file: CoreFile, key: string, leastBytes: number): void {
  if (file.max_payload >= leastBytes) return
  const message = `is ${file.max_payload} bytes, but ${key} needs at least ${leastBytes} to sync`
  findings.problem(['max_payload'], message)
}
