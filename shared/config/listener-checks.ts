/** Listeners, peers and links: what each needs to work, and what it must not share with another. */
import { checkAccount, checkAuthorization, type Known } from './authorization-checks.ts'
import type { Role } from './config.ts'
import type { CoreFile } from './core-schema.ts'
import type { Findings, Keys } from './findings.ts'
import { MQTT_PACKET_BYTES_MIN } from './limits.ts'
import { checkMqttRemotes } from './mqtt-remote-checks.ts'
import type { TlsFile } from './tls-schema.ts'

/** Headers that belong to the upgrade itself. */
const UPGRADE_HEADERS = ['host', 'content-length', 'connection', 'upgrade', 'nats-no-masking']

export function checkListeners(findings: Findings, file: CoreFile, known: Known, role: Role): void {
  checkPorts(findings, file)
  checkServerTls(findings, file)
  checkWebSocket(findings, file, known)
  checkDoorUsers(findings, file, known, 'mqtt')
  checkMqttLimits(findings, file)
  checkMqttRemotes(findings, file, known)
  checkLeafNodes(findings, file, known, role)
  checkPeers(findings, file, role)
}

/** Every listener needs a port, and no two the same. */
function checkPorts(findings: Findings, file: CoreFile): void {
  const { leafnodes, websocket, mqtt, cluster, gateway } = file
  const doors: [readonly string[], number | undefined][] = [
    [['port'], file.port ?? file.listen?.port ?? 4222],
    [['http_port'], file.http_port ?? file.http?.port],
    [['https_port'], file.https_port ?? file.https?.port],
    [['leafnodes', 'port'], leafnodes.port ?? leafnodes.listen?.port],
    [['websocket', 'port'], websocket?.port ?? websocket?.listen?.port],
    [['mqtt', 'port'], mqtt?.port ?? mqtt?.listen?.port],
    [['cluster', 'port'], cluster?.port ?? cluster?.listen?.port],
    [['gateway', 'port'], gateway?.port ?? gateway?.listen?.port],
  ]
  const taken = new Map<number, string>()
  for (const [keys, port] of doors) {
    const other = port === undefined ? undefined : taken.get(port)
    if (other !== undefined && port !== 0) {
      findings.problem(keys, `${port} is taken by ${other} already`)
    } else if (port !== undefined) {
      taken.set(port, keys.join('.'))
    }
  }
  const examples = { websocket: 8443, mqtt: 1883 } as const
  for (const [key, example] of Object.entries(examples)) {
    const block = file[key as keyof typeof examples]
    if (block === undefined || (block.port ?? block.listen?.port) !== undefined) continue
    // A client of other brokers listens for nobody.
    if (key === 'mqtt' && (mqtt?.remotes.length ?? 0) > 0) continue
    findings.problem([key], `needs a port, for example port: ${example}`)
  }
  if (file.https_port !== undefined && file.http_port !== undefined) {
    findings.problem(['https_port'], 'and http_port exclude each other')
  }
}

function checkServerTls(findings: Findings, file: CoreFile): void {
  const { tls, websocket, mqtt, leafnodes, cluster, gateway } = file
  const blocks: [Keys, TlsFile | undefined][] = [
    [['tls'], tls],
    [['websocket', 'tls'], websocket?.tls],
    [['mqtt', 'tls'], mqtt?.tls],
    [['leafnodes', 'tls'], leafnodes.tls],
    [['cluster', 'tls'], cluster?.tls],
    [['gateway', 'tls'], gateway?.tls],
  ]
  for (const [keys, block] of blocks) {
    if (block === undefined) continue
    checkTls(findings, block, keys)
    if (block.cert_file === '' && block.certs.length === 0) {
      findings.problem([...keys, 'cert_file'], 'is missing: a server shows a certificate')
    }
  }
  for (const [i, { tls: own }] of leafnodes.remotes.entries()) {
    if (own !== undefined) checkTls(findings, own, ['leafnodes', 'remotes', i, 'tls'])
  }
  for (const [i, { tls: own }] of (mqtt?.remotes ?? []).entries()) {
    if (own !== undefined) checkTls(findings, own, ['mqtt', 'remotes', i, 'tls'])
  }
  const httpsPort = file.https_port ?? file.https?.port
  if (httpsPort !== undefined && tls === undefined) {
    const key = file.https_port === undefined ? 'https' : 'https_port'
    findings.problem([key], 'needs tls for its certificate')
  }
  if (file.allow_non_tls && tls === undefined) {
    findings.warning(['allow_non_tls'], 'has no effect without tls')
  }
}

function checkTls(findings: Findings, tls: TlsFile, keys: Keys): void {
  if (tls.cert_file !== '' && tls.certs.length > 0) {
    findings.problem([...keys, 'certs'], 'and cert_file exclude each other')
  }
  if ((tls.cert_file === '') !== (tls.key_file === '')) {
    const [key, other] = tls.key_file === '' ? ['key_file', 'cert_file'] : ['cert_file', 'key_file']
    findings.problem([...keys, key], `is missing beside ${other}`)
  }
  const insecure = (tls.cipher_suites ?? []).filter((suite) => suite.isInsecure)
  if (insecure.length > 0 && !tls.allow_insecure_cipher_suites) {
    const names = insecure.map((suite) => suite.written).join(', ')
    const message = `insecure without allow_insecure_cipher_suites: ${names}`
    findings.problem([...keys, 'cipher_suites'], message)
  }
  const lost = insecure.filter((suite) => suite.name === '').map((suite) => suite.written)
  if (lost.length > 0) {
    const message = `left out, because OpenSSL does not have them any more: ${lost.join(', ')}`
    findings.warning([...keys, 'cipher_suites'], message)
  }
}

function checkWebSocket(findings: Findings, file: CoreFile, known: Known): void {
  const own = file.websocket
  if (own === undefined) return
  if (own.tls === undefined && !own.no_tls) {
    const message = 'needs tls, or no_tls: true when a proxy in front ends it'
    findings.problem(['websocket'], message)
  }
  for (const [i, { name }] of own.headers.entries()) {
    const header = name.toLowerCase()
    if (!UPGRADE_HEADERS.includes(header) && !header.startsWith('sec-websocket-')) continue
    findings.problem(['websocket', 'headers', i], 'belongs to the upgrade itself')
  }
  if (own.jwt_cookie !== '' && file.operator.length === 0 && file.trusted_keys.length === 0) {
    findings.problem(['websocket', 'jwt_cookie'], 'needs an operator or trusted_keys')
  }
  checkDoorUsers(findings, file, known, 'websocket')
}

/** A listener's own user or token replaces the server's only when that has no list of users. */
function checkDoorUsers(
  findings: Findings,
  file: CoreFile,
  known: Known,
  door: 'websocket' | 'mqtt',
): void {
  const own = file[door]?.authorization
  if (own === undefined) return
  const keys = [door, 'authorization']
  checkAuthorization(findings, own, keys, new Set(), file)
  const hasUsers =
    file.authorization?.users !== undefined || file.accounts.some(({ users }) => users.length > 0)
  if (!hasUsers || known.users.size === 0) return
  for (const key of ['user', 'token'] as const) {
    if (own[key] === undefined) continue
    findings.problem([...keys, key], 'and users of the server exclude each other')
  }
}

/** Where 0 has a meaning of its own, and what is above it a lowest value. */
const MQTT_LOWEST = {
  max_keepalive: [1_000, 'must be 0 for as long as clients ask, or at least 1s'],
  max_session_expiry: [1_000, 'must be 0 for as long as clients ask, or at least 1s'],
  max_packet_size: [MQTT_PACKET_BYTES_MIN, `must be 0, or at least ${MQTT_PACKET_BYTES_MIN} bytes`],
  sys_interval: [1_000, 'must be 0 for never, or at least 1s'],
} as const

function checkMqttLimits(findings: Findings, file: CoreFile): void {
  const { mqtt } = file
  if (mqtt === undefined) return
  for (const [key, [min, message]] of Object.entries(MQTT_LOWEST)) {
    const value = mqtt[key as keyof typeof MQTT_LOWEST]
    if (value > 0 && value < min) findings.problem(['mqtt', key], message)
  }
  if (mqtt.max_queued_bytes < file.max_payload) {
    const message = 'is below max_payload: a larger message waits for nobody, it is dropped'
    findings.warning(['mqtt', 'max_queued_bytes'], message)
  }
}

function checkLeafNodes(findings: Findings, file: CoreFile, known: Known, role: Role): void {
  const { authorization: own, remotes } = file.leafnodes
  for (const [i, remote] of remotes.entries()) {
    const keys = ['leafnodes', 'remotes', i]
    checkAccount(findings, file, known, remote.account, [...keys, 'account'])
    if (remote.url === undefined) {
      findings.problem(keys, 'needs a url, for example url: "ws://hub.example:8443"')
    }
    if (remote.credentials !== '' && remote.nkey !== '') {
      findings.problem([...keys, 'nkey'], 'and credentials exclude each other')
    }
    if (role === 'hub') {
      const message =
        'a hub dials no hub: remotes belong to a leaf, start this one with "petiole leaf"'
      findings.problem(keys, message)
    }
  }
  if (own === undefined) return
  const keys = ['leafnodes', 'authorization']
  const { tls } = file.leafnodes
  checkAuthorization(findings, own, keys, new Set(), { leafnodes: { tls } })
  checkAccount(findings, file, known, own.account, [...keys, 'account'])
  for (const [i, user] of own.users?.entries() ?? []) {
    checkAccount(findings, file, known, user.account, [...keys, 'users', i, 'account'])
  }
  const isNamed = (own.user ?? own.users ?? own.token ?? own.nkey) !== undefined
  if (own.account !== undefined && !isNamed) {
    findings.problem([...keys, 'account'], 'needs a user beside it')
  }
}

function checkPeers(findings: Findings, file: CoreFile, role: Role): void {
  const { cluster, gateway } = file
  for (const [key, block] of [['cluster', cluster] as const, ['gateway', gateway] as const]) {
    if (block !== undefined && role === 'leaf') {
      findings.problem([key], 'belongs to a hub: a leaf is a member of nothing, it links to a hub')
    }
    if (block?.authorization === undefined) continue
    checkAuthorization(findings, block.authorization, [key, 'authorization'], new Set())
  }
  if (cluster !== undefined && cluster.port === undefined && cluster.listen === undefined) {
    findings.warning(['cluster'], 'needs a port: without one this hub joins nobody')
  }
  if (gateway === undefined) return
  const hasPort = gateway.port !== undefined || gateway.listen !== undefined
  if (gateway.name === undefined) {
    if (hasPort) findings.problem(['gateway', 'name'], 'is missing')
    return
  }
  if (!hasPort) findings.problem(['gateway'], 'needs a port, for example port: 7222')
  if (cluster?.name !== undefined && cluster.name !== gateway.name) {
    findings.problem(['gateway', 'name'], 'must be the name of the cluster')
  }
  for (const [i, { url }] of gateway.gateways.entries()) {
    if (url.length > 0) continue
    findings.problem(['gateway', 'gateways', i], 'needs a url, for example url: "nats://host:7222"')
  }
}
