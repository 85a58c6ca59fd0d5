/**
 * What no single key can show: keys that contradict, need or repeat each other. Each finding is put at the
 * keys' path as the schema names it, so that it is printed with its line.
 */
import type { Role } from './config.ts'
import type { AuthorizationFile, CoreFile, UserFile } from './core-schema.ts'
import type { HubFile, LeafFile } from './schema.ts'
import { covers, overlap } from './subject-rule.ts'

/** What sync needs of max_payload: a batch of a reading and its subject, and a hello … */
const SYNC_PAYLOAD_BYTES_MIN = 4 * 1024
/** … which says this much about each buffer. */
const HELLO_BUFFER_BYTES = 512

export interface Finding {
  readonly keys: readonly (string | number)[]
  readonly message: string
}

export interface Findings {
  readonly problems: Finding[]
  readonly warnings: Finding[]
}

export function checkHub(file: HubFile): Findings {
  const findings = checkCore(file, 'hub')
  const names = new Set<string>()
  for (const [i, stream] of file.fleet.streams.entries()) {
    repeated(findings, names, stream.name, ['fleet', 'streams', i, 'name'])
    for (const [j, earlier] of file.fleet.streams.slice(0, i).entries()) {
      const shared = stream.subjects.find((subject) =>
        earlier.subjects.some((other) => overlap(other, subject)),
      )
      if (shared === undefined) continue
      const other = file.fleet.streams[j]?.name ?? ''
      const message = `"${shared}" is bound by the stream ${other} too: a subject has one stream`
      findings.problems.push({ keys: ['fleet', 'streams', i, 'subjects'], message })
    }
  }
  if (file.fleet.streams.length > 0) {
    needsStore(findings, file, 'fleet')
    needsPayload(findings, file, 'fleet.streams', SYNC_PAYLOAD_BYTES_MIN)
  }
  return findings
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
    repeated(findings, names, buffer.name, ['buffers', i, 'name'])
    shares += buffer.share
    if (shares > 1 + 1e-9) {
      const message = 'the shares of all buffers come to more than 100%'
      findings.problems.push({ keys: ['buffers', i, 'share'], message })
      shares = 0
    }
    if (buffer.order !== 'fifo') {
      const message = `${buffer.order} is not supported yet: buffers drain in fifo order`
      findings.problems.push({ keys: ['buffers', i, 'order'], message })
    }
    checkShadow(findings, file, i)
  }
  const isLinked = file.leafnodes.remotes.some((remote) => !remote.disabled)
  if (file.buffers.length > 0 && !isLinked) {
    const message =
      'no leafnodes.remotes: messages are kept on disk, and nothing takes them to a hub'
    findings.warnings.push({ keys: ['buffers'], message })
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
  findings.warnings.push({ keys: ['buffers', i, 'name'], message })
}

function checkCore(file: CoreFile, role: Role): Findings {
  const findings: Findings = { problems: [], warnings: [] }
  checkUsers(findings, file)
  checkDoors(findings, file)
  checkRemotes(findings, file, role)
  if (file.websocket !== undefined && !file.websocket.no_tls) {
    const message = 'must be true: TLS is not supported yet, let a proxy in front end it'
    findings.problems.push({ keys: ['websocket', 'no_tls'], message })
  }
  if (file.store_dir !== undefined && file.jetstream?.store_dir !== undefined) {
    findings.problems.push({ keys: ['store_dir'], message: 'is given in jetstream too' })
  }
  if (file.max_payload > file.max_pending) {
    const message = `may not be above max_pending, which is ${file.max_pending} bytes`
    findings.problems.push({ keys: ['max_payload'], message })
  }
  return findings
}

function checkUsers(findings: Findings, file: CoreFile): void {
  const names = new Set<string>()
  const accounts = new Set<string>()
  if (file.authorization !== undefined) {
    checkAuthorization(findings, file.authorization, ['authorization'], names)
  }
  for (const [i, account] of file.accounts.entries()) {
    repeated(findings, accounts, account.name, ['accounts', i, 'name'])
    for (const [j, user] of account.users.entries()) {
      checkUser(findings, user, ['accounts', i, 'users', j], names)
    }
  }
  for (const [i, user] of file.authorization?.users?.entries() ?? []) {
    checkAccount(findings, accounts, user.account, ['authorization', 'users', i, 'account'])
  }
  for (const [i, remote] of file.leafnodes.remotes.entries()) {
    checkAccount(findings, accounts, remote.account, ['leafnodes', 'remotes', i, 'account'])
  }
  if (file.leafnodes.authorization !== undefined) {
    const keys = ['leafnodes', 'authorization']
    checkAuthorization(findings, file.leafnodes.authorization, keys, new Set())
    const { account } = file.leafnodes.authorization
    checkAccount(findings, accounts, account, [...keys, 'account'])
    const { user, users, token } = file.leafnodes.authorization
    if (account !== undefined && (user ?? users ?? token) === undefined) {
      findings.problems.push({ keys: [...keys, 'account'], message: 'needs a user beside it' })
    }
  }
  if (file.no_auth_user !== '' && !names.has(file.no_auth_user)) {
    const message = `"${file.no_auth_user}" is none of the configured users`
    findings.problems.push({ keys: ['no_auth_user'], message })
  }
}

function checkAuthorization(
  findings: Findings,
  file: AuthorizationFile,
  keys: readonly (string | number)[],
  names: Set<string>,
): void {
  const { user, password, token, users = [] } = file
  if (user !== undefined) checkUser(findings, { user, password }, keys, names)
  else if (password !== undefined) {
    findings.problems.push({ keys: [...keys, 'password'], message: 'needs a user beside it' })
  }
  if (token === '')
    findings.problems.push({ keys: [...keys, 'token'], message: 'may not be empty' })
  if (user !== undefined && users.length > 0) {
    const message = 'a single user and a list of users exclude each other: put it into the list'
    findings.problems.push({ keys: [...keys, 'user'], message })
  }
  if (token !== undefined && (user !== undefined || users.length > 0)) {
    findings.problems.push({
      keys: [...keys, 'token'],
      message: 'a token and users exclude each other',
    })
  }
  for (const [i, one] of users.entries()) checkUser(findings, one, [...keys, 'users', i], names)
}

function checkUser(
  findings: Findings,
  user: Pick<UserFile, 'user' | 'password'>,
  keys: readonly (string | number)[],
  names: Set<string>,
): void {
  if (user.user === '')
    findings.problems.push({ keys: [...keys, 'user'], message: 'may not be empty' })
  if (user.password === undefined) {
    findings.problems.push({ keys, message: `the user "${user.user}" has no password` })
  } else if (/^\$2[abxy]\$/.test(user.password)) {
    const message =
      'bcrypt hashes are not supported yet: give the password itself, as "$NAME" from the environment'
    findings.problems.push({ keys: [...keys, 'password'], message })
  }
  repeated(findings, names, user.user, [...keys, 'user'])
}

function checkAccount(
  findings: Findings,
  known: ReadonlySet<string>,
  account: string | undefined,
  keys: readonly (string | number)[],
): void {
  if (account === undefined || account === '$G' || known.has(account)) return
  findings.problems.push({ keys, message: `there is no account "${account}" in accounts` })
}

function checkRemotes(findings: Findings, file: CoreFile, role: Role): void {
  for (const [i, remote] of file.leafnodes.remotes.entries()) {
    const keys = ['leafnodes', 'remotes', i]
    if (remote.url === undefined) {
      const message = 'needs a url, for example url: "ws://hub.example:8443"'
      findings.problems.push({ keys, message })
    }
    if (role === 'hub') {
      const message = 'a hub dials no hub yet: remotes belong to a leaf'
      findings.problems.push({ keys, message })
    }
  }
}

/** Every listener needs a port, and no two the same. */
function checkDoors(findings: Findings, file: CoreFile): void {
  const { leafnodes, websocket, mqtt } = file
  const doors: [readonly string[], number | undefined][] = [
    [['port'], file.port ?? file.listen?.port ?? 4222],
    [['http_port'], file.http_port ?? file.http?.port],
    [['leafnodes', 'port'], leafnodes.port ?? leafnodes.listen?.port],
    [['websocket', 'port'], websocket?.port ?? websocket?.listen?.port],
    [['mqtt', 'port'], mqtt?.port ?? mqtt?.listen?.port],
  ]
  const taken = new Map<number, string>()
  for (const [keys, port] of doors) {
    const other = port === undefined ? undefined : taken.get(port)
    if (other !== undefined && port !== 0) {
      findings.problems.push({ keys, message: `${port} is taken by ${other} already` })
    } else if (port !== undefined) {
      taken.set(port, keys.join('.'))
    }
  }
  if (websocket !== undefined && doors[3]?.[1] === undefined) {
    findings.problems.push({ keys: ['websocket'], message: 'needs a port, for example port: 8443' })
  }
  if (mqtt !== undefined && doors[4]?.[1] === undefined) {
    findings.problems.push({ keys: ['mqtt'], message: 'needs a port, for example port: 1883' })
  }
}

/** What is kept on disk cannot be kept with the store turned off. */
function needsStore(findings: Findings, file: CoreFile, key: string): void {
  if (file.jetstream?.enabled === false)
    findings.problems.push({ keys: ['jetstream'], message: `is off, but ${key} needs its store` })
}

/** What is kept for the hub must fit through the link. */
function needsPayload(findings: Findings, file: CoreFile, key: string, leastBytes: number): void {
  if (file.max_payload >= leastBytes) return
  const message = `is ${file.max_payload} bytes, but ${key} needs at least ${leastBytes} to sync`
  findings.problems.push({ keys: ['max_payload'], message })
}

function repeated(
  findings: Findings,
  names: Set<string>,
  name: string,
  keys: readonly (string | number)[],
): void {
  if (names.has(name)) findings.problems.push({ keys, message: `"${name}" is there twice` })
  names.add(name)
}
